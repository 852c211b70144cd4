"""Products of vectors, matrices and tensors."""

from __future__ import annotations

from typing import Any

from .. import array_api as xp
from ..array_api.einsum import einsum as _einsum
from .common import as_inputs, cast, filled, promoted
from .ufuncs import Ufunc

__all__ = ["dot", "einsum", "inner", "matmul", "outer", "tensordot", "trace", "vdot", "vecdot"]

matmul = Ufunc("matmul", xp.matmul)
vecdot = Ufunc("vecdot", xp.vecdot)


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """Multiply matrices and vectors; of more dimensions, sum over the last axis of a and the last
    but one of b."""
    a, b = _two(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return filled("dot", out, a * b)
    if a.ndim <= 2 and b.ndim <= 2:
        return filled("dot", out, xp.matmul(a, b))
    axes = ([a.ndim - 1], [max(b.ndim - 2, 0)])
    return filled("dot", out, xp.tensordot(a, b, axes=axes))


def vdot(a: Any, b: Any, /) -> Any:
    """Sum the products of all elements, those of a conjugated."""
    a, b = _two(a, b)
    return xp.vecdot(xp.reshape(a, (-1,)), xp.reshape(b, (-1,)))


def inner(a: Any, b: Any, /) -> Any:
    """Sum products over the last axes of a and b."""
    a, b = _two(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return xp.tensordot(a, b, axes=([a.ndim - 1], [b.ndim - 1]))


def outer(a: Any, b: Any, out: Any = None) -> Any:
    """Multiply each element of a by each of b: (N, M), of a and b made flat."""
    a, b = _two(a, b)
    return filled("outer", out, xp.reshape(a, (-1, 1)) * xp.reshape(b, (1, -1)))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum products over pairs of axes, one of a and one of b."""
    a, b = _two(a, b)
    if not isinstance(axes, int):
        axes = [[k] if isinstance(k, int) else [*k] for k in axes]
    return xp.tensordot(a, b, axes=axes)


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """Sum the diagonal of each matrix, of the axes `axis1` and `axis2`."""
    (a,) = as_inputs(a)
    diagonal = xp.linalg.diagonal(xp.moveaxis(a, (axis1, axis2), (-2, -1)), offset=offset)
    return filled("trace", out, xp.sum(cast(diagonal, dtype), axis=-1))


def einsum(subscripts: Any, *operands: Any, out: Any = None, optimize: Any = False) -> Any:
    """Compute the sum of products that the subscripts describe; see `gradcore.einsum`. Pairs of
    operands are always chosen by size, whatever `optimize` is."""
    return filled("einsum", out, _einsum(subscripts, *promoted(*as_inputs(*operands))))


def _two(a: Any, b: Any) -> list[Any]:
    """Make two arrays of one dtype, of numbers too."""
    a, b = as_inputs(a, b)
    return promoted(
        *[x if hasattr(x, "dtype") else xp.full_like(y, x) for x, y in ((a, b), (b, a))]
    )
