"""Define the gamma function and its kin."""

from __future__ import annotations

import math
from typing import NamedTuple

from ...types import Array
from ..common import Definitions, in_float32
from .common import Rational, polynomial, ratio, together

__all__ = ["GammaFunctions"]


class Approximations(NamedTuple):
    """Hold the approximations for one dtype. "As f(x) of t" says that the variable is t."""

    lgamma: Rational  # as lgamma(x) / (x - 1) / (x - 2) of x - 1.5, for x from 0.9 to 2.1
    digamma: Rational  # as digamma(x) / (x - ROOT) of x - 1.5, for x from 1 to 2


# fmt: off
DOUBLE = Approximations(  # relative errors: 5e-18, 8e-20
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
SINGLE = Approximations(  # relative errors: 2e-8, 1e-9
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
STIRLING = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI, 1)]  # of powers of 1 / x
SHIFT = 8  # from this x on, the gamma functions use their asymptotic series


class GammaFunctions(Definitions):
    """Compute gamma functions, exact to a few units in the last place of float32 or float64.

    The error is relative to the value. For negative arguments it is relative to the largest term of
    the reflection formula (https://dlmf.nist.gov/5.5).
    """

    @in_float32
    def lgamma(self, x: Array) -> Array:
        """Compute the logarithm of |gamma(x)| (https://dlmf.nist.gov/5.11). As in C, it is infinite
        at the poles 0, -1, -2, ... and at -inf."""
        xp, table = self.xp, self._gamma_table(x)
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
        near = (v - 1) * (v - 2) * ratio(table.lgamma, v - 1.5)
        near = near + xp.where(is_tiny, -log, log)
        w = 1 / large
        # This equals (x - 1/2) log(x) - x + log(2 pi) / 2, and is right at infinity too.
        far = (large - 0.5) * (xp.log(large) - 1) + (math.log(2 * math.pi) - 1) / 2
        far = far + w * polynomial(STIRLING, w * w)
        result = xp.where(is_small, near, far)
        result = xp.where(negative, math.log(math.pi) - xp.log(abs(sine)) - result, result)
        return xp.where(pole, math.inf, result)

    @in_float32
    def digamma(self, x: Array) -> Array:
        """Compute the derivative of lgamma (https://dlmf.nist.gov/5.15). As in PyTorch, it is -inf
        at 0, inf at -0, and NaN at the other poles -1, -2, ... and at -inf."""
        xp, table, negative = self.xp, self._gamma_table(x), x < 0
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
        near = (v - ROOT[0] - ROOT[1]) * ratio(table.digamma, v - 1.5) + rest
        series = [-b / (2 * k) for k, b in enumerate(BERNOULLI, 1)]
        w = 1 / large
        far = xp.log(large) - 0.5 * w + w * w * polynomial(series, w * w)
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
        zeta = zeta + w**n * (polynomial(series, w * w) + 0.5 * w)
        sign = (-1) ** s
        # Reflect negative x by the derivative of order n of pi cot(pi x), a polynomial of the
        # cotangent. `powers` are its coefficients.
        powers = [0, 1]
        for _ in range(n):
            slope = [k * p for k, p in enumerate(powers)][1:]
            powers = [-a - b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
        cotangents = math.pi**s * polynomial(powers, cosine / sine)
        result = float(sign * math.factorial(n)) * zeta
        result = xp.where(negative, -sign * result - cotangents, result)
        return xp.where(pole, sign * math.inf, result)

    @in_float32
    def gamma(self, x: Array) -> Array:
        """Compute the gamma function (https://dlmf.nist.gov/5.2), for x from 8 on by Stirling's
        series. As in SciPy, it is inf at 0, -inf at -0, and NaN at the other poles and at -inf."""
        xp, negative = self.xp, x < 0
        largest = 171.62437 if xp.finfo(x.dtype).eps < 1e-10 else 35.04  # beyond, infinite
        pole, sine, _ = self._about_poles(x)
        y = xp.minimum(xp.where(pole, 1.0, abs(x)), largest + 8)
        is_small = y < SHIFT
        small, large = xp.where(is_small, y, 1.5), xp.where(is_small, float(SHIFT), y)
        large = xp.where(large > largest, largest, large)
        is_tiny = small < 0.9
        v, product = xp.where(is_tiny, small + 1, small), xp.ones_like(small)
        for k in range(1, SHIFT):
            on = small >= k + 1.1
            v = xp.where(on, small - k, v)
            product = xp.where(on, product * (small - k), product)
        near = xp.exp((v - 1) * (v - 2) * ratio(self._gamma_table(x).lgamma, v - 1.5)) * product
        least = 1.001 / xp.finfo(x.dtype).max
        near = near / xp.where(is_tiny, xp.maximum(small, least), 1.0)
        w = 1 / large
        power = large ** (0.5 * large - 0.25)  # its square may overflow where gamma does not
        series = xp.exp(w * polynomial(STIRLING, w * w)) * math.sqrt(2 * math.pi)
        far = power * xp.exp(-large) * series * power
        beyond, at_zero = y > largest, y < least
        result = xp.where(is_small, near, far)
        # The sign of sin(pi y) decides: https://dlmf.nist.gov/5.5.E3 and E1.
        floor = xp.floor(y)
        is_even = 2 * xp.floor(0.5 * floor) == floor
        # In this order: of a tiny y, y * sine may underflow.
        reflected = (
            math.pi / xp.where(negative, abs(sine), 1.0) / result / xp.where(negative, y, 1.0)
        )
        reflected = xp.where(is_even, -reflected, reflected)
        result = xp.where(beyond | at_zero, math.inf, result)
        reflected = xp.where(beyond, 0.0, xp.where(at_zero, -math.inf, reflected))
        result = xp.where(negative, reflected, result)
        result = xp.where(x == -math.inf, math.nan, xp.where(x != x, x, result))
        zero = xp.copysign(xp.full_like(x, math.inf), x)
        return xp.where(pole, xp.where(x == 0, zero, math.nan), result)

    @together
    def betaln(self, a: Array, b: Array) -> Array:
        """Compute the logarithm of |B(a, b)|, for positive a and b without cancellation."""
        xp = self.xp
        inside = (a > 0) & (b > 0) & (a < math.inf) & (b < math.inf)
        finite = (abs(a) < math.inf) & (abs(b) < math.inf) & ~inside
        u, v = xp.where(finite, a, 0.5), xp.where(finite, b, 0.5)
        poles = [(z <= 0) & (xp.floor(z) == z) for z in (u, v, u + v)]
        u, v, n = (xp.where(p, 0.5, z) for p, z in zip(poles, (u, v, u + v), strict=True))
        general = self.lgamma(u) + self.lgamma(v) - self.lgamma(n)
        above, below = poles[0] | poles[1], poles[2]
        general = xp.where(above & ~below, math.inf, general)
        general = xp.where(below & ~above, -math.inf, general)
        general = xp.where(above & below | ~finite, math.nan, general)
        infinite = (a > 0) & (b > 0) & ~inside
        general = xp.where(infinite, -math.inf, general)
        a, b = xp.where(inside, a, 1.0), xp.where(inside, b, 1.0)
        less, more = xp.minimum(a, b), xp.maximum(a, b)
        # With g(a) = log(gamma(a + 1)) - a log(a) + a, of which only the product is large:
        ratio = less / more
        logs = less * (xp.log(ratio) - xp.log1p(ratio)) - more * xp.log1p(ratio)
        scales = self._log_scale(a) + self._log_scale(b) - self._log_scale(a + b)
        close = logs + scales + xp.log1p(ratio) - xp.log(less)
        return xp.where(inside, close, general)

    @together
    def zeta(self, s: Array, q: Array) -> Array:
        """Compute Hurwitz' zeta function, the sum of (q + k)^-s over k = 0, 1, ..., by Euler's and
        Maclaurin's formula (https://dlmf.nist.gov/25.11.E7), for s > 1 and q > 0, and for q = 1 and
        any s, where it is Riemann's.

        As in SciPy, it is inf at s = 1 and at q = 0, -1, ..., and NaN for other s < 1 or q < 0.
        """
        xp = self.xp
        riemann = (q == 1) & (s < 0)  # by https://dlmf.nist.gov/25.4.E1
        inside = (q > 0) & (q < math.inf) & (s > 1) & (s < math.inf) | (q == 1) & (s < 1)
        inside = inside & (s > -math.inf)
        s_in = xp.where(inside, s, 2.0)
        t = xp.where(riemann & inside, 1 - s_in, s_in)
        positive = xp.where(inside, q, 1.0)
        total = positive**-t
        for k in range(1, SHIFT + 2):
            total = total + (positive + k) ** -t
        end = positive + (SHIFT + 2)
        w = 1 / end
        last = end**-t
        # The rest of the sum is `last` times end / (t - 1) + 1 / 2 + a series of odd powers of w.
        t = xp.where(last > 0, t, 2.0)  # `last` times an overflowing tail would be NaN
        factor, tail = t * w, end / (t - 1) + 0.5
        for k, b in enumerate(BERNOULLI, 1):
            tail = tail + (b / math.factorial(2 * k)) * factor
            factor = factor * ((t + (2 * k - 1)) * w) * ((t + 2 * k) * w)
        total = total + last * tail
        angle = xp.where(riemann & inside, s, -1.0)
        half = 0.5 * angle
        near = xp.round(half)
        sine = xp.sin(math.pi * (half - near))
        sine = xp.where(2 * xp.round(0.5 * near) == near, sine, -sine)
        size = self.gamma(1 - angle) * xp.exp(math.log(2 * math.pi) * angle)
        result = xp.where(riemann & inside, size / math.pi * sine * total, total)
        pole = (s == 1) & (q > -math.inf) | (q <= 0) & (xp.floor(q) == q) & (s > 1)
        one = (s == math.inf) & (q == 1)
        known = xp.where(pole, math.inf, self._known(s, (q == math.inf) & (s > 1), one))
        known = xp.where((s == math.inf) & (q > 1), 0.0, known)
        return xp.where(inside, result, known)

    def _known(self, x: Array, zero: Array, one: Array) -> Array:
        """Give an array of these zeros and ones, and NaN elsewhere."""
        xp = self.xp
        return xp.where(zero, 0.0, xp.where(one, 1.0, xp.full_like(x, math.nan)))

    def _log_scale(self, a: Array) -> Array:
        """Compute log(gamma(a + 1)) - a log(a) + a (https://dlmf.nist.gov/5.11.E1)."""
        xp = self.xp
        is_small = a < SHIFT
        small, large = xp.where(is_small, a, 1.0), xp.where(is_small, float(SHIFT), a)
        near = self.lgamma(small + 1) - small * xp.log(small) + small
        w = 1 / large
        far = 0.5 * xp.log((2 * math.pi) * large) + w * polynomial(STIRLING, w * w)
        return xp.where(is_small, near, far)

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

    def _gamma_table(self, x: Array) -> Approximations:
        """Choose the approximations for the dtype of x."""
        return DOUBLE if self.xp.finfo(x.dtype).eps < 1e-10 else SINGLE
