"""Reductions of all elements or along axes, and cumulative sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import array_api as xp
from ..backends.types import DType
from .common import NOTHING, as_node_or_array, cast, filled, flat_or_along, floats, numpy_dtype

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "max",
    "mean",
    "min",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]

Axis = int | tuple[int, ...] | None


def sum(  # noqa: A001
    a: Any, axis: Axis = None, dtype: DType | None = None, out: Any = None,
    keepdims: Any = NOTHING, initial: Any = NOTHING, where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Sum all elements, or along `axis`; small integers in int64.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(np.sum(x), np.sum(x, axis=0), gradcore.grad(np.sum)(x).tolist())
        10.0 [4. 6.] [[1.0, 1.0], [1.0, 1.0]]
    """
    x = _chosen(_in(as_node_or_array(a), dtype), where, 0)
    y = xp.sum(x, axis=_axes(x, axis), keepdims=keepdims is True)
    y = cast(y if initial is NOTHING else y + initial, dtype)
    return filled("sum", out, y)


def prod(
    a: Any, axis: Axis = None, dtype: DType | None = None, out: Any = None,
    keepdims: Any = NOTHING, initial: Any = NOTHING, where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Multiply all elements, or along `axis`; small integers in int64.

    Example:
        >>> x = np.array([2.0, 3.0, 4.0])
        >>> print(np.prod(x), gradcore.grad(np.prod)(x))
        24.0 [12.  8.  6.]
    """
    x = _chosen(_in(as_node_or_array(a), dtype), where, 1)
    y = xp.prod(x, axis=_axes(x, axis), keepdims=keepdims is True)
    y = cast(y if initial is NOTHING else y * initial, dtype)
    return filled("prod", out, y)


def mean(
    a: Any, axis: Axis = None, dtype: DType | None = None, out: Any = None,
    keepdims: Any = NOTHING, *, where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Compute the mean of all elements, or along `axis`.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(np.mean(x), np.mean(x, axis=0), gradcore.grad(np.mean)(x).tolist())
        2.5 [2. 3.] [[0.25, 0.25], [0.25, 0.25]]
    """
    x, keep = cast(floats(as_node_or_array(a)), dtype), keepdims is True
    if where is NOTHING or where is True:
        return filled("mean", out, xp.mean(x, axis=_axes(x, axis), keepdims=keep))
    total = xp.sum(_chosen(x, where, 0), axis=_axes(x, axis), keepdims=keep)
    return filled("mean", out, total / _count(x, where, axis, keep))


def var(
    a: Any, axis: Axis = None, dtype: DType | None = None, out: Any = None, ddof: float = 0,
    keepdims: Any = NOTHING, *, where: Any = NOTHING, mean: Any = NOTHING,
    correction: Any = NOTHING,
) -> Any:  # fmt: skip
    """Compute the variance: the sum of squared differences from the mean, by n - ddof.

    Example:
        >>> x = np.array([1.0, 3.0])
        >>> print(np.var(x), np.var(x, ddof=1), gradcore.grad(np.var)(x))
        1.0 2.0 [-1.  1.]
    """
    return _spread("var", a, axis, dtype, out, ddof, keepdims, where, mean, correction)


def std(
    a: Any, axis: Axis = None, dtype: DType | None = None, out: Any = None, ddof: float = 0,
    keepdims: Any = NOTHING, *, where: Any = NOTHING, mean: Any = NOTHING,
    correction: Any = NOTHING,
) -> Any:  # fmt: skip
    """Compute the standard deviation, the root of `var`.

    Example:
        >>> x = np.array([1.0, 3.0])
        >>> print(np.std(x), gradcore.grad(np.std)(x))
        1.0 [-0.5  0.5]
    """
    return _spread("std", a, axis, dtype, out, ddof, keepdims, where, mean, correction)


def _spread(
    name: str, a: Any, axis: Axis, dtype: DType | None, out: Any, ddof: float, keepdims: Any,
    where: Any, given: Any, correction: Any,
) -> Any:  # fmt: skip
    """Compute the variance or its root, around the mean that is given."""
    x, keep = cast(floats(as_node_or_array(a)), dtype), keepdims is True
    axes, ddof = _axes(x, axis), ddof if correction is NOTHING else correction
    if (where is NOTHING or where is True) and given is NOTHING:
        y = getattr(xp, name)(x, axis=axes, correction=ddof, keepdims=keep)
        return filled(name, out, y)
    center = mean(x, axis, keepdims=True, where=where) if given is NOTHING else given
    away = _chosen(x - center, where, 0)
    divisor = xp.maximum(_count(xp.real(away), where, axis, keep) - ddof, 0.0)
    if name == "std":  # at 0 with the gradient 0
        y = xp.linalg.vector_norm(away, axis=axes, keepdims=keep) / xp.sqrt(divisor)
    else:
        y = xp.sum(xp.square(xp.abs(away)), axis=axes, keepdims=keep) / divisor
    return filled(name, out, y)


def max(  # noqa: A001
    a: Any, axis: Axis = None, out: Any = None, keepdims: Any = NOTHING, initial: Any = NOTHING,
    where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Find the maximum of all elements, or along `axis`. Equal maxima share the gradient.

    Example:
        >>> x = np.array([1.0, 5.0, 5.0])
        >>> print(np.max(x), gradcore.grad(np.max)(x))
        5.0 [0.  0.5 0.5]
    """
    return filled("max", out, _extreme("max", a, axis, keepdims, initial, where))


def min(  # noqa: A001
    a: Any, axis: Axis = None, out: Any = None, keepdims: Any = NOTHING, initial: Any = NOTHING,
    where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Find the minimum of all elements, or along `axis`. Equal minima share the gradient.

    Example:
        >>> x = np.array([1.0, 1.0, 5.0])
        >>> print(np.min(x), gradcore.grad(np.min)(x))
        1.0 [0.5 0.5 0. ]
    """
    return filled("min", out, _extreme("min", a, axis, keepdims, initial, where))


amax, amin = max, min


def _extreme(name: str, a: Any, axis: Axis, keepdims: Any, initial: Any, where: Any) -> Any:
    x = as_node_or_array(a)
    where = NOTHING if where is True else where
    if where is not NOTHING and initial is NOTHING:
        raise ValueError(f"{name}: with `where`, say the `initial` that stands for no elements")
    if 0 in x.shape and initial is not NOTHING:  # of no elements, `initial`
        y = xp.sum(x, axis=_axes(x, axis), keepdims=keepdims is True)
        return cast(y + initial, x.dtype)
    y = getattr(xp, name)(
        _chosen(x, where, initial), axis=_axes(x, axis), keepdims=keepdims is True
    )
    return y if initial is NOTHING else getattr(xp, f"{name}imum")(y, initial)


def ptp(a: Any, axis: Axis = None, out: Any = None, keepdims: Any = NOTHING) -> Any:
    """Subtract the minimum from the maximum.

    Example:
        >>> x = np.array([1.0, 5.0, 3.0])
        >>> print(np.ptp(x), gradcore.grad(np.ptp)(x))
        4.0 [-1.  1.  0.]
    """
    x, keep = as_node_or_array(a), keepdims is True
    y = xp.max(x, axis=_axes(x, axis), keepdims=keep) - xp.min(
        x, axis=_axes(x, axis), keepdims=keep
    )
    return filled("ptp", out, y)


def any(  # noqa: A001
    a: Any, axis: Axis = None, out: Any = None, keepdims: Any = NOTHING, *, where: Any = NOTHING
) -> Any:
    """Test whether any element, or any along `axis`, is not zero.

    Example:
        >>> print(np.any(TensorNode([[1.0, 0.0], [0.0, 0.0]]), axis=1))
        [ True False]
    """
    x = _chosen(cast(as_node_or_array(a), np.bool_), where, False)
    return filled("any", out, xp.any(x, axis=_axes(x, axis), keepdims=keepdims is True))


def all(  # noqa: A001
    a: Any, axis: Axis = None, out: Any = None, keepdims: Any = NOTHING, *, where: Any = NOTHING
) -> Any:
    """Test whether all elements, or all along `axis`, are not zero.

    Example:
        >>> print(np.all(TensorNode([[1.0, 0.0], [2.0, 3.0]]), axis=1))
        [False  True]
    """
    x = _chosen(cast(as_node_or_array(a), np.bool_), where, True)
    return filled("all", out, xp.all(x, axis=_axes(x, axis), keepdims=keepdims is True))


def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Count the elements that are not zero.

    Example:
        >>> print(np.count_nonzero([[1.0, 0.0], [2.0, 3.0]], axis=1))
        [1 2]
    """
    x = as_node_or_array(a)
    return xp.count_nonzero(x, axis=_axes(x, axis), keepdims=keepdims)


def argmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = NOTHING) -> Any:
    """Find the index of the maximum along `axis`, or in a flat.

    Example:
        >>> print(np.argmax(TensorNode([[1.0, 5.0], [7.0, 3.0]]), axis=1))
        [1 0]
    """
    x = as_node_or_array(a)
    axis = None if x.ndim == 0 and axis in (0, -1) else axis
    y = xp.argmax(x, axis=axis, keepdims=keepdims is True)
    return filled("argmax", out, y)


def argmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = NOTHING) -> Any:
    """Find the index of the minimum along `axis`, or in a flat.

    Example:
        >>> print(np.argmin(TensorNode([[1.0, 5.0], [7.0, 3.0]]), axis=1))
        [0 1]
    """
    x = as_node_or_array(a)
    axis = None if x.ndim == 0 and axis in (0, -1) else axis
    y = xp.argmin(x, axis=axis, keepdims=keepdims is True)
    return filled("argmin", out, y)


def cumsum(a: Any, axis: int | None = None, dtype: DType | None = None, out: Any = None) -> Any:
    """Sum the first 1, 2, ... elements along `axis`, or of a flat.

    Example:
        >>> x = np.array([1.0, 2.0, 3.0])
        >>> print(np.cumsum(x), gradcore.grad(lambda x: np.sum(np.cumsum(x)))(x))
        [1. 3. 6.] [3. 2. 1.]
    """
    x, axis = flat_or_along("cumsum", _in(as_node_or_array(a), dtype), axis)
    return filled("cumsum", out, cast(xp.cumulative_sum(x, axis=axis), dtype))


def cumprod(a: Any, axis: int | None = None, dtype: DType | None = None, out: Any = None) -> Any:
    """Multiply the first 1, 2, ... elements along `axis`, or of a flat.

    Example:
        >>> x = np.array([1.0, 2.0, 3.0])
        >>> print(np.cumprod(x), gradcore.grad(lambda x: np.sum(np.cumprod(x)))(x))
        [1. 2. 6.] [9. 4. 2.]
    """
    x, axis = flat_or_along("cumprod", _in(as_node_or_array(a), dtype), axis)
    return filled("cumprod", out, cast(xp.cumulative_prod(x, axis=axis), dtype))


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: DType | None = None, out: Any = None,
    include_initial: bool = False,
) -> Any:  # fmt: skip
    """Sum the first 1, 2, ... elements along `axis`; with `include_initial`, 0 comes first.

    Example:
        >>> print(np.cumulative_sum(TensorNode([2.0, 3.0]), include_initial=True))
        [0. 2. 5.]
    """
    x = _in(as_node_or_array(x), dtype)
    y = xp.cumulative_sum(x, axis=axis, include_initial=include_initial)
    return filled("cumulative_sum", out, cast(y, dtype))


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: DType | None = None, out: Any = None,
    include_initial: bool = False,
) -> Any:  # fmt: skip
    """Multiply the first 1, 2, ... elements along `axis`; with `include_initial`, 1 comes first.

    Example:
        >>> print(np.cumulative_prod(TensorNode([2.0, 3.0]), include_initial=True))
        [1. 2. 6.]
    """
    x = _in(as_node_or_array(x), dtype)
    y = xp.cumulative_prod(x, axis=axis, include_initial=include_initial)
    return filled("cumulative_prod", out, cast(y, dtype))


def _axes(x: Any, axis: Axis) -> Axis:
    """Give the axes to reduce. As in NumPy, a number has an axis 0 too."""
    return () if x.ndim == 0 and axis in (0, -1, (0,), (-1,)) else axis


def _in(x: Any, dtype: Any) -> Any:
    """Give x in the dtype to sum in: that given; of booleans and small integers, 64 bits."""
    kind = numpy_dtype(x.dtype)
    if dtype is None and kind.kind in "biu" and kind.itemsize < 8:
        return cast(x, np.uint64 if kind.kind == "u" else np.int64)
    return cast(x, dtype)


def _chosen(x: Any, where: Any, otherwise: Any) -> Any:
    """Put a number where elements of x are not to count."""
    return (
        x if where is NOTHING or where is True else xp.where(as_node_or_array(where), x, otherwise)
    )


def _count(x: Any, where: Any, axis: Axis, keepdims: bool) -> Any:
    """Count the elements that count, in the dtype of x."""
    ones = xp.ones_like(x)
    return xp.sum(_chosen(ones, where, 0), axis=_axes(x, axis), keepdims=keepdims)
