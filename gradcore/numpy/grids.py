"""Indices, grids, and rows and columns written in brackets: ix_, mgrid, r_, c_, ..."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import array_api as xp
from .common import HOST, arrays_of, as_node_or_array, on_host, place_of, placed, promoted

__all__ = [
    "c_",
    "diag_indices",
    "diag_indices_from",
    "index_exp",
    "indices",
    "ix_",
    "mask_indices",
    "meshgrid",
    "mgrid",
    "ndenumerate",
    "ndindex",
    "ogrid",
    "r_",
    "ravel_multi_index",
    "s_",
    "tril_indices",
    "tril_indices_from",
    "triu_indices",
    "triu_indices_from",
    "unravel_index",
]

index_exp, ndindex, s_ = np.index_exp, np.ndindex, np.s_


def _made(x: Any, *like: Any) -> Any:
    """Make arrays of what NumPy computed of numbers."""
    place = place_of(*like)
    if isinstance(x, tuple | list):
        return tuple([placed(part, place) for part in x])
    return placed(x, place)


class _Grid:
    """`grid[0:2, 0:1:5j]` gives the coordinates of a grid.

    Example:
        >>> i, j = np.mgrid[0:2, 0:3]
        >>> print(i.tolist(), j.tolist())
        [[0, 0, 0], [1, 1, 1]] [[0, 1, 2], [0, 1, 2]]
    """

    def __init__(self, of_numpy: Any) -> None:
        self.of_numpy = of_numpy

    def __getitem__(self, key: Any) -> Any:
        return _made(self.of_numpy[key])


mgrid, ogrid = _Grid(np.mgrid), _Grid(np.ogrid)


class _Joined:
    """`r_[a, 0, 1:5]` joins arrays, numbers and ranges.

    Example:
        >>> print(np.r_[TensorNode([1.0, 2.0]), 0, 5:7])
        [1. 2. 0. 5. 6.]
    """

    axes: ClassVar = {"r_": 0, "c_": -1}

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, key: Any) -> Any:
        entries = [*key] if isinstance(key, tuple) else [key]
        if entries and isinstance(entries[0], str):
            raise ValueError(f"{self.name}: {entries[0]!r} is not supported; see concatenate")
        place = place_of(*entries)
        entries = [placed(np.r_[k], place) if isinstance(k, slice) else k for k in entries]
        parts = promoted(*arrays_of(*entries))
        if self.name == "c_":
            parts = [xp.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in parts]
        else:
            parts = [xp.reshape(x, (1,)) if x.ndim == 0 else x for x in parts]
        return xp.concat(parts, axis=self.axes[self.name])


r_, c_ = _Joined("r_"), _Joined("c_")


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Make the coordinates of a grid from the vectors of its axes; with `sparse`, of size 1 along
    all axes but one.

    Example:
        >>> x, y = np.meshgrid([0.0, 1.0, 2.0], [10.0, 20.0])
        >>> print((x + y).tolist())
        [[10.0, 11.0, 12.0], [20.0, 21.0, 22.0]]
    """
    vectors = [xp.reshape(x, (-1,)) for x in arrays_of(*xi)]
    if not sparse:
        return tuple(xp.meshgrid(*vectors, indexing=indexing))
    axes = [*range(len(vectors))]
    if indexing == "xy" and len(axes) > 1:
        axes[:2] = 1, 0
    shapes = [tuple([-1 if k == axis else 1 for k in range(len(axes))]) for axis in axes]
    return tuple([xp.reshape(x, shape) for x, shape in zip(vectors, shapes, strict=True)])


def ix_(*args: Any) -> tuple[Any, ...]:
    """Make of vectors of indices or masks a key that takes all pairs: x[ix_([0, 2], [1, 3])].

    Example:
        >>> x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
        >>> print(x[np.ix_([0, 2], [1, 2])].tolist())
        [[2.0, 3.0], [8.0, 9.0]]
    """
    return _made(np.ix_(*map(on_host, args)), *args)


def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """Make an array of the indices of a grid.

    Example:
        >>> rows, columns = np.indices((2, 3))
        >>> print(rows.tolist(), columns.tolist())
        [[0, 0, 0], [1, 1, 1]] [[0, 1, 2], [0, 1, 2]]
    """
    return _made(HOST.indices(dimensions, dtype, sparse))


def diag_indices(n: int, ndim: int = 2) -> tuple[Any, ...]:
    """Make the indices of the diagonal.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(x[np.diag_indices(2)])
        [1. 4.]
    """
    return _made(np.diag_indices(n, ndim))


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """Make the indices of the diagonal of arr.

    Raises:
        ValueError: the sizes of arr are not equal.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(x[np.diag_indices_from(x)])
        [1. 4.]
    """
    if len({*arr.shape}) != 1:
        raise ValueError(f"diag_indices_from: shape {tuple(arr.shape)}, expected equal sizes")
    return _made(np.diag_indices(arr.shape[0], arr.ndim), arr)


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """Make the indices of the lower triangle of a matrix (n, m), up to diagonal k.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(x[np.tril_indices(2)])
        [1. 3. 4.]
    """
    return _made(np.tril_indices(n, k, m))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """Make the indices of the upper triangle of a matrix (n, m), from diagonal k on.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(x[np.triu_indices(2)])
        [1. 2. 4.]
    """
    return _made(np.triu_indices(n, k, m))


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Make the indices of the lower triangle of arr.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(x[np.tril_indices_from(x)])
        [1. 3. 4.]
    """
    return _made(np.tril_indices(arr.shape[-2], k, arr.shape[-1]), arr)


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Make the indices of the upper triangle of arr.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(x[np.triu_indices_from(x, k=1)])
        [2.]
    """
    return _made(np.triu_indices(arr.shape[-2], k, arr.shape[-1]), arr)


def mask_indices(n: int, mask_func: Any, k: Any = 0) -> tuple[Any, ...]:
    """Make the indices that `mask_func(ones (n, n), k)` leaves.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(x[np.mask_indices(2, np.triu)])
        [1. 2. 4.]
    """
    ones = placed(np.ones((n, n), dtype=int))
    return xp.nonzero(mask_func(ones, k))


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """Find the indices of places in an array made flat.

    Example:
        >>> rows, columns = np.unravel_index([2, 3], (2, 3))
        >>> print(rows, columns)
        [0 1] [2 0]
    """
    return _made(HOST.unravel_index(on_host(indices), shape, order), indices)


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: Any = "C") -> Any:
    """Find the places, in an array made flat, of indices.

    Example:
        >>> print(np.ravel_multi_index(([0, 1], [2, 0]), (2, 3)))
        [2 3]
    """
    host = tuple(map(on_host, multi_index))
    return _made(np.ravel_multi_index(host, dims, mode, order), *multi_index)


def ndenumerate(arr: Any) -> Any:
    """Go through the elements, each with its index; those of a node are nodes.

    Example:
        >>> for index, x in np.ndenumerate(TensorNode([[1.0, 2.0]])):
        ...     print(index, x)
        ...
        (0, 0) 1.0
        (0, 1) 2.0
    """
    x = as_node_or_array(arr)
    return ((i, x[i]) for i in np.ndindex(*x.shape))
