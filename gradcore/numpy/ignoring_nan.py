"""Reductions that leave NaN out, which get no gradient: nansum, nanmean, ..."""

from __future__ import annotations

import math
from typing import Any

from .. import array_api as xp
from ..engine.arrays import value_of
from . import reductions
from .common import NOTHING, arrays_of, filled, numpy_dtype

__all__ = [
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]

Axis = reductions.Axis


def _without(a: Any, otherwise: float) -> tuple[Any, Any]:
    """Put a number where a is NaN; and say where it is not."""
    (x,) = arrays_of(a)
    if numpy_dtype(x.dtype).kind in "biu":
        return x, True
    mask = ~xp.isnan(value_of(x))
    return xp.where(mask, x, otherwise), mask


def _both(mask: Any, where: Any) -> Any:
    """Say where elements count: where both are true."""
    if where is NOTHING or where is True:
        return NOTHING if mask is True else mask
    (where,) = arrays_of(value_of(where))
    return where if mask is True else mask & where


def nansum(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: Any = NOTHING,
    initial: Any = NOTHING, where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Sum the elements that are not NaN.

    Example:
        >>> x = np.array([1.0, np.nan, 3.0])
        >>> print(np.nansum(x), gradcore.grad(np.nansum)(x))
        4.0 [1. 0. 1.]
    """
    return reductions.sum(_without(a, 0)[0], axis, dtype, out, keepdims, initial, where)


def nanprod(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: Any = NOTHING,
    initial: Any = NOTHING, where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Multiply the elements that are not NaN.

    Example:
        >>> x = np.array([2.0, np.nan, 3.0])
        >>> print(np.nanprod(x), gradcore.grad(np.nanprod)(x))
        6.0 [3. 0. 2.]
    """
    return reductions.prod(_without(a, 1)[0], axis, dtype, out, keepdims, initial, where)


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Sum the first 1, 2, ... elements; NaN counts as 0.

    Example:
        >>> print(np.nancumsum([2.0, np.nan, 3.0]))
        [2. 2. 5.]
    """
    return reductions.cumsum(_without(a, 0)[0], axis, dtype, out)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Multiply the first 1, 2, ... elements; NaN counts as 1.

    Example:
        >>> print(np.nancumprod([2.0, np.nan, 3.0]))
        [2. 2. 6.]
    """
    return reductions.cumprod(_without(a, 1)[0], axis, dtype, out)


def nanmean(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: Any = NOTHING, *,
    where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Compute the mean of the elements that are not NaN; of none, NaN.

    Example:
        >>> x = np.array([1.0, np.nan, 3.0])
        >>> print(np.nanmean(x), gradcore.grad(np.nanmean)(x))
        2.0 [0.5 0.  0.5]
    """
    x, mask = _without(a, 0)
    return reductions.mean(x, axis, dtype, out, keepdims, where=_both(mask, where))


def nanvar(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: Any = NOTHING, *, where: Any = NOTHING, mean: Any = NOTHING,
    correction: Any = NOTHING,
) -> Any:  # fmt: skip
    """Compute the variance of the elements that are not NaN.

    Example:
        >>> x = np.array([1.0, np.nan, 3.0])
        >>> print(np.nanvar(x), gradcore.grad(np.nanvar)(x))
        1.0 [-1.  0.  1.]
    """
    x, mask = _without(a, 0)
    more = {"where": _both(mask, where), "mean": mean, "correction": correction}
    return reductions.var(x, axis, dtype, out, ddof, keepdims, **more)


def nanstd(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: Any = NOTHING, *, where: Any = NOTHING, mean: Any = NOTHING,
    correction: Any = NOTHING,
) -> Any:  # fmt: skip
    """Compute the standard deviation of the elements that are not NaN.

    Example:
        >>> x = np.array([1.0, np.nan, 3.0])
        >>> print(np.nanstd(x), gradcore.grad(np.nanstd)(x))
        1.0 [-0.5  0.   0.5]
    """
    x, mask = _without(a, 0)
    more = {"where": _both(mask, where), "mean": mean, "correction": correction}
    return reductions.std(x, axis, dtype, out, ddof, keepdims, **more)


def nanmax(
    a: Any, axis: Axis = None, out: Any = None, keepdims: Any = NOTHING, initial: Any = NOTHING,
    where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Find the maximum of the elements that are not NaN; of none, NaN.

    Example:
        >>> x = np.array([1.0, np.nan, 3.0])
        >>> print(np.nanmax(x), gradcore.grad(np.nanmax)(x))
        3.0 [0. 0. 1.]
    """
    return _extreme("max", a, -math.inf, axis, out, keepdims, initial, where)


def nanmin(
    a: Any, axis: Axis = None, out: Any = None, keepdims: Any = NOTHING, initial: Any = NOTHING,
    where: Any = NOTHING,
) -> Any:  # fmt: skip
    """Find the minimum of the elements that are not NaN; of none, NaN.

    Example:
        >>> x = np.array([1.0, np.nan, 3.0])
        >>> print(np.nanmin(x), gradcore.grad(np.nanmin)(x))
        1.0 [1. 0. 0.]
    """
    return _extreme("min", a, math.inf, axis, out, keepdims, initial, where)


def _extreme(
    name: str, a: Any, worst: float, axis: Axis, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    x, mask = _without(a, worst)
    y = getattr(reductions, name)(x, axis, None, keepdims, initial, where)
    if mask is not True and initial is NOTHING:
        found = xp.any(mask, axis=axis, keepdims=keepdims is True)
        y = xp.where(found, y, math.nan)
    return filled(f"nan{name}", out, y)


def nanargmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = NOTHING) -> Any:
    """Find the index of the maximum of the elements that are not NaN.

    Example:
        >>> print(np.nanargmax([1.0, np.nan, 3.0]))
        2
    """
    return _index("argmax", a, -math.inf, axis, out, keepdims)


def nanargmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = NOTHING) -> Any:
    """Find the index of the minimum of the elements that are not NaN.

    Example:
        >>> print(np.nanargmin([2.0, np.nan, 1.0]))
        2
    """
    return _index("argmin", a, math.inf, axis, out, keepdims)


def _index(name: str, a: Any, worst: float, axis: int | None, out: Any, keepdims: Any) -> Any:
    x, mask = _without(a, worst)
    if mask is not True and not xp.all(xp.any(mask, axis=axis)):
        raise ValueError(f"nan{name}: there are only NaN, along axis {axis}")
    return getattr(reductions, name)(x, axis, out, keepdims=keepdims)
