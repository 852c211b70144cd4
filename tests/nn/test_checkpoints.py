"""States of whole models of PyTorch's, a ResNet and a GPT: the same outputs, gradients and running
averages, from programs that differ in their imports only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from modules import classifier, language_model

import gradcore
from gradcore import TensorNode, array_api, nn

torch = pytest.importorskip("torch")


def _randomized(twin: Any) -> Any:
    """Draw all of a state anew, so that no two entries are alike."""
    torch.manual_seed(0)
    for name, x in twin.state_dict().items():
        if x.is_floating_point():
            x.copy_(torch.rand(x.shape) + 0.5 if "var" in name else torch.randn(x.shape) * 0.2)
        else:
            x += 3
    return twin


def _close(ours: Any, theirs: Any, tolerance: float) -> None:
    theirs = theirs.detach().numpy()
    scale = float(abs(theirs).max())
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape), tolerance, tolerance * scale)


def _alike(ours: Any, twin: Any, x: Any, given: Any, training: bool) -> None:
    """Compare a step of two models."""
    ours.train(training)
    twin.train(training)
    ours.zero_grad()
    twin.zero_grad()
    y, expected = ours(x), twin(given)
    _close(y.value, expected, 1e-9)
    array_api.mean(y * y).backward()
    (expected * expected).mean().backward()
    theirs = dict(twin.named_parameters())
    assert len(theirs) == len(ours.parameters())
    for name, p in theirs.items():
        _close(ours.get_parameter(name).grad, p.grad, 1e-7)
    after = nn.torch_state_dict(ours)
    assert list(after) == list(twin.state_dict())
    for name, p in twin.state_dict().items():
        _close(after[name], p, 1e-9)


@pytest.mark.parametrize("training", [True, False])
def test_a_checkpoint_of_a_resnet(training: bool) -> None:
    with gradcore.use_backend("numpy"):
        twin = _randomized(classifier(torch.nn, torch.flatten).double())
        state = dict(twin.state_dict())
        ours = classifier(nn, lambda x, axis: nn.Flatten(axis)(x)).double()
        assert ours.load_state_dict(state) == ([], [])
        x = np.random.default_rng(0).standard_normal((3, 3, 24, 24))
        _alike(ours, twin, TensorNode(x), torch.from_numpy(x), training)
        # Checkpoints of before 0.4.1 have no counters.
        old = {name: x for name, x in state.items() if "num_batches" not in name}
        assert len(old) < len(state)
        assert ours.load_state_dict(old) == ([], [])
        # What is fine-tuned: another head, all else frozen.
        head = {name: x for name, x in state.items() if not name.startswith("fc")}
        ours.requires_grad_(False)
        ours.fc = nn.Linear(32, 2, dtype="float64")
        missing, unexpected = ours.load_state_dict({**head, "aux.bias": x}, strict=False)
        assert (missing, unexpected) == (["fc.w", "fc.b"], ["aux.bias"])
        ours.zero_grad()
        array_api.mean(ours(x)).backward()
        changed = [name for name, p in ours.named_parameters() if p.has_grad]
        assert changed == ["fc.w", "fc.b"]


@pytest.mark.parametrize("training", [True, False])
def test_a_checkpoint_of_a_gpt(training: bool) -> None:
    with gradcore.use_backend("numpy"):
        twin = _randomized(
            language_model(torch.nn, lambda x: torch.softmax(x, -1), torch.tril(torch.ones(8, 8)))
        ).double()
        ours = language_model(nn, gradcore.softmax, np.tril(np.ones((8, 8)))).double()
        state = dict(twin.state_dict())
        assert {"transformer.h.1.attn.mask", "lm_head.weight"} <= state.keys()
        assert ours.load_state_dict(state) == ([], [])
        assert ours.lm_head.weight is ours.transformer["wte"].weight
        del state["lm_head.weight"]  # files have it once
        assert nn.load_torch_state_dict(ours, state) == ([], [])
        tokens = np.random.default_rng(0).integers(0, 11, (2, 7))
        _alike(ours, twin, tokens, torch.from_numpy(tokens), training)
        assert math.isfinite(float(np.abs(ours(tokens).value).max()))
