"""Integrals of elementary functions, elliptic integrals, and Legendre's functions."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...engine.arrays import namespace
from ...graph import TensorNode
from ..common import NodeOrArray
from .common import floating, of_order, promoted

__all__ = ["ellipe", "ellipk", "ellipkm1", "exp1", "expi", "expn", "lpmv", "spence"]


def exp1(x: NodeOrArray) -> TensorNode:
    """Compute the integral of exp(-t) / t over t from x to infinity; NaN for x < 0.

    Example:
        >>> print(gradcore.special.exp1([0.5, 1.0]).value.round(3))
        [0.56  0.219]
    """
    return ops.ExpIntegral.do_forward(floating(x), n=1)


expn = of_order(
    "expn",
    ops.ExpIntegral,
    "the integral of exp(-x t) / t**n over t from 1 to infinity",
    "[0.148 0.038]",
)


def expi(x: NodeOrArray) -> TensorNode:
    """Compute the principal value of the integral of exp(t) / t over t from -inf to x; -inf at
    0.

    Example:
        >>> print(gradcore.special.expi([-1.0, 1.0]).value.round(3))
        [-0.219  1.895]
    """
    return ops.Expi.do_forward(floating(x))


def spence(x: NodeOrArray) -> TensorNode:
    """Compute the integral of log(t) / (1 - t) over t from 1 to x, which is the dilogarithm of
    1 - x; NaN for x < 0.

    Example:
        >>> print(gradcore.special.spence([0.0, 2.0]).value.round(3))  # the first: pi² / 6
        [ 1.645 -0.822]
    """
    return ops.Spence.do_forward(floating(x))


@promoted
def ellipkm1(p: NodeOrArray) -> TensorNode:
    """Compute `ellipk(1 - p)`, exactly even for small p: infinite at 0, NaN below.

    Example:
        >>> print(gradcore.special.ellipkm1([1e-20, 0.5]).value.round(3))
        [24.412  1.854]
    """
    return _elliptic(p)[0]


@promoted
def ellipk(m: NodeOrArray) -> TensorNode:
    """Compute the complete elliptic integral of the first kind, of the parameter m: infinite at 1,
    NaN above.

    Example:
        >>> print(gradcore.special.ellipk([0.0, 0.5]).value.round(3))  # the first: pi / 2
        [1.571 1.854]
    """
    return _elliptic(1.0 - m)[0]


@promoted
def ellipe(m: NodeOrArray) -> TensorNode:
    """Compute the complete elliptic integral of the second kind, of the parameter m; NaN above
    1.

    Example:
        >>> print(gradcore.special.ellipe([0.0, 0.5, 1.0]).value.round(3))  # the first: pi / 2
        [1.571 1.351 1.   ]
    """
    k, rest = _elliptic(1.0 - m)
    return namespace(m).where(m == 1.0, 1.0, k * (1.0 - 0.5 * m - rest))


def _elliptic(p: TensorNode) -> tuple[TensorNode, TensorNode]:
    """Compute K by the arithmetic-geometric mean (https://dlmf.nist.gov/19.8), and by how much
    1 - E / K is more than m / 2, for m = 1 - p."""
    xp = namespace(p)
    inside = xp.where(p == 0.0, 1.0, p)
    a, b, rest = xp.ones_like(inside), xp.sqrt(inside), xp.zeros_like(inside)
    for i in range(14):
        c = 0.5 * (a - b)
        a, b, rest = 0.5 * (a + b), xp.sqrt(a * b), rest + 2.0**i * c * c
    return xp.where(p == 0.0, math.inf, 0.5 * math.pi / a), rest


def lpmv(m: int, v: int, x: NodeOrArray) -> TensorNode:
    """Compute Legendre's function P of order m and degree v, two whole numbers, for |x| <= 1, by
    recurrence (https://dlmf.nist.gov/14.10).

    Raises:
        ValueError: m or v is no whole number of at least 0.

    Example:
        >>> print(gradcore.special.lpmv(0, 2, [0.0, 0.5, 1.0]).value)  # (3 x² - 1) / 2
        [-0.5   -0.125  1.   ]
    """
    if not all(_is_natural(n) for n in (m, v)):
        raise ValueError(f"lpmv: m is {m!r} and v {v!r}, expected whole numbers of at least 0")
    return _legendre(int(m), int(v))(x)


def _is_natural(n: Any) -> bool:
    return getattr(n, "ndim", 0) == 0 and float(n) >= 0 and float(n) == int(n)


def _legendre(m: int, v: int) -> Any:
    @promoted
    def function(x: TensorNode) -> TensorNode:
        square = 1.0 - x * x
        before, now = 0.0 * x, float((-1) ** m * math.prod(range(1, 2 * m, 2))) * square ** (m // 2)
        now = now * namespace(x).sqrt(square) if m % 2 else now
        for k in range(m + 1, v + 1):
            before, now = now, ((2 * k - 1) * x * now - (k + m - 1) * before) / (k - m)
        return now if v >= m else 0.0 * x

    return function
