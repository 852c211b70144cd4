"""Medians, quantiles, weighted means, covariances, histograms and counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import array_api as xp
from ..array_api.common import axes_from_front
from ..engine.arrays import is_node
from ..functions import shared, statistics
from . import reductions
from .common import (
    NOTHING,
    alike,
    arrays_of,
    cast,
    filled,
    floats,
    numpy_dtype,
    on_host,
    place_of,
    placed,
    promoted,
)

__all__ = [
    "average",
    "bincount",
    "corrcoef",
    "cov",
    "digitize",
    "histogram",
    "histogram2d",
    "histogram_bin_edges",
    "histogramdd",
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "percentile",
    "quantile",
]

# Quantile q of n sorted numbers is at place n q + alpha + q (1 - alpha - beta) - 1
# (Hyndman and Fan, 1996).
_CONTINUOUS = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
    "interpolated_inverted_cdf": (0.0, 1.0),
}


def quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    """Find the numbers that a fraction q of the elements is below: q = 0.5 is the median. Elements
    get the gradients, q gets none.

    Raises:
        ValueError: q is not in [0, 1]; the method is another one than the continuous ones, and
            "lower", "higher", "nearest" and "midpoint"; or there are weights.

    Example:
        >>> x = np.array([0.0, 10.0])
        >>> print(np.quantile(x, 0.25), gradcore.grad(lambda x: np.quantile(x, 0.25))(x))
        2.5 [0.75 0.25]
    """
    return filled("quantile", out, _quantile("quantile", a, q, axis, method, keepdims, weights))


def percentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    """Find the numbers that q of 100 elements are below; see `quantile`.

    Example:
        >>> x = np.array([0.0, 10.0])
        >>> print(np.percentile(x, 25), gradcore.grad(lambda x: np.percentile(x, 25))(x))
        2.5 [0.75 0.25]
    """
    q = on_host(q) / 100
    return filled("percentile", out, _quantile("percentile", a, q, axis, method, keepdims, weights))


def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """Find the median; of an even number of elements, the mean of the two in the middle.

    Example:
        >>> x = np.array([7.0, 1.0, 3.0])
        >>> print(np.median(x), gradcore.grad(np.median)(x))
        3.0 [0. 0. 1.]
    """
    return filled("median", out, _quantile("median", a, 0.5, axis, "linear", keepdims, None))


def nanquantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: Any = NOTHING, *, weights: Any = None,
) -> Any:  # fmt: skip
    """Find quantiles of the elements that are not NaN; see `quantile`.

    Example:
        >>> print(np.nanquantile([0.0, np.nan, 10.0], 0.25))
        2.5
    """
    y = _quantile("nanquantile", a, q, axis, method, keepdims is True, weights, leave=True)
    return filled("nanquantile", out, y)


def nanpercentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: Any = NOTHING, *, weights: Any = None,
) -> Any:  # fmt: skip
    """Find percentiles of the elements that are not NaN; see `quantile`.

    Example:
        >>> print(np.nanpercentile([0.0, np.nan, 10.0], 25))
        2.5
    """
    return nanquantile(a, on_host(q) / 100, axis, out, False, method, keepdims, weights=weights)


def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    keepdims: Any = NOTHING,
) -> Any:  # fmt: skip
    """Find the median of the elements that are not NaN.

    Example:
        >>> print(np.nanmedian([7.0, np.nan, 1.0, 3.0]))
        3.0
    """
    return nanquantile(a, 0.5, axis, out, False, "linear", keepdims)


def _quantile(
    name: str, a: Any, q: Any, axis: Any, method: str, keepdims: bool, weights: Any,
    leave: bool = False,
) -> Any:  # fmt: skip
    """Sort, and interpolate between the two elements next to the place of the quantile.

    Args:
        leave: leave NaN out; otherwise, the result is NaN where there is one.
    """
    if weights is not None:
        raise ValueError(f"{name}: weights are not supported")
    if method not in _CONTINUOUS and method not in shared.PLACES:
        known = ", ".join({**_CONTINUOUS, **shared.PLACES})
        raise ValueError(f"{name}: method = {method!r}, expected one of {known}")
    fractions = on_host(q)
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise ValueError(f"{name}: q is {q}, expected fractions of 1")
    (x,) = arrays_of(a)
    x = cast(
        floats(x),
        np.result_type(fractions, numpy_dtype(floats(x).dtype)) if fractions.ndim else None,
        is_asked=False,
    )
    alpha, beta = _CONTINUOUS.get(method, (1.0, 1.0))
    y = shared.quantiles(
        name, x, placed(fractions.reshape(-1), place_of(x), x.dtype), axis, keepdims,
        lambda n, f: n * f + (alpha + f * (1.0 - alpha - beta)) - 1.0,
        method if method in shared.PLACES else "linear", leave,
    )  # fmt: skip
    return xp.reshape(y, (*fractions.shape, *y.shape[1:]))


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *,
    keepdims: Any = NOTHING,
) -> Any:  # fmt: skip
    """Compute the mean, weighted if there are weights: of the shape of a, or of its `axis`.

    Args:
        returned: give the sums of the weights too.

    Raises:
        ValueError: the shape of the weights is neither that of a nor that of its `axis`.

    Example:
        >>> x = np.array([1.0, 5.0])
        >>> print(np.average(x, weights=[3.0, 1.0]))
        2.0
        >>> print(gradcore.grad(lambda x: np.average(x, weights=[3.0, 1.0]))(x))
        [0.75 0.25]
    """
    if weights is None:
        (a,) = arrays_of(a)
        y = reductions.mean(a, axis, keepdims=keepdims)
        if not returned:
            return y
        return y, xp.full_like(y, math.prod(a.shape) / max(math.prod(y.shape), 1))
    a, w = alike(*map(floats, arrays_of(a, weights)))
    if tuple(w.shape) != tuple(a.shape):
        axes = [] if axis is None else axes_from_front("average", axis, a.ndim)
        if axis is None or tuple(w.shape) != tuple([a.shape[k] for k in axes]):
            raise ValueError(f"average: weights {tuple(w.shape)} don't fit a {tuple(a.shape)}")
        w = xp.permute_dims(w, tuple(sorted(range(w.ndim), key=axes.__getitem__)))
        w = xp.reshape(w, tuple([n if k in axes else 1 for k, n in enumerate(a.shape)]))
        w = xp.broadcast_to(w, tuple(a.shape))
    keep = keepdims is True
    total = xp.sum(w, axis=axis, keepdims=keep)
    y = xp.sum(a * w, axis=axis, keepdims=keep) / total
    return (y, total) if returned else y


def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: float | None = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """Compute the covariances (N, N) of N variables, each a row of m (N, K) with K observations.

    Args:
        y: more variables.
        rowvar: whether variables are in rows; else they are in columns.
        bias: divide by K, not by K - 1.
        ddof: divide by K - ddof.
        fweights, aweights: how often each observation counts, and its weight.

    Example:
        >>> print(np.cov([[1.0, 2.0, 3.0], [6.0, 4.0, 2.0]]).tolist())
        [[1.0, -2.0], [-2.0, 4.0]]
    """
    x = _variables(m, rowvar)
    if y is not None:
        x = xp.concat(promoted(x, _variables(y, rowvar)))
    wide = np.result_type(numpy_dtype(x.dtype), np.float64)
    x = cast(x, wide, is_asked=False) if dtype is None else cast(x, dtype)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = [None if w is None else arrays_of(w, x)[0] for w in (fweights, aweights)]
    y = statistics.cov(x, correction=ddof, fweights=weights[0], aweights=weights[1])
    return xp.reshape(y, ()) if y.shape == (1, 1) else y


def _variables(m: Any, rowvar: bool) -> Any:
    (x,) = arrays_of(m)
    if x.ndim > 2:
        raise ValueError(f"cov: variables of shape {tuple(x.shape)}, expected at most 2 dimensions")
    is_vector = x.ndim < 2
    x = xp.reshape(x, (1, -1)) if is_vector else x
    return x if rowvar or is_vector else xp.matrix_transpose(x)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Compute the correlations (N, N) of N variables; see `cov`.

    Example:
        >>> print(np.corrcoef([[1.0, 2.0, 3.0], [6.0, 4.0, 2.0]]).round(3).tolist())
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    d = xp.sqrt(xp.real(xp.linalg.diagonal(c)))
    return xp.clip(c / d[:, None] / d[None, :], -1.0, 1.0)


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """Count how often 0, 1, 2, ... are in x (N,), or sum the weights (N,) of each.

    Example:
        >>> print(np.bincount([0, 2, 2]), np.bincount([0, 2, 2], weights=[0.5, 1.0, 2.0]))
        [1 0 2] [0.5 0.  3. ]
    """
    (x,) = arrays_of(x)
    if weights is None:
        return statistics.bincount(x, None, minlength)
    return statistics.bincount(
        x, cast(arrays_of(weights)[0], np.float64, is_asked=False), minlength
    )


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """Find for each element the index of its bin: bins[i - 1] <= x < bins[i], or with `right`,
    bins[i - 1] < x <= bins[i]. Bins may descend too.

    Example:
        >>> print(np.digitize([0.2, 1.0, 2.5], [0.0, 1.0, 2.0]))
        [1 2 3]
    """
    x, bins = alike(x, bins)
    n = bins.shape[0]
    if n > 1 and bool(bins[0] > bins[-1]):
        return n - xp.searchsorted(xp.flip(bins), x, side="right" if right else "left")
    return xp.searchsorted(bins, x, side="left" if right else "right")


# NumPy computes the bins and counts on the host. They are constants.


def _of_host(name: str, place: Any, *inputs: Any, **keywords: Any) -> Any:
    made = getattr(np, name)(*inputs, **keywords)
    if isinstance(made, tuple | list):
        return tuple([_placed(part, place) for part in made])
    return placed(made, place)


def _placed(part: Any, place: Any) -> Any:
    if isinstance(part, tuple | list):
        return [placed(p, place) for p in part]
    return placed(part, place)


def _weights(name: str, weights: Any) -> Any:
    if is_node(weights) and weights.requires_grad:
        raise TypeError(
            f"{name}: the weights would lose their gradient on the host; sum them by "
            "bincount(digitize(x, edges) - 1, weights)"
        )
    return None if weights is None else on_host(weights)


def _bins(bins: Any) -> Any:
    if isinstance(bins, int | str):
        return bins
    return [_bins(b) for b in bins] if isinstance(bins, list | tuple) else on_host(bins)


def histogram(
    a: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> tuple[Any, Any]:
    """Count the elements in bins, on the host, as constants; gives the counts and the edges.

    Example:
        >>> counts, edges = np.histogram([1.0, 2.0, 2.0, 4.0], bins=3)
        >>> print(counts, edges)
        [1 2 1] [1. 2. 3. 4.]
    """
    more = {"range": range, "density": density, "weights": _weights("histogram", weights)}
    return _of_host("histogram", place_of(a), on_host(a), _bins(bins), **more)


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Find the edges of the bins that `histogram` counts in.

    Example:
        >>> print(np.histogram_bin_edges([1.0, 2.0, 2.0, 4.0], bins=3))
        [1. 2. 3. 4.]
    """
    more = {"range": range, "weights": _weights("histogram_bin_edges", weights)}
    return _of_host("histogram_bin_edges", place_of(a), on_host(a), _bins(bins), **more)


def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Any:
    """Count the points (x, y) in bins; see `histogram`.

    Example:
        >>> counts, x_edges, y_edges = np.histogram2d([0.0, 1.0, 1.0], [0.0, 0.0, 1.0], bins=2)
        >>> print(counts.tolist(), x_edges)
        [[1.0, 0.0], [1.0, 1.0]] [0.  0.5 1. ]
    """
    more = {"range": range, "density": density, "weights": _weights("histogram2d", weights)}
    return _of_host("histogram2d", place_of(x, y), on_host(x), on_host(y), _bins(bins), **more)


def histogramdd(
    sample: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Any:
    """Count points in bins; see `histogram`.

    Example:
        >>> counts, edges = np.histogramdd([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], bins=2)
        >>> print(counts.tolist(), edges[0])
        [[[0.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]] [-0.5  0.   0.5]
    """
    more = {"range": range, "density": density, "weights": _weights("histogramdd", weights)}
    host = [*map(on_host, sample)] if isinstance(sample, list | tuple) else on_host(sample)
    return _of_host("histogramdd", place_of(sample), host, _bins(bins), **more)
