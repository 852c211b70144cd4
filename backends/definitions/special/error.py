"""Define the error function and its kin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ...types import Array
from ..common import Definitions, in_float32
from .common import Rational, ratio

__all__ = ["SINGLE", "ErrorFunctions"]


class Approximations(NamedTuple):
    """Hold the approximations for one dtype. "As f(x) of t" says that the variable is t."""

    erf: Rational  # as erf(x) / x of x², for |x| up to `bound`
    bound: float
    erfcx: Rational  # as (x + 2) exp(x²) erfc(x) of 1 / (x + 2), for x from 1
    center: Rational  # as ndtri(1/2 + c) / c of CENTER² - c², for |c| up to CENTER
    tails: Sequence[Rational]  # as -ndtri(exp(-s²/2)) of s - TAILS[k], for s to the next and 40


# fmt: off
DOUBLE = Approximations(  # relative errors: 1e-18, 3e-17, 6e-18, 4e-18, 1e-17
    erf=(
        (1.1283791670955126, 0.14365581715028763, 0.0455033341653278, 0.0018829155471563983,
         0.00019709588069752516, 8.625602445726376e-08),
        (1.0, 0.46064498648983654, 0.0938746087651241, 0.010705251871973175, 0.0006937362332349159,
         2.0866484101019162e-05),
    ),
    bound=1.0,
    erfcx=(
        (0.5641895835477563, -0.6795182680291002, 9.284561371777032, -2.719739716343774,
         45.864995071009865, 21.964426792960356, 97.33693818741345, 92.44921210253698,
         103.37413547649935, 62.620727404503675),
        (1.0, -3.2044147709288837, 19.36528609925345, -37.33573363688102, 99.45862713166956,
         -110.41672354433865, 151.22011045864372, -79.3977931609117, 48.873350153324616,
         -3.743942485113924),
    ),
    center=(
        (3.387132872796367, 158.00780453034182, 2918.3530216624195, 27261.02780283018,
         136691.81713609747, 361020.11724111554, 459408.83461318194, 228666.70981987825,
         23976.42833624431, -753.3405165236976),
        (1.0, 49.65468327689255, 988.7669118299093, 10132.917978682328, 57130.217524434476,
         176034.59534797046, 277656.4300429566, 192874.67737573953, 40938.85220443381),
    ),
    tails=(
        (
            (1.3474254923783557, 3.4757592535002866, 3.5572479006756472, 1.945551995929198,
             0.6349461948358597, 0.1286427863805478, 0.016026881457363827, 0.0011540670249552663,
             4.1752359549089906e-05, 5.437402266231495e-07),
            (1.0, 1.6774487764691899, 1.1753412962174603, 0.4490883329804141, 0.10191035524306163,
             0.013858740539095162, 0.0010680861579896593, 4.056103074247926e-05,
             5.437152371846029e-07, 1.0907970475667524e-13),
        ),
        (
            (7.620199825255225, 6.295756771148458, 2.114903261159555, 0.37991336514053886,
             0.040103705280652255, 0.0025642578729959203, 9.860208721724192e-05,
             2.191000369945971e-06, 2.5957341765275678e-08, 1.4081128950008795e-10,
             2.467113516253563e-13),
            (1.0, 0.6906817768803944, 0.18436405775201384, 0.025119413699439357,
             0.0019109219338075125, 8.279202008652732e-05, 1.9931123452457673e-06,
             2.4848631589155276e-08, 1.3883784993044672e-10, 2.467112433395322e-13),
        ),
    ),
)
SINGLE = Approximations(  # relative errors: 4e-8, 2e-8, 3e-9, 2e-9, 2e-9
    erf=(
        (1.12837912, 0.186002397, 0.0546193639, 0.00391679466, 0.00038993818, 4.90169232e-6,
         -1.42549588e-8),
        (1.0, 0.498172873, 0.114465014, 0.0156162076, 0.00133675102, 6.5326751e-5),
    ),
    bound=4.0,
    erfcx=(
        (0.564189587, -0.921313, 2.21310891, -0.0273485908, 0.876548992),
        (1.0, -3.63298184, 7.6883737, -7.7035782, 3.38659885),
    ),
    center=(
        (3.38713286, 68.5980797, 387.468071, 594.812084, 118.348225),
        (1.0, 23.2578042, 162.232432, 358.385457, 169.449523),
    ),
    tails=(
        (
            (1.3474255, 2.26773369, 1.12755134, 0.20589428, 0.0115644361),
            (1.0, 0.780905384, 0.1809048, 0.0115562216, 1.12101823e-07),
        ),
        (
            (7.62019986, 2.61335439, 0.306578307, 0.0141840629, 0.000205493667),
            (1.0, 0.207439569, 0.0125420751, 0.000205485294, 2.55916601e-11),
        ),
    ),
)
# fmt: on
CENTER = 0.425  # around probabilities of 1/2
TAILS = (2.2, 8.0)
STEPS = 160  # of a continued fraction
LOG2 = (0.693359375, -2.1219444005469057e-4)  # a sum


class ErrorFunctions(Definitions):
    """Compute the error function, exact to a few units in the last place of float32 or float64. The
    error is relative to the value."""

    @in_float32
    def erf(self, x: Array) -> Array:
        """Compute the error function (https://dlmf.nist.gov/7.2)."""
        xp, table = self.xp, self._error_table(x)
        if table.bound > 1:  # float32: for larger x, erf(x) rounds to 1
            x = xp.maximum(xp.minimum(x, table.bound), -table.bound)
            y = ratio(table.erf, x * x)
            y *= x
            return xp.maximum(xp.minimum(y, 1.0), -1.0)
        far, is_near, near = self._erfc_far(x), abs(x) < 1, self._erf_near(x)
        return xp.where(is_near, near, xp.where(x < 0, far - 1, 1 - far))

    @in_float32
    def erfc(self, x: Array) -> Array:
        """Compute 1 - erf(x), precisely also where erf(x) is close to 1."""
        xp, near, far = self.xp, self._erf_near(x), self._erfc_far(x)
        return xp.where(abs(x) < 1, 1 - near, xp.where(x < 0, 2 - far, far))

    @in_float32
    def erfcx(self, n: int, x: Array) -> Array:
        """Compute the derivative of order n of exp(x²) erfc(x). Far right it loses no digits by
        cancellation: it is computed from ratios of repeated integrals of erfc
        (https://dlmf.nist.gov/7.18.E7)."""
        xp, finfo = self.xp, self.xp.finfo(x.dtype)
        is_near, is_right = abs(x) < 1, x >= 1
        near = xp.where(is_near, x, 0.0)
        near = self._exp_square(near, 1.0) * (1 - self._erf_near(near))
        limit = math.sqrt(math.log(float(finfo.max) / 2) * (1 - 4 * float(finfo.eps)))
        far, left = self._erfcx_far(x), xp.minimum(xp.maximum(-x, 1.0), limit)
        left = 2 * self._exp_square(left, 1.0) - far
        y = xp.where(is_right, far, xp.where(x < -limit, math.inf, xp.where(is_near, near, left)))
        if n == 0:
            return y
        left, right = xp.where(is_right, 0.0, x), xp.where(is_right, x, 1.0)
        before, now = xp.zeros_like(x), y
        for k in range(n):
            fixed = -2 / math.sqrt(math.pi) if k == 0 else 2 * k * before
            before, now = now, 2 * left * now + fixed
        r = xp.minimum(right, 1e18)
        r = 1 / (r + xp.sqrt(r * r + 2 * (n + STEPS)))
        for k in range(n + STEPS, 0, -1):
            r = 0.5 / (right + (k + 1) * r)
            y = y * (-2 * k * r) if k <= n else y
        return xp.where(is_right, y, now)

    @in_float32
    def ndtr(self, x: Array) -> Array:
        """Compute the probability that a standard normal variable is below x."""
        xp, u = self.xp, math.sqrt(0.5) * x
        near = 0.5 + 0.5 * self._erf_near(u)
        far = 0.5 * self._exp_square(xp.minimum(abs(x), 40.0), -0.5) * self._erfcx_far(u)
        return xp.where(abs(u) < 1, near, xp.where(x < 0, far, 1 - far))

    @in_float32
    def log_ndtr(self, x: Array) -> Array:
        """Compute log(ndtr(x)), precisely also where ndtr(x) is close to 0 or 1."""
        xp = self.xp
        is_far = x < -math.sqrt(2)
        left = self._log_tail(xp.where(is_far, -x, 2.0))
        y = xp.where(is_far, 0.0, x)
        p, is_left = self.ndtr(-abs(y)), x < 0
        near = xp.where(is_left, xp.log(xp.where(is_left, p, 1.0)), xp.log1p(-p))
        return xp.where(is_far, left, near)

    @in_float32
    def erfinv(self, x: Array) -> Array:
        """Compute the inverse of erf: infinite at -1 and 1, NaN beyond."""
        xp, is_inside, nan = self.xp, abs(x) < 1, self.xp.full_like(x, math.nan)
        y = xp.where(is_inside, x, 0.0)
        y = self._quantile(0.5 * y, xp.log(0.5 * (1 - abs(y)))) * math.sqrt(0.5)
        return xp.where(is_inside, y, xp.where(x == 1, math.inf, xp.where(x == -1, -math.inf, nan)))

    @in_float32
    def erfcinv(self, x: Array) -> Array:
        """Compute the inverse of erfc: infinite at 0 and 2, NaN beyond."""
        xp, is_inside = self.xp, (x > 0) & (x < 2)
        y = xp.where(is_inside, x, 1.0)
        log = xp.log(xp.minimum(y, 2 - y)) - math.log(2)
        y = self._quantile(0.5 * (1 - y), log) * math.sqrt(0.5)
        ends = xp.where(x == 0, math.inf, xp.where(x == 2, -math.inf, xp.full_like(x, math.nan)))
        return xp.where(is_inside, y, ends)

    @in_float32
    def ndtri(self, p: Array) -> Array:
        """Compute the inverse of ndtr: infinite at 0 and 1, NaN beyond."""
        xp, is_inside = self.xp, (p > 0) & (p < 1)
        y = xp.where(is_inside, p, 0.5)
        y = self._quantile(y - 0.5, xp.log(xp.minimum(y, 1 - y)))
        ends = xp.where(p == 0, -math.inf, xp.where(p == 1, math.inf, xp.full_like(p, math.nan)))
        return xp.where(is_inside, y, ends)

    @in_float32
    def ndtri_exp(self, y: Array) -> Array:
        """Compute the inverse of log_ndtr: infinite at -inf and 0, NaN above."""
        xp, is_inside = self.xp, (y < 0) & (y > -math.inf)
        is_low = is_inside & (y < -math.log(2))
        low, high = xp.where(is_low, y, -1.0), xp.where(is_inside & ~is_low, y, -0.5)
        log = xp.where(is_low, low, xp.log(-xp.expm1(high)))
        # exp(y) - 1/2, where y + LOG2[0] is exact in float32 too
        c = 0.5 * xp.expm1(xp.where(is_low, low, high) + LOG2[0] + LOG2[1])
        x = self._quantile(c, log)
        # Farther left than the approximations go, solve for x, log_tail(x) = y, by iteration.
        is_far = is_inside & (y < -800)
        s = xp.sqrt(-2 * xp.where(is_far, low, -800.0))
        far = s
        for _ in range(6):
            far = s * xp.sqrt(1 + 2 * xp.log(0.5 * self._erfcx_far(far * math.sqrt(0.5))) / s / s)
        x = xp.where(is_far, -far, x)
        ends = xp.where(y == 0, math.inf, xp.where(y < 0, -math.inf, xp.full_like(y, math.nan)))
        return xp.where(is_inside, x, ends)

    def _quantile(self, c: Array, log: Array) -> Array:
        """Compute ndtri(1/2 + c), for |c| < 1/2 and the logarithm of 1/2 - |c|, from -800."""
        xp, table = self.xp, self._error_table(c)
        is_center = abs(c) <= CENTER
        center = xp.where(is_center, c, 0.0)
        center = center * ratio(table.center, CENTER * CENTER - center * center)
        s = xp.sqrt(-2 * xp.where(is_center, -3.0, log))
        is_near = s < TAILS[1]
        near, far = xp.where(is_near, s, TAILS[0]), xp.minimum(xp.maximum(s, TAILS[1]), 40.0)
        tails = zip(table.tails, TAILS, (near, far), strict=True)
        near, far = (ratio(tail, s - start) for tail, start, s in tails)
        tail = xp.where(is_near, near, far)
        return xp.where(is_center, center, xp.where(c < 0, -tail, tail))

    def _log_tail(self, x: Array) -> Array:
        """Compute log(ndtr(-x)) for x >= sqrt(2)."""
        a = self.xp.minimum(x, 1e30)  # the logarithm of 0 would warn
        return self.xp.log(0.5 * self._erfcx_far(math.sqrt(0.5) * a)) - 0.5 * x * x

    def _erf_near(self, x: Array) -> Array:
        """Compute erf(x) for |x| < 1. The results for other x mean nothing."""
        table, x = self._error_table(x), self.xp.where(abs(x) < 1, x, 0.0)
        return x * ratio(table.erf, x * x)

    def _erfc_far(self, x: Array) -> Array:
        """Compute erfc(|x|) for |x| >= 1. The results for other x mean nothing."""
        # From 30 on, exp(-x²) is 0 in float64.
        return self._exp_square(self.xp.minimum(abs(x), 30.0), -1.0) * self._erfcx_far(x)

    def _erfcx_far(self, x: Array) -> Array:
        """Compute exp(x²) erfc(|x|) for |x| >= 1. The results for other x mean nothing."""
        w = 1 / (self.xp.maximum(abs(x), 1.0) + 2)
        return w * ratio(self._error_table(x).erfcx, w)

    def _exp_square(self, x: Array, factor: float) -> Array:
        """Compute exp(factor x²), not wrong by the rounding error of x²."""
        xp = self.xp
        head = xp.floor(16 * x) / 16  # `head`² is exact
        return xp.exp(factor * head * head) * xp.exp(factor * (x - head) * (x + head))

    def _error_table(self, x: Array) -> Approximations:
        """Choose the approximations for the dtype of x."""
        return DOUBLE if self.xp.finfo(x.dtype).eps < 1e-10 else SINGLE
