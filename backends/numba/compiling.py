"""Choose how numba compiles loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

__all__ = ["compiled", "exact"]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Keep the code on disk, release Python's lock, and divide by zero as NumPy does.
OPTIONS: Any = {"cache": True, "nogil": True, "error_model": "numpy"}


def compiled(function: Kernel) -> Kernel:
    """Compile a function; the compiler may reorder sums, and fuse products with sums."""
    return numba.njit(fastmath={"contract", "reassoc"}, **OPTIONS)(function)


def exact(function: Kernel) -> Kernel:
    """Compile a function and round each operation as written: an update then gives what NumPy's
    gives, to the last bit."""
    return numba.njit(**OPTIONS)(function)
