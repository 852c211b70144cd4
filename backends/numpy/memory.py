"""Keep memory that arrays free for the next step."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

__all__ = ["keep_memory"]


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
