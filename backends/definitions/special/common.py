"""Evaluate approximations.

The rational approximations interpolate at Chebyshev points; tests/golden/special/ computes them in
60 digits. Each formula is for some range of x. Other x are replaced before the formula is computed,
and not only its results by `where`: NaN and infinities would warn even so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any

import numpy as np

from ...types import Array
from ..common import Definitions, is_half

__all__ = [
    "Rational",
    "expm1_less",
    "exponential_series",
    "gauss_legendre",
    "log1p_less",
    "polynomial",
    "ratio",
    "together",
    "without_warnings",
]

Rational = tuple[Sequence[float], Sequence[float]]  # above and below, lowest powers first


def polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """Evaluate a polynomial by Horner's rule; there are at least two coefficients, the lowest power
    first."""
    first, *others, last = coefficients
    y = last * x  # a new array; the rest is written into it
    for c in reversed(others):
        y += c
        y *= x
    y += first
    return y


def ratio(rational: Rational, x: Array) -> Array:
    """Evaluate a quotient of two polynomials."""
    above, below = rational
    y = polynomial(above, x)
    y /= polynomial(below, x)
    return y


def log1p_less(x: Array) -> Array:
    """Compute log(1 + x) - x for |x| < 0.4, with a small error relative to the result, by
    log(1 + x) = 2 atanh(x / (2 + x))."""
    r = x / (2 + x)
    return 2 * r * (r * r) * polynomial([1 / (2 * k + 1) for k in range(1, 14)], r * r) - r * x


def expm1_less(x: Array, power: Array) -> Array:
    """Compute exp(x) - 1 - x for |x| < 0.1 from x and its square `power`."""
    return power * polynomial([1 / math.factorial(k) for k in range(2, 10)], x)


@cache
def gauss_legendre(n: int) -> tuple[tuple[float, float], ...]:
    """Give the n nodes between 0 and 1, and the weights, of Gauss' rule of integration."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    halved = ((0.5 + 0.5 * nodes).tolist(), (0.5 * weights).tolist())
    return tuple(zip(*halved, strict=True))


@cache
def exponential_series(n: int) -> tuple[tuple[float, float], ...]:
    """Give k and (-1)^k / k! for k from 1 below n."""
    return tuple((float(k), (-1) ** k / math.factorial(k)) for k in range(1, n))


def together(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """Have a kernel compute several arrays in their common dtype; those of 16 bits in float32, by
    the backend's own kernel of this name, and round the result once.

    Raises:
        TypeError: an array has no real floating dtype.
    """

    @wraps(kernel)
    def compute(self: Definitions, *arrays: Array) -> Array:
        xp = self.xp
        for x in arrays:
            if not xp.isdtype(x.dtype, "real floating"):
                name = str(x.dtype).rpartition(".")[2]
                raise TypeError(
                    f"an input is {name}, expected real floating numbers; convert it, as in "
                    "x.astype('float32')"
                )
        if any(x.dtype != arrays[0].dtype for x in arrays):
            dtype = xp.result_type(*arrays)
            arrays = tuple(xp.astype(x, dtype) for x in arrays)
        if not is_half(arrays[0]):
            return kernel(self, *arrays)
        wide = getattr(self, kernel.__name__)(*map(self._wide, arrays))
        return xp.astype(wide, arrays[0].dtype)

    return compute


def without_warnings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function compute infinities and NaN without NumPy's warnings, as SciPy does."""

    @wraps(function)
    def compute(*inputs: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*inputs, **options)

    return compute
