"""TODO"""

from __future__ import annotations

import builtins
from typing import Any

from .. import ops
from .common import Axis, axis_from_front
from .manipulation import concat, in_dtype

__all__ = [
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]


def sum(  # noqa: A001
    x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False
) -> Any:
    """The sum of all elements, or along `axis`."""
    return in_dtype(dtype, ops.Sum, x, axis=axis, keepdims=keepdims)


def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product of all elements, or along `axis`."""
    return in_dtype(dtype, ops.Prod, x, axis=axis, keepdims=keepdims)


def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of all elements, or along `axis`."""
    return ops.Mean.apply(x, axis=axis, keepdims=keepdims)


def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The variance of all elements, or along `axis`; see the op Var."""
    return ops.Var.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def std(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The standard deviation of all elements, or along `axis`."""
    return ops.Std.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    """The maximum of all elements, or along `axis`; equal ones share the gradient."""
    return ops.Max.apply(x, axis=axis, keepdims=keepdims)


def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    """The minimum of all elements, or along `axis`; equal ones share the gradient."""
    return ops.Min.apply(x, axis=axis, keepdims=keepdims)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The sums of the first 1, 2, ... elements along `axis`."""
    if axis is None and x.ndim != 1:
        raise ValueError(f"cumulative_sum: an array of shape {tuple(x.shape)} needs an axis")
    axis = axis_from_front("cumulative_sum", -1 if axis is None else axis, x.ndim)
    return in_dtype(dtype, ops.CumulativeSum, x, axis=axis, include_initial=include_initial)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The products of the first 1, 2, ... elements along `axis`."""
    if axis is None and x.ndim != 1:
        raise ValueError(f"cumulative_prod: an array of shape {tuple(x.shape)} needs an axis")
    axis = axis_from_front("cumulative_prod", -1 if axis is None else axis, x.ndim)
    return in_dtype(dtype, ops.CumulativeProd, x, axis=axis, include_initial=include_initial)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along `axis`, `n` times."""
    if n < 0:
        raise ValueError(f"diff: n = {n}, expected 0 or more")
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=axis) if len(parts) > 1 else x
    axis = axis_from_front("diff", axis, x.ndim)
    before = (slice(None),) * axis
    for _ in range(builtins.min(n, x.shape[axis])):  # then there is none left
        x = x[(*before, slice(1, None), ...)] - x[(*before, slice(None, -1), ...)]
    return x
