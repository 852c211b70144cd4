"""Evaluate approximations.

The rational approximations interpolate at Chebyshev points; tests/golden/special/ computes them in
60 digits. Each formula is for some range of x. Other x are replaced before the formula is computed,
and not only its results by `where`: NaN and infinities would warn even so.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...types import Array

__all__ = ["Rational", "polynomial", "ratio"]

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
