"""Differences, integrals, interpolation and convolution of samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import array_api as xp
from .. import ops
from ..array_api.common import axes_from_front, axis_from_front
from ..engine.arrays import value_of
from .common import (
    NOTHING,
    arrays_of,
    as_node_or_array,
    cast,
    counting,
    floats,
    numpy_dtype,
    place_of,
    promoted,
)

__all__ = [
    "convolve",
    "correlate",
    "diff",
    "ediff1d",
    "gradient",
    "interp",
    "trapezoid",
    "unwrap",
]


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = NOTHING, append: Any = NOTHING) -> Any:
    """Subtract each element along `axis` from the next one; repeat this n times in all.

    Raises:
        TypeError: the elements are booleans, and n is not 1.

    Example:
        >>> x = np.array([1.0, 4.0, 9.0])
        >>> print(np.diff(x), gradcore.grad(lambda x: np.sum(np.diff(x) ** 2))(x))
        [3. 5.] [-6. -4. 10.]
    """
    (x,) = arrays_of(a)
    axis = axis_from_front("diff", axis, x.ndim)
    one = tuple([1 if k == axis else m for k, m in enumerate(x.shape)])
    more = {}
    for key, part in (("prepend", prepend), ("append", append)):
        if part is not NOTHING:
            x, part = promoted(*arrays_of(x, part))
            more[key] = xp.broadcast_to(part, one) if part.ndim == 0 else part
    if numpy_dtype(x.dtype).kind == "b":
        if n != 1 or more:
            raise TypeError("diff: of booleans, only n = 1 is supported")
        before = (slice(None),) * axis
        return xp.not_equal(x[(*before, slice(1, None), ...)], x[(*before, slice(None, -1), ...)])
    more = {key: cast(part, x.dtype) for key, part in more.items()}
    return xp.diff(x, axis=axis, n=n, **more)


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Subtract each element of ary, made flat, from the next one; put others before and after.

    Example:
        >>> print(np.ediff1d([[1.0, 4.0], [9.0, 16.0]], to_begin=0.0))
        [0. 3. 5. 7.]
    """
    (x,) = arrays_of(ary)
    x = xp.reshape(x, (-1,))
    parts = [to_begin, x[1:] - x[:-1], to_end]
    return xp.concat(
        [
            xp.reshape(cast(as_node_or_array(p, None, place_of(x)), x.dtype), (-1,))
            for p in parts
            if p is not None
        ]
    )


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Compute derivatives of samples f along each axis, by differences of second order; at the
    edges, of `edge_order`, 1 or 2.

    Args:
        varargs: one distance for all axes, or for each axis a distance or the coordinates (N,).

    Returns:
        An array, or of several axes a tuple of arrays.

    Raises:
        ValueError: `edge_order` is neither 1 nor 2.
        TypeError: there are not as many distances as axes.

    Example:
        >>> print(np.gradient(np.array([0.0, 1.0, 4.0, 9.0])))  # of t**2 at t = 0, 1, 2, 3
        [1. 2. 4. 5.]
    """
    (f,) = arrays_of(f)
    f = floats(f)
    axes = [*range(f.ndim)] if axis is None else axes_from_front("gradient", axis, f.ndim)
    given = [1.0] if not varargs else [*varargs]
    given = given * len(axes) if len(given) == 1 and _is_number(given[0]) else given
    if len(given) != len(axes):
        raise TypeError(f"gradient: {len(varargs)} distances for {len(axes)} axes")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order = {edge_order}, expected 1 or 2")
    found = [_derivative(f, h, k, edge_order) for h, k in zip(given, axes, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _is_number(x: Any) -> bool:
    return getattr(x, "ndim", 0) == 0 and not isinstance(x, list | tuple)


def _derivative(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    f = xp.moveaxis(f, axis, 0)
    n = f.shape[0]
    if n < edge_order + 1:
        raise ValueError(
            f"gradient: axis {axis} has {n} samples, expected {edge_order + 1} or more"
        )
    if _is_number(h):
        first, last = (h, h), (h, h)
    else:
        (h,) = arrays_of(h)
        h = floats(h)
        if tuple(h.shape) != (n,):
            raise ValueError(
                f"gradient: coordinates {tuple(h.shape)} of axis {axis}, expected ({n},)"
            )
        steps = h[1:] - h[:-1]
        f, steps = promoted(f, steps)
        column = xp.reshape(steps, (-1, *[1] * (f.ndim - 1)))
        a, b = column[:-1, ...], column[1:, ...]  # from inner samples to both neighbours
        first, last = (steps[0], steps[min(1, n - 2)]), (steps[n - 2], steps[max(n - 3, 0)])
    inner = f[:0, ...]
    if n > 2 and _is_number(h):
        inner = (f[2:, ...] - f[:-2, ...]) / (2.0 * h)
    elif n > 2:
        inner = f[2:, ...] * (a * a) + f[1:-1, ...] * (b * b - a * a) - f[:-2, ...] * (b * b)
        inner = inner / (a * b * (a + b))
    start = _edge(f[0, ...], f[1, ...], f[min(2, n - 1), ...], *first, edge_order)
    end = _edge(f[n - 1, ...], f[n - 2, ...], f[max(n - 3, 0), ...], *last, edge_order)
    y = xp.concat([start[None, ...], inner, -end[None, ...]])
    return xp.moveaxis(y, 0, axis)


def _edge(f0: Any, f1: Any, f2: Any, h1: Any, h2: Any, order: int) -> Any:
    """Compute the derivative at the first of three samples, of which one or two are used."""
    if order == 1:
        return (f1 - f0) / h1
    both = h1 + h2
    return (f1 - f0) * (both / (h1 * h2)) - (f2 - f0) * (h1 / (h2 * both))


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integrate samples y along `axis`, at the places x or at distances of dx.

    Example:
        >>> y = np.array([0.0, 1.0, 4.0])
        >>> print(np.trapezoid(y, dx=0.5), gradcore.grad(lambda y: np.trapezoid(y, dx=0.5))(y))
        1.5 [0.25 0.5  0.25]
    """
    (y,) = arrays_of(y)
    y = xp.moveaxis(floats(y), axis, -1)
    if x is not None:
        y, x = promoted(*map(floats, arrays_of(y, x)))
        x = x if x.ndim == 1 else xp.moveaxis(x, axis, -1)
        dx = x[..., 1:] - x[..., :-1]
    return xp.sum((y[..., 1:] + y[..., :-1]) * (dx * 0.5), axis=-1)


def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Interpolate linearly, at x, between samples fp (N,) at the ascending places xp (N,). Left and
    right of these, the value is that of the first and last sample, or `left` and `right`.

    Samples and places get gradients, as x does: the slope.

    Example:
        >>> f = lambda x: np.interp(x, [0.0, 1.0, 3.0], [0.0, 10.0, 20.0])
        >>> x = np.array([0.5, 2.0])
        >>> print(f(x), gradcore.grad(lambda x: np.sum(f(x)))(x))
        [ 5. 15.] [10.  5.]
    """
    return _interp(x, xp, fp, left, right, period)


def _interp(x: Any, places: Any, samples: Any, left: Any, right: Any, period: Any) -> Any:
    x, places = (cast(a, np.float64, is_asked=False) for a in arrays_of(x, places))  # as NumPy
    (samples,) = arrays_of(samples)
    samples = cast(samples, np.result_type(numpy_dtype(samples.dtype), np.float64), is_asked=False)
    if places.ndim != 1 or tuple(samples.shape) != tuple(places.shape):
        raise ValueError(
            f"interp: xp {tuple(places.shape)} and fp {tuple(samples.shape)}, expected both (N,)"
        )
    if period is not None:
        if period == 0:
            raise ValueError("interp: period is 0, expected another number")
        left = right = None
        x, places = x % abs(period), places % abs(period)
        order = value_of(xp.argsort(places))
        places, samples = xp.take(places, order), xp.take(samples, order)
        places = xp.concat([places[-1:] - abs(period), places, places[:1] + abs(period)])
        samples = xp.concat([samples[-1:], samples, samples[:1]])
    n = places.shape[0]
    if n == 0:
        raise ValueError("interp: there are no samples")
    at, ends = value_of(x), value_of(places)
    i = xp.clip(xp.searchsorted(ends, at, side="right") - 1, 0, max(n - 2, 0))
    j = xp.clip(i + 1, 0, n - 1)
    x0, x1, y0, y1 = [xp.getitem(p, k) for p in (places, samples) for k in (i, j)]
    inside = (at > value_of(x0)) & (at < value_of(x1))
    width = xp.where(value_of(x1) == value_of(x0), 1.0, x1 - x0)
    t = xp.where(inside | (at >= ends[0]) & (at <= ends[n - 1]), (x - x0) / width, 0.0)
    y = y0 + (y1 - y0) * t
    y = xp.where(at == value_of(x1), y1 + (y - value_of(y)), y)  # exactly
    y = xp.where(at < ends[0], samples[0] if left is None else left, y)
    y = xp.where(at > ends[n - 1], samples[n - 1] if right is None else right, y)
    return xp.where(xp.isnan(at), x, y)


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Sum a[i] v[n - i] for each n, of vectors a (N,) and v (M,).

    Args:
        mode: "full": all M + N - 1 sums; "same": as many as the longer vector has elements, from
            the middle; "valid": those in which all elements of the shorter vector take part.

    Raises:
        ValueError: they are no vectors, one is empty, or there is no such mode.

    Example:
        >>> v = np.array([1.0, 0.5])
        >>> print(np.convolve([1.0, 2.0, 3.0], v))
        [1.  2.5 4.  1.5]
        >>> print(gradcore.grad(lambda v: np.sum(np.convolve([1.0, 2.0, 3.0], v)))(v))
        [6. 6.]
    """
    a, v = promoted(*arrays_of(a, v))
    a, v = (xp.reshape(x, (-1,)) if x.ndim == 0 else x for x in (a, v))
    if a.ndim != 1 or v.ndim != 1 or 0 in (a.shape[0], v.shape[0]):
        raise ValueError(f"convolve: {tuple(a.shape)} and {tuple(v.shape)}, expected (N,) and (M,)")
    a, v = (a, v) if a.shape[0] >= v.shape[0] else (v, a)
    m = v.shape[0]
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"convolve: mode = {mode!r}, expected full, same or valid")
    before, after = {"full": (m - 1, m - 1), "same": (m // 2, (m - 1) // 2), "valid": (0, 0)}[mode]
    return _convolved(a, v, before, after)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Sum a[n + i] conj(v[i]) for each n; see `convolve`.

    Raises:
        ValueError: they are no vectors, or there is no such mode.

    Example:
        >>> x, v = [1.0, 2.0, 3.0], np.array([1.0, 0.5])
        >>> print(np.correlate(x, v), gradcore.grad(lambda v: np.sum(np.correlate(x, v)))(v))
        [2.  3.5] [3. 5.]
    """
    a, v = promoted(*arrays_of(a, v))
    v = xp.conj(v) if numpy_dtype(v.dtype).kind == "c" else v
    if a.ndim != 1 or v.ndim != 1:
        raise ValueError(f"correlate: {tuple(a.shape)} and {tuple(v.shape)}, expected (N,), (M,)")
    (n,), (m,) = a.shape, v.shape
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"correlate: mode = {mode!r}, expected full, same or valid")
    y = convolve(a, xp.flip(v), "full")
    if mode == "full":
        return y
    if mode == "valid":
        return y[min(n, m) - 1 : max(n, m)]
    start = (min(n, m) - 1) // 2 if n >= m else min(n, m) // 2
    return y[start : start + max(n, m)]


def _convolved(a: Any, v: Any, before: int, after: int) -> Any:
    """Multiply the windows of a, with zeros before and after it, by v turned round."""
    m = v.shape[0]
    wide = ops.PutItem.apply(
        a, key=slice(before, before + a.shape[0]), shape=(before + a.shape[0] + after,)
    )
    kind = numpy_dtype(a.dtype)
    if kind.kind == "f":
        y = ops.Conv2d.apply(xp.reshape(wide, (1, 1, 1, -1)), xp.reshape(xp.flip(v), (1, 1, 1, -1)))
        return xp.reshape(y, (-1,))
    starts = counting(wide, wide.shape[0] - m + 1)
    windows = xp.getitem(wide, starts[:, None] + counting(wide, m))
    return cast(xp.sum(windows * xp.flip(v), axis=1), kind)


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    """Add multiples of the period to angles p, so that neighbours along `axis` differ by less than
    half of one. The gradient goes through as it is.

    Args:
        discont: a larger difference than half of the period from which on angles are changed.

    Example:
        >>> print(np.unwrap([0.0, 3.0, 6.0, 9.0 - 2 * np.pi]))
        [0. 3. 6. 9.]
    """
    (p,) = arrays_of(p)
    p = floats(p)
    raw = value_of(p)
    axis = axis_from_front("unwrap", axis, p.ndim)
    steps = xp.diff(raw, axis=axis)
    half = period / 2
    wrapped = (steps + half) % period - half
    wrapped = xp.where((wrapped == -half) & (steps > 0), half, wrapped)
    change = xp.where(xp.abs(steps) < (half if discont is None else discont), 0.0, wrapped - steps)
    change = xp.cumulative_sum(change, axis=axis)
    first = (slice(None),) * axis
    zero = xp.zeros_like(raw[(*first, slice(0, 1), ...)])
    return p + xp.concat([zero, change], axis=axis)
