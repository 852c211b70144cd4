"""Define the incomplete gamma and beta functions, and their inverses.

The smaller of the two parts of an integral is computed, and the other is 1 minus it. As a function
of u = log(t), or of u = log(t / (1 - t)), the integrand t^a exp(-t), or t^a (1 - t)^b, is
log-concave. From the end of the integral, where t = x, it falls to nothing within a `width`, and
Gauss' rule of integration finds the integral over this width, for small and large parameters alike.
(Other libraries choose among series, continued fractions and asymptotic expansions, each for a part
of the domain: https://dlmf.nist.gov/8.25, https://dlmf.nist.gov/8.26.)

A parameter close to 0 would make the integrand fall slowly to the left. It is increased by `STEPS`:
https://dlmf.nist.gov/8.8.E7 and https://dlmf.nist.gov/8.17.E20, whose terms are all positive.

These definitions run on nodes too, which gives the gradients of a and b. So no gradient may flow
through a width: `_rounded` stops it. Elements that take another formula must give finite numbers
and gradients here too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ...types import Array
from .common import expm1_less, exponential_series, gauss_legendre, log1p_less, ratio, together
from .gamma import SHIFT, STIRLING, GammaFunctions

__all__ = ["IncompleteFunctions"]

STEPS = 4
SMALL = 2**13  # of larger arrays, NumPy computes one node at a time faster


Table = tuple[tuple[float, ...], ...]
_made: dict[Any, list[Array]] = {}


class Fineness(NamedTuple):
    """Say how finely the integrals of one dtype are computed."""

    fall: float  # the integrand falls to exp(-fall) of what it is at the end
    nodes: int  # of Gauss' rule
    terms: int  # of series
    largest: float  # parameter
    steps: int  # of Newton's method


DOUBLE = Fineness(fall=37.0, nodes=28, terms=34, largest=1e290, steps=13)
SINGLE = Fineness(fall=17.5, nodes=14, terms=16, largest=1e30, steps=11)


class IncompleteFunctions(GammaFunctions):
    """Compute regularized incomplete functions.

    The error is relative to the value, also of a tiny one: a few units in the last place of float32
    or float64, times 1 + |log(value)|.
    """

    @together
    def gammainc(self, a: Array, x: Array) -> Array:
        """Compute P(a, x), the integral from 0 to x of t^(a - 1) exp(-t) / gamma(a)
        (https://dlmf.nist.gov/8.2). As in SciPy, P(0, x) is 1, and P is NaN for negative numbers
        and where both a and x are 0 or infinite."""
        return self._gammainc(a, x)[0]

    @together
    def gammaincc(self, a: Array, x: Array) -> Array:
        """Compute Q(a, x) = 1 - P(a, x), precisely also where P is close to 1."""
        return self._gammainc(a, x)[1]

    def _gammainc(self, a: Array, x: Array) -> tuple[Array, Array]:
        """Compute P and Q."""
        xp, fine = self.xp, self._fineness(a)
        inside = (a > 0) & (x > 0) & (a < math.inf) & (x < math.inf)
        zero = (x == 0) & (a > 0) | (a == math.inf) & (x >= 0) & (x < math.inf)
        one = (a == 0) & (x > 0) | (x == math.inf) & (a >= 0) & (a < math.inf)
        known = self._known(x, zero, one)
        a, x = xp.where(inside, a, 1.0), xp.where(inside, x, 1.0)
        # Beyond this size P jumps from 0 to 1 at x = a, and so do smaller a and x of their ratio.
        is_huge = (a > fine.largest) | (x > fine.largest)
        a, x = xp.where(is_huge, a * 1e-16, a), xp.where(is_huge, x * 1e-16, x)
        tiny = xp.finfo(x.dtype).smallest_normal
        x, a = xp.where(x < tiny, tiny, x), xp.where(a < tiny, tiny, a)
        is_upper = (x > a) & (x >= 1.1)
        part = self._part_of_gamma(a, x, is_upper)
        is_flat = (a < 1) & (x < 1.1)
        small_a, small_x = xp.where(is_flat, a, 0.5), xp.where(is_flat, x, 1.0)
        flat = self._flat_gamma(small_a, small_x)
        lower = xp.where(is_upper, 1 - part, part)
        upper = xp.where(is_upper, part, xp.where(is_flat, flat, 1 - part))
        return xp.where(inside, lower, known), xp.where(inside, upper, 1 - known)

    def _part_of_gamma(self, a: Array, x: Array, is_upper: Array) -> Array:
        """Compute Q(a, x) where `is_upper`, else P(a, x)."""
        xp, fine = self.xp, self._fineness(a)
        s = xp.where(is_upper, a, a + STEPS)
        slope, x_up = s - x, xp.where(is_upper, x, s + 1)
        x_low = xp.where(is_upper, 1.0, x)
        # Bounds from above of the widths. Below, exp(-w) - 1 + w is at least w² / (w + 2). Above,
        # exp(w) - 1 - w is at least w² / 2; or take that bound for w on the right of the equation.
        b = xp.where(is_upper, 0.0, 2 * slope) - fine.fall
        below = 4 * fine.fall / (b + xp.hypot(b, xp.sqrt(8 * fine.fall * (a + STEPS))))
        rate = xp.where(is_upper, -slope, 0.0)
        above = 2 * fine.fall / (rate + xp.hypot(rate, xp.sqrt(2 * fine.fall * x_up)))
        above = xp.minimum(above, xp.log1p((fine.fall + s * above) / x_up))
        width = self._rounded(xp.where(is_upper, above, below))
        width = xp.where(is_upper, width, -width)

        def integrand(d: Array, slope: Array, x: Array) -> Array:
            is_near = abs(d) < 0.1
            less = expm1_less(xp.where(is_near, d, 0.0), d * d)
            return xp.exp(slope * d - x * xp.where(is_near, less, xp.expm1(d) - d))

        integral = abs(width) * self._mean(integrand, width, slope, x)
        term, total = xp.ones_like(slope), xp.ones_like(slope)
        for k in range(1, STEPS):
            term = term * (x_low / (a + k))
            total = total + term
        below = total + term * x_low * integral
        return xp.exp(self._log_term(a, x)) * xp.where(is_upper, a * integral, below)

    @together
    def gamma_density(self, a: Array, x: Array) -> Array:
        """Compute x^(a - 1) exp(-x) / gamma(a), the derivative of P(a, x) by x."""
        xp, largest = self.xp, self._fineness(a).largest
        inside = (a > 0) & (x > 0) & (a < largest) & (x < largest)
        zero = (x == 0) & (a > 1) | (a == 0) & (x > 0) | (a == math.inf) & (x < a) & (x >= 0)
        zero = zero | (x >= largest) & (a >= 0) & (a < largest) | (a >= largest) & (x < largest)
        known = self._known(x, zero, (x == 0) & (a == 1))
        known = xp.where((x == 0) & (a > 0) & (a < 1), math.inf, known)
        a, x = xp.where(inside, a, 1.0), xp.where(inside, x, 1.0)
        log = self._log_term(a, x) + xp.log(a) - xp.log(x)
        return xp.where(inside, xp.exp(log), known)

    def _log_term(self, a: Array, x: Array) -> Array:
        """Compute log(x^a exp(-x) / gamma(a + 1))."""
        return self._excess(a, x, x - a) - self._log_scale(a)

    def _flat_gamma(self, a: Array, x: Array) -> Array:
        """Compute Q(a, x) for a < 1 and x < 1.1, where P may be close to 1, from the series of P:
        https://dlmf.nist.gov/8.7.E1."""
        xp = self.xp
        power = a * xp.log(x) - self._lgamma1p(a)
        table = exponential_series(self._fineness(x).terms // 2 + 4)
        total = self._sum(lambda n, c, a, x: c * x**n / (a + n), table, a, x)
        return -xp.expm1(power) - xp.exp(power) * a * total

    @together
    def betainc(self, a: Array, b: Array, x: Array) -> Array:
        """Compute I(a, b, x), the integral from 0 to x of t^(a - 1) (1 - t)^(b - 1) / B(a, b)
        (https://dlmf.nist.gov/8.17). As in SciPy, it is 1 for a = 0 and 0 for b = 0, and NaN for
        negative a or b, x outside of [0, 1], and where both a and b are 0 or infinite."""
        return self._betainc(a, b, x)[0]

    @together
    def betaincc(self, a: Array, b: Array, x: Array) -> Array:
        """Compute 1 - I(a, b, x), precisely also where I is close to 1."""
        return self._betainc(a, b, x)[1]

    def _betainc(self, a: Array, b: Array, x: Array) -> tuple[Array, Array]:
        """Compute I(a, b, x) and 1 minus it."""
        xp, fine = self.xp, self._fineness(a)
        tiny, largest = xp.finfo(x.dtype).smallest_normal, fine.largest
        inside = (a > 0) & (b > 0) & (x > 0) & (x < 1) & (a < largest) & (b < largest)
        is_known = (a >= 0) & (b >= 0) & (a + b > 0) & ((a < math.inf) | (b < math.inf))
        zero = (x == 0) | (x > 0) & (x < 1) & ((b == 0) | (a == math.inf))
        one = (x == 1) | (x > 0) & (x < 1) & ((a == 0) | (b == math.inf))
        known = self._known(x, is_known & zero, is_known & one)
        a, b = xp.where(inside, a, 1.0), xp.where(inside, b, 1.0)
        x = xp.where(inside, x, 0.5)
        a, b = xp.where(a < tiny, tiny, a), xp.where(b < tiny, tiny, b)
        x = xp.where(x < tiny, tiny, x)
        lower, upper = self._parts_of_beta(a, b, x, 1 - x)
        return xp.where(inside, lower, known), xp.where(inside, upper, 1 - known)

    def _parts_of_beta(self, a: Array, b: Array, x: Array, y: Array) -> tuple[Array, Array]:
        """Compute I(a, b, x) and 1 minus it, for positive numbers; y is 1 - x."""
        xp = self.xp
        swaps = (self._is_flat(b, a, y) | (b * x > a * y)) & ~self._is_flat(a, b, x)
        a, b = xp.where(swaps, b, a), xp.where(swaps, a, b)
        x, y = xp.where(swaps, y, x), xp.where(swaps, x, y)
        part, is_flat = self._part_of_beta(a, b, x, y), self._is_flat(a, b, x)
        flat = self._flat_beta(
            xp.where(is_flat, b, 1.0), xp.where(is_flat, a, 0.5), xp.where(is_flat, x, 0.1)
        )
        rest = xp.where(is_flat, flat, 1 - part)
        return xp.where(swaps, rest, part), xp.where(swaps, part, rest)

    def _is_flat(self, a: Array, b: Array, x: Array) -> Array:
        """Say where I(a, b, x) may be close to 1 though x is small, since a is."""
        return (a < 1) & (b * x < 1) & (x < 0.3)

    def _part_of_beta(self, a: Array, b: Array, x: Array, y: Array) -> Array:
        """Compute I(a, b, x), where x = 1 - y is at most about a / (a + b)."""
        xp, fine = self.xp, self._fineness(a)
        s = a + STEPS
        both = s + b
        slope, fall = s * y - b * x, fine.fall
        w = 2 * fall / (slope + xp.hypot(slope, xp.sqrt(2 * fall * x * y * both)))
        w = xp.minimum(w, fall)
        # That is right for small widths. For the others Newton's method goes on.
        for _ in range(4):
            up = xp.expm1(w)
            down = up / (1 + up)
            miss = s * xp.log1p(y * up) + b * xp.log1p(-x * down) - fall
            rate = s * y * (1 + up) / (1 + y * up) - b * x * (1 - down) / (1 - x * down)
            new = xp.minimum(w - miss / xp.maximum(rate, 0.1), fall)
            w = xp.where((w > 0.01) & (new > 0), new, w)
        width = self._rounded(w)

        def integrand(d: Array, s: Array, b: Array, x: Array, y: Array) -> Array:
            up = xp.expm1(d)
            return xp.exp(-s * xp.log1p(y * up) - b * xp.log1p(-x * (up / (1 + up))))

        integral = width * self._mean(integrand, width, s, b, x, y)
        term, total = xp.ones_like(slope), xp.ones_like(slope)
        for k in range(1, STEPS):
            term = term * (x * ((a + b + (k - 1)) / (a + k)))
            total = total + term
        total = total + term * (x * (a + b + (STEPS - 1))) * integral
        return xp.exp(self._log_beta_term(a, b, x, y)) * total

    @together
    def beta_density(self, a: Array, b: Array, x: Array) -> Array:
        """Compute x^(a - 1) (1 - x)^(b - 1) / B(a, b), the derivative of I(a, b, x) by x."""
        xp, largest = self.xp, self._fineness(a).largest
        is_known = (a > 0) & (b > 0) & (a < largest) & (b < largest)
        inside = is_known & (x > 0) & (x < 1)
        left, right = is_known & (x == 0), is_known & (x == 1)
        power = xp.where(left, a, b)  # at an end, the density is 0, b or a, or infinite
        known = self._known(x, (left | right) & (power > 1), (x < 0) & (x > 0))
        known = xp.where((left | right) & (power < 1), math.inf, known)
        known = xp.where((left | right) & (power == 1), xp.where(left, b, a), known)
        a, b = xp.where(inside, a, 1.0), xp.where(inside, b, 1.0)
        x = xp.where(inside, x, 0.5)
        log = self._log_beta_term(a, b, x, 1 - x) + xp.log(a) - xp.log(x) - xp.log1p(-x)
        return xp.where(inside, xp.exp(log), known)

    def _log_beta_term(self, a: Array, b: Array, x: Array, y: Array) -> Array:
        """Compute log(x^a y^b / (a B(a, b))) for y = 1 - x."""
        both, beyond = a + b, x * b - a * y
        excess = self._excess(a, x * both, beyond) + self._excess(b, y * both, -beyond)
        scales = self._log_scale(both) - self._log_scale(a) - self._log_scale(b)
        return excess + scales + self.xp.log(b / both)

    def _flat_beta(self, a: Array, b: Array, y: Array) -> Array:
        """Compute I(a, b, 1 - y) for b < 1, y < 0.3 and a y < 1, where I may be close to 0 since b
        is, from the series of 1 - I: https://dlmf.nist.gov/8.17.E7."""
        xp = self.xp
        power = b * xp.log(y) - self._lgamma1p(b) + self._lgamma_step(a, b)
        if math.prod(y.shape) > SMALL:
            term, total = xp.ones_like(y), xp.zeros_like(y)
            for n in range(1, self._fineness(y).terms):
                term = term * ((n - a) * y * (1 / n))
                total = total + term / (b + n)
        else:
            n = self._columns(tuple((float(n),) for n in range(1, self._fineness(y).terms)), y)[0]
            terms = xp.cumulative_prod((n - a[..., None]) / n * y[..., None], axis=-1)
            total = xp.sum(terms / (b[..., None] + n), axis=-1)
        return -xp.expm1(power) - xp.exp(power) * b * total

    # -- Inverses ----------------------------------------------------------------------------------

    @together
    def gammaincinv(self, a: Array, p: Array) -> Array:
        """Find the x at which P(a, x) = p. As in SciPy, x is inf for p = 1, and NaN for p outside
        of [0, 1] and negative a."""
        return self._gammaincinv(a, p, 1 - p)

    @together
    def gammainccinv(self, a: Array, q: Array) -> Array:
        """Find the x at which Q(a, x) = q, precisely also where q is close to 0."""
        return self._gammaincinv(a, 1 - q, q)

    def _gammaincinv(self, a: Array, p: Array, q: Array) -> Array:
        """Find log(x) by Newton's method for the logarithm of P or Q, whichever is smaller. Both
        are concave functions of log(x), so after one step all steps go in one direction."""
        xp, fine = self.xp, self._fineness(a)
        inside = (a > 0) & (a < fine.largest) & (p > 0) & (q > 0)
        known = self._known(a, (p == 0) & (q == 1) & (a > 0), (a < 0) & (a > 0))
        known = xp.where((p == 1) & (q == 0) & (a > 0), math.inf, known)
        a, p = xp.where(inside, a, 1.0), xp.where(inside, p, 0.5)
        q = xp.where(inside, q, 0.5)
        is_upper = q < p
        wanted = xp.log(xp.where(is_upper, q, p))
        # Begin at the quantile of Wilson and Hilferty, or where p is x^a / gamma(a + 1), which is
        # not less than P.
        z = 1 - 1 / (9 * xp.maximum(a, 1.0)) + self._rough_ndtri(p, q) / (3 * xp.sqrt(a))
        left = xp.where(is_upper, xp.log1p(-xp.where(is_upper, q, 0.5)), xp.log(p))
        left = (left + self.lgamma(a + 1)) / a
        middle = xp.log(a) + 3 * xp.log(xp.maximum(z, 0.1))
        start = xp.where((a > 1) & (z > 0.1), middle, xp.minimum(left, 0.1))
        least, most = math.log(xp.finfo(a.dtype).smallest_normal), math.log(fine.largest)
        u = xp.maximum(start, least)
        for _ in range(fine.steps):
            x = xp.exp(u)
            low, high = self._gammainc(a, x)
            found = xp.maximum(xp.where(is_upper, high, low), xp.finfo(a.dtype).smallest_normal)
            rate = self.gamma_density(a, x) * x / found
            miss = (xp.log(found) - wanted) / xp.maximum(rate, 1e-30)
            step = xp.where(is_upper, miss, -miss)
            u = u + xp.maximum(xp.minimum(step, 3.0), -abs(u) - 40.0)
            u = xp.maximum(xp.minimum(u, most), least)
        x = xp.where(left < least, xp.zeros_like(u), xp.exp(u))
        return xp.where(inside, x, known)

    @together
    def betaincinv(self, a: Array, b: Array, p: Array) -> Array:
        """Find the x at which I(a, b, x) = p. As in SciPy, x is NaN for p outside of [0, 1] and for
        negative a or b."""
        return self._betaincinv(a, b, p, 1 - p)[0]

    @together
    def betainccinv(self, a: Array, b: Array, q: Array) -> Array:
        """Find the x at which 1 - I(a, b, x) = q, precisely also where q is close to 0."""
        return self._betaincinv(a, b, 1 - q, q)[0]

    def _betaincinv(self, a: Array, b: Array, p: Array, q: Array) -> tuple[Array, Array]:
        """Find u = log(x / (1 - x)) by Newton's method, as `_gammaincinv` finds log(x). Give x and
        1 - x."""
        xp, fine = self.xp, self._fineness(a)
        inside = (a > 0) & (b > 0) & (a < fine.largest) & (b < fine.largest) & (p > 0) & (q > 0)
        is_known = (a > 0) & (b > 0) & (a < math.inf) & (b < math.inf)
        known = self._known(a, is_known & (p == 0) & (q == 1), is_known & (p == 1) & (q == 0))
        known = known + xp.zeros_like(b) * xp.zeros_like(p)
        a, b, p, q = (xp.where(inside, z, c) for z, c in ((a, 1.0), (b, 1.0), (p, 0.5), (q, 0.5)))
        is_upper = q < p
        wanted = xp.log(xp.where(is_upper, q, p))
        # Begin at a quantile of the normal distribution for u, or where x^a / (a B(a, b)) is p or
        # the same of 1 - x is q.
        spread = xp.sqrt(1 / a + 1 / b)
        logs = self.betaln(a, b)
        below = xp.log1p(-xp.where(is_upper, q, 0.5)), xp.log1p(-xp.where(is_upper, 0.5, p))
        left = (xp.where(is_upper, below[0], xp.log(p)) + xp.log(a) + logs) / a
        right = (xp.where(is_upper, xp.log(q), below[1]) + xp.log(b) + logs) / b
        mean = xp.log(a) - xp.log(b)
        tail = xp.where(is_upper, -self._logit_exp(right, -mean), self._logit_exp(left, mean))
        middle = mean + self._rough_ndtri(p, q) * spread
        middle = xp.where(is_upper, xp.minimum(middle, tail), xp.maximum(middle, tail))
        u = xp.where(xp.minimum(a, b) > 1, middle, tail)
        most = -math.log(xp.finfo(a.dtype).smallest_normal)
        u = xp.maximum(xp.minimum(u, most), -most)
        for _ in range(fine.steps):
            e = xp.exp(-abs(u))
            less, more = e / (1 + e), 1 / (1 + e)
            x, y = xp.where(u < 0, less, more), xp.where(u < 0, more, less)
            low, high = self._parts_of_beta(a, b, x, y)
            found = xp.maximum(xp.where(is_upper, high, low), math.exp(-most))
            rate = xp.exp(self._log_beta_term(a, b, x, y)) * a / found
            miss = (xp.log(found) - wanted) / xp.maximum(rate, 1e-30)
            # A step beyond the x looked for may be far too long; then the others return.
            miss = xp.minimum(xp.maximum(miss, -most), xp.maximum(abs(u - tail), 3.0))
            u = xp.where(is_upper, u + miss, u - miss)
            u = xp.maximum(xp.minimum(u, most), -most)
        e = xp.exp(-abs(u))
        e = xp.where(abs(u) < most - 0.01, e, 0.0)  # beyond, x or y is below the smallest number
        x, y = xp.where(u < 0, e, 1.0) / (1 + e), xp.where(u < 0, 1.0, e) / (1 + e)
        return xp.where(inside, x, known), xp.where(inside, y, 1 - known)

    def _logit_exp(self, x: Array, other: Array) -> Array:
        """Compute log(exp(x) / (1 - exp(x))), or give `other` where x is not negative."""
        xp = self.xp
        inside = x < 0
        x = xp.where(inside, x, -1.0)
        return xp.where(inside, x - xp.log(-xp.expm1(x)), other)

    def _rough_ndtri(self, p: Array, q: Array) -> Array:
        """Compute the quantile of the normal distribution to 4e-4 (Abramowitz and Stegun, 26.2.23,
        by Hastings), from p and q = 1 - p."""
        xp = self.xp
        t = xp.sqrt(-2 * xp.log(xp.minimum(p, q)))
        z = t - ratio(((2.515517, 0.802853, 0.010328), (1.0, 1.432788, 0.189269, 0.001308)), t)
        return xp.where(p < q, -z, z)

    # -- Student's distribution --------------------------------------------------------------------

    @together
    def stdtr(self, df: Array, t: Array) -> Array:
        """Compute the distribution function of Student's t with df > 0 degrees of freedom, for
        infinite df that of the normal distribution. It is NaN for other df."""
        xp, (large, far) = self.xp, self._student_limits(t)
        inside = (df > 0) & (t == t)
        df = xp.minimum(xp.where(inside, df, 1.0), large)
        t = xp.where(inside, t, 1.0)
        end = xp.sqrt(df) * far  # beyond, the tail is c t^-df
        square = (xp.minimum(abs(t), end) / xp.sqrt(df)) ** 2
        square = xp.maximum(square, xp.finfo(t.dtype).smallest_normal)
        half = xp.full_like(square, 0.5)
        x, y = square / (1 + square), 1 / (1 + square)
        tail = 0.5 * self._parts_of_beta(half, 0.5 * df, x, y)[1]
        beyond = xp.where((abs(t) > end) & (abs(t) < math.inf), abs(t), end)
        tail = tail * xp.exp(df * xp.log(end / beyond))
        tail = xp.where(abs(t) == math.inf, 0.0, tail)
        return xp.where(inside, xp.where(t < 0, tail, 1 - tail), math.nan)

    @together
    def stdtrit(self, df: Array, p: Array) -> Array:
        """Find the t at which stdtr(df, t) = p. It is NaN for p outside of [0, 1]."""
        xp = self.xp
        inside = (df > 0) & (p > 0) & (p < 1)
        end = xp.where(p == 1, math.inf, xp.full_like(p, math.nan))
        end = xp.where(p == 0, -math.inf, end)
        df = xp.minimum(xp.where(inside, df, 1.0), self._student_limits(p)[0])
        p = xp.where(inside, p, 0.5)
        less = xp.minimum(p, 1 - p)
        half, b = xp.full_like(less, 0.5), 0.5 * df
        x, y = self._betaincinv(half, b, 1 - 2 * less, 2 * less)
        is_far = y < xp.finfo(p.dtype).eps ** 2  # where the tail is c t^-df
        near = xp.sqrt(df) * xp.sqrt(x / xp.where(is_far, 1.0, y))
        log = -(xp.log(2 * b * less) + self.betaln(b, half)) / df
        most = math.log(xp.finfo(p.dtype).max) - 0.5
        log = xp.where(is_far, log + 0.5 * xp.log(df), 0.0)
        far = xp.where(log > most, math.inf, xp.exp(xp.minimum(log, most)))
        t = xp.where(is_far, far, near)
        return xp.where(inside, xp.where(p < 0.5, -t, t), end)

    def _student_limits(self, x: Array) -> tuple[float, float]:
        """Give a number of degrees of freedom from which on the distribution is the normal one, and
        a size of t / sqrt(df) from which on the tail is a power of t."""
        return (1e30, 1e150) if self.xp.finfo(x.dtype).eps < 1e-10 else (1e13, 1e18)

    # -- Parts of both -----------------------------------------------------------------------------

    def _mean(self, integrand: Callable[..., Array], width: Array, *parameters: Array) -> Array:
        """Compute the mean of integrand(d, *parameters) for d between 0 and the width."""
        rule = gauss_legendre(self._fineness(width).nodes)
        return self._sum(
            lambda node, weight, width, *p: weight * integrand(node * width, *p),
            rule,
            width,
            *parameters,
        )

    def _sum(self, term: Callable[..., Array], table: Table, *arrays: Array) -> Array:
        """Add up term(*row, *arrays) over the rows of a table. For small arrays all terms are
        computed at once, along a last axis."""
        if max(math.prod(x.shape) for x in arrays) > SMALL:
            total = term(*table[0], *arrays)
            for row in table[1:]:
                total += term(*row, *arrays)
            return total
        columns = self._columns(table, arrays[0])
        return self.xp.sum(term(*columns, *(x[..., None] for x in arrays)), axis=-1)

    def _columns(self, table: Table, x: Array) -> list[Array]:
        """Give the columns of a table as arrays of the dtype of x, on its device. They are made
        once: a copy from the host takes long on a GPU, and is not to be captured."""
        xp, dtype, device = self.xp, x.dtype, x.device
        key = id(xp), table, str(dtype), str(device)
        if key not in _made:
            columns = zip(*table, strict=True)
            _made[key] = [xp.asarray(list(c), dtype=dtype, device=device) for c in columns]
        return _made[key]

    def _rounded(self, width: Array) -> Array:
        """Round widths up, by 4 % at most. No gradient flows through `ceil`."""
        xp = self.xp
        return xp.exp((math.log(2) / 16) * xp.ceil(16 * xp.log2(width)))

    def _excess(self, a: Array, x: Array, beyond: Array) -> Array:
        """Compute a log(x / a) - beyond, where beyond = x - a."""
        xp = self.xp
        is_near = abs(beyond) < 0.4 * a
        near = a * log1p_less(xp.where(is_near, beyond, 0.0) / a)
        return xp.where(is_near, near, a * (xp.log(x) - xp.log(a)) - beyond)

    def _lgamma1p(self, x: Array) -> Array:
        """Compute lgamma(1 + x) for x between 0 and 1, precisely also where x is close to 0."""
        return x * (x - 1) * ratio(self._gamma_table(x).lgamma, x - 0.5)

    def _lgamma_step(self, a: Array, b: Array) -> Array:
        """Compute lgamma(a + b) - lgamma(a) for b < 1, precisely also where b is close to 0."""
        xp = self.xp
        large = a + SHIFT
        v, w = 1 / (large + b), 1 / large
        # The series of both, of which each term v^m - w^m is (v - w) times `sums`.
        sums, power, series = xp.ones_like(v), w, STIRLING[0] * xp.ones_like(v)
        for c in STIRLING[1:]:
            sums = v * v * sums + power * (v + w)
            power = power * w * w
            series = series + c * sums
        step = (large - 0.5) * xp.log1p(b * w) + b * xp.log(large + b) - b - b * v * w * series
        table = tuple((float(k),) for k in range(SHIFT))
        return step - self._sum(lambda k, a, b: xp.log1p(b / (a + k)), table, a, b)

    def _fineness(self, x: Array) -> Fineness:
        return DOUBLE if self.xp.finfo(x.dtype).eps < 1e-10 else SINGLE
