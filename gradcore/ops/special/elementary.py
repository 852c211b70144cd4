"""Elementary functions that SciPy calls special."""

from __future__ import annotations

import math
from typing import Any

from ...backends import Array, backend_of
from ...engine.arrays import namespace
from ...graph import Context, Op, needs
from ..precision import in_float32
from ..unary import OfInput, OfOutput

__all__ = [
    "BoxCox",
    "BoxCoxInverse",
    "Cbrt",
    "CosDegrees",
    "Entropy",
    "Exprel",
    "KlDiv",
    "LogRatio",
    "Logit",
    "RelativeEntropy",
    "SinDegrees",
    "Sinc",
    "XLog1py",
    "XLogY",
]

DEGREE = math.pi / 180


class Cbrt(OfOutput):
    """The real cube root. At 0 its derivative is infinite."""

    function = lambda xp, x: backend_of(x).cbrt(x)
    gradient = lambda xp, go, y: go / (3.0 * y * y)


@in_float32
class Logit(OfInput):
    """log(x / (1 - x)): infinite at 0 and 1, NaN beyond, and so are its derivatives."""

    real_only = True

    @staticmethod
    def function(xp: Any, x: Array) -> Array:
        is_central = abs(x - 0.5) < 0.25
        is_outer = (x > 0) & (x < 1) & ~is_central
        center, outer = xp.where(is_central, x, 0.5), xp.where(is_outer, x, 0.5)
        y = xp.where(
            is_central, xp.log1p((2 * center - 1) / (1 - center)), xp.log(outer) - xp.log1p(-outer)
        )
        ends = xp.where(x == 0, -math.inf, xp.where(x == 1, math.inf, xp.full_like(x, math.nan)))
        return xp.where(is_central | is_outer, y, ends)

    gradient = lambda xp, go, x: go / xp.where((x < 0) | (x > 1), math.nan, x * (1 - x))


class SinDegrees(OfInput):
    """The sine of x degrees, exactly 0 at multiples of 180."""

    real_only = True

    @staticmethod
    def function(xp: Any, x: Array) -> Array:
        a = xp.remainder(abs(x), 360.0)
        is_below, a = (a >= 180) != (x < 0), xp.where(a >= 180, a - 180, a)
        y = xp.sin(DEGREE * xp.where(a > 90, 180 - a, a))
        return xp.where(is_below, -y, y)

    gradient = lambda xp, go, x: go * DEGREE * CosDegrees.apply(x)


class CosDegrees(OfInput):
    """The cosine of x degrees, exactly 0 at 90 and 270."""

    real_only = True

    @staticmethod
    def function(xp: Any, x: Array) -> Array:
        a = xp.remainder(abs(x), 360.0)
        return xp.sin(DEGREE * (90 - xp.minimum(a, 360 - a)))

    gradient = lambda xp, go, x: -go * DEGREE * SinDegrees.apply(x)


class Exprel(Op):
    """The derivative of order n of (exp(x) - 1) / x, which is 1 at 0."""

    @staticmethod
    def forward(context: Context, x: Array, *, n: int = 0) -> Array:
        context["x"], context["n"] = x, n
        return backend_of(x).exprel(n, x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go * Exprel.apply(context["x"], n=context["n"] + 1)


class Sinc(Op):
    """The derivative of order n of sin(pi x) / (pi x), which is 1 at 0."""

    @staticmethod
    def forward(context: Context, x: Array, *, n: int = 0) -> Array:
        context["x"], context["n"] = x, n
        return backend_of(x).sinc(n, x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go * Sinc.apply(context["x"], n=context["n"] + 1)


class XLogY(Op):
    """x log(y), which is 0 where x is 0. There the gradient of x is log(y), also at y = 0, and that
    of y is 0."""

    @staticmethod
    def forward(context: Context, x: Array, y: Array) -> Array:
        context["x"], context["y"], xp = x, y, namespace(x, y)
        return x * xp.log(xp.where((x == 0) & (y == y), 1.0, y))

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        x, y, xp = context["x"], context["y"], namespace(go)
        gx = go * xp.log(y) if needs(context, 0) else None
        return gx, go * _or_zero(xp, x, y) if needs(context, 1) else None


class XLog1py(Op):
    """x log(1 + y), which is 0 where x is 0. There the gradient of x is log(1 + y), also at y = -1,
    and that of y is 0."""

    @staticmethod
    def forward(context: Context, x: Array, y: Array) -> Array:
        context["x"], context["y"], xp = x, y, namespace(x, y)
        return x * xp.log1p(xp.where((x == 0) & (y == y), 0.0, y))

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        x, y, xp = context["x"], context["y"], namespace(go)
        gx = go * xp.log1p(y) if needs(context, 0) else None
        return gx, go * _or_zero(xp, x, 1.0 + y) if needs(context, 1) else None


class Entropy(OfInput):
    """-x log(x): 0 at 0, where its derivative is infinite, and -inf below 0."""

    real_only = True

    @staticmethod
    def function(xp: Any, x: Array) -> Array:
        return xp.where(x < 0, -math.inf, -x * xp.log(xp.where(x <= 0, 1.0, x)))

    gradient = lambda xp, go, x: -go * (1.0 + xp.log(x))


def _or_zero(xp: Any, x: Array, y: Array) -> Array:
    """Compute x / y, and 0 where both are 0; there its derivatives are NaN."""
    both = (x == 0) & (y == 0)
    return xp.where(both, 0.0, x / xp.where(both, math.nan, y))


class LogRatio(Op):
    """log(x / y) for x, y >= 0."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, y: Array) -> Array:
        context["x"], context["y"] = x, y
        return backend_of(x).log_ratio(x, y)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        return go / context["x"], -go / context["y"] if needs(context, 1) else None


class RelativeEntropy(Op):
    """x log(x / y): 0 where x is 0 and y is not negative, infinite where one is negative, or only y
    is 0."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, y: Array) -> Array:
        context["x"], context["y"] = x, y
        return backend_of(x).rel_entr(x, y)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        x, y = context["x"], context["y"]
        gx = go * (LogRatio.apply(x, y) + 1.0) if needs(context, 0) else None
        return gx, -go * x / y if needs(context, 1) else None


class KlDiv(Op):
    """x log(x / y) - x + y: y where x is 0 and y is not negative, infinite where one is negative,
    or only y is 0."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, y: Array) -> Array:
        context["x"], context["y"] = x, y
        return backend_of(x).kl_div(x, y)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        x, y = context["x"], context["y"]
        gx = go * LogRatio.apply(x, y) if needs(context, 0) else None
        return gx, go * ((y - x) / y) if needs(context, 1) else None


class BoxCox(Op):
    """(exp(b a) - 1) / b, or a where b is 0: of a = log(x), the transformation of Box and Cox."""

    real_only = True

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"], xp = a, b, namespace(a, b)
        c = xp.where(b == 0, 1.0, b)
        return xp.where(b == 0, a, xp.expm1(c * a) / c)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, xp = context["a"], context["b"], namespace(go)
        ga = go * xp.exp(b * a) if needs(context, 0) else None
        return ga, go * a * a * Exprel.apply(b * a, n=1) if needs(context, 1) else None


class BoxCoxInverse(Op):
    """log(1 + b a) / b, or a where b is 0: what BoxCox makes a of."""

    real_only = True

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"], xp = a, b, namespace(a, b)
        c = xp.where(b == 0, 1.0, b)
        context["y"] = xp.where(b == 0, a, xp.log1p(c * a) / c)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, y = context["a"], context["b"], context["y"]
        ga = go / (1.0 + b * a)
        return ga, -ga * y * y * Exprel.apply(b * y, n=1) if needs(context, 1) else None
