"""TODO"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops
from . import reductions
from .common import axis_from_front, is_complex, of_two
from .elementwise import conj
from .manipulation import permute_dims, reshape

__all__ = ["matmul", "tensordot", "vecdot"]

matmul = of_two(ops.MatrixMultiply, "matmul")


def tensordot(x1: Any, x2: Any, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Any:
    """The sum of products over pairs of axes: the last `axes` of x1 with the first of x2, or
    those that the two sequences name."""
    if isinstance(axes, int):
        if not 0 <= axes <= min(x1.ndim, x2.ndim):
            shapes = f"{tuple(x1.shape)} and {tuple(x2.shape)}"
            raise ValueError(f"tensordot: {shapes} have not {axes} axes each to sum over")
        axes = [*range(x1.ndim - axes, x1.ndim)], [*range(axes)]
    ours, theirs = (
        [axis_from_front("tensordot", a, x.ndim) for a in given]
        for x, given in zip((x1, x2), axes, strict=True)
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


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The sum of products along `axis`, which is counted from the end; of complex numbers, of the
    conjugates of x1 with x2."""
    if not -min(x1.ndim, x2.ndim) <= axis < 0:
        raise IndexError(
            f"vecdot: axis {axis} of {tuple(x1.shape)} and {tuple(x2.shape)}; "
            "expected a negative one that both have"
        )
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(
            f"vecdot: {tuple(x1.shape)} and {tuple(x2.shape)} differ in size along axis {axis}"
        )
    products = (conj(x1) if is_complex(x1) else x1) * x2
    return reductions.sum(products, axis=axis, dtype=products.dtype)
