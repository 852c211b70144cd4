"""Define integrals of elementary functions: the exponential integrals and the dilogarithm."""

from __future__ import annotations

import math

from ...types import Array
from ..common import Definitions, in_float32
from .common import polynomial

__all__ = ["IntegralFunctions"]

EULER = 0.5772156649015329
STEPS = 100  # of a continued fraction
END = 40.0  # from here on, expi uses its asymptotic series
# Of 1 / x, x exp(-x) expi(x).
EXPI_FAR = [float(math.factorial(k)) for k in range(34)]
# Of u², (spence(exp(-u)) - u + u²/4) / u³: B2 / 3!, B4 / 5!, ...
SPENCE = [1 / 36, -1 / 3600, 1 / 211680, -1 / 10886400, 1 / 526901760, -691 / 16999766784000]
SPENCE += [1 / 1120863744000, -3617 / 181400588328960000]


class IntegralFunctions(Definitions):
    """Compute integrals of elementary functions, exact to a few units in the last place of float32
    or float64; near its zero at 0.3725, expi is exact to a few units in the last place of 1."""

    @in_float32
    def expn(self, n: int, x: Array) -> Array:
        """Compute the integral of exp(-x t) / t^n over t from 1 to infinity, for a whole number n
        (https://dlmf.nist.gov/8.19); NaN for x < 0."""
        xp = self.xp
        safe = xp.where(x > 0, x, 1.0)
        if n < 1:
            power = xp.exp(-safe)
            y = power / safe
            for k in range(1, 1 - n):
                y = (power + k * y) / safe
            at_zero = math.inf
        else:
            is_near = safe < 1
            near, far = xp.where(is_near, safe, 1.0), xp.where(is_near, 1.0, safe)
            y = far + n + 2 * STEPS
            for k in range(STEPS, 0, -1):
                y = far + n + 2 * (k - 1) - k * (n + k - 1) / y
            y = xp.exp(-far) / y
            # The power series, in which one term has a logarithm.
            term, series = xp.ones_like(x), xp.zeros_like(x)
            psi = sum(1 / k for k in range(1, n)) - EULER
            for k in range(22 + n):
                series = series + term * (psi - xp.log(near) if k == n - 1 else -1 / (k - n + 1))
                term = term * -near / (k + 1)
            y = xp.where(is_near, series, y)
            at_zero = 1 / (n - 1) if n > 1 else math.inf
        return xp.where(x > 0, y, xp.where(x == 0, at_zero, xp.full_like(x, math.nan)))

    @in_float32
    def expi(self, x: Array) -> Array:
        """Compute the principal value of the integral of exp(t) / t over t from -inf to x: -inf at
        0 (https://dlmf.nist.gov/6.2.E5)."""
        xp = self.xp
        is_near, is_far = (x > 0) & (x < END), (x >= END) & (x < math.inf)
        near, far = xp.where(is_near, x, 1.0), xp.where(is_far, x, END)
        term, series = near, near
        for k in range(2, 130):
            term = term * near / k
            series = series + term / k
        near = EULER + xp.log(near) + series
        far = xp.exp(far) / far * polynomial(EXPI_FAR, 1 / far)
        left = -self.expn(1, xp.where(x > 0, 1.0, -x))
        right = xp.where(is_near, near, xp.where(is_far, far, math.inf))
        return xp.where(x > 0, right, left)

    @in_float32
    def spence(self, x: Array) -> Array:
        """Compute the integral of log(t) / (1 - t) over t from 1 to x, the dilogarithm of 1 - x
        (https://dlmf.nist.gov/25.12.E1); NaN for x < 0."""
        xp = self.xp
        inside = xp.where((x > 0) & (x < math.inf), x, 1.0)
        # spence(x) + spence(1/x) = -log(x)² / 2: for x > 2, go to 1/x.
        is_large = inside > 2
        y = xp.where(is_large, 1 / inside, inside)
        # spence(y) + spence(1 - y) = pi² / 6 - log(y) log(1 - y): for y < 1/2, go to 1 - y.
        is_small = y < 0.5
        z = xp.where(is_small, y, 0.25)
        logs = xp.log(z) * xp.log1p(-z)
        u = -xp.where(is_small, xp.log1p(-z), xp.log(xp.where(is_small, 1.0, y)))
        value = u - 0.25 * u * u + u * u * u * polynomial(SPENCE, u * u)
        value = xp.where(is_small, math.pi**2 / 6 - logs - value, value)
        value = xp.where(is_large, -0.5 * xp.log(inside) ** 2 - value, value)
        ends = xp.where(x == 0, math.pi**2 / 6, xp.full_like(x, math.nan))
        return xp.where(x > 0, xp.where(x == math.inf, -math.inf, value), ends)
