"""Functions of each element by itself: arithmetic, powers, logarithms, trigonometry, where, clip.

Operands are broadcast together. The ops have the gradients."""

from __future__ import annotations

from .. import ops
from .common import NodeOrArray, binary, is_complex, unary
from .constant import sign as constant_sign
from .constant import zeros_like
from .views import view

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
    "nextafter",
    "positive",
    "pow",
    "real",
    "reciprocal",
    "remainder",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "where",
]


abs = unary(ops.Absolute, "abs")  # noqa: A001
acos = unary(ops.Acos, "acos")
acosh = unary(ops.Acosh, "acosh")
add = binary(ops.Add, "add")
asin = unary(ops.Asin, "asin")
asinh = unary(ops.Asinh, "asinh")
atan = unary(ops.Atan, "atan")
atan2 = binary(ops.Atan2, "atan2")
atanh = unary(ops.Atanh, "atanh")
copysign = binary(ops.CopySign, "copysign")
cos = unary(ops.Cos, "cos")
cosh = unary(ops.Cosh, "cosh")
divide = binary(ops.Divide, "divide")
exp = unary(ops.Exp, "exp")
expm1 = unary(ops.Expm1, "expm1")
hypot = binary(ops.Hypot, "hypot")
log = unary(ops.Log, "log")
log10 = unary(ops.Log10, "log10")
log1p = unary(ops.Log1p, "log1p")
log2 = unary(ops.Log2, "log2")
logaddexp = binary(ops.LogAddExp, "logaddexp")
maximum = binary(ops.Maximum, "maximum")
minimum = binary(ops.Minimum, "minimum")
multiply = binary(ops.Multiply, "multiply")
negative = unary(ops.Negative, "negative")
nextafter = binary(ops.NextAfter, "nextafter")
pow = binary(ops.Power, "pow")  # noqa: A001
remainder = binary(ops.Remainder, "remainder")
sin = unary(ops.Sin, "sin")
sinh = unary(ops.Sinh, "sinh")
sqrt = unary(ops.Sqrt, "sqrt")
square = unary(ops.Square, "square")
subtract = binary(ops.Sub, "subtract")
tan = unary(ops.Tan, "tan")
tanh = unary(ops.Tanh, "tanh")


def positive(x: NodeOrArray, /) -> NodeOrArray:
    """Copy x.

    Example:
        >>> print(gradcore.positive(TensorNode([1.0, -2.0])).value)
        [ 1. -2.]
    """
    return ops.Cast.apply(x, dtype=x.dtype)


def where(condition: NodeOrArray, x1: NodeOrArray, x2: NodeOrArray, /) -> NodeOrArray:
    """Take x1 where the condition is true, and x2 elsewhere; all three are broadcast together.

    Example:
        >>> x = TensorNode([-2.0, 3.0])
        >>> y = gradcore.where(x > 0, x, 0.1 * x)
        >>> y.sum().backward()
        >>> print(y.value, x.grad)
        [-0.2  3. ] [0.1 1. ]
    """
    return ops.Where.apply(condition, x1, x2)


def real(x: NodeOrArray, /) -> NodeOrArray:
    """Take the real parts of complex numbers, a view as in NumPy; real numbers stay as they are.

    Example:
        >>> print(gradcore.real(TensorNode(np.array([1 + 2j, 3 - 4j]))).value)
        [1. 3.]
    """
    return view(ops.Real, x) if is_complex(x) else x


def imag(x: NodeOrArray, /) -> NodeOrArray:
    """Take the imaginary parts of complex numbers, a view as in NumPy; of real numbers, zeros as
    constants.

    Example:
        >>> print(gradcore.imag(TensorNode(np.array([1 + 2j, 3 - 4j]))).value)
        [ 2. -4.]
    """
    return view(ops.Imag, x) if is_complex(x) else zeros_like(x)


def conj(x: NodeOrArray, /) -> NodeOrArray:
    """Conjugate complex numbers; copy real ones.

    Example:
        >>> print(gradcore.conj(TensorNode(np.array([1 + 2j, 3 - 4j]))).value)
        [1.-2.j 3.+4.j]
    """
    return ops.Conjugate.apply(x) if is_complex(x) else positive(x)


def sign(x: NodeOrArray, /) -> NodeOrArray:
    """Compute the sign of real numbers, through which no gradient flows; of complex ones, x / |x|,
    and 0 at 0.

    Example:
        >>> print(gradcore.sign(TensorNode([-2.0, 0.0, 5.0])).value)
        [-1.  0.  1.]
    """
    return ops.Phase.apply(x) if is_complex(x) else constant_sign(x)


def reciprocal(x: NodeOrArray, /) -> NodeOrArray:
    """Compute 1 / x.

    Example:
        >>> print(gradcore.reciprocal(TensorNode([2.0, -4.0])).value)
        [ 0.5  -0.25]
    """
    return ops.Divide.apply(1, x)


def clip(
    x: NodeOrArray,
    /,
    min: NodeOrArray | None = None,  # noqa: A002
    max: NodeOrArray | None = None,  # noqa: A002
) -> NodeOrArray:
    """Replace elements below `min` by `min`, and those above `max` by `max`; `None` is no bound.

    An element equal to a bound keeps its gradient. By a bound of NaN, elements become NaN.

    Raises:
        TypeError: x is complex.

    Example:
        >>> x = TensorNode([-2.0, 0.5, 3.0])
        >>> y = gradcore.clip(x, 0.0, 1.0)
        >>> y.sum().backward()
        >>> print(y.value, x.grad)
        [0.  0.5 1. ] [0. 1. 0.]
    """
    if is_complex(x):
        raise TypeError("clip: complex numbers have no order; clip real(x), imag(x) or abs(x)")
    y = x if min is None else where(_or_nan(x < min, min), min, x)
    y = y if max is None else where(_or_nan(y > max, max), max, y)
    return positive(x) if y is x else y


def _or_nan(beyond: NodeOrArray, bound: NodeOrArray) -> NodeOrArray:
    """Give `beyond`, made true where the bound is NaN, which differs from itself."""
    is_nan = bound != bound
    return beyond if is_nan is False else beyond | is_nan
