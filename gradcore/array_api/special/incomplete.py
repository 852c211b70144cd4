"""Incomplete gamma and beta functions, and the distribution functions that consist of them.

The names, the arguments and their order are SciPy's. A distribution function with a c at the end is
1 minus that without, precisely where this is close to 0.
"""

from __future__ import annotations

import math

from ... import ops
from ...graph import TensorNode
from ..common import NodeOrArray
from ..constant import floor
from ..elementwise import where
from .common import promoted

__all__ = [
    "bdtr",
    "bdtrc",
    "bdtri",
    "betainc",
    "betaincc",
    "betainccinv",
    "betaincinv",
    "btdtr",
    "chdtr",
    "chdtrc",
    "chdtri",
    "fdtr",
    "fdtrc",
    "fdtri",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "gdtr",
    "gdtrc",
    "nbdtr",
    "nbdtrc",
    "nbdtri",
    "pdtr",
    "pdtrc",
    "pdtri",
    "stdtr",
    "stdtrit",
]


@promoted
def gammainc(a: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute P(a, x), the integral from 0 to x of t^(a - 1) exp(-t) / gamma(a).

    Example:
        >>> print(gradcore.special.gammainc([1.0, 2.0], 1.0).value.round(3))  # the first: 1 - 1 / e
        [0.632 0.264]
    """
    return ops.GammaInc.apply(a, x)


@promoted
def gammaincc(a: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute Q(a, x) = 1 - P(a, x), precisely where P is close to 1.

    Example:
        >>> print(gradcore.special.gammaincc([1.0, 2.0], 1.0).value.round(3))  # the first: 1 / e
        [0.368 0.736]
    """
    return ops.GammaIncC.apply(a, x)


@promoted
def gammaincinv(a: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Find the x at which gammainc(a, x) = y.

    Example:
        >>> print(gradcore.special.gammaincinv([1.0, 2.0], 0.5).value.round(3))
        [0.693 1.678]
    """
    return ops.GammaIncInv.apply(a, y)


@promoted
def gammainccinv(a: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Find the x at which gammaincc(a, x) = y, precisely where y is close to 0.

    Example:
        >>> print(gradcore.special.gammainccinv([1.0, 2.0], 0.5).value.round(3))
        [0.693 1.678]
    """
    return ops.GammaIncCInv.apply(a, y)


@promoted
def betainc(a: NodeOrArray, b: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute I(a, b, x), the integral from 0 to x of t^(a - 1) (1 - t)^(b - 1) / B(a, b).

    Example:
        >>> x = TensorNode([0.25, 0.5])
        >>> y = gradcore.special.betainc(2.0, 2.0, x)
        >>> y.sum().backward()  # to the density, 6 x (1 - x)
        >>> print(y.value.round(3), x.grad.round(3))
        [0.156 0.5  ] [1.125 1.5  ]
    """
    return ops.BetaInc.apply(a, b, x)


@promoted
def betaincc(a: NodeOrArray, b: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute 1 - I(a, b, x), precisely where I is close to 1.

    Example:
        >>> print(gradcore.special.betaincc(2.0, 2.0, [0.25, 0.5]).value.round(3))
        [0.844 0.5  ]
    """
    return ops.BetaIncC.apply(a, b, x)


@promoted
def betaincinv(a: NodeOrArray, b: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Find the x at which betainc(a, b, x) = y.

    Example:
        >>> print(gradcore.special.betaincinv(2.0, 2.0, [0.25, 0.5]).value.round(3))
        [0.326 0.5  ]
    """
    return ops.BetaIncInv.apply(a, b, y)


@promoted
def betainccinv(a: NodeOrArray, b: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Find the x at which betaincc(a, b, x) = y, precisely where y is close to 0.

    Example:
        >>> print(gradcore.special.betainccinv(2.0, 2.0, [0.25, 0.5]).value.round(3))
        [0.674 0.5  ]
    """
    return ops.BetaIncCInv.apply(a, b, y)


# -- Student's t, chi-squared, F and gamma distributions ------------------------------------------


@promoted
def stdtr(df: NodeOrArray, t: NodeOrArray) -> TensorNode:
    """Compute the probability that Student's t, of df degrees of freedom, is at most t.

    Example:
        >>> print(gradcore.special.stdtr(10.0, [0.0, 1.812]).value.round(3))
        [0.5  0.95]
    """
    return ops.StudentT.apply(df, t)


@promoted
def stdtrit(df: NodeOrArray, p: NodeOrArray) -> TensorNode:
    """Find the t at which stdtr(df, t) = p.

    Example:
        >>> print(gradcore.special.stdtrit(10.0, [0.5, 0.95]).value.round(3))
        [0.    1.812]
    """
    return ops.StudentTInv.apply(df, p)


@promoted
def chdtr(v: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute the probability that a chi-squared number of v degrees of freedom is at most x.

    Example:
        >>> print(gradcore.special.chdtr(1.0, [1.0, 3.841]).value.round(3))
        [0.683 0.95 ]
    """
    return ops.GammaInc.apply(0.5 * v, 0.5 * x)


@promoted
def chdtrc(v: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute the probability that a chi-squared number of v degrees of freedom is more than x.

    Example:
        >>> print(gradcore.special.chdtrc(1.0, [1.0, 3.841]).value.round(3))
        [0.317 0.05 ]
    """
    return ops.GammaIncC.apply(0.5 * v, 0.5 * x)


@promoted
def chdtri(v: NodeOrArray, p: NodeOrArray) -> TensorNode:
    """Find the x at which chdtrc(v, x) = p.

    Example:
        >>> print(gradcore.special.chdtri(1.0, 0.05).value.round(3))
        3.841
    """
    return 2 * ops.GammaIncCInv.apply(0.5 * v, p)


@promoted
def fdtr(dfn: NodeOrArray, dfd: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute the probability that a number of the F distribution is at most x.

    Example:
        >>> print(gradcore.special.fdtr(2.0, 10.0, [1.0, 4.103]).value.round(3))
        [0.598 0.95 ]
    """
    x = where(x < 0, math.nan, x)
    return ops.BetaIncC.apply(0.5 * dfd, 0.5 * dfn, _share(dfd, dfn * x))


@promoted
def fdtrc(dfn: NodeOrArray, dfd: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute the probability that a number of the F distribution is more than x.

    Example:
        >>> print(gradcore.special.fdtrc(2.0, 10.0, [1.0, 4.103]).value.round(3))
        [0.402 0.05 ]
    """
    x = where(x < 0, math.nan, x)
    return ops.BetaInc.apply(0.5 * dfd, 0.5 * dfn, _share(dfd, dfn * x))


def _share(a: NodeOrArray, b: NodeOrArray) -> NodeOrArray:
    return a / (a + b)


@promoted
def fdtri(dfn: NodeOrArray, dfd: NodeOrArray, p: NodeOrArray) -> TensorNode:
    """Find the x at which fdtr(dfn, dfd, x) = p.

    Example:
        >>> print(gradcore.special.fdtri(2.0, 10.0, 0.95).value.round(3))
        4.103
    """
    # The quantile u of a beta distribution is dfn x / (dfd + dfn x), and w is 1 - u.
    u = ops.BetaIncInv.apply(0.5 * dfn, 0.5 * dfd, p)
    w = ops.BetaIncCInv.apply(0.5 * dfd, 0.5 * dfn, p)
    x = dfd * u / (dfn * where(w == 0, 1.0, w))
    return where(w == 0, math.inf, x)


@promoted
def gdtr(a: NodeOrArray, b: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute the probability that a number of the gamma distribution of rate a and shape b is at
    most x.

    Example:
        >>> print(gradcore.special.gdtr(2.0, 1.0, [0.5, 1.0]).value.round(3))  # 1 - exp(-2 x)
        [0.632 0.865]
    """
    return ops.GammaInc.apply(b, a * x)


@promoted
def gdtrc(a: NodeOrArray, b: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute the probability that a number of the gamma distribution of rate a and shape b is more
    than x.

    Example:
        >>> print(gradcore.special.gdtrc(2.0, 1.0, [0.5, 1.0]).value.round(3))
        [0.368 0.135]
    """
    return ops.GammaIncC.apply(b, a * x)


@promoted
def btdtr(a: NodeOrArray, b: NodeOrArray, x: NodeOrArray) -> TensorNode:
    """Compute `betainc`, the distribution function of the beta distribution.

    Example:
        >>> print(gradcore.special.btdtr(2.0, 2.0, [0.25, 0.5]).value.round(3))
        [0.156 0.5  ]
    """
    return ops.BetaInc.apply(a, b, x)


# -- Counts: k is rounded down, and gets no gradient ----------------------------------------------


@promoted
def pdtr(k: NodeOrArray, m: NodeOrArray) -> TensorNode:
    """Compute the probability of at most k events, of which m are expected (Poisson).

    Example:
        >>> print(gradcore.special.pdtr([0.0, 1.0], 2.0).value.round(3))  # exp(-2), and 3 exp(-2)
        [0.135 0.406]
    """
    return where(k < 0, math.nan, ops.GammaIncC.apply(floor(where(k < 0, 0.0, k)) + 1, m))


@promoted
def pdtrc(k: NodeOrArray, m: NodeOrArray) -> TensorNode:
    """Compute the probability of more than k events, of which m are expected (Poisson).

    Example:
        >>> print(gradcore.special.pdtrc([0.0, 1.0], 2.0).value.round(3))
        [0.865 0.594]
    """
    return where(k < 0, math.nan, ops.GammaInc.apply(floor(where(k < 0, 0.0, k)) + 1, m))


@promoted
def pdtri(k: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Find the m at which pdtr(k, m) = y.

    Example:
        >>> print(gradcore.special.pdtri(1.0, 0.406).value.round(3))
        2.0
    """
    return where(k < 0, math.nan, ops.GammaIncCInv.apply(floor(where(k < 0, 0.0, k)) + 1, y))


@promoted
def bdtr(k: NodeOrArray, n: NodeOrArray, p: NodeOrArray) -> TensorNode:
    """Compute the probability of at most k successes in n trials, each of probability p.

    Example:
        >>> print(gradcore.special.bdtr(1.0, 3.0, 0.5).value.round(3))  # 3 throws of a coin
        0.5
    """
    k, n = floor(k), floor(n)
    inside = (k >= 0) & (k < n) & (p >= 0) & (p <= 1)
    y = ops.BetaIncC.apply(*_successes(k, n, inside), p)
    one = (k == n) & (k >= 0) & (p >= 0) & (p <= 1)
    return where(one, 1.0, where(inside, y, math.nan))


@promoted
def bdtrc(k: NodeOrArray, n: NodeOrArray, p: NodeOrArray) -> TensorNode:
    """Compute the probability of more than k successes in n trials, each of probability p.

    Example:
        >>> print(gradcore.special.bdtrc(1.0, 3.0, 0.25).value.round(3))
        0.156
    """
    k, n = floor(k), floor(n)
    inside = (k >= 0) & (k < n) & (p >= 0) & (p <= 1)
    y = ops.BetaInc.apply(*_successes(k, n, inside), p)
    valid = (p >= 0) & (p <= 1) & (k <= n)
    y = where(inside, y, math.nan)
    return where((k == n) & valid, 0.0, where((k < 0) & valid, 1.0, y))


@promoted
def bdtri(k: NodeOrArray, n: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Find the p at which bdtr(k, n, p) = y.

    Example:
        >>> print(gradcore.special.bdtri(1.0, 3.0, 0.5).value.round(3))
        0.5
    """
    k, n = floor(k), floor(n)
    inside = (k >= 0) & (k < n)
    return where(inside, ops.BetaIncCInv.apply(*_successes(k, n, inside), y), math.nan)


def _successes(k: NodeOrArray, n: NodeOrArray, inside: NodeOrArray) -> tuple[NodeOrArray, ...]:
    return where(inside, k + 1, 1.0), where(inside, n - k, 1.0)


@promoted
def nbdtr(k: NodeOrArray, n: NodeOrArray, p: NodeOrArray) -> TensorNode:
    """Compute the probability of at most k failures before n successes, each of probability p.

    Example:
        >>> print(gradcore.special.nbdtr(1.0, 2.0, 0.5).value.round(3))
        0.5
    """
    return where(k < 0, math.nan, ops.BetaInc.apply(floor(n), floor(where(k < 0, 0.0, k)) + 1, p))


@promoted
def nbdtrc(k: NodeOrArray, n: NodeOrArray, p: NodeOrArray) -> TensorNode:
    """Compute the probability of more than k failures before n successes, each of probability p.

    Example:
        >>> print(gradcore.special.nbdtrc(1.0, 2.0, 0.5).value.round(3))
        0.5
    """
    return where(k < 0, math.nan, ops.BetaIncC.apply(floor(n), floor(where(k < 0, 0.0, k)) + 1, p))


@promoted
def nbdtri(k: NodeOrArray, n: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Find the p at which nbdtr(k, n, p) = y.

    Example:
        >>> print(gradcore.special.nbdtri(1.0, 2.0, 0.5).value.round(3))
        0.5
    """
    k = where(k < 0, math.nan, k)
    return ops.BetaIncInv.apply(floor(n), floor(k) + 1, y)
