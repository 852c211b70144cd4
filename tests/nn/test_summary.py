"""Summaries: what they count, and what they leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcore
from gradcore import TensorNode, nn
from gradcore.backends import use_backend


class Net(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Conv2d(3, 6, 5), nn.BatchNorm2d(6), nn.Relu(), nn.Flatten())
        self.heads = [nn.Linear(24, 10), nn.Linear(24, 2)]
        self.shared = self.heads[0]
        self.scale = TensorNode([1.0])
        self.unused = nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        h = self.body(x)
        return self.heads[0](h) * self.scale, self.shared(h), self.heads[1](h)


def test_a_summary_counts_parameters_and_multiplications(backend: Any) -> None:
    with use_backend(backend.name, backend.device):
        model = Net()
        found = gradcore.summary(model, backend.asarray(np.ones((4, 3, 6, 6), np.float32)))
    by_name = {row.name: row for row in found.rows}
    conv, linear = 4 * 6 * 2 * 2 * 3 * 5 * 5, 4 * 24 * 10
    assert by_name[""].shapes == [(4, 10), (4, 10), (4, 2)]
    assert found.multiplications == conv + 2 * linear + 4 * 24 * 2
    assert by_name["heads.0"].multiplications == 2 * linear  # called twice
    assert by_name["heads.0"].parameters == 24 * 10 + 10
    conv_row = next(row for row in found.rows if row.kind == "Conv2d")
    assert (conv_row.shapes, conv_row.multiplications) == ([(4, 6, 2, 2)], conv)
    assert (by_name[""].own, by_name["unused"].shapes) == (1, [])
    assert found.trainable == 3 * 6 * 25 + 6 + 2 * 6 + 250 + 50 + 1
    assert found.fixed == 2 * 6 + 1  # running averages, and their counter
    assert found.size >= 4 * (found.trainable + found.fixed)
    lines = str(found).splitlines()
    assert lines[0].split() == ["layer", "output", "parameters", "multiplications"]
    assert lines[2].startswith("Net ")
    assert any(line.startswith("  heads.0: Linear") for line in lines)
    assert any(line.startswith("    ") and "Conv2d" in line for line in lines)


def test_multiplications_of_layers_that_are_one_op() -> None:
    x = np.ones((4, 2, 6), np.float32)  # 4 steps of 2 sequences
    for kind, gates in ((nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)):
        found = gradcore.summary(kind(6, 5), x).multiplications
        assert found == 4 * 2 * gates * 5 * (6 + 5), kind
    attention = gradcore.summary(nn.MultiheadAttention(6, 2), x, x, x, need_weights=False)
    assert attention.multiplications == 4 * (4 * 2 * 6 * 6) + 2 * (2 * 2 * 4 * 4 * 3)
    volume = np.ones((1, 2, 3, 4, 5), np.float32)
    assert gradcore.summary(nn.Conv3d(2, 3, 2), volume).multiplications == 3 * 2 * 3 * 4 * 2 * 8


def test_a_summary_changes_nothing() -> None:
    model = Net()
    model.body.eval()
    drawn = gradcore.random.get_state()
    before, state = [m.training for m in model.modules()], model.state_dict()
    gradcore.summary(model, np.ones((4, 3, 6, 6), np.float32))
    assert [m.training for m in model.modules()] == before
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, state[name])
    assert gradcore.random.get_state() == drawn
    assert not any(m._hooks.before or m._hooks.after for m in model.modules() if m._hooks)
