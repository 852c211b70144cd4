"""Ops that work element by element.

Inputs of different shapes are broadcast. Where there are two, one may be a number.

Arithmetic is called by name, as in `xp.add(a, b)` for `a + b`: Python's operators on CuPy's arrays
give C order, and images that are channels last in memory would be copied at the next convolution.
"""

from __future__ import annotations

import math
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import NUMBER_TYPES, conj, is_complex, is_discrete, namespace, real, value_of
from ..graph import Context, Op, needs
from .unary import OfInput, OfOutput

__all__ = [
    "Absolute",
    "Acos",
    "Acosh",
    "Add",
    "Asin",
    "Asinh",
    "Atan",
    "Atan2",
    "Atanh",
    "Cast",
    "Conjugate",
    "CopySign",
    "Cos",
    "Cosh",
    "Divide",
    "Exp",
    "Expm1",
    "Fmod",
    "Hypot",
    "Id",
    "Imag",
    "Log",
    "Log1p",
    "Log2",
    "Log10",
    "LogAddExp",
    "Masked",
    "Maximum",
    "Minimum",
    "Multiply",
    "Negative",
    "NextAfter",
    "NormGradient",
    "Phase",
    "Power",
    "PowerLog",
    "Quotient",
    "Real",
    "Remainder",
    "Sin",
    "Sinh",
    "Sqrt",
    "Square",
    "Sub",
    "Tan",
    "Tanh",
    "Where",
]


class Id(Op):
    """x itself, as a new node."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        return x

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go


class Add(Op):
    """a + b."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        return namespace(a, b).add(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        return go, go


class Sub(Op):
    """a - b."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        return namespace(a, b).subtract(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        return go, namespace(go).negative(go) if needs(context, 1) else None


class Multiply(Op):
    """a b, of elements."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"] = a, b
        return namespace(a, b).multiply(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, multiply = context["a"], context["b"], namespace(go).multiply
        ga = multiply(go, b) if needs(context, 0) else None
        return ga, multiply(go, a) if needs(context, 1) else None


class Divide(Op):
    """a / b, of elements."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"] = a, b
        return namespace(a, b).divide(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, xp = context["a"], context["b"], namespace(go)
        ga = xp.divide(go, b)
        if not needs(context, 1):
            return ga, None
        return ga, xp.divide(xp.multiply(xp.negative(ga), a), b)


class Power(Op):
    """a to the power b. Where a and b are 0, their gradients are 0, as in PyTorch."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        # NumPy raises 500,000 float32 to the power 3 in 80 ms, and multiplies them in 0.4 ms.
        y = a * a * a if type(b) is int and b == 3 else a**b
        context["a"], context["b"], context["y"] = a, b, y
        return y

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, y, ga, gb = context["a"], context["b"], value_of(context["y"]), None, None
        if type(b) in NUMBER_TYPES:
            return go * b * a ** (b - 1 if b else b), None
        if needs(context, 0):
            ga = go * b * PowerLog.apply(a, _lower(a, b), n=0)
        if needs(context, 1):
            xp = namespace(go)
            a = xp.full_like(b, a, dtype=y.dtype) if type(a) in NUMBER_TYPES else a
            nothing = (a == 0) & (b == 0)
            logs = PowerLog.apply(_but_nan(xp, nothing, a), b, n=1, power=y)
            gb = go * xp.where(nothing, 0.0, logs)
        return ga, gb


class PowerLog(Op):
    """a^b log(a)^n, the n-th derivative of a^b by b: closed under differentiation. Where a is 0,
    the limit as a falls to 0: it is 0 if b > 0 (of complex b, the real part), and infinite if
    b <= 0 < n.

    Args:
        power: a^b, if it is known.
    """

    @staticmethod
    def forward(context: Context, a: Array, b: Array, *, n: int, power: Any = None) -> Array:
        context["a"], context["b"], context["n"] = a, b, n
        xp, power = namespace(a, b), a**b if power is None else power
        if not n:
            return power
        # In the dtype of the result: a negative number to a complex power has a logarithm.
        a = xp.astype(a, power.dtype) if is_complex(power) else a
        return power * xp.log(xp.where((a == 0) & (real(b) > 0), 1.0, a)) ** n

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, n, ga, gb = context["a"], context["b"], context["n"], None, None
        if needs(context, 0):
            ga = b * PowerLog.apply(a, _lower(a, b), n=n)
            ga = go * (ga + n * PowerLog.apply(a, b - 1, n=n - 1)) if n else go * ga
        if needs(context, 1):
            gb = go * PowerLog.apply(a, b, n=n + 1)
        return ga, gb


def _lower(a: Array, b: Array) -> Array:
    """Compute b - 1; but where a and b are 0, b, for b a^(b-1) to be 0 and not 0 times infinity."""
    return namespace(a, b).where((a == 0) & (b == 0), b, b - 1)


def _but_nan(xp: Any, where: Array, x: Array) -> Array:
    """Replace x by NaN, where a gradient is chosen and not computed from x: then the gradient of
    that gradient is NaN, and not that of a number."""
    return x + xp.where(where, math.nan, xp.zeros_like(x))


class Negative(Op):
    """-x."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        return namespace(x).negative(x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return namespace(go).negative(go)


class Absolute(Op):
    """|x|. At 0 the gradient is 0. The gradient of the gradient is 0 too; of complex numbers it is
    NaN at 0, as |x| is a cone there."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["x"] = x
        return abs(x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        x = context["x"]
        return NormGradient.apply(x, abs(x), go) if is_complex(x) else go * namespace(go).sign(x)


class Phase(Op):
    """x / |x|, for complex x: the number of length 1 in the direction of x; 0 at 0, where it has no
    derivative: there the gradient is NaN, and 0 where `go` is 0."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["x"], xp, r = x, namespace(x), abs(x)
        context["y"] = xp.where(r == 0.0, 0.0, x / xp.where(r == 0.0, 1.0, r))
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        y, r = context["y"], 2.0 * abs(context["x"])
        return Quotient.apply(go - conj(y * y * go), r, vanishes=value_of(r) == 0.0)


class Real(Op):
    """The real parts of complex numbers."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["dtype"] = x.dtype
        return namespace(x).real(x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return namespace(go).astype(go, context["dtype"])


class Imag(Op):
    """The imaginary parts of complex numbers."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        return namespace(x).imag(x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go * -1j


class Conjugate(Op):
    """Complex numbers with the sign of their imaginary parts changed."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        return namespace(x).conj(x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return namespace(go).conj(go)


class Exp(OfOutput):
    """e to the power x."""

    function = lambda xp, x: xp.exp(x)
    gradient = lambda xp, go, y: go * y


class Expm1(OfOutput):
    """exp(x) - 1, exact for small x."""

    function = lambda xp, x: xp.expm1(x)
    gradient = lambda xp, go, y: go * (y + 1.0)


class Log(OfInput):
    """The natural logarithm."""

    function = lambda xp, x: xp.log(x)
    gradient = lambda xp, go, x: go / x


class Log1p(OfInput):
    """log(1 + x), exact for small x."""

    function = lambda xp, x: xp.log1p(x)
    gradient = lambda xp, go, x: go / (1.0 + x)


class Log2(OfInput):
    """The logarithm to base 2."""

    function = lambda xp, x: xp.log2(x)
    gradient = lambda xp, go, x: go / (x * math.log(2))


class Log10(OfInput):
    """The logarithm to base 10."""

    function = lambda xp, x: xp.log10(x)
    gradient = lambda xp, go, x: go / (x * math.log(10))


class Sqrt(OfOutput):
    """The square root of x: NaN below 0. At 0 its derivative is infinite."""

    function = lambda xp, x: xp.sqrt(x)
    gradient = lambda xp, go, y: 0.5 * go / y


class Square(Op):
    """x²."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["x"] = x
        return x * x

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return 2.0 * go * context["x"]


class Sin(OfInput):
    """The sine of x radians."""

    function = lambda xp, x: xp.sin(x)
    gradient = lambda xp, go, x: go * xp.cos(x)


class Cos(OfInput):
    """The cosine of x radians."""

    function = lambda xp, x: xp.cos(x)
    gradient = lambda xp, go, x: -go * xp.sin(x)


class Tan(OfOutput):
    """The tangent of x radians."""

    function = lambda xp, x: xp.tan(x)
    gradient = lambda xp, go, y: go * (1.0 + y * y)


def _one(x: Array) -> complex:
    """Give 1 to add to x, and to subtract x from. If x is complex, its imaginary part is -0: then
    sums keep the sign of a 0 there, which tells on which side of a cut a number is."""
    return complex(1.0, -0.0) if is_complex(x) else 1.0


def _root(xp: Any, x: Array) -> Array:
    """Compute the root of 1 + x². Factors, as those of `Asin`, keep the sign of a real part 0."""
    return xp.sqrt((x - complex(0.0, 1.0)) * (x - complex(0.0, -1.0)))


class Asin(OfInput):
    """The arc sine, from -pi / 2 to pi / 2: NaN beyond -1 and 1."""

    function = lambda xp, x: xp.asin(x)
    gradient = lambda xp, go, x: go / xp.sqrt((_one(x) - x) * (_one(x) + x))


class Acos(OfInput):
    """The arc cosine, from 0 to pi: NaN beyond -1 and 1."""

    function = lambda xp, x: xp.acos(x)
    gradient = lambda xp, go, x: -go / xp.sqrt((_one(x) - x) * (_one(x) + x))


class Atan(OfInput):
    """The arc tangent, from -pi / 2 to pi / 2."""

    function = lambda xp, x: xp.atan(x)
    gradient = lambda xp, go, x: go / (1.0 + x * x)


class Sinh(OfInput):
    """The hyperbolic sine."""

    function = lambda xp, x: xp.sinh(x)
    gradient = lambda xp, go, x: go * xp.cosh(x)


class Cosh(OfInput):
    """The hyperbolic cosine."""

    function = lambda xp, x: xp.cosh(x)
    gradient = lambda xp, go, x: go * xp.sinh(x)


class Tanh(OfOutput):
    """The hyperbolic tangent."""

    function = lambda xp, x: xp.tanh(x)
    # Not go * (1 - y * y): to convert the number 1 takes longer.
    gradient = lambda xp, go, y: go - go * y * y


class Asinh(OfInput):
    """The inverse hyperbolic sine."""

    function = lambda xp, x: xp.asinh(x)
    gradient = lambda xp, go, x: go / (_root(xp, x) if is_complex(x) else xp.hypot(x, 1.0))


class Acosh(OfInput):
    """The inverse hyperbolic cosine: NaN below 1."""

    function = lambda xp, x: xp.acosh(x)
    gradient = lambda xp, go, x: go / (xp.sqrt(x - 1.0) * xp.sqrt(x + _one(x)))


class Atanh(OfInput):
    """The inverse hyperbolic tangent: infinite at -1 and 1, NaN beyond."""

    function = lambda xp, x: xp.atanh(x)
    gradient = lambda xp, go, x: go / ((1.0 - x) * (1.0 + x))


class Atan2(Op):
    """The angle of the point (b, a), from -pi to pi. At (0, 0) the gradients are 0, and those of
    the gradients NaN."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"] = a, b
        return namespace(a, b).atan2(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b = context["a"], context["b"]
        xp = namespace(go)
        # b / (a² + b²) and -a / (a² + b²). Divide by the larger first: a square may be 0 or inf.
        large = xp.maximum(abs(a), abs(b))
        at_zero = large == 0
        large = _but_nan(xp, at_zero, large)
        a, b = a / large, b / large
        r = (a * a + b * b) * large
        ga = go * xp.where(at_zero, 0.0, b / r) if needs(context, 0) else None
        return ga, -go * xp.where(at_zero, 0.0, a / r) if needs(context, 1) else None


class Hypot(Op):
    """The square root of a² + b², computed without overflow. At (0, 0) the gradients are 0, and
    those of the gradients NaN. Where the root is infinite, they are NaN."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"], context["y"] = a, b, namespace(a, b).hypot(a, b)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, y, xp = context["a"], context["b"], context["y"], namespace(go)
        at_zero = y == 0
        y = _but_nan(xp, at_zero | (y == math.inf), y)
        ga = go * xp.where(at_zero, 0.0, a / y) if needs(context, 0) else None
        return ga, go * xp.where(at_zero, 0.0, b / y) if needs(context, 1) else None


class LogAddExp(Op):
    """log(exp(a) + exp(b)), computed without overflow. Where a and b are equal, also to -inf or
    inf, each gets half of the gradient."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"], context["y"] = a, b, namespace(a, b).logaddexp(a, b)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, y, xp = context["a"], context["b"], context["y"], namespace(go)
        # The shares are sigmoid(d) and sigmoid(-d). They are exp(a - y) and exp(b - y) too, but
        # large y are rounded.
        same, zero = (a == b) & (abs(y) == math.inf), xp.zeros_like(y)
        d = xp.where(same, zero, a) - xp.where(same, zero, b)
        ea, eb = xp.exp(xp.minimum(d, 0.0)), xp.exp(xp.minimum(-d, 0.0))
        g = go / (ea + eb)
        return g * ea if needs(context, 0) else None, g * eb if needs(context, 1) else None


class Maximum(Op):
    """The larger of a and b. Where a and b are equal, each gets half of the gradient."""

    real_only = True

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"] = a, b
        return namespace(a, b).maximum(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, xp = context["a"], context["b"], namespace(go)
        share = xp.where(a == b, 0.5 * go, go)
        ga = xp.where(a < b, 0.0, share) if needs(context, 0) else None
        return ga, xp.where(b < a, 0.0, share) if needs(context, 1) else None


class Minimum(Op):
    """The smaller of a and b. Where a and b are equal, each gets half of the gradient."""

    real_only = True

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"] = a, b
        return namespace(a, b).minimum(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, xp = context["a"], context["b"], namespace(go)
        share = xp.where(a == b, 0.5 * go, go)
        ga = xp.where(a > b, 0.0, share) if needs(context, 0) else None
        return ga, xp.where(b > a, 0.0, share) if needs(context, 1) else None


class Remainder(Op):
    """The remainder of a divided by b, with the sign of b: a - q b, for a whole number q. The
    gradient of b is -q."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"], context["y"] = a, b, namespace(a, b).remainder(a, b)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        if not needs(context, 1):
            return go, None
        # Not floor(a / b): 1 / 0.1 is rounded to 10, though the remainder is that of q = 9.
        q = namespace(go).round((context["a"] - context["y"]) / context["b"])
        return go, -go * q


class Fmod(Remainder):
    """The remainder of a divided by b, with the sign of a."""

    real_only = True

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        xp = namespace(a, b)
        if is_complex(a) or is_complex(b):
            raise TypeError("complex numbers have no remainder")
        if all(type(x) is int or is_discrete(x) for x in (a, b)):  # the least has no abs
            y = xp.remainder(a, b)
            y = xp.where((y != 0) & ((a < 0) != (b < 0)), y - b, y)
        else:
            y = xp.remainder(abs(a), abs(b))
            y = xp.where(a + 0 * y < 0, -y, y)  # a may be a number
        context["a"], context["b"], context["y"] = a, b, y
        return y


class NextAfter(Op):
    """The floating-point number next to a in the direction of b. The gradient of a is that of the
    result, and the gradient of b is 0."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        return namespace(a, b).nextafter(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        return go, namespace(go).zeros_like(go) if needs(context, 1) else None


class CopySign(Op):
    """a with the sign of b. The gradient of a is 0 where a is 0; the gradient of b is 0."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["y"] = a, namespace(a, b).copysign(a, b)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, y, xp = context["a"], context["y"], namespace(go)
        ga = xp.where(y == a, go, -go) * abs(xp.sign(y)) if needs(context, 0) else None
        return ga, xp.zeros_like(go) if needs(context, 1) else None


class Where(Op):
    """a where the condition is true, b elsewhere."""

    @staticmethod
    def forward(context: Context, condition: Array, a: Array, b: Array) -> Array:
        context["condition"] = condition
        return namespace(condition).where(condition, a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        xp, condition = namespace(go), context["condition"]
        return None, xp.where(condition, go, 0.0), xp.where(condition, 0.0, go)


class Masked(Op):
    """x where `mask` is true, 0 elsewhere. The mask is an array of booleans, broadcast to x."""

    @staticmethod
    def forward(context: Context, x: Array, *, mask: Array) -> Array:
        context["mask"] = mask
        return backend_of(x).masked(x, mask)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return Masked.apply(go, mask=context["mask"])


class Cast(Op):
    """x in another dtype. Complex numbers do not become real ones."""

    @staticmethod
    def forward(context: Context, x: Array, *, dtype: Any) -> Array:
        xp = namespace(x)
        if dtype != x.dtype and is_complex(x) and not xp.isdtype(dtype, "complex floating"):
            raise TypeError(f"complex numbers do not become {dtype}; take real(x) or abs(x)")
        context["dtype"] = x.dtype
        return xp.astype(x, dtype)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp, dtype = namespace(go), context["dtype"]
        takes_part = is_complex(go) and not xp.isdtype(dtype, "complex floating")
        return xp.astype(real(go) if takes_part else go, dtype)


class Quotient(Op):
    """x / d, for a derivative that does not exist where d vanishes: there NaN, and 0 where x is 0.

    So what asks for no such derivative takes no harm. Gradients are of the same kind.

    Args:
        vanishes: booleans of the shape of d, true where d is 0 but for rounding.
    """

    @staticmethod
    def forward(context: Context, x: Array, d: Array, *, vanishes: Array) -> Array:
        xp = namespace(x)
        y = xp.where(vanishes & (x != 0.0), math.nan, x / xp.where(vanishes, 1.0, d))
        context["d"], context["y"], context["vanishes"] = d, y, vanishes
        return y

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        d, y, vanishes = context["d"], context["y"], context["vanishes"]
        gx = Quotient.apply(go, d, vanishes=vanishes)
        return gx, -gx * y if needs(context, 1) else None


class NormGradient(Op):
    """go conj(x) / y: the gradient of vectors x from that of their lengths y; 0 where y is 0, and
    NaN where y is infinite: then squares were. The lengths, and go, have the shape of x, with 1 for
    the axes of the vectors."""

    @staticmethod
    def forward(context: Context, x: Array, y: Array, go: Array) -> Array:
        context["x"], context["y"], context["go"] = x, y, go
        return conj(x) * (go / _usual(y, math.inf))

    @staticmethod
    def backward(context: Context, g: Array) -> tuple[Array | None, ...]:
        xp, x, y, go = namespace(g), context["x"], context["y"], context["go"]
        axes = tuple([i for i, n in enumerate(y.shape) if n != x.shape[i]])

        def by_length(a: Array) -> Array:
            return Quotient.apply(a, y, vanishes=value_of((y == 0.0) | (y == math.inf)))

        along = by_length(xp.sum(real(g * conj(x)), axis=axes, keepdims=True))
        kink = 0.0 * by_length(xp.sum(abs(g), axis=axes, keepdims=True))  # 0, or NaN
        return go * (by_length(conj(g)) + kink), -by_length(along * go), along


def _usual(y: Array, at_zero: float) -> Array:
    """Replace lengths y of 0 by `at_zero`, and infinite ones by NaN."""
    xp = namespace(y)
    return xp.where(y == 0.0, at_zero, xp.where(y == math.inf, math.nan, y))
