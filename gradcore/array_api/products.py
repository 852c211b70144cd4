"""Products of matrices and vectors, and sums of products over any axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import ops
from ..backends.definitions.common import is_half
from ..engine.arrays import widened
from . import reductions
from .common import NodeOrArray, axes_from_front, binary, is_complex
from .elementwise import conj, multiply
from .manipulation import astype, permute_dims, reshape

__all__ = ["dot", "matmul", "tensordot", "vecdot"]

matmul = binary(ops.MatrixMultiply, "matmul")


def dot(x1: NodeOrArray, x2: NodeOrArray, /) -> NodeOrArray:
    """Multiply as NumPy's `dot`: sum over the last axis of x1 and the last but one of x2, or the
    only one. So matrices and vectors are multiplied as by `matmul`, stacks of matrices each with
    each: of (..., M, K) and (B, K, N), (..., M, B, N). Numbers multiply all elements.

    Raises:
        ValueError: the two axes differ in size.

    Example:
        >>> print(gradcore.dot(TensorNode([[1.0, 2.0], [3.0, 4.0]]), TensorNode([1.0, 10.0])).value)
        [21. 43.]
    """
    n, m = (getattr(x, "ndim", 0) for x in (x1, x2))  # a Python number has no shape
    if not (n and m):
        return multiply(x1, x2)
    if n <= 2 and m <= 2:
        return matmul(x1, x2)
    return tensordot(x1, x2, axes=([-1], [max(-2, -m)]))


def tensordot(
    x1: NodeOrArray, x2: NodeOrArray, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> NodeOrArray:
    """Multiply x1 by x2, and sum over pairs of axes, one of x1 and one of x2. The result has the
    other axes of x1, then those of x2.

    Args:
        axes: the axes of x1 and those of x2, in two sequences; or a number n, which pairs the last
            n axes of x1 with the first n of x2.

    Raises:
        IndexError: there is no such axis.
        ValueError: the axes of a pair differ in size, or there are fewer than n axes.

    Example:
        >>> a, b = TensorNode(np.ones((2, 3, 4))), TensorNode(np.ones((4, 3, 5)))
        >>> gradcore.tensordot(a, b, axes=((1, 2), (1, 0))).shape
        (2, 5)
    """
    if not isinstance(axes, tuple | list):
        if not 0 <= axes <= min(x1.ndim, x2.ndim):
            shapes = f"{tuple(x1.shape)} and {tuple(x2.shape)}"
            raise ValueError(f"tensordot: {shapes} have not {axes} axes each to sum over")
        axes = [*range(x1.ndim - axes, x1.ndim)], [*range(axes)]
    ours, theirs = (
        axes_from_front("tensordot", given, x.ndim) for x, given in zip((x1, x2), axes, strict=True)
    )
    sizes = [x1.shape[a] for a in ours]
    if sizes != [x2.shape[a] for a in theirs]:
        raise ValueError(
            f"tensordot: axes {ours} of {tuple(x1.shape)} and {theirs} of {tuple(x2.shape)} "
            "differ in size"
        )
    rows = [a for a in range(x1.ndim) if a not in ours]
    columns = [a for a in range(x2.ndim) if a not in theirs]
    left, right = tuple([x1.shape[a] for a in rows]), tuple([x2.shape[a] for a in columns])
    k = math.prod(sizes)
    a = reshape(permute_dims(x1, (*rows, *ours)), (math.prod(left), k))
    b = reshape(permute_dims(x2, (*theirs, *columns)), (k, math.prod(right)))
    return reshape(matmul(a, b), (*left, *right))


def vecdot(x1: NodeOrArray, x2: NodeOrArray, /, *, axis: int = -1) -> NodeOrArray:
    """Multiply x1 by x2, and sum along `axis`, a negative number. If x1 is complex, its conjugate
    is multiplied.

    Raises:
        IndexError: there is no such axis.
        ValueError: the sizes along the axis differ.

    Example:
        >>> a, b = TensorNode([[1.0, 2.0], [3.0, 4.0]]), TensorNode([[10.0, 1.0], [0.0, 1.0]])
        >>> print(gradcore.vecdot(a, b).value)
        [12.  4.]
    """
    if not -min(x1.ndim, x2.ndim) <= axis < 0:
        raise IndexError(
            f"vecdot: axis {axis} of {tuple(x1.shape)} and {tuple(x2.shape)}; "
            "expected a negative one that both have"
        )
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(
            f"vecdot: {tuple(x1.shape)} and {tuple(x2.shape)} differ in size along axis {axis}"
        )
    products = widened(conj(x1) if is_complex(x1) else x1) * widened(x2)
    y = reductions.sum(products, axis=axis, dtype=products.dtype)
    return astype(y, x1.dtype) if is_half(x1) and is_half(x2) else y
