"""Scatter-add: the definition, and the backend's own."""

from __future__ import annotations

import numpy as np
import pytest

from gradcore.backends import Backend


@pytest.mark.parametrize("shape", [(0, 2), (1,), (5, 3), (64, 2, 3), (200,), (3, 0)])
@pytest.mark.parametrize("kind", ["float32", "int32", "float16", "complex64"])
def test_scatter_add(backend: Backend, kind: str, shape: tuple[int, ...]) -> None:
    """The definition and the backend's own: sums of integers are exact in any order."""
    if not hasattr(backend.xp, kind):
        pytest.skip(f"no {kind}")
    rng = np.random.default_rng(0)
    numbers, indices = rng.integers(-9, 9, shape), rng.integers(0, 7, shape[0])
    expected = np.zeros((8, *shape[1:]), int)
    np.add.at(expected, indices, numbers)
    x = backend.xp.astype(backend.asarray(numbers), backend.dtype(kind))
    for kernel in (Backend.scatter_add, type(backend).scatter_add):
        y = kernel(backend, x, backend.asarray(indices), 8)
        assert (y.dtype, y.device) == (x.dtype, x.device)
        np.testing.assert_array_equal(backend.to_numpy(y), expected)


def test_scatter_add_keeps_rows_apart(backend: Backend) -> None:
    """NaN and infinity stay in their own rows."""
    x = backend.asarray([np.nan, 1.0, np.inf, 2.0, 4.0])
    for kernel in (Backend.scatter_add, type(backend).scatter_add):
        y = kernel(backend, x, backend.asarray(np.array([2, 1, 0, 1, 1])), 4)
        np.testing.assert_array_equal(backend.to_numpy(y), [np.inf, 7.0, np.nan, 0.0])
