"""The rows of gradcore/ops/indexing.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradcore import ops

from .rows import Row, case, constant, integers, raw, refuses

KEYS: list[Any] = [  # of an array of shape (3, 4)
    1,
    -1,
    (2, 3),
    slice(1, None),
    slice(None, None, 2),
    slice(None, None, -1),
    (slice(None), slice(3, 0, -2)),
    (..., 0),
    (None, slice(None), 1),
    (1, ..., None),
    slice(2, 2),
    ...,
]
WITHOUT_NONE = [key for key in KEYS if not isinstance(key, tuple) or None not in key]


def _put(x: Any, key: Any, shape: tuple[int, ...]) -> Any:
    y = np.zeros(shape, np.asarray(x).dtype)
    y[key] = x
    return y


def _set(y: Any, x: Any, key: Any) -> Any:
    z = x.copy()
    z[key] = y
    return z


def _torch_set(y: Any, x: Any, key: Any) -> Any:
    z, positions = x.flatten().clone(), _positions(key, x.shape)
    z[positions] = y.expand(positions.shape) if hasattr(y, "expand") else y
    return z.reshape(x.shape)


def _positions(key: Any, shape: tuple[int, ...]) -> Any:
    """Where the elements of `x[key]` are in the flattened x; PyTorch has no negative steps."""
    return np.arange(math.prod(shape)).reshape(shape)[key].copy()


def _torch_put(x: Any, key: Any, shape: tuple[int, ...]) -> Any:
    y, positions = x.new_zeros(math.prod(shape)), _positions(key, shape)
    y[positions] = x.expand(positions.shape)
    return y.reshape(shape)


def _scatter_add(x: Any, indices: Any, size: int, axis: int = 0) -> Any:
    n = indices.ndim
    y = np.zeros((*x.shape[:axis], size, *x.shape[axis + n :]), x.dtype)
    np.add.at(y, (*[slice(None)] * axis, indices), x)
    return y


def _scatter_max(x: Any, y: Any, indices: Any) -> Any:
    z = x.copy()
    np.maximum.at(z.reshape(-1), indices, y)
    return z


def _torch_take(x: Any, indices: Any, axis: int = 0) -> Any:
    return x[(slice(None),) * (axis % x.ndim) + (indices,)]


def _torch_scatter_add(x: Any, indices: Any, size: int, axis: int = 0) -> Any:
    x = x.flatten(axis, axis + indices.ndim - 1) if indices.ndim else x.unsqueeze(axis)
    y = x.new_zeros((*x.shape[:axis], size, *x.shape[axis + 1 :]))
    return y.index_add(axis, indices.flatten() % size, x)


ROWS = [
    Row(
        ops.GetItem,
        lambda x, key: x[key],
        [
            *[case((3, 4), key=key) for key in KEYS],
            case((1,), key=0),
            case((), key=...),
            case((), key=None),
            case((0, 3), key=(slice(None), 1)),
        ],
        lambda x, key: x.flatten()[_positions(key, x.shape)],
        refuses=[
            refuses(case((2, 3), key=2), IndexError, "(2, 3)"),
            refuses(case((2, 3), key=(0, 0, 0)), IndexError, "(2, 3)"),
            refuses(case((2, 3), key=[0, 1]), TypeError, "integers, slices", "list"),
            refuses(case((2, 3), key=raw([0, 0])), TypeError, "integers, slices"),
            refuses(case((2, 3), key=raw([True, False])), TypeError, "integers, slices"),
            refuses(case((2, 3), key=True), TypeError, "integers, slices", "bool"),
            refuses(case((2, 3), key=1.0), TypeError, "integers, slices", "float"),
        ],
        complex=True,
    ),
    Row(
        ops.PutItem,
        _put,
        [
            *[case(np.empty((3, 4))[key].shape, key=key, shape=(3, 4)) for key in WITHOUT_NONE],
            case((), key=..., shape=()),
            case((1,), key=0, shape=(1, 1)),
            case((0,), key=(slice(None), 1), shape=(0, 3)),
        ],
        _torch_put,
        refuses=[refuses(case((3,), key=0, shape=(2, 2)), ValueError, "(3,)")],
        complex=True,
    ),
    Row(
        ops.SetItem,
        _set,
        [
            *[case(np.empty((3, 4))[key].shape, (3, 4), key=key) for key in WITHOUT_NONE],
            case((2, 1), (3, 4), key=slice(1, None)),
            case((), (3, 4), key=(..., 0)),
            case(1.5, (3, 4), key=0),
            case((4,), constant((3, 4)), key=2),
            case((), (), key=...),
            case((0,), (0, 3), key=(slice(None), 1)),
        ],
        _torch_set,
        refuses=[
            refuses(case((3,), (2, 2), key=0), ValueError, "(3,)"),
            refuses(case((1, 2), (2, 2), key=0), ValueError, "more axes", "(2,)"),
            refuses(case((2,), (2, 2), key=5), IndexError, "(2, 2)"),
            refuses(case((2,), (2, 2), key=1.0), TypeError, "integers, slices", "float"),
        ],
        complex="together",
    ),
    Row(
        ops.SelectGradient,
        lambda x, indices, size: (
            x[:, None]
            * (indices[:, None] == np.arange(size).reshape(-1, *[1] * (indices.ndim - 1)))
        ),
        [
            case((3,), indices=integers((3,), 4), size=4),
            case((1,), indices=raw([0]), size=2),
            case((0,), indices=integers((0,), 3), size=3),
            case((2, 3), indices=integers((2, 3), 4), size=4),
        ],
        lambda x, indices, size: x.new_zeros(x.shape[0], size, *x.shape[1:]).scatter(
            1, indices[:, None], x[:, None]
        ),
        complex=True,
    ),
    Row(
        ops.Select,
        lambda x, indices: np.take_along_axis(x, indices[:, None], 1)[:, 0],
        [
            case((3, 4), indices=integers((3,), 4)),
            case((4, 2), indices=raw([1, 0, 0, 1])),
            case((1, 1), indices=raw([0])),
            case((0, 3), indices=integers((0,), 3)),
            case((2, 4, 3), indices=integers((2, 3), 4)),
            case((2, 3, 2, 1), indices=integers((2, 2, 1), 3)),
        ],
        lambda x, indices: x.gather(1, indices[:, None])[:, 0],
        refuses=[
            refuses(case((2, 3), indices=raw([0, 3])), IndexError, "indices", "3", "0 to 2"),
            refuses(case((2, 3), indices=raw([-1, 0])), IndexError, "indices", "-1", "0 to 2"),
            refuses(case((2, 3), indices=raw([0.0, 1.0])), TypeError, "indices", "integers"),
            refuses(case((2, 3), indices=raw([0, 1, 2])), ValueError, "(2, 3)", "(3,)"),
            refuses(case((2,), indices=raw([0, 1])), ValueError, "(2,)", "expected"),
            refuses(case((2, 3, 2), indices=raw([0, 1])), ValueError, "(2, 3, 2)", "(2,)"),
        ],
        complex=True,
    ),
    Row(
        ops.Take,
        lambda x, indices, axis=0: np.take(x, indices, axis=axis),
        [
            case((4, 2), indices=raw([1, 3, 1, -1, 1])),
            case((3, 4), indices=raw([[0, 2], [2, -4], [2, 2]]), axis=1),
            case((2, 3, 2), indices=raw([[0, 1, 1]]), axis=-2),
            case((3,), indices=raw(2)),
            case((1,), indices=raw([0, 0])),
            case((3, 2), indices=integers((0,), 3)),
            case((0, 3), indices=raw([2, 0]), axis=1),
        ],
        _torch_take,
        refuses=[
            refuses(case((2, 3), indices=raw([0, 2])), IndexError, "indices", "2", "-2 to 1"),
            refuses(case((2, 3), indices=raw([-4]), axis=1), IndexError, "-4", "-3 to 2"),
            refuses(case((0, 3), indices=raw([0])), IndexError, "indices", "0"),
            refuses(case((2, 3), indices=raw([0.0])), TypeError, "indices", "integers"),
            refuses(case((2, 3), indices=raw([True, False])), TypeError, "indices", "integers"),
        ],
        complex=True,
    ),
    Row(
        ops.ScatterAdd,
        _scatter_add,
        [
            case((5, 2), indices=raw([1, 3, 1, -1, 1]), size=4),
            case((2, 3, 2), indices=raw([[0, 2], [2, -4], [2, 2]]), size=4, axis=1),
            case((3,), indices=raw(1), size=2, axis=1),
            case((7,), indices=raw([0, 0, 0, 0, 0, 0, 0]), size=1),
            case((1,), indices=raw([2]), size=3),
            case((0, 2), indices=integers((0,), 3), size=3),
            case((2, 0), indices=raw([1, 1]), size=2),
        ],
        _torch_scatter_add,
        refuses=[
            refuses(case((1, 3), indices=raw([3]), size=3), IndexError, "3", "-3 to 2"),
            refuses(case((2, 3), indices=raw([0]), size=3), ValueError, "(2, 3)", "(1,)"),
            refuses(case((1, 3), indices=raw([0.0]), size=3), TypeError, "integers"),
        ],
        complex=True,
    ),
    Row(
        ops.ScatterMax,
        _scatter_max,
        [
            case((5,), (3,), indices=raw([1, 3, 1])),
            case((2, 3), (4,), indices=raw([5, 5, 0, 5])),
            case((4,), (2, 3), indices=raw([[0, 0, 0], [2, 2, 0]])),
            case((4,), constant((2,)), indices=raw([0, 0])),
            case((1,), (1,), indices=raw([0])),
            case((3,), (0,), indices=integers((0,), 3)),
        ],
        lambda x, y, indices: (
            x.flatten().scatter_reduce(0, indices.flatten(), y.flatten(), "amax").reshape(x.shape)
        ),
    ),
]
