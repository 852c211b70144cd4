"""Comparisons, tests and operations on bits, whose results are constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import array_api as xp
from ..engine.arrays import value_of
from ..functions import arithmetic
from . import reductions
from .common import alike, arrays_of, cast
from .ufuncs import Ufunc

__all__ = [
    "allclose",
    "array_equal",
    "array_equiv",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "equal",
    "greater",
    "greater_equal",
    "invert",
    "isclose",
    "iscomplex",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "left_shift",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "right_shift",
]


def _of_truths(function: Any) -> Any:
    """Make a function of booleans one of numbers, of which all but 0 are true."""
    return lambda *xs: function(*[cast(x, np.bool_) for x in arrays_of(*xs)])


bitwise_and = Ufunc("bitwise_and", xp.bitwise_and)
bitwise_or = Ufunc("bitwise_or", xp.bitwise_or)
bitwise_xor = Ufunc("bitwise_xor", xp.bitwise_xor)
equal = Ufunc("equal", xp.equal)
greater = Ufunc("greater", xp.greater)
greater_equal = Ufunc("greater_equal", xp.greater_equal)
invert = Ufunc("invert", xp.bitwise_invert)
isfinite = Ufunc("isfinite", xp.isfinite)
isinf = Ufunc("isinf", xp.isinf)
isnan = Ufunc("isnan", xp.isnan)
left_shift = Ufunc("left_shift", xp.bitwise_left_shift)
less = Ufunc("less", xp.less)
less_equal = Ufunc("less_equal", xp.less_equal)
logical_and = Ufunc("logical_and", _of_truths(xp.logical_and), reductions.all)
logical_not = Ufunc("logical_not", _of_truths(xp.logical_not))
logical_or = Ufunc("logical_or", _of_truths(xp.logical_or), reductions.any)
logical_xor = Ufunc("logical_xor", _of_truths(xp.logical_xor))
not_equal = Ufunc("not_equal", xp.not_equal)
right_shift = Ufunc("right_shift", xp.bitwise_right_shift)

bitwise_invert = bitwise_not = invert
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift


def isneginf(x: Any, out: Any = None) -> Any:
    """Test for each element whether it is -infinity.

    Example:
        >>> print(np.isneginf([1.0, -np.inf, np.inf]))
        [False  True False]
    """
    return equal(x, -math.inf, out=out)


def isposinf(x: Any, out: Any = None) -> Any:
    """Test for each element whether it is infinity.

    Example:
        >>> print(np.isposinf([1.0, -np.inf, np.inf]))
        [False False  True]
    """
    return equal(x, math.inf, out=out)


def iscomplex(x: Any) -> Any:
    """Test for each element whether it has an imaginary part.

    Example:
        >>> print(np.iscomplex([1 + 2j, 3.0]))
        [ True False]
    """
    (x,) = arrays_of(value_of(x))
    return xp.imag(x) != 0


def isreal(x: Any) -> Any:
    """Test for each element whether it has no imaginary part.

    Example:
        >>> print(np.isreal([1 + 2j, 3.0]))
        [False  True]
    """
    (x,) = arrays_of(value_of(x))
    return xp.imag(x) == 0


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Test whether |a - b| <= atol + rtol |b|, or a and b are the same infinity.

    Example:
        >>> print(np.isclose([1.0, 2.0], [1.000001, 2.1]))
        [ True False]
    """
    a, b = (value_of(x) for x in alike(a, b))
    return arithmetic.isclose(a, b, rtol, atol, equal_nan)


def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Test whether all elements are close; see `isclose`.

    Example:
        >>> print(np.allclose([1.0, 2.0], TensorNode([1.0, 2.00001])))
        True
    """
    return bool(xp.all(isclose(a, b, rtol, atol, equal_nan)))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Test whether shapes and all elements are equal.

    Example:
        >>> x = TensorNode([1.0, 2.0])
        >>> print(np.array_equal(x, [1.0, 2.0]), np.array_equal(x, [1.0, 2.0, 3.0]))
        True False
    """
    a, b = arrays_of(a1, a2)
    if tuple(a.shape) != tuple(b.shape):
        return False
    same = equal(a, b)
    return bool(xp.all(same | (isnan(a) & isnan(b)) if equal_nan else same))


def array_equiv(a1: Any, a2: Any) -> bool:
    """Test whether the arrays can be broadcast together, and all elements are equal.

    Example:
        >>> print(np.array_equiv([1.0], [1.0, 1.0]))
        True
    """
    try:
        return bool(xp.all(equal(a1, a2)))
    except ValueError:
        return False
