"""Summaries: what they count, and what they leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

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


BY_HAND = [
    (nn.Conv1d(4, 6, 3, groups=2), [(2, 4, 9)], 2 * 6 * 7 * 2 * 3),
    (nn.Conv3d(4, 6, 3, groups=2), [(2, 4, 5, 6, 7)], 2 * 6 * 3 * 4 * 5 * 2 * 27),
    (nn.ConvTranspose1d(4, 6, 3), [(2, 4, 9)], 2 * 4 * 9 * 6 * 3),
    (nn.ConvTranspose3d(4, 6, 3, stride=2), [(2, 4, 5, 5, 5)], 2 * 4 * 125 * 6 * 27),
    (nn.LSTM(5, 7, 2), [(3, 2, 5)], 3 * 2 * 28 * (5 + 7 + 7 + 7)),
    (nn.GRU(5, 7, bidirectional=True), [(3, 2, 5)], 3 * 2 * 2 * 21 * (5 + 7)),
    (nn.LSTMCell(5, 7), [(2, 5)], 2 * 28 * (5 + 7)),
    (
        nn.MultiheadAttention(8, 2),
        [(3, 2, 8), (4, 2, 8), (4, 2, 8)],
        2 * (3 + 4 + 4 + 3) * 64 + 2 * 3 * 4 * (8 + 8),  # four projections, then the weights
    ),
    (nn.TransformerEncoderLayer(8, 2, 16), [(3, 2, 8)], 6 * (4 * 64 + 2 * 128) + 2 * 9 * 16),
]


@pytest.mark.parametrize(("model", "shapes", "expected"), BY_HAND)
def test_a_summary_counts_what_one_counts_by_hand(model: Any, shapes: Any, expected: int) -> None:
    inputs = [np.ones(shape, np.float32) for shape in shapes]
    assert gradcore.summary(model, *inputs).multiplications == expected


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
