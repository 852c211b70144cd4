"""Quantiles, covariances, counts, and sums without NaN, with the names and arguments of PyTorch's
functions, but `axis` and `keepdims`. gradcore.numpy has them under NumPy's names."""

from __future__ import annotations

import math
from typing import Any

from .. import array_api as xp
from .. import ops
from ..array_api.common import Axis, NodeOrArray, axis_from_front, floating
from ..engine.arrays import (
    is_complex,
    is_discrete,
    is_floating,
    is_integer,
    is_node,
    namespace,
    node_or_array,
    value_of,
    widened,
)
from ..graph import TensorNode
from .shared import PLACES, accumulated, quantiles

__all__ = [
    "bincount",
    "corrcoef",
    "cov",
    "histc",
    "logcumsumexp",
    "nanmean",
    "nanquantile",
    "nansum",
    "quantile",
]


def quantile(
    x: NodeOrArray, q: Any, axis: int | None = None, keepdims: bool = False, *,
    interpolation: str = "linear",
) -> NodeOrArray:  # fmt: skip
    """Find the numbers that a fraction q of the elements is below, of all or along `axis`: q = 0.5
    is the median. If an element is NaN, so is the result.

    Args:
        q: a number, or a vector (Q,): then the results have a first axis (Q, ...). A node gets the
            gradient that "linear" gives it.
        interpolation: between two elements, "linear"; or their "midpoint", or the "lower",
            "higher", or "nearest" one.

    Raises:
        ValueError: q is a number, or several in a list, and not in [0, 1]. In an array, such a q
            gives NaN: the host does not read the array.

    Example:
        >>> print(gradcore.quantile(TensorNode([1.0, 2.0, 3.0, 5.0]), 0.25).value)
        1.75
    """
    return _quantile("quantile", x, q, axis, keepdims, interpolation, False)


def nanquantile(
    x: NodeOrArray, q: Any, axis: int | None = None, keepdims: bool = False, *,
    interpolation: str = "linear",
) -> NodeOrArray:  # fmt: skip
    """Find quantiles of the elements that are not NaN; of none, NaN. See `quantile`.

    Example:
        >>> print(gradcore.nanquantile(TensorNode([1.0, float("nan"), 3.0]), 0.5).value)
        2.0
    """
    return _quantile("nanquantile", x, q, axis, keepdims, interpolation, True)


def _quantile(
    name: str, x: NodeOrArray, q: Any, axis: Any, keepdims: bool, interpolation: str, leave: bool
) -> NodeOrArray:
    if interpolation not in PLACES:
        known = ", ".join(PLACES)
        raise ValueError(f"{name}: interpolation = {interpolation!r}, expected one of {known}")
    x = floating(node_or_array(x))
    raw = value_of(x)
    lib = namespace(raw)
    if not hasattr(q, "shape"):
        try:
            is_fine = all(0 <= f <= 1 for f in ([q] if isinstance(q, float | int) else q))
        except TypeError:
            raise TypeError(
                f"{name}: q is {q!r}, expected a number, or several in a list"
            ) from None
        if not is_fine:
            raise ValueError(f"{name}: q is {q}, expected fractions of 1")
        q = lib.asarray(q, dtype=raw.dtype, device=raw.device)
    if q.ndim > 1:
        raise ValueError(f"{name}: q {tuple(q.shape)}, expected a number or a vector")
    flat = xp.astype(xp.reshape(q, (-1,)), raw.dtype, copy=False)
    y = quantiles(name, x, flat, axis, keepdims, lambda n, f: (n - 1) * f, interpolation, leave)
    return y if q.ndim else y[0, ...]


# -- Covariances ------------------------------------------------------------------------------


def cov(
    x: NodeOrArray, *, correction: float = 1, fweights: Any = None, aweights: Any = None
) -> NodeOrArray:
    """Compute the covariances (N, N) of N variables, each a row of x (N, K) with K observations;
    of one variable its variance ().

    Args:
        correction: divide by K - correction.
        fweights, aweights: (K,), how often each observation counts, and its weight.

    Raises:
        ValueError: x has more than two dimensions.

    Example:
        >>> x = TensorNode([[1.0, 2.0, 3.0], [6.0, 4.0, 2.0]])  # 2 variables, 3 observations
        >>> print(gradcore.cov(x).value.round(3))
        [[ 1. -2.]
         [-2.  4.]]
    """
    x = floating(node_or_array(x))
    x, dtype = widened(x), x.dtype
    if x.ndim > 2:
        raise ValueError(f"cov: x {tuple(x.shape)}, expected variables in rows (N, K), or (K,)")
    x = x if x.ndim == 2 else xp.reshape(x, (1, -1))
    raw = value_of(x)
    given = [node_or_array(w) for w in (fweights, aweights) if w is not None]
    for w in given:
        if tuple(w.shape) != tuple(x.shape[1:]):
            raise ValueError(f"cov: weights {tuple(w.shape)} for {x.shape[1]} observations")
    if fweights is not None and not is_discrete(value_of(given[0])):
        raise TypeError(f"cov: fweights are {given[0].dtype}, expected integers")
    given = [xp.astype(w, raw.dtype, copy=False) for w in given]
    one = namespace(raw).ones((x.shape[1],), dtype=raw.dtype, device=raw.device)
    w = xp.multiply(*given) if len(given) == 2 else given[0] if given else one
    total = xp.sum(w)
    fact = total - correction
    if aweights is not None and correction != 0:
        fact = total - xp.divide(correction * xp.sum(xp.multiply(w, given[-1])), total)
    # As in NumPy and PyTorch, fewer observations than the correction have no variance.
    fact = xp.where(xp.real(value_of(fact)) > 0, fact, 0.0)
    centered = xp.subtract(x, xp.divide(xp.sum(xp.multiply(x, w), axis=1, keepdims=True), total))
    other = xp.conj(centered) if is_complex(x) else centered
    y = xp.matmul(xp.multiply(centered, w), xp.matrix_transpose(other)) / fact
    y = xp.astype(y, dtype, copy=False)
    return xp.reshape(y, ()) if y.shape == (1, 1) else y


def corrcoef(x: NodeOrArray) -> NodeOrArray:
    """Compute the correlations (N, N) of N variables, each a row of x (N, K); of one (K,), 1.

    Example:
        >>> x = TensorNode([[1.0, 2.0, 3.0], [6.0, 4.0, 2.0]])  # 2 variables, 3 observations
        >>> print(gradcore.corrcoef(x).value.round(3))
        [[ 1. -1.]
         [-1.  1.]]
    """
    c = cov(x)
    if c.ndim == 0:
        return c / c
    d = xp.sqrt(xp.real(xp.linalg.diagonal(c)))
    y = c / xp.expand_dims(d, axis=1) / xp.expand_dims(d, axis=0)
    return y if is_complex(y) else xp.clip(y, -1.0, 1.0)


# -- Counts -----------------------------------------------------------------------------------


def bincount(x: NodeOrArray, weights: Any = None, minlength: int = 0) -> NodeOrArray:
    """Count how often 0, 1, 2, ... are in x (N,), or sum the weights (N,) of each, which get a
    gradient. The host reads the largest number, which is how long the result is.

    Raises:
        TypeError, ValueError: x is no vector of integers, or one is negative, or `minlength`.

    Example:
        >>> x, weights = TensorNode([0, 2, 2]), TensorNode([0.5, 1.0, 1.0])
        >>> print(gradcore.bincount(x).value, gradcore.bincount(x, weights).value)
        [1 0 2] [0.5 0.  2. ]
    """
    if not is_integer(minlength) or minlength < 0:
        raise ValueError(f"bincount: minlength = {minlength!r}, expected an integer of at least 0")
    raw = value_of(node_or_array(x))
    lib = namespace(raw)
    if raw.ndim != 1 or not is_discrete(raw):
        raise TypeError(f"bincount: x is {raw.dtype} {tuple(raw.shape)}, expected integers (N,)")
    raw = lib.astype(raw, lib.int64)
    if raw.shape[0] and int(lib.min(raw)) < 0:
        raise ValueError("bincount: there are negative numbers in x, expected 0 and more")
    size = max(int(lib.max(raw)) + 1 if raw.shape[0] else 0, minlength)
    if weights is not None:
        return ops.ScatterAdd.apply(floating(node_or_array(weights)), indices=raw, size=size)
    y = ops.ScatterAdd.forward({}, lib.ones_like(raw), indices=raw, size=size, check=False)
    return TensorNode(y, requires_grad=False) if is_node(x) else y


def histc(x: NodeOrArray, bins: int = 100, min: float = 0.0, max: float = 0.0) -> NodeOrArray:  # noqa: A002
    """Count the elements of x in equal bins from `min` to `max`, as constants in the dtype of x.
    Elements outside, and NaN, don't count. If `min` is `max`, take the smallest and the largest
    element; if these are equal too, one less and one more. If these are not finite, or too far
    apart to be subtracted, the counts are NaN.

    Raises:
        ValueError: there is no bin, `max` is less than `min`, or one of them is not finite.

    Example:
        >>> print(gradcore.histc(TensorNode([0.1, 0.2, 0.9]), bins=2, min=0.0, max=1.0).value)
        [2. 1.]
    """
    raw = value_of(node_or_array(x))
    lib = namespace(raw)
    if bins < 1 or not (max >= min and math.isfinite(max) and math.isfinite(min)):
        raise ValueError(f"histc: {bins} bins from {min} to {max}, expected 1 or more, and numbers")
    values = lib.reshape(raw, (-1,))
    values = values if is_floating(raw) else lib.astype(values, lib.float32)
    is_data = min == max and values.shape[0] > 0
    low, high = (
        getattr(lib, name)(values) if is_data
        else lib.asarray(bound, dtype=values.dtype, device=raw.device)
        for name, bound in (("min", min), ("max", max))
    )  # fmt: skip
    low, high = lib.where(low == high, low - 1, low), lib.where(low == high, high + 1, high)
    inside = (values >= low) & (values <= high)
    width = high - low
    fine = lib.isfinite(width)
    share = lib.where(inside & fine, values - low, 0.0) / lib.where(fine, width, 1.0)
    places = lib.astype(lib.floor(share * bins), lib.int64)
    places = lib.where(places >= bins, bins - 1, places)  # the last bin has its upper edge
    ones = lib.astype(inside, raw.dtype)
    y = ops.ScatterAdd.forward({}, ones, indices=places, size=bins, check=False)
    y = lib.where(fine, y, math.nan) if is_floating(raw) else y
    return TensorNode(y, requires_grad=False) if is_node(x) else y


# -- Sums -------------------------------------------------------------------------------------


def nansum(x: NodeOrArray, axis: Axis = None, keepdims: bool = False) -> NodeOrArray:
    """Sum the elements that are not NaN; NaN gets the gradient 0.

    Example:
        >>> x = TensorNode([1.0, float("nan"), 3.0])
        >>> y = gradcore.nansum(x)
        >>> y.backward()
        >>> print(y.value, x.grad)
        4.0 [1. 0. 1.]
    """
    x = node_or_array(x)
    return xp.sum(xp.where(xp.isnan(x), 0, x), axis=axis, keepdims=keepdims)


def nanmean(x: NodeOrArray, axis: Axis = None, keepdims: bool = False) -> NodeOrArray:
    """Compute the mean of the elements that are not NaN; of none, NaN.

    Example:
        >>> x = TensorNode([1.0, float("nan"), 3.0])
        >>> y = gradcore.nanmean(x)
        >>> y.backward()
        >>> print(y.value, x.grad)
        2.0 [0.5 0.  0.5]
    """
    x = floating(node_or_array(x))
    count = xp.sum(xp.astype(~xp.isnan(x), x.dtype), axis=axis, keepdims=keepdims)
    # Of nothing, NaN, and no warning of a division.
    count = xp.where(count == 0, math.nan, count)
    return xp.divide(nansum(x, axis, keepdims), count)


def logcumsumexp(x: NodeOrArray, axis: int) -> NodeOrArray:
    """Compute log(sum(exp(x))) of the first 1, 2, ... elements along `axis`, without overflow.

    Example:
        >>> x = gradcore.log(TensorNode([1.0, 2.0, 4.0]))
        >>> print(gradcore.exp(gradcore.logcumsumexp(x, 0)).value.round(3))
        [1. 3. 7.]
    """
    x = floating(node_or_array(x))
    return accumulated(xp.logaddexp, x, axis_from_front("logcumsumexp", axis, x.ndim))
