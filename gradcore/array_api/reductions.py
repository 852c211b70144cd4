"""Reductions of all elements or along axes, and cumulative sums, products and differences.

A reduction drops its axes, or keeps them with size 1 if `keepdims`."""

from __future__ import annotations

import builtins

from .. import ops
from ..backends.types import DType
from .common import Axis, NodeOrArray, axis_from_front
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
    x: NodeOrArray, /, axis: Axis = None, *, dtype: DType | None = None, keepdims: bool = False
) -> NodeOrArray:
    """Sum all elements, or along `axis`; in `dtype`, if that is given."""
    return in_dtype(dtype, ops.Sum, x, axis=axis, keepdims=keepdims)


def prod(
    x: NodeOrArray, /, axis: Axis = None, *, dtype: DType | None = None, keepdims: bool = False
) -> NodeOrArray:
    """Multiply all elements, or along `axis`; in `dtype`, if that is given."""
    return in_dtype(dtype, ops.Prod, x, axis=axis, keepdims=keepdims)


def mean(x: NodeOrArray, /, axis: Axis = None, *, keepdims: bool = False) -> NodeOrArray:
    """Compute the mean of all elements, or along `axis`."""
    return ops.Mean.apply(x, axis=axis, keepdims=keepdims)


def var(
    x: NodeOrArray, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False
) -> NodeOrArray:
    """Compute the variance of all elements, or along `axis`: the sum of squares divided by
    n - correction; see the op Var."""
    return ops.Var.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def std(
    x: NodeOrArray, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False
) -> NodeOrArray:
    """Compute the standard deviation of all elements, or along `axis`: the root of `var`."""
    return ops.Std.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def max(x: NodeOrArray, /, axis: Axis = None, *, keepdims: bool = False) -> NodeOrArray:  # noqa: A001
    """Find the maximum of all elements, or along `axis`. Equal maxima share the gradient."""
    return ops.Max.apply(x, axis=axis, keepdims=keepdims)


def min(x: NodeOrArray, /, axis: Axis = None, *, keepdims: bool = False) -> NodeOrArray:  # noqa: A001
    """Find the minimum of all elements, or along `axis`. Equal minima share the gradient."""
    return ops.Min.apply(x, axis=axis, keepdims=keepdims)


def cumulative_sum(
    x: NodeOrArray,
    /,
    *,
    axis: int | None = None,
    dtype: DType | None = None,
    include_initial: bool = False,
) -> NodeOrArray:
    """Sum the first 1, 2, ... elements along `axis`, which only a vector may leave out.

    With `include_initial`, the sum of none, 0, comes first.
    """
    if axis is None and x.ndim != 1:
        raise ValueError(f"cumulative_sum: an array of shape {tuple(x.shape)} needs an axis")
    axis = axis_from_front("cumulative_sum", -1 if axis is None else axis, x.ndim)
    return in_dtype(dtype, ops.CumulativeSum, x, axis=axis, include_initial=include_initial)


def cumulative_prod(
    x: NodeOrArray,
    /,
    *,
    axis: int | None = None,
    dtype: DType | None = None,
    include_initial: bool = False,
) -> NodeOrArray:
    """Multiply the first 1, 2, ... elements along `axis`, which only a vector may leave out.

    With `include_initial`, the product of none, 1, comes first.
    """
    if axis is None and x.ndim != 1:
        raise ValueError(f"cumulative_prod: an array of shape {tuple(x.shape)} needs an axis")
    axis = axis_from_front("cumulative_prod", -1 if axis is None else axis, x.ndim)
    return in_dtype(dtype, ops.CumulativeProd, x, axis=axis, include_initial=include_initial)


def diff(
    x: NodeOrArray,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: NodeOrArray | None = None,
    append: NodeOrArray | None = None,
) -> NodeOrArray:
    """Subtract each element along `axis` from the next one; repeat this `n` times in all. For
    `n` = 0, the result is x, without what is to be put before and after.

    Args:
        prepend, append: arrays to put before and after x first.
    """
    if n < 0:
        raise ValueError(f"diff: n = {n}, expected 0 or more")
    axis = axis_from_front("diff", axis, x.ndim)
    if n == 0:  # as NumPy, which then puts nothing before and after x
        return x
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=axis) if len(parts) > 1 else x
    before = (slice(None),) * axis
    for _ in range(builtins.min(n, x.shape[axis])):  # after as many, nothing is left
        x = x[(*before, slice(1, None), ...)] - x[(*before, slice(None, -1), ...)]
    return x
