"""Products of vectors, matrices and tensors."""

from __future__ import annotations

import string
from typing import Any

from .. import array_api as xp
from ..array_api.einsum import einsum as _einsum
from . import reductions
from .common import arrays_of, cast, filled, numpy_dtype, promoted
from .ufuncs import Ufunc

__all__ = [
    "cross",
    "dot",
    "einsum",
    "inner",
    "kron",
    "matmul",
    "matvec",
    "outer",
    "tensordot",
    "trace",
    "vdot",
    "vecdot",
    "vecmat",
]

matmul = Ufunc("matmul", lambda a, b: xp.matmul(*arrays_of(a, b)))
vecdot = Ufunc("vecdot", lambda a, b: xp.vecdot(*arrays_of(a, b)))


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """Multiply matrices and vectors; of more dimensions, sum over the last axis of a and the last
    but one of b.

    Example:
        >>> x, y = TensorNode([1.0, 2.0]), TensorNode([3.0, 4.0])
        >>> product = np.dot(x, y)
        >>> product.backward()
        >>> print(product, x.grad)
        11.0 [3. 4.]
    """
    a, b = promoted(*arrays_of(a, b))
    if a.ndim == 0 or b.ndim == 0:
        return filled("dot", out, a * b)
    if a.ndim <= 2 and b.ndim <= 2:
        return filled("dot", out, xp.matmul(a, b))
    axes = ([a.ndim - 1], [max(b.ndim - 2, 0)])
    return filled("dot", out, xp.tensordot(a, b, axes=axes))


def vdot(a: Any, b: Any, /) -> Any:
    """Sum the products of all elements, those of a conjugated.

    Example:
        >>> print(np.vdot([1 + 1j, 2.0], [1j, 3.0]))  # (1 - 1j) 1j + 2 * 3
        (7+1j)
    """
    a, b = promoted(*arrays_of(a, b))
    return xp.vecdot(xp.reshape(a, (-1,)), xp.reshape(b, (-1,)))


def inner(a: Any, b: Any, /) -> Any:
    """Sum products over the last axes of a and b.

    Example:
        >>> print(np.inner([[1.0, 2.0], [3.0, 4.0]], [1.0, -1.0]))
        [-1. -1.]
    """
    a, b = promoted(*arrays_of(a, b))
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return xp.tensordot(a, b, axes=([a.ndim - 1], [b.ndim - 1]))


def outer(a: Any, b: Any, out: Any = None) -> Any:
    """Multiply each element of a by each of b: (N, M), of a and b made flat.

    Example:
        >>> print(np.outer([1.0, 2.0], [3.0, 4.0]).tolist())
        [[3.0, 4.0], [6.0, 8.0]]
    """
    a, b = promoted(*arrays_of(a, b))
    return filled("outer", out, xp.reshape(a, (-1, 1)) * xp.reshape(b, (1, -1)))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum products over pairs of axes, one of a and one of b.

    Example:
        >>> a, b = np.ones((2, 3, 4)), np.ones((4, 3, 5))
        >>> print(np.tensordot(a, b, axes=([1, 2], [1, 0])).shape)
        (2, 5)
    """
    a, b = promoted(*arrays_of(a, b))
    if not isinstance(axes, int):
        axes = [[k] if isinstance(k, int) else [*k] for k in axes]
    return xp.tensordot(a, b, axes=axes)


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """Sum the diagonal of each matrix, of the axes `axis1` and `axis2`.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(np.trace(x), gradcore.grad(np.trace)(x).tolist())
        5.0 [[1.0, 0.0], [0.0, 1.0]]
    """
    (a,) = arrays_of(a)
    diagonal = xp.linalg.diagonal(xp.moveaxis(a, (axis1, axis2), (-2, -1)), offset=offset)
    return reductions.sum(diagonal, -1, dtype, out)


def einsum(*operands: Any, out: Any = None, optimize: Any = False, **kwargs: Any) -> Any:
    """Compute the sum of products that the subscripts describe: `einsum("ij,jk->ik", a, b)`, or
    `einsum(a, [0, 1], b, [1, 2], [0, 2])`; see `gradcore.einsum`. Pairs of operands are always
    chosen by size, whatever `optimize` is.

    Raises:
        TypeError: a keyword is not supported.

    Example:
        >>> a, b = TensorNode([[1.0, 2.0], [3.0, 4.0]]), TensorNode([1.0, -1.0])
        >>> print(np.einsum("ij,j->i", a, b), np.einsum("ii", a))
        [-1. -1.] 5.0
    """
    dtype = kwargs.pop("dtype", None)
    kwargs = {key: wish for key, wish in kwargs.items() if (key, wish) not in _IDLE}
    if kwargs:
        raise TypeError(f"einsum: {', '.join(kwargs)} is not supported; leave it out")
    if not isinstance(operands[0], str):
        output = "->" + _letters(operands[-1]) if len(operands) % 2 else ""
        inputs = ",".join(map(_letters, operands[1 : len(operands) // 2 * 2 : 2]))
        operands = (inputs + output, *operands[: len(operands) // 2 * 2 : 2])
    subscripts, *given = operands
    arrays = [cast(x, dtype) for x in promoted(*arrays_of(*given))]
    return filled("einsum", out, _einsum(subscripts, *arrays))


_IDLE = [("order", "K"), ("order", "C"), ("casting", "safe"), ("casting", "same_kind")]


def _letters(axes: Any) -> str:
    """Write a list of axes, as numbers and `...`, as letters."""
    return "".join(["..." if a is ... else string.ascii_letters[a] for a in axes])


def kron(a: Any, b: Any) -> Any:
    """Put b, multiplied by each element of a, in the element's place.

    Example:
        >>> print(np.kron([1.0, 10.0], [1.0, 2.0]))
        [ 1.  2. 10. 20.]
    """
    a, b = promoted(*arrays_of(a, b))
    return xp.linalg.kron(a, b)


def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Compute the cross product of vectors of 3 elements; or of 2, of which the result is the third
    element.

    Raises:
        ValueError: the vectors have neither 2 nor 3 elements.

    Example:
        >>> print(np.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
        [0. 0. 1.]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = promoted(*arrays_of(a, b))
    a, b = xp.moveaxis(a, axisa, -1), xp.moveaxis(b, axisb, -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError(
            f"cross: vectors of {a.shape[-1]} and {b.shape[-1]} elements, expected 2 or 3"
        )
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = xp.broadcast_arrays(*[_with_third(x) for x in (a, b)])
    return xp.moveaxis(xp.linalg.cross(a, b), -1, axisc)


def _with_third(x: Any) -> Any:
    return x if x.shape[-1] == 3 else xp.concat([x, xp.zeros_like(x[..., :1])], axis=-1)


def matvec(x1: Any, x2: Any, /) -> Any:
    """Multiply matrices (..., M, N) by vectors (..., N).

    Example:
        >>> print(np.matvec([[1.0, 2.0], [3.0, 4.0]], [1.0, -1.0]))
        [-1. -1.]
    """
    a, b = promoted(*arrays_of(x1, x2))
    return xp.squeeze(xp.matmul(a, xp.expand_dims(b, axis=-1)), axis=-1)


def vecmat(x1: Any, x2: Any, /) -> Any:
    """Multiply vectors (..., M), conjugated, by matrices (..., M, N).

    Example:
        >>> print(np.vecmat([1.0, -1.0], [[1.0, 2.0], [3.0, 4.0]]))
        [-2. -2.]
    """
    a, b = promoted(*arrays_of(x1, x2))
    a = xp.conj(a) if numpy_dtype(a.dtype).kind == "c" else a
    return xp.squeeze(xp.matmul(xp.expand_dims(a, axis=-2), b), axis=-2)
