"""Dropout, as a function and as a module."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import close

import gradcore
from gradcore import Sum, TensorNode, manual_seed, nn
from gradcore.backends import Backend, get, random


@pytest.mark.parametrize("p", [0.3, 0.5])  # of 2**32, the latter is 2**31: no int32
def test_dropout_is_the_same_everywhere(backend: Backend, dtype: str, p: float) -> None:
    manual_seed(3)
    with gradcore.use_backend("numpy"):
        expected = gradcore.dropout(np.ones((30, 7)), p).value
        after = random.get_state()
    manual_seed(3)
    x = TensorNode(backend.asarray(np.ones((30, 7)), dtype))
    y = gradcore.dropout(x, p)
    assert random.get_state() == after
    close(backend, y, expected, dtype)
    assert set(expected.ravel()) == {0.0, 1 / (1 - p)}
    Sum.do_forward(y).backward()
    np.testing.assert_array_equal(backend.to_numpy(x.grad), backend.to_numpy(y.value))


def test_dropout_differs_from_call_to_call_and_state_brings_it_back() -> None:
    manual_seed(0)
    x = np.ones(100)
    gradcore.dropout(x)
    state = random.get_state()
    first, second = gradcore.dropout(x).value, gradcore.dropout(x).value
    assert 20 < np.count_nonzero(first != second) < 80
    random.set_state(state)
    assert (gradcore.dropout(x).value == first).all()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_as_many_as_it_should(p: float) -> None:
    manual_seed(0)
    n = 10**6
    y = gradcore.dropout(np.ones((1000, 1000)), p).value
    dropped = y == 0
    assert abs(dropped.mean() - p) < 5 * math.sqrt(p * (1 - p) / n)
    np.testing.assert_allclose(y[~dropped], 1 / (1 - p), rtol=1e-15)
    # No more in one row or column than in another; neighbours know nothing of each other.
    for axis in (0, 1):
        spread = dropped.mean(axis=axis).std()
        assert abs(spread / math.sqrt(p * (1 - p) / 1000) - 1) < 0.15
    pairs = dropped.ravel().astype(float) - p
    for distance in (1, 2, 8, 1000):
        together = (pairs[:-distance] * pairs[distance:]).mean()
        assert abs(together) < 5 * p * (1 - p) / math.sqrt(n)


def test_dropout_of_nothing_and_of_all(backend: Backend) -> None:
    x = TensorNode([1.0, math.inf, -2.0])
    before = random.get_state()
    for y in (gradcore.dropout(x, 0.0), gradcore.dropout(x, 0.9, training=False)):
        assert backend.to_numpy(y.value).tolist() == [1.0, math.inf, -2.0]
    assert random.get_state() == before
    y = gradcore.dropout(TensorNode([1.0, -2.0]), 1.0)
    assert backend.to_numpy(y.value).tolist() == [0.0, 0.0]


def test_dropout_goes_by_the_mode() -> None:
    net = nn.Sequential(nn.LayerNorm(4), nn.Dropout(0.5))
    x = TensorNode(np.random.default_rng(0).normal(size=(8, 4)).astype("float32"))
    assert (net(x).value == 0).any()
    assert (net.eval()(x).value == net[0](x).value).all()
    assert repr(net) == ("Sequential(\n  0: LayerNorm((4,), eps=1e-05)\n  1: Dropout(0.5)\n)")
    assert repr(nn.RMSNorm(3)) == "RMSNorm((3,), eps=None)"
    assert repr(nn.GroupNorm(2, 4)) == "GroupNorm(2, 4, eps=1e-05)"
    assert get("numpy").to_numpy(nn.GroupNorm(2, 4).w.value).tolist() == [1.0] * 4


CHANNELS: list[tuple[str, tuple[int, ...], int]] = [  # name, shape, axes that choose
    ("dropout1d", (300, 7, 5), 2),
    ("dropout1d", (2100, 5), 1),
    ("dropout2d", (300, 7, 2, 3), 2),
    ("dropout2d", (300, 7, 5), 2),
    ("dropout3d", (300, 7, 2, 1, 3), 2),
    ("dropout3d", (2100, 2, 1, 3), 1),
]


@pytest.mark.parametrize(("name", "shape", "axes"), CHANNELS)
def test_channels_are_dropped_as_a_whole(
    backend: Backend, dtype: str, name: str, shape: Any, axes: int
) -> None:
    manual_seed(0)
    x = TensorNode(backend.asarray(np.ones(shape), dtype))
    y = getattr(gradcore, name)(x, 0.25)
    found = backend.to_numpy(y.value).reshape(2100, -1)
    assert (found == found[:, :1]).all()
    np.testing.assert_allclose(found[found != 0], 4 / 3, rtol=1e-6)
    assert abs((found == 0).mean() - 0.25) < 0.04
    Sum.do_forward(y).backward()
    np.testing.assert_array_equal(backend.to_numpy(x.grad), backend.to_numpy(y.value))
    manual_seed(0)
    choices = gradcore.dropout(np.ones(shape[:axes]), 0.25).value  # one for each channel
    np.testing.assert_allclose(found[:, 0], choices.ravel(), rtol=1e-6)


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_variance(backend: Backend, dtype: str, name: str) -> None:
    manual_seed(0)
    given = np.random.default_rng(0).standard_normal((4000, 8, 1))
    x = TensorNode(backend.asarray(given, dtype))
    y = getattr(gradcore, name)(x, 0.3, training=True)
    found = backend.to_numpy(y.value)
    assert abs(found.mean()) < 0.03
    assert abs(found.var() - 1) < 0.03
    # Elements that are dropped are one number, and the others x, scaled and shifted: PyTorch's.
    alpha = 1.7580993408473766
    a = ((alpha**2 * 0.3 + 1) * 0.7) ** -0.5
    kept = np.isclose(found, given * a + alpha * a * 0.3, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[~kept], -alpha * a * 0.7, rtol=1e-5)
    assert abs(kept.mean() - 0.7) < 0.02
    Sum.do_forward(y).backward()
    np.testing.assert_allclose(backend.to_numpy(x.grad), np.where(kept, a, 0.0), rtol=1e-5)


def test_feature_alpha_dropout_drops_channels() -> None:
    manual_seed(0)
    y = gradcore.feature_alpha_dropout(np.zeros((50, 4, 6)), 0.5, training=True).value
    assert (y == y[:, :, :1]).all()
    assert 60 < (y[:, :, 0] < 0).sum() < 140
    assert (gradcore.alpha_dropout(np.ones(3), 1.0, training=True).value == 0).all()
    assert (gradcore.alpha_dropout(np.ones(3)).value == 1).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradcore.dropout(np.ones(3), 1.5), "^dropout: p = 1.5"),
        (lambda: nn.Dropout(-1), "^Dropout: p = -1"),
        (lambda: nn.AlphaDropout(2), "^AlphaDropout: p = 2"),
        (
            lambda: gradcore.dropout1d(np.ones(3)),
            "^dropout1d: x is float64 .* expected 2",
        ),
        (
            lambda: gradcore.feature_alpha_dropout(np.ones(3)),
            "^feature_alpha_dropout: x is float64",
        ),
    ],
)
def test_refusals(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
