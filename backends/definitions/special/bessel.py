"""Define the Bessel functions of whole order, https://dlmf.nist.gov/10."""

from __future__ import annotations

import math
from typing import NamedTuple

from ...types import Array
from ..common import Definitions, in_float32
from .common import Rational, ratio

__all__ = ["BesselFunctions"]


class Approximations(NamedTuple):
    """Hold the approximations for one dtype. For x up to `bound`, 1 or 5 they are of x²; beyond, of
    1 / x for I and K, and of 1 / x² for J and Y."""

    bound: float
    i0: Rational  # as I0(x), for x up to `bound`
    i1: Rational  # as I1(x) / x
    i0_far: Rational  # as sqrt(x) exp(-x) I0(x)
    i1_far: Rational
    k0: Rational  # as K0(x) + log(x/2) I0(x), for x up to 1
    k1: Rational  # as (K1(x) - log(x/2) I1(x) - 1/x) / x
    k0_far: Rational  # as sqrt(x) exp(x) K0(x)
    k1_far: Rational
    j0: Rational  # as J0(x), divided by x² - z² for its first two zeros z, for x up to 5
    j1: Rational  # as J1(x) / x, divided likewise
    y0: Rational  # as Y0(x) - 2/pi log(x) J0(x)
    y1: Rational  # as (Y1(x) - 2/pi (log(x) J1(x) - 1/x)) / x
    p0: Rational  # as P and x Q of https://dlmf.nist.gov/10.17.E3
    q0: Rational
    p1: Rational
    q1: Rational


# fmt: off
DOUBLE = Approximations(  # relative errors: up to 9e-18
    bound=16.0,
    i0=(
        (1.0, 0.24295397375165725, 0.013887938980919584, 0.0003299899051104493,
         4.091789439957189e-06, 2.9804313373417205e-08, 1.363497874744631e-10,
         4.0579425972504827e-13, 7.926815027609501e-16, 9.938275233329264e-19,
         7.390772179001933e-22, 2.5457272370595725e-25),
        (1.0, -0.007046026248342773, 2.4445543005291038e-05, -5.509828829859498e-08,
         8.948952890824278e-11, -1.0957142308720808e-13, 1.0249310527314254e-16,
         -7.232087897206388e-20, 3.6810841993892336e-23, -1.2183472708957083e-26,
         1.9858456341719645e-30),
    ),
    i1=(
        (0.5, 0.05876041246680354, 0.002150523323321291, 3.6468901639404066e-05,
         3.4020769392493864e-07, 1.91147945559226e-09, 6.785364317313157e-12,
         1.5471091397113777e-14, 2.2265728236205325e-17, 1.8756641441235648e-20,
         7.240133488373672e-24),
        (1.0, -0.00747917506639289, 2.7610196608338627e-05, -6.637893754439417e-08,
         1.1527557109993576e-10, -1.5126682284721134e-13, 1.5196726231384722e-16,
         -1.15379651518966e-19, 6.328144127686703e-23, -2.2589543364684726e-26,
         3.972412949011936e-30),
    ),
    k0=(
        (-0.5772156649015329, 0.11727533660700597, 0.01219087330445728, 0.00027608437589855096,
         1.8686492907986427e-06),
        (1.0, -0.020060531161025456, 0.0001859137854764492, -8.435844947900722e-07),
    ),
    k1=(
        (0.03860783245076643, -0.042779076522286415, -0.002035209425159827, -2.869967659425649e-05,
         -1.2875998330867444e-07),
        (1.0, -0.018909519967566225, 0.00017550214613947543, -9.837336229746476e-07,
         2.953606773587459e-09),
    ),
    j0=(
        (0.005674693325155617, -0.0001986382598363307, 2.6890865847848695e-06,
         -1.849648825684893e-08, 6.994076073475611e-11, -1.4146702919579846e-13,
         1.228982424511385e-16),
        (1.0, 0.009262896037057971, 4.0811321662869374e-05, 1.0877797267006466e-07,
         1.7933846933104237e-10, 1.5080682811836973e-13),
    ),
    j1=(
        (0.0006919228366408253, -1.9401418771500725e-05, 2.1650078471091734e-07,
         -1.256394689742498e-09, 4.085683832293887e-12, -7.221969305728669e-15,
         5.5588622748403826e-18),
        (1.0, 0.008531811635080065, 3.440397686216052e-05, 8.329817585589827e-08,
         1.2360749662046092e-10, 9.245364400547303e-14),
    ),
    y0=(
        (-0.07380429510868723, 0.17667180046229192, -0.013831807246489821, 0.0003495034105895384,
         -3.918589987558429e-06, 2.168326003669815e-08, -5.848915213565237e-11,
         6.217661864330072e-14),
        (1.0, 0.012658022211301504, 8.102681465938041e-05, 3.449905895180769e-07,
         1.074177605451252e-09, 2.50228090898872e-12, 4.165001222020224e-15, 4.005528396218019e-18),
    ),
    y1=(
        (-0.19605709064623894, 0.05217269654898408, -0.0023640328421347437, 4.2107741712489755e-05,
         -3.6582065689292225e-07, 1.6687671207429732e-09, -3.89263464943709e-12,
         3.729523408135077e-15),
        (1.0, 0.011098765182905207, 6.0853876327693335e-05, 2.1439758218625617e-07,
         5.223095285419327e-10, 8.566265479529524e-13, 7.674734096591943e-16),
    ),
    i0_far=(
        (0.3989422804014327, -6.879161064119315, 37.124773079797116, -73.25578389304586,
         45.870963424466105, -4.566187227511352),
        (1.0, -17.368499629062153, 95.15875584470955, -194.3718832239005, 133.74704402500308,
         -19.746166704139306),
    ),
    i1_far=(
        (0.3989422804014327, -4.9862593597422915, 1.9862024579102775, 130.80627717152237,
         -400.6162824315133, 347.92674472422635, -76.98498020678385),
        (1.0, -12.123698695773497, 0.5494717292241281, 326.7705578775048, -882.6917075559987,
         577.9927870445472, -48.76863578311549),
    ),
    k0_far=(
        (1.2533141373155003, 25.627873894208285, 206.1216500229898, 847.7945263206212,
         1944.0747588425843, 2545.7618150108715, 1877.8075184861273, 742.400149751257,
         142.22109323975198, 10.75020281077007, 0.18264260941568092, -0.0006332233097363352),
        (1.0, 20.573084906391593, 166.96260531385497, 695.9391861035823, 1627.7947408497116,
         2195.9136659373316, 1694.6552324576812, 718.8216556367482, 154.3845427421743,
         14.311897123556239, 0.3940117541995721),
    ),
    k1_far=(
        (1.2533141373155003, 25.435077760944974, 204.27891993168518, 847.5967957919507,
         1992.9338486294466, 2744.930956397304, 2214.286388632724, 1016.1379592521738,
         248.22069597151162, 28.310950492539597, 1.1396063093435629, 0.006787323325047799),
        (1.0, 19.919255848278315, 155.63846286787071, 620.1517223052431, 1373.9148287575006,
         1734.2296695588088, 1231.414512315624, 469.03574659129066, 87.09325620126948,
         6.532906800760703, 0.12622416342236153),
    ),
    p0=(
        (1.0, 170.06669296677524, 9648.285465411383, 228643.9038183456, 2322403.9788176185,
         9300222.261096548, 11570089.581262175, 2187583.17860576),
        (1.0, 170.1370054667752, 9660.136071508734, 229304.623414842, 2337534.885278938,
         9443470.21512831, 12060208.289659526, 2585976.923447634),
    ),
    q0=(
        (-0.125, -35.17180014482764, -3559.17223366619, -166190.5000029558, -3823254.32025472,
         -42863740.70824604, -216479461.8918149, -406012294.119099, -160234823.35029635,
         12214861.699047748),
        (1.0, 281.9603386586211, 28636.77214124873, 1345804.8969274634, 31326265.158971064,
         359165242.88091564, 1899482146.7128685, 3970797628.561023, 2244506690.2270193),
    ),
    p1=(
        (1.0, 167.82410360562335, 9369.546707370198, 217737.54661212288, 2159709.829475858,
         8417289.323963562, 10275315.022363745, 2164358.3642413733),
        (1.0, 167.7069161056234, 9350.037748695626, 216665.34506305525, 2135561.007868095,
         8192977.177612853, 9523815.66057205, 1566213.9274547955),
    ),
    q1=(
        (0.375, 92.60566842970898, 8068.7089569001855, 316592.5767691643, 5926228.6506792735,
         51683181.27667859, 189681934.96706444, 229830232.12424368, 45028818.51637732),
        (1.0, 247.22188664589058, 21583.416749172928, 849970.908392141, 16020955.78276455,
         141671780.55061227, 535993808.6580282, 702107650.3535845, 184345527.27684456),
    ),
)
SINGLE = Approximations(  # relative errors: up to 3e-9
    bound=8.0,
    i0=(
        (0.999999999, 0.234757684, 0.0119259471, 0.000223258244, 1.78707991e-06, 5.50466632e-09),
        (1.0, -0.0152423205, 0.000111530331, -4.91575576e-07, 1.30388316e-09, -1.65323613e-12),
    ),
    i1=(
        (0.499999999, 0.0563403487, 0.00186836205, 2.63402037e-05, 1.75126543e-07, 4.9373579e-10),
        (1.0, -0.0123193095, 6.83079587e-05, -2.02637276e-07, 2.70783313e-10),
    ),
    k0=(
        (-0.577215665, 0.131532196, 0.00913834537),
        (1.0, -0.0447599261, 0.000951741069),
    ),
    k1=(
        (0.0386078325, -0.0428534724, -0.00195453253, -2.28134929e-05),
        (1.0, -0.0208364837, 0.000166435158),
    ),
    j0=(
        (0.00567469333, -0.000167044275, 1.62798635e-06, -5.4944165e-09),
        (1.0, 0.0148304237, 0.000100278535, 3.39223841e-07),
    ),
    j1=(
        (0.000691922837, -1.62447064e-05, 1.30442374e-07, -3.72966008e-10),
        (1.0, 0.0130940449, 7.6875758e-05, 2.19505911e-07),
    ),
    y0=(
        (-0.0738042951, 0.176353929, -0.0130713622, 0.000291062196, -2.50907342e-06,
         7.55798999e-09),
        (1.0, 0.0169649711, 0.000141932581, 7.32596846e-07, 2.19287237e-09),
    ),
    y1=(
        (-0.196057091, 0.0514260768, -0.00216622827, 3.33445628e-05, -2.17558198e-07,
         5.24703534e-10),
        (1.0, 0.0149069405, 0.000107599275, 4.66399683e-07, 1.10966312e-09),
    ),
    i0_far=(
        (0.39894228, -1.66255954, 1.01736883, 0.0595781683),
        (1.0, -4.29241907, 3.01643429),
    ),
    i1_far=(
        (0.398942281, -1.71612497, 1.46832942, -0.205666121),
        (1.0, -3.9266869, 2.32519557),
    ),
    k0_far=(
        (1.25331413, 4.9660626, 5.11813566, 1.37289399, 0.0486266833),
        (1.0, 4.08734432, 4.52429846, 1.44663152, 0.090213838),
    ),
    k1_far=(
        (1.25331414, 5.04651195, 5.83162027, 2.19410812, 0.196375327),
        (1.0, 3.65153456, 3.40080316, 0.800984716, 0.0223300839),
    ),
    p0=(
        (0.999999999, 8.77399761, 5.96531795),
        (1.0, 8.84430831, 6.47543235),
    ),
    q0=(
        (-0.125, -2.33532534, -5.39304337, 1.16727412),
        (1.0, 19.2685336, 52.6198487),
    ),
    p1=(
        (1.0, 8.2542335, 5.41513406),
        (1.0, 8.13704817, 4.60528491),
    ),
    q1=(
        (0.374999999, 6.87672224, 16.3150878, -1.69090348),
        (1.0, 18.6113609, 47.8565839),
    ),
)
# fmt: on
# The first two zeros of J0 and of J1, each a sum, of which float32 has the first part exactly.
ZEROS0 = ((2.404825448989868, 1.0870590460455913e-07), (5.520078182220459, -7.19341483347784e-08))
ZEROS1 = (
    (3.8317060470581055, -7.685059315313556e-08),
    (7.015586853027344, -1.8321172499646294e-07),
)


class BesselFunctions(Definitions):
    """Compute Bessel functions, exact to a few units in the last place of float32 or float64.

    The error of I and K is relative to the value, and that of J and Y to sqrt(J² + Y²). Each of
    higher order comes from those of orders 0 and 1 by recurrence (https://dlmf.nist.gov/10.74.iv).
    """

    @in_float32
    def ive(self, n: int, x: Array) -> Array:
        """Compute exp(-|x|) I(x), for I of order n."""
        xp, table, m, a = self.xp, self._bessel_table(x), abs(n), abs(x)
        is_near = a < table.bound
        near, far = xp.where(is_near, a, 0.0), 1 / xp.where(is_near, table.bound, a)
        square, small, root = near * near, xp.exp(-near), xp.sqrt(far)
        y0 = xp.where(is_near, small * ratio(table.i0, square), root * ratio(table.i0_far, far))
        if m == 0:
            return y0
        y1 = ratio(table.i1, square) * near
        y1 = xp.where(is_near, small * y1, root * ratio(table.i1_far, far))
        if m > 1:
            # Farther than `bound`, upwards; else by ratios of neighbors, a continued fraction.
            bound = max(8.0, 0.5 * m * m)
            is_near = a < bound
            near, far = xp.where(is_near, a, 0.0), 2 / xp.where(is_near, bound, a)
            r, product = xp.zeros_like(x), y0
            for k in range(m + 12 + int(6 * math.sqrt(bound)), 0, -1):
                r = near / (2 * k + near * r)
                product = product * r if k <= m else product
            for k in range(1, m):
                y0, y1 = y1, y0 - k * far * y1
            y1 = xp.where(is_near, product, y1)
        return xp.where(x < 0, -y1, y1) if m % 2 else y1

    @in_float32
    def iv(self, n: int, x: Array) -> Array:
        """Compute the modified Bessel function I of order n."""
        xp, limit = self.xp, 800.0 + abs(n)  # there I overflows
        x = xp.maximum(xp.minimum(x, limit), -limit)
        half = xp.exp(0.5 * abs(x))
        return half * self.ive(n, x) * half

    @in_float32
    def kve(self, n: int, x: Array) -> Array:
        """Compute exp(x) K(x), for K of order n: infinite at 0, NaN below."""
        xp, table = self.xp, self._bessel_table(x)
        positive = xp.where(x > 0, x, 1.0)
        is_near = positive < 1
        near, far = xp.where(is_near, positive, 1.0), 1 / xp.where(is_near, 1.0, positive)
        square, log, large, root = near * near, xp.log(0.5 * near), xp.exp(near), xp.sqrt(far)
        i0, i1 = ratio(table.i0, square), near * ratio(table.i1, square)
        y0 = large * (ratio(table.k0, square) - log * i0)
        y1 = large * (1 / near + log * i1 + near * ratio(table.k1, square))
        y0 = xp.where(is_near, y0, root * ratio(table.k0_far, far))
        y1 = xp.where(is_near, y1, root * ratio(table.k1_far, far))
        for k in range(1, abs(n)):
            y0, y1 = y1, y0 + 2 * k / positive * y1
        y = y1 if n else y0
        return xp.where(x > 0, y, xp.where(x == 0, math.inf, xp.full_like(x, math.nan)))

    @in_float32
    def kv(self, n: int, x: Array) -> Array:
        """Compute the modified Bessel function K of order n: infinite at 0, NaN below."""
        return self.xp.exp(-self.xp.maximum(x, 0.0)) * self.kve(n, x)

    @in_float32
    def jn(self, n: int, x: Array) -> Array:
        """Compute the Bessel function J of order n."""
        xp, m, a = self.xp, abs(n), abs(x)
        y0, y1, _, _ = self._bessel(a)
        if m > 1:
            # Where x is large, upwards; else by ratios of neighbors, a continued fraction.
            is_near = a < m
            near, far = xp.where(is_near, a, 0.0), xp.where(is_near, float(m), a)
            is_first = abs(y0) >= abs(y1)
            r, product = xp.zeros_like(x), xp.where(is_first, y0, y1)
            for k in range(m + 30 + m // 2, 0, -1):
                below = 2 * k - near * r
                r = near / xp.where(below == 0, 1e-30, below)
                if k <= m:
                    product = product * r if k > 1 else xp.where(is_first, product * r, product)
            for k in range(1, m):
                y0, y1 = y1, 2 * k / far * y1 - y0
            y1 = xp.where(is_near, product, y1)
        if m == 0:
            return y0
        return xp.where(x < 0, -y1, y1) * (-1) ** (n < 0) if m % 2 else y1

    @in_float32
    def yn(self, n: int, x: Array) -> Array:
        """Compute the Bessel function Y of order n: -inf at 0, NaN below."""
        xp, positive = self.xp, self.xp.where(x > 0, x, 1.0)
        _, _, y0, y1 = self._bessel(positive)
        for k in range(1, abs(n)):
            y0, y1 = y1, xp.where(y1 == -math.inf, y1, 2 * k / positive * y1 - y0)
        y, sign = y1 if n else y0, (-1) ** (n < 0 and n % 2)
        return xp.where(
            x > 0, sign * y, xp.where(x == 0, -sign * math.inf, xp.full_like(x, math.nan))
        )

    def _bessel(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """Compute J0, J1, Y0 and Y1 of x >= 0. At 0 those of Y mean nothing."""
        xp, table = self.xp, self._bessel_table(x)
        is_near, is_far = x < 5, (x >= 5) & (x < math.inf)
        near, far = xp.where(is_near, x, 1.0), xp.where(is_far, x, 5.0)
        square = near * near
        j0, j1 = ratio(table.j0, square), near * ratio(table.j1, square)
        for (a, b), (c, d) in zip(ZEROS0, ZEROS1, strict=True):
            j0 = j0 * (((near - a) - b) * (near + (a + b)))
            j1 = j1 * (((near - c) - d) * (near + (c + d)))
        j0 = xp.where(near == 0, 1.0, j0)
        positive = xp.where(near > 0, near, 1.0)
        log = xp.log(positive)
        y0 = 2 / math.pi * log * j0 + ratio(table.y0, square)
        y1 = 2 / math.pi * (log * j1 - 1 / positive) + near * ratio(table.y1, square)
        w, cosine, sine = 1 / xp.maximum(x, 5.0), xp.cos(far), xp.sin(far)
        plus, minus, root = cosine + sine, sine - cosine, xp.sqrt(w / math.pi)
        p0, q0, p1, q1 = (ratio(r, w * w) for r in (table.p0, table.q0, table.p1, table.q1))
        q0, q1 = q0 * w, q1 * w
        j0 = xp.where(is_near, j0, root * (p0 * plus - q0 * minus))
        j1 = xp.where(is_near, j1, root * (p1 * minus + q1 * plus))
        y0 = xp.where(is_near, y0, root * (p0 * minus + q0 * plus))
        y1 = xp.where(is_near, y1, root * (q1 * minus - p1 * plus))
        return j0, j1, y0, y1

    def _bessel_table(self, x: Array) -> Approximations:
        """Choose the approximations for the dtype of x."""
        return DOUBLE if self.xp.finfo(x.dtype).eps < 1e-10 else SINGLE
