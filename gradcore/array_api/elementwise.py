"""TODO"""

from __future__ import annotations

from typing import Any

from .. import ops
from .common import is_complex, of_one, of_two
from .constant import conj as constant_conj
from .constant import imag as constant_imag
from .constant import real as constant_real
from .constant import zeros_like

__all__ = [
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "clip",
    "conj",
    "copysign",
    "cos",
    "cosh",
    "divide",
    "exp",
    "expm1",
    "hypot",
    "imag",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "positive",
    "pow",
    "real",
    "reciprocal",
    "remainder",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "where",
]


abs = of_one(ops.Absolute, "abs")  # noqa: A001
acos = of_one(ops.Acos, "acos")
acosh = of_one(ops.Acosh, "acosh")
add = of_two(ops.Add, "add")
asin = of_one(ops.Asin, "asin")
asinh = of_one(ops.Asinh, "asinh")
atan = of_one(ops.Atan, "atan")
atan2 = of_two(ops.Atan2, "atan2")
atanh = of_one(ops.Atanh, "atanh")
copysign = of_two(ops.CopySign, "copysign")
cos = of_one(ops.Cos, "cos")
cosh = of_one(ops.Cosh, "cosh")
divide = of_two(ops.Divide, "divide")
exp = of_one(ops.Exp, "exp")
expm1 = of_one(ops.Expm1, "expm1")
hypot = of_two(ops.Hypot, "hypot")
log = of_one(ops.Log, "log")
log10 = of_one(ops.Log10, "log10")
log1p = of_one(ops.Log1p, "log1p")
log2 = of_one(ops.Log2, "log2")
logaddexp = of_two(ops.LogAddExp, "logaddexp")
maximum = of_two(ops.Maximum, "maximum")
minimum = of_two(ops.Minimum, "minimum")
multiply = of_two(ops.Multiply, "multiply")
negative = of_one(ops.Negative, "negative")
positive = of_one(ops.Id, "positive")
pow = of_two(ops.Power, "pow")  # noqa: A001
remainder = of_two(ops.Remainder, "remainder")
sin = of_one(ops.Sin, "sin")
sinh = of_one(ops.Sinh, "sinh")
sqrt = of_one(ops.Sqrt, "sqrt")
square = of_one(ops.Square, "square")
subtract = of_two(ops.Sub, "subtract")
tan = of_one(ops.Tan, "tan")
tanh = of_one(ops.Tanh, "tanh")


def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """x1 where the condition is true, and x2 elsewhere."""
    return ops.Where.apply(condition, x1, x2)


def real(x: Any, /) -> Any:
    """The real parts of complex numbers, as constants; real numbers as they are."""
    return constant_real(x) if is_complex(x) else positive(x)


def imag(x: Any, /) -> Any:
    """The imaginary parts of complex numbers, as constants; zeros for real numbers."""
    return constant_imag(x) if is_complex(x) else zeros_like(x)


def conj(x: Any, /) -> Any:
    """The complex conjugates, as constants; real numbers as they are."""
    return constant_conj(x) if is_complex(x) else positive(x)


def reciprocal(x: Any, /) -> Any:
    """1 / x."""
    return ops.Divide.apply(1, x)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:  # noqa: A002
    """x, but at least `min` and at most `max`. What is at a bound keeps its gradient."""
    if min is not None:
        x = where(x < min, min, x)
    return x if max is None else where(x > max, max, x)
