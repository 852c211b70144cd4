"""How images (N, C, H, W) lie in memory: in C order, or channels last, in the order N H W C.

CuPy gives most of its results in C order, whatever the order of the operands, and its loops go
through elements in C order, so neighboring threads would read images that are channels last from
far apart. `in_memory_order` makes functions of elements go along the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import cupy
import numpy as np

from ..types import Array

__all__ = [
    "as_in_memory",
    "empty",
    "in_memory_order",
    "in_order",
    "is_channels_last",
    "joined_in_memory_order",
    "packed",
]

LAST, BACK = (0, 2, 3, 1), (0, 3, 1, 2)  # the axes N H W C of N C H W, and the way back


def is_channels_last(x: Array) -> bool:
    """Whether images x (N, C, H, W) lie in memory in the order N H W C, without gaps.

    Images of one channel or of one pixel lie in both orders. Their strides decide, but in float16
    they count as channels last, as networks in float16 run so.
    """
    if not x.flags.c_contiguous:
        return x.transpose(LAST).flags.c_contiguous
    _, c, h, w = x.shape
    if c > 1 and h * w > 1:
        return False
    return x.dtype == np.float16 or (c > 1 and x.strides[3] == c * x.itemsize)


def empty(shape: Sequence[int], dtype: np.dtype, channels_last: bool) -> Array:
    """Make images of this shape (N, C, H, W), without values, channels last or in C order."""
    if not channels_last:
        return cupy.empty(shape, dtype)
    n, c, h, w = shape
    return cupy.empty((n, h, w, c), dtype).transpose(BACK)


def in_order(x: Array, channels_last: bool) -> Array:
    """Give images x (N, C, H, W) channels last or in C order: x itself if it lies so, or a copy."""
    if not channels_last:
        return cupy.ascontiguousarray(x)
    return cupy.ascontiguousarray(x.transpose(LAST)).transpose(BACK)


def packed(x: Array) -> tuple[Array, bool]:
    """Give images x without gaps, copied if need be, and whether they are channels last.

    What was cut out of images that are channels last stays channels last.
    """
    is_last = is_channels_last(x) or _goes_along_channels(x)
    return in_order(x, is_last), is_last


def as_in_memory(x: Array, channels_last: bool) -> Array:
    """Give a view of images x with its axes in the order of the memory."""
    return x.transpose(LAST) if channels_last else x


def _goes_along_channels(x: Array) -> bool:
    """Whether x (N, C, H, W) is not in C order, and its channels are next to each other."""
    return x.strides[1] == x.itemsize and x.shape[1] > 1 and not x.flags.c_contiguous


def in_memory_order(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function of elements go through images that are channels last along their memory, and
    give its results channels last.

    One operand that is channels last is enough; the others are read as they lie. In other cases the
    function is called as it is.
    """

    @wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        for x in arguments:
            if isinstance(x, cupy.ndarray) and x.ndim == 4 and _goes_along_channels(x):
                break
        else:
            return function(*arguments, **options)
        results = function(*map(_channels_to_the_end, arguments), **options)
        if isinstance(results, tuple):
            return tuple([y.transpose(BACK) for y in results])
        return results.transpose(BACK)

    return called


def joined_in_memory_order(concat: Callable[..., Array]) -> Callable[..., Array]:
    """Have `concat` join images along their memory, if all are channels last."""

    @wraps(concat)
    def called(arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array:
        if axis is None or not all(x.ndim == 4 and _goes_along_channels(x) for x in arrays):
            return concat(arrays, axis=axis)
        views = [x.transpose(LAST) for x in arrays]
        return concat(views, axis=LAST.index(axis % 4)).transpose(BACK)

    return called


def _channels_to_the_end(x: Any) -> Any:
    """Move the axis C of (N, C, H, W), or of what is broadcast to it, to the end."""
    if not isinstance(x, cupy.ndarray) or not x.ndim:
        return x
    return x.reshape((1,) * (4 - x.ndim) + x.shape).transpose(LAST)
