"""Define special functions: the error function and the gamma functions.

The rational approximations interpolate at Chebyshev points; tests/golden/special.py computes them
in 60 digits. Each formula is for some range of x. Other x are replaced before the formula is
computed, and not only its results by `where`: NaN and infinities would warn even so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..types import Array
from .common import Definitions, in_float32

__all__ = ["SINGLE", "SpecialFunctions"]

Rational = tuple[Sequence[float], Sequence[float]]  # above and below, lowest powers first


class Approximations(NamedTuple):
    """Hold the approximations for one dtype. "As f(x) of t" says that the variable is t."""

    erf: Rational  # as erf(x) / x of x², for |x| up to `bound`
    bound: float
    erfcx: Rational  # as (x + 2) exp(x²) erfc(x) of 1 / (x + 2), for x from 1
    lgamma: Rational  # as lgamma(x) / (x - 1) / (x - 2) of x - 1.5, for x from 0.9 to 2.1
    digamma: Rational  # as digamma(x) / (x - ROOT) of x - 1.5, for x from 1 to 2


# fmt: off
DOUBLE = Approximations(  # relative errors: 1e-18, 6e-18, 5e-18, 8e-20
    erf=(
        (1.1283791670955126, 0.14365581715028763, 0.0455033341653278, 0.0018829155471563983,
         0.00019709588069752516, 8.625602445726376e-08),
        (1.0, 0.46064498648983654, 0.0938746087651241, 0.010705251871973175,
         0.0006937362332349159, 2.0866484101019162e-05),
    ),
    bound=1.0,
    erfcx=(
        (0.5641895835477777, -0.4104179161454092, 9.102560519339015, 0.7774876343860464,
         46.401302934702905, 35.850205179751896, 108.76729820708574, 117.79956474802258,
         127.82895138562107, 80.98294928573937),
        (1.0, -2.727446815949502, 18.088762077576675, -30.253399367810676, 88.32753483390091,
         -84.21381746359974, 128.9238865442755, -54.07598990430552, 40.244486915099614),
    ),
    lgamma=(
        (0.4831289505409809, 1.0610288073652934, 0.9087149082993657, 0.38183725226393084,
         0.08098164214485903, 0.007925378657512586, 0.00026797572864007346, 7.292210447042528e-07),
        (1.0, 2.4982744294832275, 2.5054416249784848, 1.2867574862622304, 0.35724599590614153,
         0.051788862896003623, 0.003427327052776023, 7.15865175917549e-05),
    ),
    digamma=(
        (0.9510558760318328, 1.1663702567214969, 0.5137384479970142, 0.0998201733015596,
         0.008297484863617567, 0.00022636249078624788, 4.22009395907132e-07),
        (1.0, 1.6718236205395554, 1.0319333676352624, 0.2978119036558111, 0.041378314480827155,
         0.0025031842360786877, 4.664959078686044e-05),
    ),
)
SINGLE = Approximations(  # relative errors: 4e-8, 1e-8, 2e-8, 1e-9
    erf=(
        (1.12837912, 0.186002397, 0.0546193639, 0.00391679466, 0.00038993818, 4.90169232e-6,
         -1.42549588e-8),
        (1.0, 0.498172873, 0.114465014, 0.0156162076, 0.00133675102, 6.5326751e-5),
    ),
    bound=4.0,
    erfcx=(
        (0.564203138, 0.352240776, 1.73600013, 2.44105956, 3.80018201),
        (1.0, -1.37452815, 2.30383397, -0.243205581),
    ),
    lgamma=(
        (0.483128951, 0.402251053, 0.0770484279, 0.00125504637),
        (1.0, 1.13470941, 0.372072651, 0.0320508885),
    ),
    digamma=(
        (0.951055876, 0.680960662, 0.107830351, 0.00123687462),
        (1.0, 1.16143343, 0.377793691, 0.0318712664),
    ),
)
ROOT = (1.4616321325302124, 1.243814993891891e-8)  # of digamma, a sum: x - ROOT[0] is exact
BERNOULLI = (  # the Bernoulli numbers B2, B4, ..., B20
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330,
)
# fmt: on
SHIFT = 8  # from this x on, the gamma functions use their asymptotic series


class SpecialFunctions(Definitions):
    """Compute special functions, exact to a few units in the last place of float32 or float64.

    The error is relative to the value. For negative arguments of the gamma functions it is relative
    to the largest term of the reflection formula (https://dlmf.nist.gov/5.5).
    """

    @in_float32
    def erf(self, x: Array) -> Array:
        """Compute the error function (https://dlmf.nist.gov/7.2)."""
        xp, table = self.xp, self._table(x)
        if table.bound > 1:  # float32: for larger x, erf(x) rounds to 1
            x = xp.maximum(xp.minimum(x, table.bound), -table.bound)
            y = _ratio(table.erf, x * x)
            y *= x
            return xp.maximum(xp.minimum(y, 1.0), -1.0)
        far, is_near, near = self._erfc_far(x), abs(x) < 1, self._erf_near(x)
        return xp.where(is_near, near, xp.where(x < 0, far - 1, 1 - far))

    @in_float32
    def erfc(self, x: Array) -> Array:
        """Compute 1 - erf(x), precisely also where erf(x) is close to 1."""
        xp, near, far = self.xp, self._erf_near(x), self._erfc_far(x)
        return xp.where(abs(x) < 1, 1 - near, xp.where(x < 0, 2 - far, far))

    def _erf_near(self, x: Array) -> Array:
        """Compute erf(x) for |x| < 1. The results for other x mean nothing."""
        table, x = self._table(x), self.xp.where(abs(x) < 1, x, 0.0)
        return x * _ratio(table.erf, x * x)

    def _erfc_far(self, x: Array) -> Array:
        """Compute erfc(|x|) for |x| >= 1. The results for other x mean nothing."""
        xp = self.xp
        a = xp.minimum(xp.maximum(abs(x), 1.0), 30.0)  # from 30 on, exp(-x²) is 0 in float64
        w = 1 / (a + 2)
        # exp(-a²) would be wrong by the rounding error of a², so split a: `head`² is exact.
        head = xp.floor(16 * a) / 16
        power = xp.exp(-head * head) * xp.exp(-(a - head) * (a + head))
        return power * (w * _ratio(self._table(x).erfcx, w))

    @in_float32
    def lgamma(self, x: Array) -> Array:
        """Compute the logarithm of |gamma(x)| (https://dlmf.nist.gov/5.11). As in C, it is infinite
        at the poles 0, -1, -2, ... and at -inf."""
        xp, table = self.xp, self._table(x)
        # lgamma(x) is lgamma(-x) there, and pi x, which the reflection takes, has few digits.
        x = xp.where(abs(x) < xp.finfo(x.dtype).smallest_normal, abs(x), x)
        negative = x < 0
        pole, sine, _ = self._about_poles(x)
        y = self._reflected(x, pole)
        is_small = y < SHIFT
        small, large = xp.where(is_small, y, 1.5), xp.where(is_small, float(SHIFT), y)
        # Go from `small` to a v between 0.9 and 2.1 by lgamma(y + 1) = lgamma(y) + log(y).
        is_tiny = small < 0.9
        v, product = xp.where(is_tiny, small + 1, small), xp.where(is_tiny, small, 1.0)
        for k in range(1, SHIFT):
            on = small >= k + 1.1
            v = xp.where(on, small - k, v)
            product = xp.where(on, product * (small - k), product)
        log = xp.log(product)
        near = (v - 1) * (v - 2) * _ratio(table.lgamma, v - 1.5)
        near = near + xp.where(is_tiny, -log, log)
        series = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI, 1)]
        w = 1 / large
        # This equals (x - 1/2) log(x) - x + log(2 pi) / 2, and is right at infinity too.
        far = (large - 0.5) * (xp.log(large) - 1) + (math.log(2 * math.pi) - 1) / 2
        far = far + w * _polynomial(series, w * w)
        result = xp.where(is_small, near, far)
        result = xp.where(negative, math.log(math.pi) - xp.log(abs(sine)) - result, result)
        return xp.where(pole, math.inf, result)

    @in_float32
    def digamma(self, x: Array) -> Array:
        """Compute the derivative of lgamma (https://dlmf.nist.gov/5.15). As in PyTorch, it is -inf
        at 0, inf at -0, and NaN at the other poles -1, -2, ... and at -inf."""
        xp, table, negative = self.xp, self._table(x), x < 0
        pole, sine, cosine = self._about_poles(x)
        y = self._reflected(x, pole)
        is_small = y < SHIFT
        small, large = xp.where(is_small, y, 1.5), xp.where(is_small, float(SHIFT), y)
        # Go from `small` to a v between 1 and 2 by digamma(y + 1) = digamma(y) + 1 / y.
        is_tiny = small < 1
        v = xp.where(is_tiny, small + 1, small)
        rest = xp.where(is_tiny, -1 / xp.where(is_tiny, small, 1.0), 0.0)
        for k in range(1, SHIFT):
            on = small >= k + 1
            v = xp.where(on, small - k, v)
            rest = rest + xp.where(on, 1 / xp.where(on, small - k, 1.0), 0.0)
        near = (v - ROOT[0] - ROOT[1]) * _ratio(table.digamma, v - 1.5) + rest
        series = [-b / (2 * k) for k, b in enumerate(BERNOULLI, 1)]
        w = 1 / large
        far = xp.log(large) - 0.5 * w + w * w * _polynomial(series, w * w)
        result = xp.where(is_small, near, far)
        result = xp.where(negative, result - math.pi * cosine / sine, result)
        zero = xp.copysign(xp.full_like(x, math.inf), -x)
        return xp.where(pole, xp.where(x == 0, zero, math.nan), result)

    @in_float32
    def polygamma(self, n: int, x: Array) -> Array:
        """Compute the derivative of order `n`, at least 1, of digamma.

        It is (-1)^(n+1) n! zeta(n+1, x), with Hurwitz' zeta (https://dlmf.nist.gov/25.11.E5), and
        (-1)^(n+1) times infinity at the poles.
        """
        xp, negative = self.xp, x < 0
        pole, sine, cosine = self._about_poles(x)
        y = self._reflected(x, pole)
        s, steps = n + 1, SHIFT + n
        zeta = y**-s
        for k in range(1, steps):
            zeta = zeta + (y + k) ** -s
        w = 1 / (y + steps)
        # The rest of the sum is w^n times a series of w², plus w^(n+1) / 2.
        series, factor = [1 / n], 1.0
        for k, b in enumerate(BERNOULLI, 1):
            factor *= (s + 2 * k - 3) * (s + 2 * k - 2) if k > 1 else s
            series.append(b / math.factorial(2 * k) * factor)
        zeta = zeta + w**n * (_polynomial(series, w * w) + 0.5 * w)
        sign = (-1) ** s
        # Reflect negative x by the derivative of order n of pi cot(pi x), a polynomial of the
        # cotangent. `powers` are its coefficients.
        powers = [0, 1]
        for _ in range(n):
            slope = [k * p for k, p in enumerate(powers)][1:]
            powers = [-a - b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
        cotangents = math.pi**s * _polynomial(powers, cosine / sine)
        result = float(sign * math.factorial(n)) * zeta
        result = xp.where(negative, -sign * result - cotangents, result)
        return xp.where(pole, sign * math.inf, result)

    def _about_poles(self, x: Array) -> tuple[Array, Array, Array]:
        """Say whether x is a pole of gamma, and give sin(pi x) and cos(pi x) for other x < 0, both
        right or both of the wrong sign."""
        xp = self.xp
        pole = (x <= 0) & (xp.floor(x) == x)
        r = xp.where((x < 0) & ~pole, x, 0.5)
        r = r - xp.round(r)  # exact, as is 0.5 - |r|, so that a small cosine is precise too
        return pole, xp.sin(math.pi * r), xp.sin(math.pi * (0.5 - abs(r)))

    def _reflected(self, x: Array, pole: Array) -> Array:
        """Give x or, where x is negative, 1 - x; poles become 1."""
        xp = self.xp
        x = xp.where(pole, 1.0, x)
        return xp.where(x < 0, 1 - x, x)

    def _table(self, x: Array) -> Approximations:
        """Choose the approximations for the dtype of x."""
        return DOUBLE if self.xp.finfo(x.dtype).eps < 1e-10 else SINGLE


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """Evaluate a polynomial by Horner's rule; there are at least two coefficients, the lowest power
    first."""
    first, *others, last = coefficients
    y = last * x  # a new array; the rest is written into it
    for c in reversed(others):
        y += c
        y *= x
    y += first
    return y


def _ratio(rational: Rational, x: Array) -> Array:
    """Evaluate a quotient of two polynomials."""
    above, below = rational
    y = _polynomial(above, x)
    y /= _polynomial(below, x)
    return y
