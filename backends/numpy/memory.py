"""Memory that arrays free, kept for the next step."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

__all__ = ["keep_memory"]


@cache
def keep_memory() -> None:
    """Let glibc keep for the next step what arrays free in this one.

    It would return it to the system and ask again, page by page: of blitz's step with a batch of
    128, a third of the time. No effect elsewhere, or on arrays of more than 32 MB.
    """
    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    with suppress(OSError, TypeError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 1 << 25)
        mallopt(trim_threshold, 1 << 30)
