"""Define elementary functions where their plain formulas lose digits."""

from __future__ import annotations

import math

from ...types import Array
from ..common import Definitions, in_float32
from .common import polynomial

__all__ = ["ElementaryFunctions"]

# Of t², (atanh(t) - t) / t³ for |t| <= 1/3.
ATANH = [1 / (2 * k + 3) for k in range(16)]


class ElementaryFunctions(Definitions):
    """Compute elementary functions, exact to a few units in the last place of float32 or float64,
    and derivatives of quotients such as sin(x) / x, exact to as many of their largest value."""

    @in_float32
    def cbrt(self, x: Array) -> Array:
        """Compute the real cube root."""
        xp, a = self.xp, abs(x)
        small = a < 1e-30  # whose y³ would have few digits
        is_plain = (a > 0) & (a < math.inf)
        a = xp.where(is_plain, xp.where(small, a * 2.0**60, a), 1.0)
        y = a ** (1 / 3)
        y = y - (y * y * y - a) / (3 * y * y)
        y = xp.where(small, y * 2.0**-20, y)
        return xp.where(is_plain, xp.where(x < 0, -y, y), x)

    @in_float32
    def exprel(self, n: int, x: Array) -> Array:
        """Compute the derivative of order n of (exp(x) - 1) / x, which is the integral of
        t^n exp(x t) over t from 0 to 1."""
        xp, bound = self.xp, n + 1.0 if n else 0.0
        is_near = abs(x) <= bound
        far = xp.where(is_near, -1.0 - bound, xp.where(x == math.inf, 1.0, x))
        power, y = xp.exp(far), xp.expm1(far) / far
        for k in range(1, n + 1):  # by parts
            y = (power - k * y) / far
        # Series in powers of |x|, without a negative term; on the left, of exp(-x) times it.
        a = xp.where(is_near, abs(x), 0.0)
        left, right = xp.zeros_like(x), xp.zeros_like(x)
        p, q = xp.ones_like(x), xp.ones_like(x) / (n + 1)
        for k in range(22 + 3 * n if n else 1):
            right, left = right + p / (n + k + 1), left + q
            p, q = p * a / (k + 1), q * a / (n + k + 2)
        near = xp.where(x < 0, left * xp.exp(-a), right)
        return xp.where(x == math.inf, math.inf, xp.where(is_near, near, y))

    @in_float32
    def sinc(self, n: int, x: Array) -> Array:
        """Compute the derivative of order n of sin(pi x) / (pi x)."""
        xp, bound = self.xp, n / math.pi + 1e-3
        is_infinite, is_near = abs(x) == math.inf, abs(x) < bound
        # Far from 0 by parts: it is pi^n times the integral of t^n cos(u t + n pi / 2) over t from
        # 0 to 1, for u = pi x.
        far = xp.where(is_near, bound, xp.where(is_infinite, 1.0, x))
        r = far - 2 * xp.round(0.5 * far)  # exact, from -1 to 1, as are both differences below
        half = xp.where(abs(r) > 0.5, xp.copysign(1 - abs(r), r), r)
        sine, cosine, u = xp.sin(math.pi * half), xp.sin(math.pi * (0.5 - abs(r))), math.pi * far
        y, turned = sine / u, [sine, cosine, -sine, -cosine]
        for k in range(1, n + 1):
            y = (turned[k % 4] - k * y) / u
        # Near 0 by the power series.
        u, even = math.pi * xp.where(is_near, x, 0.0), n + n % 2
        term = xp.ones_like(x) * float((-1) ** (even // 2)) * (u if n % 2 else 1.0)
        near = term / (n + n % 2 + 1)
        for k in range(n % 2, 20 + 3 * n, 2):
            term = term * (-u * u) / ((k + 1) * (k + 2))
            near = near + term / (n + k + 3)
        return math.pi**n * xp.where(is_infinite, 0.0, xp.where(is_near, near, y))

    @in_float32
    def log_ratio(self, x: Array, y: Array) -> Array:
        """Compute log(x / y) for x, y >= 0, also where x / y is close to 1, or out of range; NaN
        where both are 0 or infinite, or one is negative."""
        xp = self.xp
        is_plain, x0, y0 = self._both_plain(x, y)
        near = (x0 <= 2 * y0) & (y0 <= 2 * x0)
        logs = xp.log(x0) - xp.log(y0)
        is_far = abs(logs) > 0.8 * math.log(float(xp.finfo(logs.dtype).max))
        log = xp.log(xp.where(near | is_far, 1.0, x0) / xp.where(near | is_far, 1.0, y0))
        log = xp.where(
            is_far, logs, xp.where(near, xp.log1p(xp.where(near, x0 - y0, 0.0) / y0), log)
        )
        is_ratio = (x >= 0) & (y >= 0)
        ends = xp.where((x < y) & is_ratio, -math.inf, xp.full_like(log, math.nan))
        return xp.where(is_plain, log, xp.where((y < x) & is_ratio, math.inf, ends))

    @in_float32
    def rel_entr(self, x: Array, y: Array) -> Array:
        """Compute x log(x / y): 0 where x is 0 and y is not negative, infinite where one is
        negative, or only y is 0."""
        xp = self.xp
        positive, is_zero = (x > 0) & (y > 0), (x == 0) & (y >= 0)
        x0, y0 = xp.where(positive, x, 1.0), xp.where(positive, y, 1.0)
        value = x0 * self.log_ratio(x0, y0)
        beyond = xp.where(is_zero, 0.0, xp.full_like(value, math.inf))
        return xp.where(positive, value, xp.where((x == x) & (y == y), beyond, math.nan))

    @in_float32
    def kl_div(self, x: Array, y: Array) -> Array:
        """Compute x log(x / y) - x + y, without a loss of digits where x is close to y.

        This is y where x is 0 and y is not negative, and infinite where one is negative or only y
        is 0.
        """
        xp = self.xp
        is_plain, x0, y0 = self._both_plain(x, y)
        near = (x0 <= 2 * y0) & (y0 <= 2 * x0)
        # With e = (y - x) / x, this is x (e - log(1 + e)), and log(1 + e) = 2 atanh(t).
        e = xp.where(near, y0 - x0, 0.0) / x0
        t = e / (2 + e)
        value = x0 * t * (e - 2 * t * t * polynomial(ATANH, t * t))
        plain = self.rel_entr(x, y)
        plain = xp.where(plain == math.inf, plain, plain - x + y)
        return xp.where(is_plain & near, value, plain)

    def _both_plain(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Say where both are positive and finite; put 1 in place of both elsewhere."""
        xp = self.xp
        is_plain = (x > 0) & (y > 0) & (x < math.inf) & (y < math.inf)
        return is_plain, xp.where(is_plain, x, 1.0), xp.where(is_plain, y, 1.0)
