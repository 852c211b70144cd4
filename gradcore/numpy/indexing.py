"""Take and choose elements: by index, by condition, by order."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import array_api as xp
from ..engine.arrays import value_of
from .common import (
    NOTHING,
    alike,
    arrays_of,
    as_inputs,
    as_node_or_array,
    cast,
    filled,
    flat_or_along,
    numpy_dtype,
    place_of,
    promoted,
)

__all__ = [
    "argpartition",
    "argsort",
    "argwhere",
    "choose",
    "compress",
    "diag",
    "diagflat",
    "diagonal",
    "extract",
    "flatnonzero",
    "lexsort",
    "nonzero",
    "partition",
    "piecewise",
    "searchsorted",
    "select",
    "sort",
    "sort_complex",
    "take",
    "take_along_axis",
    "tril",
    "triu",
    "where",
]


def where(condition: Any, x: Any = NOTHING, y: Any = NOTHING, /) -> Any:
    """Take x where the condition is true, and y elsewhere; of the condition alone, find the indices
    where it is true.

    Raises:
        ValueError: only one of x and y is given.

    Example:
        >>> x = np.array([-2.0, 3.0])
        >>> print(np.where(x > 0, x, 0.1 * x))
        [-0.2  3. ]
        >>> print(gradcore.grad(lambda x: np.sum(np.where(x > 0, x, 0.1 * x)))(x))
        [0.1 1. ]
    """
    if x is NOTHING and y is NOTHING:
        return nonzero(condition)
    if x is NOTHING or y is NOTHING:
        raise ValueError("where: give both x and y, or neither")
    x, y = as_inputs(x, y)
    condition = as_node_or_array(condition, np.bool_, place_of(x, y))
    return xp.where(condition, *promoted(x, y))


def nonzero(a: Any) -> tuple[Any, ...]:
    """Find the indices of the elements that are not zero, for each axis.

    Example:
        >>> rows, columns = np.nonzero([[0.0, 2.0], [3.0, 0.0]])
        >>> print(rows, columns)
        [0 1] [1 0]
    """
    return xp.nonzero(as_node_or_array(a))


def take(
    a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    """Take the parts of a at the indices along `axis`, or elements of a flat.

    Example:
        >>> x = np.array([10.0, 20.0, 30.0])
        >>> print(np.take(x, [2, 0, 2]))
        [30. 10. 30.]
        >>> print(gradcore.grad(lambda x: np.sum(np.take(x, [2, 0, 2])))(x))
        [1. 0. 2.]
    """
    a, indices = arrays_of(a, indices)
    a, axis = flat_or_along("take", a, axis)
    if mode != "raise":
        n = a.shape[axis]
        indices = indices % n if mode == "wrap" else xp.clip(indices, 0, n - 1)
    return filled("take", out, xp.getitem(a, (*(slice(None),) * axis, indices, ...)))


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Take elements along `axis`, with other indices in each row.

    Example:
        >>> x = TensorNode([[3.0, 9.0], [8.0, 4.0]])
        >>> print(np.take_along_axis(x, np.argmax(x, axis=1, keepdims=True), axis=1).tolist())
        [[9.0], [8.0]]
    """
    x, indices = arrays_of(arr, indices)
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    return xp.take_along_axis(x, indices, axis=axis)


def sort(
    a: Any,
    axis: int | None = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
) -> Any:
    """Sort the elements along `axis`, or of a flat. Each takes its gradient along.

    Example:
        >>> x = np.array([3.0, 1.0, 2.0])
        >>> print(np.sort(x), gradcore.grad(lambda x: np.sort(x)[0])(x))
        [1. 2. 3.] [0. 1. 0.]
    """
    x = as_node_or_array(a)
    return xp.sort(xp.reshape(x, (-1,)), axis=0) if axis is None else xp.sort(x, axis=axis)


def argsort(
    a: Any,
    axis: int | None = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
) -> Any:
    """Find the indices that sort a along `axis`, or flat.

    Example:
        >>> print(np.argsort(TensorNode([3.0, 1.0, 2.0])))
        [1 2 0]
    """
    x = as_node_or_array(a)
    return xp.argsort(xp.reshape(x, (-1,)), axis=0) if axis is None else xp.argsort(x, axis=axis)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Find for each element of v the index in the sorted a (N,) where it belongs.

    Example:
        >>> print(np.searchsorted([1.0, 3.0, 5.0], [0.0, 3.0, 4.0]))
        [0 1 2]
    """
    a, v = alike(a, v)
    a = a if sorter is None else take(a, sorter)
    return xp.searchsorted(a, v, side=side)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Take the diagonal of each matrix, of the axes `axis1` and `axis2`.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(np.diagonal(x), gradcore.grad(lambda x: np.sum(np.diagonal(x)))(x).tolist())
        [1. 4.] [[1.0, 0.0], [0.0, 1.0]]
    """
    a = as_node_or_array(a)
    return xp.linalg.diagonal(xp.moveaxis(a, (axis1, axis2), (-2, -1)), offset=offset)


def diag(v: Any, k: int = 0) -> Any:
    """Take diagonal k of a matrix, or make a matrix with the vector v in diagonal k.

    Example:
        >>> print(np.diag([[1.0, 2.0], [3.0, 4.0]]), np.diag([1.0, 2.0]).tolist())
        [1. 4.] [[1.0, 0.0], [0.0, 2.0]]
    """
    return xp.linalg.diag(as_node_or_array(v), k)


def _rows(m: Any) -> Any:
    """Repeat a vector (N,) in N rows, as NumPy does; matrices stay."""
    x = as_node_or_array(m)
    return xp.broadcast_to(x, (x.shape[0],) * 2) if x.ndim == 1 else x


def tril(m: Any, k: int = 0) -> Any:
    """Keep the lower triangle of each matrix, up to diagonal k; put zeros elsewhere.

    Example:
        >>> print(np.tril([[1.0, 2.0], [3.0, 4.0]]).tolist())
        [[1.0, 0.0], [3.0, 4.0]]
    """
    return xp.tril(_rows(m), k=k)


def triu(m: Any, k: int = 0) -> Any:
    """Keep the upper triangle of each matrix, from diagonal k on; put zeros elsewhere.

    Example:
        >>> print(np.triu([[1.0, 2.0], [3.0, 4.0]]).tolist())
        [[1.0, 2.0], [0.0, 4.0]]
    """
    return xp.triu(_rows(m), k=k)


def argwhere(a: Any) -> Any:
    """Find the indices (K, ndim) of the elements that are not zero.

    Example:
        >>> print(np.argwhere([[0.0, 2.0], [3.0, 0.0]]).tolist())
        [[0, 1], [1, 0]]
    """
    (a,) = arrays_of(a)
    return xp.stack([*xp.nonzero(a)], axis=1) if a.ndim else flatnonzero(a)[:, None][:, :0]


def flatnonzero(a: Any) -> Any:
    """Find the places of the elements, made flat, that are not zero.

    Example:
        >>> print(np.flatnonzero([[0.0, 2.0], [3.0, 0.0]]))
        [1 2]
    """
    return xp.nonzero(xp.reshape(as_node_or_array(a), (-1,)))[0]


def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    """Take the parts of a along `axis`, or of a flat, where the condition (N,) is true.

    Example:
        >>> print(np.compress([True, False, True], TensorNode([1.0, 2.0, 3.0])))
        [1. 3.]
    """
    (x,) = arrays_of(a)
    return take(x, flatnonzero(as_node_or_array(condition, None, place_of(x))), axis, out)


def extract(condition: Any, arr: Any) -> Any:
    """Take the elements where the condition is true.

    Example:
        >>> x = TensorNode([1.0, -2.0, 3.0])
        >>> print(np.extract(x > 0, x))
        [1. 3.]
    """
    return compress(xp.reshape(arrays_of(condition)[0], (-1,)), arr)


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """Take each element from the array `choices[i]` that a names.

    Example:
        >>> print(np.choose([0, 1, 0], [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
        [ 1. 20.  3.]
    """
    parts = alike(*choices)
    (a,) = arrays_of(a)
    n = len(parts)
    if mode != "raise":
        a = a % n if mode == "wrap" else xp.clip(a, 0, n - 1)
    a, *parts = xp.broadcast_arrays(a, *parts)
    found = xp.take_along_axis(xp.stack(parts), xp.expand_dims(a, axis=0), axis=0)
    return filled("choose", out, found[0, ...])


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Take each element from the first choice whose condition is true; else the default.

    Raises:
        ValueError: there are not as many choices as conditions.

    Example:
        >>> x = np.array([1.0, 5.0, 9.0])
        >>> print(np.select([x < 3, x > 7], [-x, 10 * x], default=0.0))
        [-1.  0. 90.]
    """
    if len(condlist) != len(choicelist):
        raise ValueError(f"select: {len(condlist)} conditions, {len(choicelist)} choices")
    conditions, (*choices, y) = arrays_of(*condlist), alike(*choicelist, default)
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        y = xp.where(condition, choice, y)
    return y


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Compute each element by the function, or as the number, of the last condition that is true
    for the element. One function more than conditions is for all others. Functions are called with
    the elements where their condition is true, and ones in place of the others.

    Raises:
        ValueError: there are neither as many functions as conditions nor one more.

    Example:
        >>> x = np.array([-2.0, 3.0])
        >>> f = lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda x: -x, lambda x: x**2])
        >>> print(f(x), gradcore.grad(lambda x: np.sum(f(x)))(x))
        [2. 9.] [-1.  6.]
    """
    (x,) = arrays_of(x)
    conditions = [*condlist] if isinstance(condlist, list | tuple) else [condlist]
    if conditions and not hasattr(conditions[0], "shape") and not isinstance(conditions[0], list):
        conditions = [conditions]
    masks = [
        xp.broadcast_to(as_node_or_array(c, None, place_of(x)), tuple(x.shape)) for c in conditions
    ]
    if len(funclist) == len(masks) + 1:
        other = functools.reduce(xp.logical_or, masks)
        masks.append(xp.logical_not(other))
    if len(funclist) != len(masks):
        raise ValueError(f"piecewise: {len(masks)} conditions, {len(funclist)} functions")
    y = xp.zeros_like(x)
    for mask, f in zip(masks, funclist, strict=True):
        value = f(xp.where(mask, x, 1), *args, **kw) if callable(f) else f
        y = xp.where(mask, cast(as_node_or_array(value, None, place_of(x)), x.dtype), y)
    return y


def argpartition(
    a: Any, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None
) -> Any:
    """Find indices that put element kth in its place, smaller ones before it and larger ones
    behind: those that sort.

    Example:
        >>> print(np.argpartition([5.0, 1.0, 3.0], 1))
        [1 2 0]
    """
    return argsort(a, axis)


def partition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """Put element kth in its place, smaller ones before it and larger ones behind: sort.

    Example:
        >>> print(np.partition([5.0, 1.0, 3.0], 1))
        [1. 3. 5.]
    """
    return sort(a, axis)


def sort_complex(a: Any) -> Any:
    """Sort along the last axis, by the real parts, then by the imaginary ones; give complex
    numbers.

    Example:
        >>> print(np.sort_complex([2.0, 1 + 1j, 1 - 1j]))
        [1.-1.j 1.+1.j 2.+0.j]
    """
    (x,) = arrays_of(a)
    raw = value_of(x)
    y = xp.take_along_axis(x, lexsort((xp.imag(raw), xp.real(raw))), axis=-1)
    return cast(y, np.result_type(numpy_dtype(y.dtype), np.complex64), is_asked=False)


def lexsort(keys: Any, axis: int = -1) -> Any:
    """Find the indices that sort by several keys, the last of which counts first.

    Raises:
        ValueError: there is no key, or their shapes differ.

    Example:
        >>> names, ages = [2, 1, 1], [30, 20, 10]
        >>> print(np.lexsort((ages, names)))  # by name, and of one name by age
        [2 1 0]
    """
    keys = [*arrays_of(*keys)]
    if len({tuple(key.shape) for key in keys}) != 1:
        raise ValueError(f"lexsort: {len(keys)} keys, expected one or more of one shape")
    order = xp.argsort(keys[0], axis=axis)
    for key in keys[1:]:
        sorted_key = xp.take_along_axis(value_of(key), value_of(order), axis=axis)
        order = xp.take_along_axis(
            value_of(order), value_of(xp.argsort(sorted_key, axis=axis)), axis=axis
        )
    return order


def diagflat(v: Any, k: int = 0) -> Any:
    """Make a matrix with v, made flat, in diagonal k.

    Example:
        >>> print(np.diagflat([[1.0], [2.0]]).tolist())
        [[1.0, 0.0], [0.0, 2.0]]
    """
    return diag(xp.reshape(as_node_or_array(v), (-1,)), k)
