"""The docstrings of functions made from an op, or from a function of the arrays' own library: of
each the first sentence, and an example."""

from __future__ import annotations

import re
from textwrap import dedent

__all__ = ["DOCSTRINGS"]

_TEXT = """
abs: Compute the absolute values. At 0 the gradient is 0.
    >>> x = TensorNode([-2.0, 0.0, 3.0])
    >>> y = gradcore.abs(x)
    >>> y.sum().backward()
    >>> print(y.value, x.grad)
    [2. 0. 3.] [-1.  0.  1.]
acos: Compute the arc cosine, from 0 to pi; NaN beyond -1 and 1.
    >>> print(gradcore.acos(TensorNode([-1.0, 0.0, 0.5])).value.round(3))
    [3.142 1.571 1.047]
acosh: Compute the inverse hyperbolic cosine of numbers from 1 on; NaN below.
    >>> print(gradcore.acosh(TensorNode([1.0, 2.0])).value.round(3))
    [0.    1.317]
add: Add.
    >>> x, b = TensorNode([[1.0, 2.0], [3.0, 4.0]]), TensorNode([10.0, 20.0])
    >>> gradcore.add(x, b).sum().backward()  # as x + b: b is broadcast
    >>> print(b.grad)
    [2. 2.]
asin: Compute the arc sine, from -pi / 2 to pi / 2; NaN beyond -1 and 1.
    >>> print(gradcore.asin(TensorNode([-1.0, 0.0, 0.5])).value.round(3))
    [-1.571  0.     0.524]
asinh: Compute the inverse hyperbolic sine.
    >>> print(gradcore.asinh(TensorNode([-1.0, 0.0, 2.0])).value.round(3))
    [-0.881  0.     1.444]
atan: Compute the arc tangent, from -pi / 2 to pi / 2.
    >>> print(gradcore.atan(TensorNode([-1.0, 0.0, 2.0])).value.round(3))
    [-0.785  0.     1.107]
atan2: Compute the angle of the point (x2, x1), from -pi to pi.
    >>> y, x = TensorNode([1.0, -1.0]), TensorNode([1.0, -1.0])
    >>> print(gradcore.atan2(y, x).value.round(3))
    [ 0.785 -2.356]
atanh: Compute the inverse hyperbolic tangent; infinite at -1 and 1, NaN beyond.
    >>> print(gradcore.atanh(TensorNode([-0.5, 0.0, 0.9])).value.round(3))
    [-0.549  0.     1.472]
bitwise_and: Compute the bits that are set in both integers.
    >>> print(gradcore.bitwise_and(TensorNode([6, 12]), TensorNode([3, 10])).value)  # as x & y
    [2 8]
bitwise_invert: Change all bits of integers.
    >>> print(gradcore.bitwise_invert(TensorNode([0, 5])).value)  # as ~x: -x - 1
    [-1 -6]
bitwise_left_shift: Multiply integers x1 by 2 to the power of x2.
    >>> x, y = TensorNode([1, 3]), TensorNode([4, 1])
    >>> print(gradcore.bitwise_left_shift(x, y).value)  # as x << y
    [16  6]
bitwise_or: Compute the bits that are set in one integer or the other.
    >>> print(gradcore.bitwise_or(TensorNode([6, 12]), TensorNode([3, 10])).value)  # as x | y
    [ 7 14]
bitwise_right_shift: Divide integers x1 by 2 to the power of x2, rounded down.
    >>> x, y = TensorNode([16, 7]), TensorNode([2, 1])
    >>> print(gradcore.bitwise_right_shift(x, y).value)  # as x >> y
    [4 3]
bitwise_xor: Compute the bits that are set in just one of both integers.
    >>> print(gradcore.bitwise_xor(TensorNode([6, 12]), TensorNode([3, 10])).value)  # as x ^ y
    [5 6]
can_cast: Test whether one dtype can be converted to another without a loss.
    >>> gradcore.can_cast(gradcore.float32, gradcore.float64)
    True
ceil: Round up to a whole number.
    >>> print(gradcore.ceil(TensorNode([1.2, -1.2])).value)
    [ 2. -1.]
copysign: Give x1 the signs of x2.
    >>> print(gradcore.copysign(TensorNode([1.0, -2.0]), TensorNode([-5.0, 5.0])).value)
    [-1.  2.]
cos: Compute the cosine of angles in radians.
    >>> print(gradcore.cos(TensorNode([0.0, 1.0, np.pi])).value.round(3))
    [ 1.    0.54 -1.  ]
cosh: Compute the hyperbolic cosine.
    >>> print(gradcore.cosh(TensorNode([-1.0, 0.0, 2.0])).value.round(3))
    [1.543 1.    3.762]
divide: Divide x1 by x2.
    >>> a, b = TensorNode([6.0]), TensorNode([3.0])
    >>> gradcore.divide(a, b).sum().backward()  # as a / b
    >>> print(a.grad.round(3), b.grad.round(3))  # 1 / b, and -a / b²
    [0.333] [-0.667]
equal: Test whether elements are equal.
    >>> print(gradcore.equal(TensorNode([1.0, 2.0, 3.0]), 2.0).value)  # as x == y
    [False  True False]
exp: Compute e to the power of x.
    >>> x = TensorNode([-1.0, 0.0, 2.0])
    >>> y = gradcore.exp(x)
    >>> y.sum().backward()
    >>> print(y.value.round(3), x.grad.round(3))
    [0.368 1.    7.389] [0.368 1.    7.389]
expm1: Compute exp(x) - 1, exactly even for small x.
    >>> print(gradcore.expm1(TensorNode([-1.0, 0.0, 2.0])).value.round(3))
    [-0.632  0.     6.389]
finfo: Say what a floating dtype can hold: `bits`, `eps`, `max`, `min`, `smallest_normal`.
    >>> info = gradcore.finfo(gradcore.float32)
    >>> print(info.bits, info.max > 3e38)
    32 True
floor: Round down to a whole number.
    >>> print(gradcore.floor(TensorNode([1.2, -1.2])).value)
    [ 1. -2.]
floor_divide: Divide x1 by x2 and round down.
    >>> print(gradcore.floor_divide(TensorNode([7.0, -7.0]), 2.0).value)  # as x // y
    [ 3. -4.]
greater: Test whether x1 > x2.
    >>> print(gradcore.greater(TensorNode([1.0, 2.0, 3.0]), 2.0).value)  # as x > y
    [False False  True]
greater_equal: Test whether x1 >= x2.
    >>> print(gradcore.greater_equal(TensorNode([1.0, 2.0, 3.0]), 2.0).value)  # as x >= y
    [False  True  True]
hypot: Compute the square root of x1² + x2², without overflow.
    >>> print(gradcore.hypot(TensorNode([3.0, 5.0]), TensorNode([4.0, 12.0])).value)
    [ 5. 13.]
iinfo: Say what an integer dtype can hold: `bits`, `max`, `min`.
    >>> info = gradcore.iinfo(gradcore.int8)
    >>> print(info.min, info.max)
    -128 127
isdtype: Test whether a dtype is of a kind, or of one of several.
    >>> gradcore.isdtype(gradcore.float32, "real floating")
    True
isfinite: Test whether elements are neither NaN nor infinite.
    >>> print(gradcore.isfinite(TensorNode([1.0, float("inf"), float("nan")])).value)
    [ True False False]
isinf: Test whether elements are inf or -inf.
    >>> print(gradcore.isinf(TensorNode([1.0, float("-inf"), float("nan")])).value)
    [False  True False]
isnan: Test whether elements are NaN.
    >>> print(gradcore.isnan(TensorNode([1.0, float("inf"), float("nan")])).value)
    [False False  True]
less: Test whether x1 < x2.
    >>> print(gradcore.less(TensorNode([1.0, 2.0, 3.0]), 2.0).value)  # as x < y
    [ True False False]
less_equal: Test whether x1 <= x2.
    >>> print(gradcore.less_equal(TensorNode([1.0, 2.0, 3.0]), 2.0).value)  # as x <= y
    [ True  True False]
log: Compute the natural logarithm: -inf at 0, NaN below.
    >>> x = TensorNode([1.0, 2.0])
    >>> y = gradcore.log(x)
    >>> y.sum().backward()
    >>> print(y.value.round(3), x.grad)
    [0.    0.693] [1.  0.5]
log10: Compute the logarithm to base 10.
    >>> print(gradcore.log10(TensorNode([0.01, 1.0, 1000.0])).value.round(3))
    [-2.  0.  3.]
log1p: Compute log(1 + x), exactly even for small x.
    >>> print(gradcore.log1p(TensorNode([0.0, 1.0])).value.round(3))
    [0.    0.693]
log2: Compute the logarithm to base 2.
    >>> print(gradcore.log2(TensorNode([0.25, 1.0, 8.0])).value)
    [-2.  0.  3.]
logaddexp: Compute log(exp(x1) + exp(x2)), without overflow.
    >>> a, b = TensorNode([0.0, 100.0]), TensorNode([0.0, 100.0])
    >>> print(gradcore.logaddexp(a, b).value.round(3))
    [  0.693 100.693]
logical_and: Test whether both are true.
    >>> a, b = TensorNode([True, True, False]), TensorNode([True, False, False])
    >>> print(gradcore.logical_and(a, b).value)
    [ True False False]
logical_not: Test whether elements are false.
    >>> print(gradcore.logical_not(TensorNode([True, False])).value)
    [False  True]
logical_or: Test whether one or both are true.
    >>> a, b = TensorNode([True, True, False]), TensorNode([True, False, False])
    >>> print(gradcore.logical_or(a, b).value)
    [ True  True False]
logical_xor: Test whether just one of both is true.
    >>> a, b = TensorNode([True, True, False]), TensorNode([True, False, False])
    >>> print(gradcore.logical_xor(a, b).value)
    [False  True False]
matmul: Multiply matrices (..., M, K) and (..., K, N), or vectors.
    >>> a, b = TensorNode(np.ones((8, 2, 3))), TensorNode(np.ones((3, 4)))
    >>> gradcore.matmul(a, b).shape  # as a @ b
    (8, 2, 4)
maximum: Take the larger of x1 and x2; of equal ones each gets half of the gradient.
    >>> a, b = TensorNode([1.0, 5.0, 2.0]), TensorNode([4.0, 3.0, 2.0])
    >>> y = gradcore.maximum(a, b)
    >>> y.sum().backward()
    >>> print(y.value, a.grad)
    [4. 5. 2.] [0.  1.  0.5]
minimum: Take the smaller of x1 and x2; of equal ones each gets half of the gradient.
    >>> print(gradcore.minimum(TensorNode([1.0, 5.0]), TensorNode([4.0, 3.0])).value)
    [1. 3.]
multiply: Multiply.
    >>> a, b = TensorNode([2.0, 3.0]), TensorNode([5.0, 7.0])
    >>> gradcore.multiply(a, b).sum().backward()  # as a * b
    >>> print(a.grad, b.grad)
    [5. 7.] [2. 3.]
negative: Change the sign.
    >>> print(gradcore.negative(TensorNode([1.0, -2.0])).value)  # as -x
    [-1.  2.]
nextafter: Give the next number of the dtype from x1 in the direction of x2.
    >>> print(gradcore.nextafter(np.array([1.0]), 2.0) - 1.0)  # the epsilon of float64
    [2.22044605e-16]
nonzero: Find the indices of the elements that are not zero: for each axis one vector.
    >>> rows, columns = gradcore.nonzero(TensorNode([[0.0, 5.0], [7.0, 0.0]]))
    >>> print(rows.value, columns.value)
    [0 1] [1 0]
not_equal: Test whether elements differ.
    >>> print(gradcore.not_equal(TensorNode([1.0, 2.0, 3.0]), 2.0).value)  # as x != y
    [ True False  True]
pow: Raise x1 to the power of x2.
    >>> a, b = TensorNode([2.0, 3.0]), TensorNode([3.0, 2.0])
    >>> y = gradcore.pow(a, b)  # as a**b
    >>> y.sum().backward()
    >>> print(y.value, a.grad)
    [8. 9.] [12.  6.]
remainder: Compute the remainder of x1 divided by x2, with the sign of x2.
    >>> print(gradcore.remainder(TensorNode([7.0, -7.0]), 3.0).value)  # as x % 3
    [1. 2.]
result_type: Find the dtype that arrays, nodes, dtypes and numbers promote to.
    >>> print(gradcore.result_type(TensorNode([1.0, 2.0]), gradcore.float64))
    float64
round: Round to the nearest whole number, halves to the even one.
    >>> print(gradcore.round(TensorNode([0.5, 1.5, 1.7])).value)
    [0. 2. 2.]
sign: Compute the sign: -1, 0 or 1.
    >>> print(gradcore.sign(TensorNode([-2.0, 0.0, 5.0])).value)
    [-1.  0.  1.]
signbit: Test whether the sign is negative, also that of -0.0.
    >>> print(gradcore.signbit(TensorNode([-2.0, -0.0, 0.0])).value)
    [ True  True False]
sin: Compute the sine of angles in radians.
    >>> x = TensorNode([0.0, 1.0])
    >>> y = gradcore.sin(x)
    >>> y.sum().backward()
    >>> print(y.value.round(3), x.grad.round(3))
    [0.    0.841] [1.   0.54]
sinh: Compute the hyperbolic sine.
    >>> print(gradcore.sinh(TensorNode([-1.0, 0.0, 2.0])).value.round(3))
    [-1.175  0.     3.627]
sqrt: Compute the square root: NaN of negative numbers.
    >>> x = TensorNode([1.0, 4.0])
    >>> y = gradcore.sqrt(x)
    >>> y.sum().backward()
    >>> print(y.value, x.grad)
    [1. 2.] [0.5  0.25]
square: Compute x².
    >>> print(gradcore.square(TensorNode([-1.0, 3.0])).value)
    [1. 9.]
subtract: Subtract x2 from x1.
    >>> a, b = TensorNode([5.0, 3.0]), TensorNode([1.0, 2.0])
    >>> print(gradcore.subtract(a, b).value)  # as a - b
    [4. 1.]
tan: Compute the tangent of angles in radians.
    >>> print(gradcore.tan(TensorNode([-1.0, 0.0, 0.5])).value.round(3))
    [-1.557  0.     0.546]
tanh: Compute the hyperbolic tangent.
    >>> print(gradcore.array_api.tanh(TensorNode([-1.0, 0.0, 2.0])).value.round(3))
    [-0.762  0.     0.964]
trunc: Round toward 0 to a whole number.
    >>> print(gradcore.trunc(TensorNode([1.7, -1.7])).value)
    [ 1. -1.]
"""

# By the function's name, the sentence and the example.
DOCSTRINGS = {
    name: (sentence, dedent(example).strip())
    for name, sentence, example in re.findall(r"^(\w+): (.*)\n((?: .*\n)+)", _TEXT, re.MULTILINE)
}
