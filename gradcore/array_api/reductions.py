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
    """Sum all elements, or along `axis`; in `dtype`, if that is given.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> print(gradcore.sum(x).value, gradcore.sum(x, axis=0).value)
        10.0 [4. 6.]
    """
    return in_dtype(dtype, ops.Sum, x, axis=axis, keepdims=keepdims)


def prod(
    x: NodeOrArray, /, axis: Axis = None, *, dtype: DType | None = None, keepdims: bool = False
) -> NodeOrArray:
    """Multiply all elements, or along `axis`; in `dtype`, if that is given.

    Example:
        >>> x = TensorNode([2.0, 3.0, 4.0])
        >>> y = gradcore.prod(x)
        >>> y.backward()
        >>> print(y.value, x.grad)
        24.0 [12.  8.  6.]
    """
    return in_dtype(dtype, ops.Prod, x, axis=axis, keepdims=keepdims)


def mean(x: NodeOrArray, /, axis: Axis = None, *, keepdims: bool = False) -> NodeOrArray:
    """Compute the mean of all elements, or along `axis`.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 6.0]])
        >>> y = gradcore.mean(x)
        >>> y.backward()
        >>> print(y.value)
        3.0
        >>> print(x.grad)
        [[0.25 0.25]
         [0.25 0.25]]
    """
    return ops.Mean.apply(x, axis=axis, keepdims=keepdims)


def var(
    x: NodeOrArray, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False
) -> NodeOrArray:
    """Compute the variance of all elements, or along `axis`: the sum of squares divided by
    n - correction; see the op Var.

    Example:
        >>> x = TensorNode([1.0, 2.0, 3.0])
        >>> print(gradcore.var(x).value.round(3), gradcore.var(x, correction=1).value)
        0.667 1.0
    """
    return ops.Var.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def std(
    x: NodeOrArray, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False
) -> NodeOrArray:
    """Compute the standard deviation of all elements, or along `axis`: the root of `var`.

    Example:
        >>> print(gradcore.std(TensorNode([[1.0, 3.0], [10.0, 30.0]]), axis=1).value)
        [ 1. 10.]
    """
    return ops.Std.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def max(x: NodeOrArray, /, axis: Axis = None, *, keepdims: bool = False) -> NodeOrArray:  # noqa: A001
    """Find the maximum of all elements, or along `axis`. Equal maxima share the gradient.

    Example:
        >>> x = TensorNode([[1.0, 5.0], [7.0, 7.0]])
        >>> y = gradcore.max(x, axis=1)
        >>> y.sum().backward()
        >>> print(y.value)
        [5. 7.]
        >>> print(x.grad)
        [[0.  1. ]
         [0.5 0.5]]
    """
    return ops.Max.apply(x, axis=axis, keepdims=keepdims)


def min(x: NodeOrArray, /, axis: Axis = None, *, keepdims: bool = False) -> NodeOrArray:  # noqa: A001
    """Find the minimum of all elements, or along `axis`. Equal minima share the gradient.

    Example:
        >>> print(gradcore.min(TensorNode([[1.0, 5.0], [7.0, 2.0]]), axis=1).value)
        [1. 2.]
    """
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

    Raises:
        ValueError: x has several axes, and none is named.

    Example:
        >>> print(gradcore.cumulative_sum(TensorNode([2.0, 3.0, 4.0]), include_initial=True).value)
        [0. 2. 5. 9.]
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

    Raises:
        ValueError: x has several axes, and none is named.

    Example:
        >>> print(gradcore.cumulative_prod(TensorNode([2.0, 3.0, 4.0])).value)
        [ 2.  6. 24.]
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

    Raises:
        ValueError: n is negative.

    Example:
        >>> print(gradcore.diff(TensorNode([1.0, 4.0, 9.0, 16.0])).value)
        [3. 5. 7.]
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
