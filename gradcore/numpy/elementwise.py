"""Functions of each element by itself: arithmetic, powers, trigonometry, rounding, choices."""

from __future__ import annotations

from typing import Any

from .. import array_api as xp
from .common import as_inputs, filled, promoted
from .ufuncs import Ufunc

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "clip",
    "conj",
    "conjugate",
    "copysign",
    "cos",
    "cosh",
    "divide",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "hypot",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "nextafter",
    "positive",
    "pow",
    "power",
    "reciprocal",
    "remainder",
    "rint",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
]

absolute = Ufunc("absolute", xp.abs)
add = Ufunc("add", xp.add)
arccos = Ufunc("arccos", xp.acos)
arccosh = Ufunc("arccosh", xp.acosh)
arcsin = Ufunc("arcsin", xp.asin)
arcsinh = Ufunc("arcsinh", xp.asinh)
arctan = Ufunc("arctan", xp.atan)
arctan2 = Ufunc("arctan2", xp.atan2)
arctanh = Ufunc("arctanh", xp.atanh)
ceil = Ufunc("ceil", xp.ceil)
conjugate = Ufunc("conjugate", xp.conj)
copysign = Ufunc("copysign", xp.copysign)
cos = Ufunc("cos", xp.cos)
cosh = Ufunc("cosh", xp.cosh)
divide = Ufunc("divide", xp.divide)
exp = Ufunc("exp", xp.exp)
expm1 = Ufunc("expm1", xp.expm1)
floor = Ufunc("floor", xp.floor)
floor_divide = Ufunc("floor_divide", xp.floor_divide)
hypot = Ufunc("hypot", xp.hypot)
log = Ufunc("log", xp.log)
log1p = Ufunc("log1p", xp.log1p)
log2 = Ufunc("log2", xp.log2)
log10 = Ufunc("log10", xp.log10)
logaddexp = Ufunc("logaddexp", xp.logaddexp)
maximum = Ufunc("maximum", xp.maximum)
minimum = Ufunc("minimum", xp.minimum)
multiply = Ufunc("multiply", xp.multiply)
negative = Ufunc("negative", xp.negative)
nextafter = Ufunc("nextafter", xp.nextafter)
positive = Ufunc("positive", xp.positive)
power = Ufunc("power", xp.pow)
reciprocal = Ufunc("reciprocal", xp.reciprocal)
remainder = Ufunc("remainder", xp.remainder)
rint = Ufunc("rint", xp.round)
sign = Ufunc("sign", xp.sign)
signbit = Ufunc("signbit", xp.signbit)
sin = Ufunc("sin", xp.sin)
sinh = Ufunc("sinh", xp.sinh)
sqrt = Ufunc("sqrt", xp.sqrt)
square = Ufunc("square", xp.square)
subtract = Ufunc("subtract", xp.subtract)
tan = Ufunc("tan", xp.tan)
tanh = Ufunc("tanh", xp.tanh)
trunc = Ufunc("trunc", xp.trunc)

abs = absolute  # noqa: A001
acos, acosh, asin, asinh, atan, atan2, atanh = (
    arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh,
)  # fmt: skip
conj, mod, pow, true_divide = conjugate, remainder, power, divide  # noqa: A001


def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,  # noqa: A002
    max: Any = None,  # noqa: A002
) -> Any:
    """Replace what is below a_min (or `min`) by a_min, and what is above a_max by a_max."""
    low, high = a_min if min is None else min, a_max if max is None else max
    a, *bounds = as_inputs(a, *[b for b in (low, high) if b is not None])
    a, *bounds = promoted(a, *bounds)
    low = None if low is None else bounds.pop(0)
    return filled("clip", out, xp.clip(a, low, bounds.pop() if bounds else None))
