"""Write to parts of nodes and arrays: as `a[key] = y` does, under NumPy's names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import array_api as xp
from ..engine.arrays import value_of
from .common import as_node_or_array, cast, counting, on_host, place_of, placed

__all__ = ["copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"]


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Write src to dst, where `where` is true.

    Example:
        >>> x = TensorNode([1.0, 2.0, 3.0])
        >>> y = np.copy(x)
        >>> np.copyto(y, 0.0, where=[True, False, False])
        >>> np.sum(y).backward()
        >>> print(y, x.grad)
        [0. 2. 3.] [0. 1. 1.]
    """
    src = as_node_or_array(src, dst.dtype, place_of(dst))
    if where is True:
        dst[...] = src
    else:
        dst[...] = xp.where(as_node_or_array(where, np.bool_, place_of(dst)), src, dst)


def putmask(a: Any, /, mask: Any, values: Any) -> None:
    """Write to the elements where the mask is true those of the values at the same places, made
    flat, which are repeated to be enough.

    Example:
        >>> x = np.array([1.0, -2.0, -3.0])
        >>> np.putmask(x, x < 0, [10.0, 20.0, 30.0])
        >>> print(x)
        [ 1. 20. 30.]
    """
    mask, values = (as_node_or_array(x, None, place_of(a)) for x in (mask, values))
    n = math.prod(values.shape)
    places = xp.reshape(counting(a, math.prod(a.shape)), tuple(a.shape)) % max(n, 1)
    flat = xp.reshape(values, (-1,))
    a[...] = xp.where(mask, cast(xp.getitem(flat, places), a.dtype), a)


def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write to the elements where the mask is true the first, second, ... of the values, which are
    repeated to be enough.

    Example:
        >>> x = np.array([1.0, -2.0, -3.0])
        >>> np.place(x, x < 0, [10.0, 20.0])
        >>> print(x)
        [ 1. 10. 20.]
    """
    mask, vals = (as_node_or_array(x, None, place_of(arr)) for x in (mask, vals))
    flat = value_of(xp.reshape(mask, (-1,)))
    order = np.cumsum(on_host(flat)) - 1
    order = placed(order.clip(0) % max(math.prod(vals.shape), 1), place_of(arr))
    chosen = xp.reshape(xp.getitem(xp.reshape(vals, (-1,)), order), tuple(arr.shape))
    arr[...] = xp.where(mask, cast(chosen, arr.dtype), arr)


def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Write v to the elements of a, made flat, at the indices; v is repeated to be enough.

    Raises:
        IndexError: an index is out of range, and the mode is "raise".

    Example:
        >>> x = np.zeros(4)
        >>> np.put(x, [0, 2], [5.0, 6.0])
        >>> print(x)
        [5. 0. 6. 0.]
    """
    n = math.prod(a.shape)
    ind = on_host(ind).reshape(-1)
    if mode != "raise":
        ind = ind % n if mode == "wrap" else ind.clip(0, n - 1)
    if ((ind < -n) | (ind >= n)).any():
        raise IndexError(f"put: an index is out of range for {n} elements")
    (v,) = (xp.reshape(as_node_or_array(x, a.dtype, place_of(a)), (-1,)) for x in [v])
    order = placed(np.arange(ind.size) % v.shape[0], place_of(a))
    where = np.unravel_index(ind % n, tuple(a.shape))
    a[tuple([placed(k, place_of(a)) for k in where])] = v[order]


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """Write values to the elements that `take_along_axis` takes.

    Example:
        >>> x = np.array([[3.0, 9.0], [8.0, 4.0]])
        >>> np.put_along_axis(x, np.argmax(x, axis=1, keepdims=True), 0.0, axis=1)
        >>> print(x.tolist())
        [[3.0, 0.0], [0.0, 4.0]]
    """
    indices = as_node_or_array(indices, None, place_of(arr))
    if axis is None:
        put(arr, indices, values)
        return
    axis = axis % arr.ndim
    key = [
        indices
        if k == axis
        else xp.reshape(counting(arr, n), tuple([-1 if k == j else 1 for j in range(arr.ndim)]))
        for k, n in enumerate(arr.shape)
    ]
    arr[tuple(map(value_of, key))] = as_node_or_array(values, arr.dtype, place_of(arr))


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write val to the elements whose indices are all the same; val is repeated to be enough.

    Raises:
        ValueError: `wrap` is asked for, and would change what is written.

    Example:
        >>> x = np.zeros((2, 2))
        >>> np.fill_diagonal(x, 5.0)
        >>> print(x.tolist())
        [[5.0, 0.0], [0.0, 5.0]]
    """
    if wrap and a.ndim == 2 and a.shape[0] > a.shape[1]:
        raise ValueError("fill_diagonal: wrap = True is not supported; write a[i, i % n] = val")
    (val,) = (as_node_or_array(x, a.dtype, place_of(a)) for x in [val])
    i = counting(a, min(a.shape))
    a[(i,) * a.ndim] = xp.reshape(val, (-1,))[i % max(math.prod(val.shape), 1)]
