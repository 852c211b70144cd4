"""Sums are exact whatever their length, the order in memory and the axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import normal

from gradcore.backends import get

xp = get("numpy").xp
DIGITS = {"float16": 6e-4, "float32": 4e-6, "float64": 1e-14}
WIDE = {"float16": "float64", "float32": "float64", "complex64": "complex128"}
SHAPES: list[tuple[tuple[int, ...], Any]] = [
    ((5000, 2), 0),
    ((5000, 2), None),
    ((2, 5000), (0, 1)),
    ((40, 50, 3), (0, 1)),
    ((3, 40, 50), (-1, -2)),
    ((70, 3, 70), (0, 2)),
    ((1025, 3), -2),
    ((1024, 3), 0),
    ((129, 2, 129, 2), (2, 0)),
    ((3000,), 0),
    ((7, 1, 300), (1,)),
    ((5000, 2), ()),
]
LAYOUTS: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda x: x,
    lambda x: x.T.copy().T,
    lambda x: np.stack([x, x], axis=-1)[..., 0],
    lambda x: x[::-1],
    lambda x: np.broadcast_to(x[..., :1], x.shape),
]


@pytest.mark.parametrize("kind", DIGITS)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_sums_means_and_variances_of_any_order_in_memory(shape: Any, axis: Any, kind: str) -> None:
    for layout in LAYOUTS:
        x = layout((3 + normal(*shape)).astype(kind))
        for keep in (False, True):
            for name in ("sum", "mean", "var", "std"):
                found = getattr(xp, name)(x, axis=axis, keepdims=keep)
                exact = getattr(np, name)(x.astype(float), axis=axis, keepdims=keep)
                assert found.dtype == kind
                assert found.shape == exact.shape
                np.testing.assert_allclose(found, exact, DIGITS[kind], DIGITS[kind], err_msg=name)


@pytest.mark.parametrize("kind", ["bool", "uint8", "int32", "complex64"])
def test_sums_of_other_numbers_are_numpys(kind: str) -> None:
    x = (3 * normal(5000, 2)).astype(kind)
    found, exact = xp.sum(x, axis=0), np.sum(x, axis=0)
    assert found.dtype == exact.dtype
    np.testing.assert_allclose(found, np.sum(x, axis=0, dtype=WIDE.get(kind)), 1e-5)
    np.testing.assert_allclose(xp.mean(x, axis=0), np.mean(x.astype("complex128"), axis=0), 1e-5)
    np.testing.assert_allclose(xp.var(x, axis=0), np.var(x.astype("complex128"), axis=0), 1e-4)


def test_a_million_equal_numbers_have_that_number_as_their_mean() -> None:
    x = np.full((10**6, 2), 0.1, "float32")
    np.testing.assert_allclose(xp.mean(x, axis=0), [0.1, 0.1], rtol=1e-5)
    np.testing.assert_allclose(xp.var(x, axis=0), [0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(xp.cumulative_sum(x[:, 0])[-1], 1e5, rtol=1e-6)
    assert xp.cumulative_sum(x[:, 0]).dtype == np.float32


def test_sums_in_a_dtype_that_is_asked_for() -> None:
    x = np.full(70_000, 1.0, "float16")
    assert xp.sum(x, dtype=xp.float32) == 70_000
    assert xp.sum(x[:3], dtype=xp.float64).dtype == np.float64
    assert xp.cumulative_sum(x, dtype=xp.float32)[-1] == 70_000
    with np.errstate(over="ignore"):
        assert xp.sum(x) == np.inf  # float16 has no such number


@pytest.mark.parametrize("axis", [2, -3, (0, 2), (0, 0), (0, -2)])
@pytest.mark.parametrize("shape", [(2, 3), (2000, 3)])
def test_wrong_axes_are_refused_also_of_many_numbers(shape: Any, axis: Any) -> None:
    with pytest.raises((ValueError, IndexError), match="axis"):
        xp.sum(np.ones(shape), axis=axis)
