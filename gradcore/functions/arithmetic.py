"""Arithmetic under PyTorch's names: products with a sum, bounds, remainders, comparisons."""

from __future__ import annotations

import math
from typing import Any

from .. import array_api as xp
from .. import ops
from ..array_api.common import NodeOrArray, floating
from ..engine.arrays import (
    NUMBER_TYPES,
    describe,
    is_complex,
    is_discrete,
    is_node,
    namespace,
    node_or_array,
    value_of,
    widest_dtype,
)
from ..engine.inputs import op_inputs
from ..graph import TensorNode
from ..transforms.custom import stop_gradient

__all__ = [
    "absolute",
    "addbmm",
    "addcdiv",
    "addcmul",
    "addmm",
    "addmv",
    "addr",
    "allclose",
    "amax",
    "amin",
    "aminmax",
    "baddbmm",
    "bmm",
    "cdist",
    "clamp",
    "clone",
    "detach",
    "dist",
    "div",
    "eq",
    "exp2",
    "fmod",
    "frac",
    "ge",
    "gt",
    "heaviside",
    "isclose",
    "le",
    "lerp",
    "lt",
    "mm",
    "mul",
    "mv",
    "nan_to_num",
    "ne",
    "neg",
    "outer",
    "rsqrt",
    "sgn",
    "sub",
]

absolute, mul, sub, neg, sgn = xp.abs, xp.multiply, xp.subtract, xp.negative, xp.sign
eq, ne, lt, le, gt, ge = (
    xp.equal, xp.not_equal, xp.less, xp.less_equal, xp.greater, xp.greater_equal,
)  # fmt: skip
clamp, clone = xp.clip, xp.positive
amax, amin = xp.max, xp.min
outer = xp.linalg.outer
detach = stop_gradient


def aminmax(x: NodeOrArray, axis: int | None = None, keepdims: bool = False) -> tuple[Any, Any]:
    """Give the least and the greatest element, of all or along the axis.

    Example:
        >>> low, high = gradcore.aminmax(TensorNode([3.0, 1.0, 2.0]))
        >>> print(low.value, high.value)
        1.0 3.0
    """
    return xp.min(x, axis=axis, keepdims=keepdims), xp.max(x, axis=axis, keepdims=keepdims)


def dist(x: Any, other: Any, p: float = 2.0) -> Any:
    """Compute the p-norm of the differences of all elements.

    Example:
        >>> print(gradcore.dist(TensorNode([1.0, 2.0]), TensorNode([4.0, 6.0])).value)
        5.0
    """
    return xp.linalg.vector_norm(xp.subtract(x, other), ord=p)


def div(x: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Divide. With the rounding mode "floor", or "trunc" toward 0, results are whole numbers, of
    which "trunc" gives integers for integers.

    Raises:
        ValueError: there is no such rounding mode.

    Example:
        >>> x = TensorNode([7.0, -7.0])
        >>> print(gradcore.div(x, 2).value, gradcore.div(x, 2, rounding_mode="floor").value)
        [ 3.5 -3.5] [ 3. -4.]
    """
    if rounding_mode is None:
        return xp.divide(x, other)
    if rounding_mode == "floor":
        return xp.floor_divide(x, other)
    if rounding_mode != "trunc":
        raise ValueError(f"div: rounding_mode = {rounding_mode!r}, expected None, floor or trunc")
    if all(type(a) is int or is_discrete(value_of(a)) for a in (x, other)):
        return xp.floor_divide(xp.subtract(x, fmod(x, other)), other)  # exact, and no overflow
    return xp.trunc(xp.divide(x, other))


def fmod(x: Any, other: Any) -> Any:
    """Compute the remainder, with the sign of x; `remainder` gives it the sign of the other.

    Example:
        >>> x = TensorNode([7.0, -7.0])
        >>> print(gradcore.fmod(x, 3).value, gradcore.remainder(x, 3).value)
        [ 1. -1.] [1. 2.]
    """
    return ops.Fmod.apply(x, other)


def frac(x: NodeOrArray) -> NodeOrArray:
    """Compute what is behind the point, with the sign of x.

    Example:
        >>> print(gradcore.frac(TensorNode([2.25, -2.25])).value)
        [ 0.25 -0.25]
    """
    x = node_or_array(x)
    return x - xp.trunc(x)


def rsqrt(x: NodeOrArray) -> NodeOrArray:
    """Compute 1 / sqrt(x).

    Example:
        >>> print(gradcore.rsqrt(TensorNode([1.0, 4.0, 16.0])).value)
        [1.   0.5  0.25]
    """
    return xp.reciprocal(xp.sqrt(floating(node_or_array(x))))


def exp2(x: NodeOrArray) -> NodeOrArray:
    """Compute 2 to the power of x.

    Example:
        >>> print(gradcore.exp2(TensorNode([-1.0, 0.0, 3.0])).value)
        [0.5 1.  8. ]
    """
    return xp.pow(2.0, floating(node_or_array(x)))


def heaviside(x: NodeOrArray, values: NodeOrArray) -> NodeOrArray:
    """Give 0 where x < 0, 1 where x > 0, and the values where x is 0.

    Example:
        >>> print(gradcore.heaviside(TensorNode([-1.0, 0.0, 2.0]), TensorNode([0.5])).value)
        [0.  0.5 1. ]
    """
    x, one = node_or_array(x), xp.ones_like(x)
    step = xp.where(x > 0, one, xp.where(x < 0, xp.zeros_like(one), value_of(x)))
    return xp.where(x == 0, values, step)


def lerp(x: NodeOrArray, end: NodeOrArray, weight: Any) -> NodeOrArray:
    """Go from x to the end by a share: x + weight (end - x); exactly the end with the share 1.

    Example:
        >>> start, end = TensorNode([0.0, 10.0]), TensorNode([1.0, 20.0])
        >>> print(gradcore.lerp(start, end, 0.25).value)
        [ 0.25 12.5 ]
    """
    far = xp.subtract(end, x)
    if type(weight) in NUMBER_TYPES:
        return x + weight * far if abs(weight) < 0.5 else end - (1 - weight) * far
    near = xp.abs(value_of(weight)) < 0.5
    return xp.where(near, x + xp.multiply(weight, far), end - xp.multiply(1 - weight, far))


def nan_to_num(
    x: NodeOrArray, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> NodeOrArray:
    """Replace NaN, inf and -inf by numbers: 0, and the largest and smallest that there are. There
    the gradient is 0.

    Example:
        >>> x = TensorNode([1.0, float("nan"), float("-inf")])
        >>> print(gradcore.nan_to_num(x, nan=0.0, neginf=-5.0).value)
        [ 1.  0. -5.]
    """
    x = node_or_array(x)
    raw = value_of(x)
    if is_discrete(raw):
        return x
    if is_complex(raw):
        parts = [nan_to_num(part(x), nan, posinf, neginf) for part in (xp.real, xp.imag)]
        return parts[0] + 1j * parts[1]
    most = float(namespace(raw).finfo(raw.dtype).max)
    y = xp.where(raw != raw, nan, x)
    y = xp.where(raw == math.inf, most if posinf is None else posinf, y)
    return xp.where(raw == -math.inf, -most if neginf is None else neginf, y)


# -- Comparisons ------------------------------------------------------------------------------


def isclose(
    x: NodeOrArray, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """Test whether |x - other| <= atol + rtol |other|, or they are the same infinity. With
    `equal_nan`, NaN is close to NaN.

    Raises:
        ValueError: a tolerance is negative.

    Example:
        >>> print(gradcore.isclose(TensorNode([1.0, 2.0]), TensorNode([1.1, 2.00001])).value)
        [False  True]
    """
    if rtol < 0 or atol < 0:
        raise ValueError(f"isclose: rtol = {rtol} and atol = {atol}, expected 0 or more")
    x = node_or_array(x)
    a, b = op_inputs("isclose", [x, other if type(other) in NUMBER_TYPES else node_or_array(other)])
    lib = namespace(a)
    b = lib.asarray(b, dtype=a.dtype, device=a.device) if type(b) in NUMBER_TYPES else b
    same = a == b
    if equal_nan:
        same = same | ((a != a) & (b != b))
    if is_discrete(a) or is_discrete(b):
        wide = widest_dtype(lib.asarray(0.0, device=a.device))
        a, b = (lib.astype(v, wide) if is_discrete(v) else v for v in (a, b))
    finite = lib.isfinite(a) & lib.isfinite(b)
    a, b = (lib.where(finite, v, lib.zeros_like(v)) for v in (a, b))
    found = same | (finite & (lib.abs(a - b) <= atol + rtol * lib.abs(b)))
    return TensorNode(found, requires_grad=False) if is_node(x) or is_node(other) else found


def allclose(
    x: NodeOrArray, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Test whether all elements are close; see `isclose`.

    Example:
        >>> print(gradcore.allclose(TensorNode([1.0, 2.0]), TensorNode([1.0, 2.00001])))
        True
    """
    return bool(xp.all(isclose(x, other, rtol, atol, equal_nan)))


# -- Products ---------------------------------------------------------------------------------


def _product(name: str, a: NodeOrArray, b: NodeOrArray, *ndims: int) -> NodeOrArray:
    """Multiply matrices or vectors, of so many dimensions."""
    if (a.ndim, b.ndim) != ndims:
        raise ValueError(f"{name}: {describe(a)} and {describe(b)}, expected {ndims} dimensions")
    return xp.matmul(a, b)


def mm(x: NodeOrArray, other: NodeOrArray) -> NodeOrArray:
    """Multiply two matrices: (N, K) and (K, M) give (N, M).

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> a, b = TensorNode([[1.0, 2.0], [3.0, 4.0]]), TensorNode([[1.0, 0.0], [0.0, 10.0]])
        >>> print(gradcore.mm(a, b).value)
        [[ 1. 20.]
         [ 3. 40.]]
    """
    return _product("mm", x, other, 2, 2)


def bmm(x: NodeOrArray, other: NodeOrArray) -> NodeOrArray:
    """Multiply matrices one by one: (B, N, K) and (B, K, M) give (B, N, M).

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> a, b = TensorNode(np.ones((5, 2, 3))), TensorNode(np.ones((5, 3, 4)))
        >>> gradcore.bmm(a, b).shape
        (5, 2, 4)
    """
    if x.shape[:1] != other.shape[:1]:
        raise ValueError(f"bmm: {describe(x)} and {describe(other)}, expected as many of both")
    return _product("bmm", x, other, 3, 3)


def mv(x: NodeOrArray, other: NodeOrArray) -> NodeOrArray:
    """Multiply a matrix by a vector: (N, M) and (M,) give (N,).

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> a, b = TensorNode([[1.0, 2.0], [3.0, 4.0]]), TensorNode([1.0, 10.0])
        >>> print(gradcore.mv(a, b).value)
        [21. 43.]
    """
    return _product("mv", x, other, 2, 1)


def _plus(x: Any, y: NodeOrArray, beta: float, alpha: float) -> NodeOrArray:
    """Compute beta x + alpha y. With beta = 0, x does not count, even where it is NaN."""
    y = y if alpha == 1 else alpha * y
    if beta == 0:
        return y
    return xp.add(x if beta == 1 else beta * x, y)


def addmm(
    x: Any, a: NodeOrArray, b: NodeOrArray, *, beta: float = 1, alpha: float = 1
) -> NodeOrArray:
    """Compute beta x + alpha (a @ b) for matrices; x is broadcast.

    Example:
        >>> a, b = TensorNode([[1.0, 2.0]]), TensorNode([[1.0, 0.0], [0.0, 1.0]])
        >>> print(gradcore.addmm(TensorNode([10.0, 20.0]), a, b).value)
        [[11. 22.]]
    """
    return _plus(x, mm(a, b), beta, alpha)


def addmv(
    x: Any, a: NodeOrArray, b: NodeOrArray, *, beta: float = 1, alpha: float = 1
) -> NodeOrArray:
    """Compute beta x + alpha (a @ b) for a matrix a and a vector b.

    Example:
        >>> a, b = TensorNode([[1.0, 2.0], [3.0, 4.0]]), TensorNode([1.0, 1.0])
        >>> print(gradcore.addmv(TensorNode([10.0, 20.0]), a, b).value)
        [13. 27.]
    """
    return _plus(x, mv(a, b), beta, alpha)


def addr(
    x: Any, a: NodeOrArray, b: NodeOrArray, *, beta: float = 1, alpha: float = 1
) -> NodeOrArray:
    """Compute beta x + alpha outer(a, b) for vectors a and b.

    Example:
        >>> a, b = TensorNode([1.0, 2.0]), TensorNode([1.0, 10.0, 100.0])
        >>> print(gradcore.addr(TensorNode(np.ones((2, 3))), a, b).value)
        [[  2.  11. 101.]
         [  3.  21. 201.]]
    """
    return _plus(x, outer(a, b), beta, alpha)


def baddbmm(
    x: Any, a: NodeOrArray, b: NodeOrArray, *, beta: float = 1, alpha: float = 1
) -> NodeOrArray:
    """Compute beta x + alpha (a @ b) for stacks of matrices (B, N, K) and (B, K, M).

    Example:
        >>> a, b = TensorNode(np.ones((5, 2, 3))), TensorNode(np.ones((5, 3, 4)))
        >>> gradcore.baddbmm(TensorNode([1.0]), a, b).shape
        (5, 2, 4)
    """
    return _plus(x, bmm(a, b), beta, alpha)


def addbmm(
    x: Any, a: NodeOrArray, b: NodeOrArray, *, beta: float = 1, alpha: float = 1
) -> NodeOrArray:
    """Compute beta x + alpha times the sum of all a[i] @ b[i].

    Example:
        >>> x, a, b = np.ones((2, 2)), np.ones((3, 2, 4)), np.ones((3, 4, 2))
        >>> print(gradcore.addbmm(TensorNode(x), a, b).value)  # 1 + 3 times 4
        [[13. 13.]
         [13. 13.]]
    """
    return _plus(x, xp.sum(bmm(a, b), axis=0), beta, alpha)


def addcmul(x: Any, a: NodeOrArray, b: NodeOrArray, *, value: float = 1) -> NodeOrArray:
    """Compute x + value a b, of elements.

    Example:
        >>> a, b = TensorNode([3.0, 4.0]), TensorNode([5.0, 6.0])
        >>> print(gradcore.addcmul(TensorNode([1.0, 2.0]), a, b, value=0.1).value)
        [2.5 4.4]
    """
    return _plus(x, xp.multiply(a, b), 1, value)


def addcdiv(x: Any, a: NodeOrArray, b: NodeOrArray, *, value: float = 1) -> NodeOrArray:
    """Compute x + value a / b, of elements.

    Example:
        >>> a, b = TensorNode([6.0, 8.0]), TensorNode([3.0, 2.0])
        >>> print(gradcore.addcdiv(TensorNode([1.0, 2.0]), a, b, value=0.5).value)
        [2. 4.]
    """
    return _plus(x, xp.divide(a, b), 1, value)


def cdist(x: NodeOrArray, other: NodeOrArray, p: float = 2.0) -> NodeOrArray:
    """Compute the distance of each vector of x (..., N, D) from each of the other (..., M, D):
    (..., N, M), in memory for N M D numbers. At distance 0 the gradient is 0.

    Args:
        p: the order of the norm of differences.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> x = TensorNode([[0.0, 0.0], [3.0, 4.0]])
        >>> print(gradcore.cdist(x, TensorNode([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])).value)
        [[0. 3. 4.]
         [5. 4. 3.]]
    """
    x, other = node_or_array(x), node_or_array(other)
    if x.ndim < 2 or other.ndim < 2 or x.shape[-1] != other.shape[-1]:
        raise ValueError(
            f"cdist: {describe(x)} and {describe(other)}, expected (..., N, D) and (..., M, D)"
        )
    apart = xp.subtract(xp.expand_dims(x, axis=-2), xp.expand_dims(other, axis=-3))
    return xp.linalg.vector_norm(apart, axis=-1, ord=p)
