"""Padding: constants, edges, reflections and repetitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Sum, TensorNode
from gradcore.backends import Backend


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize(
    ("shape", "width"),
    [
        ((3, 4), 1),
        ((3, 4), (2, 0)),
        ((3, 4), ((1, 2), (0, 3))),
        ((3, 2), ((0, 0), (7, 8))),  # further than x is long
        ((1,), (2, 1)),
        ((2, 3), ((1, 2),)),
        ((), ()),
        ((2, 0), ((1, 1), (0, 0))),
    ],
    ids=str,
)
def test_pad(backend: Backend, dtype: str, mode: str, shape: tuple[int, ...], width: Any) -> None:
    x = TensorNode(backend.asarray(np.random.default_rng(0).normal(size=shape), dtype))
    array = backend.to_numpy(x.value)
    y, expected = gradcore.pad(x, width, mode), np.pad(array, width or 0, mode)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(backend.to_numpy(y.value), expected, strict=True)
    w = 1.0 + np.arange(expected.size).reshape(expected.shape)
    Sum.do_forward(y * y * backend.asarray(w, dtype)).backward()
    places = np.pad(np.arange(array.size).reshape(shape), width or 0, mode, **none(mode))
    sums = [(2 * w * expected)[places == i].sum() for i in range(array.size)]
    gradient = backend.to_numpy(x.grad)
    np.testing.assert_allclose(gradient, np.reshape(sums, shape), 1e-5, 1e-5)


def none(mode: str) -> dict[str, int]:
    return {"constant_values": -1} if mode == "constant" else {}


def test_pad_with_a_value(backend: Backend) -> None:
    x = TensorNode(backend.asarray([-0.0, 0.1]))
    y = gradcore.pad(x, (1, 2), value=-np.inf)
    np.testing.assert_array_equal(
        backend.to_numpy(y.value), np.array([-np.inf, -0.0, 0.1, -np.inf, -np.inf], np.float32)
    )
    Sum.do_forward(y[1:3] * 2.0).backward()
    np.testing.assert_array_equal(backend.to_numpy(x.grad), [2.0, 2.0])
    assert not gradcore.pad(backend.asarray([1, 2]), 1).requires_grad


def test_pad_takes_widths_from_numpy() -> None:
    for width in (np.int64(1), np.array([1, 2]), np.array([[1, 2]])):
        y = gradcore.pad(TensorNode([1.0]), width)
        np.testing.assert_array_equal(y.value, np.pad(np.ones(1), width))


@pytest.mark.parametrize(
    ("shape", "width", "mode", "words"),
    [
        ((2,), 1, "circular", "mode = 'circular', expected constant"),
        ((2,), -1, "edge", "pad_width = -1"),
        ((2, 2), ((1, 1), (1, 1), (1, 1)), "edge", ".* each of 2"),
        ((2, 0), 1, "edge", "axis 1 .* nothing to repeat"),
    ],
)
def test_pad_refusals(shape: tuple[int, ...], width: Any, mode: str, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^pad: {words}"):
        gradcore.pad(np.ones(shape), width, mode)


def test_widths_may_be_integers_of_numpy() -> None:
    two = np.int64(2)
    for width in (two, (two, two), ((two, two),), tuple(np.array([2, 2])), np.array([2, 2])):
        np.testing.assert_array_equal(gradcore.pad(np.ones(1), width).value, [0, 0, 1, 0, 0])
