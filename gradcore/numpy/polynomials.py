"""Polynomials, given by their coefficients, of which the first is that of the highest power."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import array_api as xp
from . import calculus, elementwise
from .common import alike, arrays_of, cast, counting, floats, numpy_dtype, on_host, promoted

__all__ = [
    "poly",
    "polyadd",
    "polyder",
    "polyfit",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "roots",
    "vander",
]


def _vector(p: Any) -> Any:
    (p,) = arrays_of(p)
    return xp.reshape(p, (1,)) if p.ndim == 0 else p


def polyval(p: Any, x: Any) -> Any:
    """Compute p[0] x^(N-1) + ... + p[N-1].

    Example:
        >>> print(np.polyval([1.0, -3.0, 2.0], [0.0, 1.0, 3.0]))  # x**2 - 3 x + 2
        [2. 0. 2.]
        >>> print(gradcore.grad(lambda x: np.polyval([1.0, -3.0, 2.0], x))(3.0))
        3.0
    """
    p, x = alike(_vector(p), x)
    y = xp.zeros_like(x)
    for i in range(p.shape[0]):  # Horner's scheme
        y = y * x + p[i]
    return y


def _same_size(a1: Any, a2: Any) -> list[Any]:
    parts = alike(_vector(a1), _vector(a2))
    n = max(p.shape[0] for p in parts)
    zeros = [xp.zeros_like(p[:1] if p.shape[0] else p) for p in parts]
    return [
        xp.concat([xp.broadcast_to(z, (n - p.shape[0],)), p]) if p.shape[0] < n else p
        for p, z in zip(parts, zeros, strict=True)
    ]


def polyadd(a1: Any, a2: Any) -> Any:
    """Add two polynomials.

    Example:
        >>> print(np.polyadd([1.0, 2.0], [1.0, 0.0, 3.0]))  # x + 2 and x**2 + 3
        [1. 1. 5.]
    """
    a, b = _same_size(a1, a2)
    return a + b


def polysub(a1: Any, a2: Any) -> Any:
    """Subtract a polynomial from another.

    Example:
        >>> print(np.polysub([1.0, 0.0, 3.0], [1.0, 2.0]))  # x**2 + 3 and x + 2
        [ 1. -1.  1.]
    """
    a, b = _same_size(a1, a2)
    return a - b


def polymul(a1: Any, a2: Any) -> Any:
    """Multiply two polynomials.

    Example:
        >>> print(np.polymul([1.0, -1.0], [1.0, -2.0]))  # (x - 1) (x - 2)
        [ 1. -3.  2.]
    """
    return calculus.convolve(_vector(a1), _vector(a2))


def polyder(p: Any, m: int = 1) -> Any:
    """Differentiate a polynomial m times.

    Raises:
        ValueError: m is negative.

    Example:
        >>> print(np.polyder([1.0, -3.0, 2.0]))  # of x**2 - 3 x + 2
        [ 2. -3.]
    """
    if m < 0:
        raise ValueError(f"polyder: m is {m}, expected 0 or more; polyint integrates")
    p = _vector(p)
    for _ in range(m):
        n = p.shape[0]
        p = elementwise.multiply(p[:-1], n - 1 - counting(p, n)[:-1])
    return p


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Integrate a polynomial m times; k are the constants, else 0.

    Raises:
        ValueError: m is negative, or there are not m constants.

    Example:
        >>> print(np.polyint([2.0, -3.0]))  # of 2 x - 3
        [ 1. -3.  0.]
    """
    if m < 0:
        raise ValueError(f"polyint: m is {m}, expected 0 or more; polyder differentiates")
    p = _vector(p)
    k = [0.0] * m if k is None else [*_vector(k)]
    k = k * m if len(k) == 1 else k
    for constant in k[:m]:
        n = p.shape[0]
        p = elementwise.divide(p, n - counting(p, n))
        p = xp.concat(promoted(p, xp.reshape(arrays_of(constant, p)[0], (1,))))
    return p


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Make the matrix (M, N) of the powers of x (M,), of which the highest come first.

    Example:
        >>> print(np.vander([1.0, 2.0, 3.0]).tolist())
        [[1.0, 1.0, 1.0], [4.0, 2.0, 1.0], [9.0, 3.0, 1.0]]
    """
    x, _ = promoted(*arrays_of(x, [1]))
    n = x.shape[0] if N is None else N
    columns = [xp.ones_like(x)]
    for _ in range(n - 1):
        columns.append(columns[-1] * x)
    columns = columns[:n] if increasing else columns[:n][::-1]
    return xp.stack(columns, axis=1) if columns else xp.reshape(x[:0], (x.shape[0], 0))


def polyfit(
    x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """Find the polynomial of degree `deg` with the smallest sum of squared distances, weighted by
    w, from the points (x, y).

    Raises:
        ValueError: more is asked for, by `full` or `cov`.

    Example:
        >>> print(np.polyfit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], 1).round(3))  # 2 x + 1
        [2. 1.]
    """
    if full or cov:
        raise ValueError("polyfit: full and cov are not supported; leave them out")
    x, y = alike(*map(floats, arrays_of(x, y)))
    if deg < 0:
        raise ValueError(f"polyfit: deg is {deg}, expected 0 or more")
    if x.ndim != 1 or y.ndim not in (1, 2) or x.shape[0] != y.shape[0] or x.shape[0] == 0:
        raise ValueError(
            f"polyfit: x {tuple(x.shape)} and y {tuple(y.shape)}, expected (N,) and (N,) or (N, K)"
        )
    a = vander(x, deg + 1)
    if w is not None:
        w, _ = alike(w, x)
        if tuple(w.shape) != tuple(x.shape):
            raise ValueError(
                f"polyfit: w {tuple(w.shape)} and x {tuple(x.shape)}, expected both (N,)"
            )
        a, y = a * w[:, None], y * (w if y.ndim == 1 else w[:, None])
    scale = xp.sqrt(xp.sum(a * a, axis=0))
    rtol = x.shape[0] * float(np.finfo(numpy_dtype(a.dtype)).eps) if rcond is None else rcond
    c = xp.matmul(xp.linalg.pinv(a / scale, rtol=rtol), y)  # of several, the smallest, as in NumPy
    return c / (scale if y.ndim == 1 else scale[:, None])


def poly(seq_of_zeros: Any) -> Any:
    """Compute the coefficients of the polynomial with these roots.

    Raises:
        ValueError: the roots are no vector.

    Example:
        >>> print(np.poly([1.0, 2.0]))  # (x - 1) (x - 2) = x**2 - 3 x + 2
        [ 1. -3.  2.]
    """
    z = _vector(seq_of_zeros)
    if z.ndim != 1:
        raise ValueError(f"poly: roots of shape {tuple(z.shape)}, expected a vector (N,)")
    p = xp.ones_like(floats(z)[:1]) if z.shape[0] else floats(z) + 1.0
    for i in range(z.shape[0]):
        p = calculus.convolve(p, xp.concat([xp.ones_like(z[:1]), -z[i : i + 1]]))
    return p


def roots(p: Any) -> Any:
    """Find the roots of a polynomial: the eigenvalues of its companion matrix.

    Raises:
        ValueError: the coefficients are no vector.

    Example:
        >>> print(np.sort(np.real(np.roots([1.0, -3.0, 2.0]))).round(3))  # of x**2 - 3 x + 2
        [1. 2.]
    """
    p = floats(_vector(p))
    if p.ndim != 1:
        raise ValueError(f"roots: coefficients of shape {tuple(p.shape)}, expected (N,)")
    p = p[int(np.argmax(on_host(p) != 0)) :] if p.shape[0] else p  # zeros raise no degree
    n = p.shape[0] - 1
    if n < 1:
        return p[:0]
    first = -p[1:] / p[0]
    below = xp.broadcast_to(xp.zeros_like(first), (n - 1, n)) if n > 1 else None
    rows = xp.reshape(first, (1, n))
    if below is not None:
        eye = counting(p, n)
        below = cast(eye[: n - 1, None] == eye[None, :], p.dtype)
        rows = xp.concat([rows, below])
    return xp.linalg.eigvals(rows)
