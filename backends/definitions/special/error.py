"""Define the error function and its kin."""

from __future__ import annotations

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


# fmt: off
DOUBLE = Approximations(  # relative errors: 1e-18, 6e-18
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
)
SINGLE = Approximations(  # relative errors: 4e-8, 1e-8
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
)
# fmt: on


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

    def _erf_near(self, x: Array) -> Array:
        """Compute erf(x) for |x| < 1. The results for other x mean nothing."""
        table, x = self._error_table(x), self.xp.where(abs(x) < 1, x, 0.0)
        return x * ratio(table.erf, x * x)

    def _erfc_far(self, x: Array) -> Array:
        """Compute erfc(|x|) for |x| >= 1. The results for other x mean nothing."""
        xp = self.xp
        a = xp.minimum(xp.maximum(abs(x), 1.0), 30.0)  # from 30 on, exp(-x²) is 0 in float64
        w = 1 / (a + 2)
        # exp(-a²) would be wrong by the rounding error of a², so split a: `head`² is exact.
        head = xp.floor(16 * a) / 16
        power = xp.exp(-head * head) * xp.exp(-(a - head) * (a + head))
        return power * (w * ratio(self._error_table(x).erfcx, w))

    def _error_table(self, x: Array) -> Approximations:
        """Choose the approximations for the dtype of x."""
        return DOUBLE if self.xp.finfo(x.dtype).eps < 1e-10 else SINGLE
