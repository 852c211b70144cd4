"""Keep memory that arrays free for the next step, and make arrays that start at a line of the
cache."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np

from .tracer import recording

__all__ = ["LINE", "empty", "empty_like", "keep_memory", "largest_first", "solid", "zeros"]

LINE = 64  # bytes: of the cache, and of the widest vectors


@cache
def keep_memory() -> None:
    """Let glibc keep the memory that arrays free, in place of returning it to the system.

    Otherwise each training step asks the system for the same memory again, page by page, which
    takes a third of the time of the 60-minute-blitz network with a batch of 128. Nothing changes
    for arrays of more than 32 MB, or with another C library.
    """
    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    with suppress(OSError, TypeError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 1 << 25)
        mallopt(trim_threshold, 1 << 30)


# NumPy's arrays start at multiples of 16 bytes. A vector of 64 bytes then lies on two lines of the
# cache, and takes two reads. Convolutions of arrays that start at a line take 0.7 to 0.9 times as
# long.


def empty(shape: tuple[int, ...], dtype: Any, make: Any = np.empty) -> np.ndarray:
    """Make an array as `np.empty` does, which starts at a line of the cache if it is large."""
    if (plan := recording()) is not None:
        return plan.call(empty, (shape, dtype, make), {}, [])
    dtype = np.dtype(dtype)
    size = prod(shape) * dtype.itemsize
    if size < 64 * LINE:
        return make(shape, dtype)  # type: ignore[no-any-return, unused-ignore]
    memory = make(size + LINE, np.uint8)
    start = -ctypes.addressof(ctypes.c_char.from_buffer(memory)) % LINE
    return np.ndarray(shape, dtype, memory, start)


def zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Make an array of zeros, as `empty` makes it."""
    return empty(shape, dtype, np.zeros)


def empty_like(x: np.ndarray) -> np.ndarray:
    """Make an array of x's shape and dtype, with its axes in the same order in memory."""
    if x.flags.c_contiguous:
        return empty(x.shape, x.dtype)
    axes = largest_first(x.strides)
    y = empty(tuple([x.shape[a] for a in axes]), x.dtype)
    return y.transpose([axes.index(a) for a in range(x.ndim)])


def solid(x: np.ndarray) -> np.ndarray:
    """Give x, or if it is not contiguous a copy that is."""
    if x.flags.c_contiguous:
        return x
    y = empty(x.shape, x.dtype)
    y[...] = x
    return y


@lru_cache(1024)
def largest_first(strides: tuple[int, ...]) -> tuple[int, ...]:
    """Order the axes of an array, from the one with the largest steps in memory to the one with the
    smallest."""
    return tuple(sorted(range(len(strides)), key=lambda a: -abs(strides[a])))
