"""The gamma function and its kin."""

from __future__ import annotations

import math

from ... import ops
from ...engine.arrays import namespace, value_of
from ...graph import TensorNode
from ..common import NodeOrArray
from ..constant import floor
from ..elementwise import exp, sin, where
from .common import floating, promoted

__all__ = [
    "beta",
    "betaln",
    "binom",
    "digamma",
    "factorial",
    "gamma",
    "gammaln",
    "gammasgn",
    "lgamma",
    "loggamma",
    "multigammaln",
    "poch",
    "polygamma",
    "psi",
    "rgamma",
    "zeta",
    "zetac",
]


def lgamma(x: NodeOrArray) -> TensorNode:
    """Compute the logarithm of |gamma(x)|, which is infinite at 0, -1, -2, ...

    Example:
        >>> print(gradcore.lgamma(TensorNode([0.5, 3.0, 5.0])).value.round(3))  # the last: log(4!)
        [0.572 0.693 3.178]
    """
    return ops.LogGamma.do_forward(floating(x))


def digamma(x: NodeOrArray) -> TensorNode:
    """Compute the derivative of `lgamma`, which is -inf at 0 and NaN at -1, -2, ...

    Example:
        >>> x = TensorNode([1.0, 2.0])
        >>> print(gradcore.digamma(x).value.round(3))  # minus Euler's constant, and 1 more
        [-0.577  0.423]
    """
    return ops.Digamma.do_forward(floating(x))


def polygamma(n: int, x: NodeOrArray) -> TensorNode:
    """Compute the derivative of order n of `digamma`; for n > 0 it is infinite at 0, -1, -2, ...

    Raises:
        ValueError: n is not an integer of at least 0.

    Example:
        >>> print(gradcore.polygamma(1, TensorNode([1.0, 2.0])).value.round(3))  # pi² / 6, less 1
        [1.645 0.645]
    """
    return digamma(x) if n == 0 else ops.Polygamma.do_forward(floating(x), n=n)


# SciPy's names.
gammaln, psi = lgamma, digamma


@promoted
def gamma(x: NodeOrArray) -> TensorNode:
    """Compute the gamma function, (x - 1)! for positive integers; inf at 0, NaN at -1, -2, ...

    Example:
        >>> x = TensorNode([0.5, 5.0])
        >>> y = gradcore.special.gamma(x)
        >>> y.sum().backward()  # to gamma(x) digamma(x)
        >>> print(y.value.round(3), x.grad.round(3))
        [ 1.772 24.   ] [-3.48  36.147]
    """
    return ops.Gamma.apply(x)


@promoted
def rgamma(x: NodeOrArray) -> TensorNode:
    """Compute 1 / gamma(x), which is 0 at 0, -1, -2, ..., with gradients of all orders.

    Example:
        >>> print(gradcore.special.rgamma([-1.0, 0.5, 4.0]).value.round(3))
        [0.    0.564 0.167]
    """
    xp, negative = namespace(x), x < 0.5
    above = 1 / ops.Gamma.apply(where(negative, 1.0, x))
    size = where(negative & (x > -math.inf), -x, 0.0)
    r = size - xp.round(size)
    odd = 2 * floor(0.5 * xp.round(size)) != xp.round(size)
    sine = sin(math.pi * r)
    factor = ops.Gamma.apply(1 + size)
    below = where(odd, sine, -sine) * (1 / math.pi) * factor
    below = where((r == 0) & (factor == math.inf), 0.0, below)
    return where(x == -math.inf, math.nan, where(negative, below, above))


@promoted
def gammasgn(x: NodeOrArray) -> TensorNode:
    """Compute the sign of gamma(x), a constant: 1, -1, or NaN at -1, -2, ... and -inf.

    Example:
        >>> print(gradcore.special.gammasgn([2.5, -0.5, -1.5]).value)
        [ 1. -1.  1.]
    """
    xp = namespace(x)
    whole = floor(x)
    y = where((x > 0) | (2 * floor(0.5 * whole) == whole), xp.ones_like(x), -1.0)
    y = where((x < 0) & (whole == x) | (x != x), math.nan, y)
    return where(x == 0, xp.copysign(xp.ones_like(y), x), y)


@promoted
def loggamma(x: NodeOrArray) -> TensorNode:
    """Compute the logarithm of gamma(x): `lgamma`, and NaN for x < 0, where SciPy's result for real
    numbers is NaN too.

    Example:
        >>> print(gradcore.special.loggamma([0.5, 3.0, 100.0]).value.round(3))
        [  0.572   0.693 359.134]
    """
    return where(x < 0, math.nan, ops.LogGamma.apply(where(x < 0, 1.0, x)))


def multigammaln(a: NodeOrArray, d: int) -> TensorNode:
    """Compute the logarithm of the multivariate gamma function of dimension d; NaN unless
    2 a > d - 1.

    Raises:
        ValueError: d is not a positive integer.

    Example:
        >>> print(gradcore.special.multigammaln([3.0, 5.0], 2).value.round(3))
        [1.55  6.204]
    """
    if not float(d).is_integer() or d < 1:
        raise ValueError(f"multigammaln: d is {d!r}, expected a positive integer")
    d, a = int(d), floating(a)
    inside = a > 0.5 * (d - 1)
    total = d * (d - 1) / 4 * math.log(math.pi)
    y = sum((lgamma(where(inside, a - 0.5 * k, 1.0)) for k in range(d)), total)
    return where(inside, y, math.nan)


@promoted
def betaln(a: NodeOrArray, b: NodeOrArray) -> TensorNode:
    """Compute the logarithm of |B(a, b)|, exactly for large a or b too.

    Example:
        >>> print(gradcore.special.betaln(200.0, 300.0).value.round(3))
        -337.98
    """
    return ops.BetaLn.apply(a, b)


@promoted
def beta(a: NodeOrArray, b: NodeOrArray) -> TensorNode:
    """Compute B(a, b) = gamma(a) gamma(b) / gamma(a + b); NaN where a or b is -1, -2, ...

    Example:
        >>> print(gradcore.special.beta([2.0, 0.5], [3.0, 0.5]).value.round(3))  # 1 / 12, and pi
        [0.083 3.142]
    """
    both = a + b
    small = _is_small(a) & _is_small(b) & _is_small(both)
    u, v = where(small, a, 1.0), where(small, b, 1.0)
    near = ops.Gamma.apply(u) * rgamma(u + v) * ops.Gamma.apply(v)
    negative = gammasgn(a) * gammasgn(b) * gammasgn(both)
    far = exp(ops.BetaLn.apply(where(small, 1.0, a), where(small, 1.0, b)))
    return where(small, near, negative * far)


def _is_small(x: NodeOrArray) -> NodeOrArray:
    """Say where gamma(x) is neither too large nor too small for float32 or float64."""
    limit = 100 if namespace(x).finfo(x.dtype).eps < 1e-10 else 20
    return (abs(x) < limit) & ((x > 0) | (floor(x) != x))


@promoted
def binom(n: NodeOrArray, k: NodeOrArray) -> TensorNode:
    """Compute the binomial coefficient, gamma(n + 1) / (gamma(k + 1) gamma(n - k + 1)), also of
    numbers that are not whole. It is exact for whole k up to 20.

    Example:
        >>> print(gradcore.special.binom([5.0, 0.5], 2.0).value)
        [10.    -0.125]
    """
    whole = (k >= 0) & (k <= 20) & (floor(k) == k)
    xp = namespace(n)
    exact, top = xp.ones_like(n + k), where(whole, n - _constant(k), 1.0)
    for i in range(1, 21):
        exact = where(whole & (k >= i), exact * (top + i) / i, exact)
    n = where(whole, _constant(n), n)
    # 1 / ((n + 1) B(n - k + 1, k + 1)), but with 1 / gamma, which is 0 at its poles.
    small = _is_small(n + 1) & _is_small(k + 1) & _is_small(n - k + 1)
    u_in, v_in = where(small, n, 1.0), where(small, k, 1.0)
    near = ops.Gamma.apply(u_in + 1) * rgamma(v_in + 1) * rgamma(u_in - v_in + 1)
    u_out, v_out = where(small, 1.0, n), where(small, 1.0, k)
    far = exp(-ops.BetaLn.apply(u_out - v_out + 1, v_out + 1)) / (u_out + 1)
    negative = gammasgn(u_out + 1) * gammasgn(v_out + 1) * gammasgn(u_out - v_out + 1)
    general = where(small, near, negative * abs(far))
    # The exact formula has the derivative by n only. That by k is the other's, or not known: NaN.
    known = whole & xp.isfinite(general)
    unknown = where(k != k, k * where(whole & ~known, math.nan, xp.ones_like(general)), 0.0)
    exact = exact + where(known, general - _constant(general), unknown)
    return where(whole, exact, general)


def _constant(x: NodeOrArray) -> TensorNode:
    return TensorNode(value_of(x), requires_grad=False)


@promoted
def factorial(n: NodeOrArray) -> TensorNode:
    """Compute gamma(n + 1), as scipy.special.factorial(n, exact=False): 0 for negative n.

    Example:
        >>> print(gradcore.special.factorial([0.0, 4.0, 0.5]).value.round(3))
        [ 1.    24.     0.886]
    """
    return where(n < 0, 0.0, ops.Gamma.apply(where(n < 0, 0.0, n) + 1))


@promoted
def poch(z: NodeOrArray, m: NodeOrArray) -> TensorNode:
    """Compute Pochhammer's symbol, gamma(z + m) / gamma(z).

    Example:
        >>> print(gradcore.special.poch([2.0, 0.5], [3.0, 2.0]).value)  # 2 * 3 * 4, and 0.5 * 1.5
        [24.    0.75]
    """
    both = z + m
    small = (abs(z) < 20) & (abs(both) < 20)
    near = ops.Gamma.apply(where(small, both, 1.0)) * rgamma(where(small, z, 1.0))
    u, v = where(small, 1.0, z), where(small, 1.0, m)
    # gamma(m) / B(z, m), where the gamma functions of z and z + m are large and close.
    far = exp(ops.LogGamma.apply(u + v) - ops.LogGamma.apply(u)) * gammasgn(u) * gammasgn(u + v)
    return where(small, near, far)


def zeta(x: NodeOrArray, q: NodeOrArray | None = None) -> TensorNode:
    """Compute Hurwitz' zeta function, the sum of (q + k)^-x over k = 0, 1, ..., for x > 1, q > 0;
    without q Riemann's, for any x. It is inf at x = 1, and NaN for other x < 1 or q < 0.

    Example:
        >>> print(gradcore.special.zeta([2.0, 4.0]).value.round(3))  # pi² / 6, and pi⁴ / 90
        [1.645 1.082]
    """
    return _zeta(x, 1.0 if q is None else q)


@promoted
def _zeta(x: NodeOrArray, q: NodeOrArray) -> TensorNode:
    return ops.Zeta.apply(x, q)


@promoted
def zetac(x: NodeOrArray) -> TensorNode:
    """Compute Riemann's zeta function minus 1, precisely for large x too.

    Example:
        >>> print(gradcore.special.zetac([2.0, 4.0]).value.round(3))
        [0.645 0.082]
    """
    xp, above = namespace(x), x > 1
    far = ops.Zeta.apply(where(above, x, 2.0), xp.full_like(x, 2.0))
    near = ops.Zeta.apply(where(above, 2.0, x), xp.ones_like(x)) - 1
    return where(above, far, near)
