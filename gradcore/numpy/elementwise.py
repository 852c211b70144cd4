"""Functions of each element by itself: arithmetic, powers, trigonometry, rounding, choices."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from .. import array_api as xp
from .. import ops
from ..engine.arrays import value_of
from ..functions import arithmetic
from . import ignoring_nan, reductions
from .common import (
    NOTHING,
    alike,
    arrays_of,
    as_inputs,
    as_node_or_array,
    cast,
    filled,
    floats,
    numpy_dtype,
    promoted,
)
from .ufuncs import Ufunc

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "angle",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "around",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "clip",
    "conj",
    "conjugate",
    "copysign",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "divide",
    "divmod",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "fix",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
    "hypot",
    "i0",
    "imag",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "maximum",
    "minimum",
    "mod",
    "modf",
    "multiply",
    "nan_to_num",
    "negative",
    "nextafter",
    "positive",
    "pow",
    "power",
    "rad2deg",
    "radians",
    "real",
    "real_if_close",
    "reciprocal",
    "remainder",
    "rint",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
]

_LN2 = math.log(2)


def _fmax(a: Any, b: Any) -> Any:
    a, b = alike(a, b)
    return xp.where(a != a, b, xp.where(b != b, a, xp.maximum(a, b)))


def _fmin(a: Any, b: Any) -> Any:
    a, b = alike(a, b)
    return xp.where(a != a, b, xp.where(b != b, a, xp.minimum(a, b)))


def _heaviside(a: Any, b: Any) -> Any:
    return arithmetic.heaviside(*alike(a, b))


def _logsumexp(a: Any, axis: Any, out: Any, keepdims: bool) -> Any:
    y = ops.LogSumExp.apply(floats(as_node_or_array(a)), axis=axis, keepdims=keepdims)
    return filled("logaddexp.reduce", out, y)


absolute = Ufunc("absolute", xp.abs)
add = Ufunc("add", xp.add, reductions.sum, reductions.cumsum)
arccos = Ufunc("arccos", xp.acos)
arccosh = Ufunc("arccosh", xp.acosh)
arcsin = Ufunc("arcsin", xp.asin)
arcsinh = Ufunc("arcsinh", xp.asinh)
arctan = Ufunc("arctan", xp.atan)
arctan2 = Ufunc("arctan2", xp.atan2)
arctanh = Ufunc("arctanh", xp.atanh)
cbrt = Ufunc("cbrt", ops.Cbrt.apply)
ceil = Ufunc("ceil", xp.ceil)
conjugate = Ufunc("conjugate", xp.conj)
copysign = Ufunc("copysign", xp.copysign)
cos = Ufunc("cos", xp.cos)
cosh = Ufunc("cosh", xp.cosh)
deg2rad = Ufunc("deg2rad", lambda x: x * (math.pi / 180))
divide = Ufunc("divide", xp.divide)
exp = Ufunc("exp", xp.exp)
exp2 = Ufunc("exp2", lambda x: xp.pow(2.0, x))
expm1 = Ufunc("expm1", xp.expm1)
fabs = Ufunc("fabs", xp.abs)
float_power = Ufunc("float_power", xp.pow)
floor = Ufunc("floor", xp.floor)
floor_divide = Ufunc("floor_divide", xp.floor_divide)
fmax = Ufunc("fmax", _fmax, ignoring_nan.nanmax)
fmin = Ufunc("fmin", _fmin, ignoring_nan.nanmin)
fmod = Ufunc("fmod", ops.Fmod.apply)
heaviside = Ufunc("heaviside", _heaviside)
hypot = Ufunc("hypot", xp.hypot)
log = Ufunc("log", xp.log)
log10 = Ufunc("log10", xp.log10)
log1p = Ufunc("log1p", xp.log1p)
log2 = Ufunc("log2", xp.log2)
logaddexp = Ufunc("logaddexp", xp.logaddexp, _logsumexp)
logaddexp2 = Ufunc("logaddexp2", lambda a, b: xp.logaddexp(a * _LN2, b * _LN2) / _LN2)
maximum = Ufunc("maximum", xp.maximum, reductions.max)
minimum = Ufunc("minimum", xp.minimum, reductions.min)
multiply = Ufunc("multiply", xp.multiply, reductions.prod, reductions.cumprod)
negative = Ufunc("negative", xp.negative)
nextafter = Ufunc("nextafter", xp.nextafter)
positive = Ufunc("positive", xp.positive)
power = Ufunc("power", xp.pow)
rad2deg = Ufunc("rad2deg", lambda x: x * (180 / math.pi))
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
degrees, radians = rad2deg, deg2rad


def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:  # noqa: A001
    """Divide: floor_divide, and the remainder.

    Example:
        >>> quotient, rest = np.divmod([7.0, -7.0], 2.0)
        >>> print(quotient, rest)
        [ 3. -4.] [1. 1.]
    """
    return floor_divide(x1, x2), remainder(x1, x2)


def modf(x: Any, /) -> tuple[Any, Any]:
    """Split numbers into what is behind the point, with a gradient, and the whole numbers.

    Example:
        >>> part, whole = np.modf([1.25, -1.25])
        >>> print(part, whole)
        [ 0.25 -0.25] [ 1. -1.]
    """
    (x,) = arrays_of(x)
    x = floats(x)
    raw = value_of(x)
    finite = xp.where(xp.isinf(raw), xp.copysign(xp.zeros_like(raw), raw), x)
    return ops.Fmod.apply(finite, 1.0), trunc(x)


def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None,
    max: Any = None, **keywords: Any,
) -> Any:  # fmt: skip
    """Replace what is below a_min (or `min`) by a_min, and what is above a_max by a_max.

    Example:
        >>> x = np.array([-2.0, 0.5, 3.0])
        >>> print(np.clip(x, 0.0, 1.0), gradcore.grad(lambda x: np.sum(np.clip(x, 0.0, 1.0)))(x))
        [0.  0.5 1. ] [0. 1. 0.]
    """
    given = [a_min if min is None else min, a_max if max is None else max]
    low, high = [None if b is NOTHING else b for b in given]
    a, low, high = [None if x is None else x for x in (a, low, high)]
    found = iter(promoted(*as_inputs(a, *[b for b in (low, high) if b is not None])))
    a, low, high = [None if x is None else next(found) for x in (a, low, high)]
    return filled("clip", out, xp.clip(a, low, high))


def around(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Round to so many decimals, and halves to even numbers, without a gradient.

    Example:
        >>> print(np.around([0.5, 1.5, 2.678], 1), np.around([0.5, 1.5]))
        [0.5 1.5 2.7] [0. 2.]
    """
    (x,) = arrays_of(a)
    if numpy_dtype(x.dtype).kind in "biu" and decimals >= 0:
        return filled("round", out, x)
    scale = 10.0 ** builtins.abs(decimals)
    y = xp.round(x * scale) / scale if decimals > 0 else xp.round(x / scale) * scale
    return filled("round", out, cast(y, x.dtype))


round = around  # noqa: A001


def fix(x: Any, out: Any = None) -> Any:
    """Round toward 0; see `trunc`.

    Example:
        >>> print(np.fix([-1.5, 1.2]))
        [-1.  1.]
    """
    return trunc(x, out=out)


def real(val: Any) -> Any:
    """Take the real parts.

    Example:
        >>> print(np.real([1 + 2j, 3.0]))
        [1. 3.]
    """
    return xp.real(arrays_of(val)[0])


def imag(val: Any) -> Any:
    """Take the imaginary parts: of real numbers, zeros.

    Example:
        >>> print(np.imag([1 + 2j, 3.0]))
        [2. 0.]
    """
    return xp.imag(arrays_of(val)[0])


def angle(z: Any, deg: bool = False) -> Any:
    """Compute the angle of complex numbers; of real numbers, 0 or pi.

    Example:
        >>> print(np.angle([1.0, 1j, -1.0], deg=True))
        [  0.  90. 180.]
    """
    (z,) = arrays_of(z)
    z = floats(z)
    y = arctan2(xp.imag(z), xp.real(z))
    return rad2deg(y) if deg else y


def real_if_close(a: Any, tol: float = 100) -> Any:
    """Take the real parts, if all imaginary parts are smaller than tol (or tol times epsilon).

    Example:
        >>> print(np.real_if_close([1 + 1e-16j, 2.0]), np.real_if_close([1 + 1j, 2.0]))
        [1. 2.] [1.+1.j 2.+0.j]
    """
    (a,) = arrays_of(a)
    if numpy_dtype(a.dtype).kind != "c":
        return a
    tol = tol * float(np.finfo(numpy_dtype(a.dtype)).eps) if tol > 1 else tol
    is_close = xp.all(xp.abs(value_of(xp.imag(a))) < tol)
    return xp.real(a) if is_close else a


def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Replace NaN, inf and -inf by numbers: 0, and the largest and smallest that there are.

    Example:
        >>> print(np.nan_to_num([1.0, np.nan, np.inf], posinf=99.0))
        [ 1.  0. 99.]
        >>> x = np.array([1.0, np.nan])
        >>> print(gradcore.grad(lambda x: np.sum(np.nan_to_num(x)))(x))
        [1. 0.]
    """
    (x,) = arrays_of(x)
    return arithmetic.nan_to_num(x, nan, posinf, neginf)


def sinc(x: Any) -> Any:
    """Compute sin(pi x) / (pi x), which is 1 at 0.

    Example:
        >>> print(np.sinc([0.0, 0.5, 1.0]).round(3), gradcore.grad(np.sinc)(0.0))
        [1.    0.637 0.   ] 0.0
    """
    (x,) = arrays_of(x)
    return ops.Sinc.apply(floats(x))


def i0(x: Any) -> Any:
    """Compute the modified Bessel function of order 0.

    Example:
        >>> print(np.i0([0.0, 1.0]).round(3), gradcore.grad(np.i0)(0.0))
        [1.    1.266] 0.0
    """
    (x,) = arrays_of(x)
    return ops.BesselI.apply(floats(x), n=0)
