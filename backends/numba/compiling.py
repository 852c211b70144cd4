"""Choose how numba compiles loops, and how it keeps and finds what it has compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

from .notice import notice

__all__ = ["KERNELS", "compiled", "exact"]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Release Python's lock, and divide by zero as NumPy does.
OPTIONS: Any = {"nogil": True, "error_model": "numpy"}
KERNELS: list[Any] = []  # all functions that numba compiles here


def compiled(function: Kernel) -> Kernel:
    """Compile a function; the compiler may reorder sums, and fuse products with sums."""
    return _kept(numba.njit(fastmath={"contract", "reassoc"}, **OPTIONS)(function))


def exact(function: Kernel) -> Kernel:
    """Compile a function and round each operation as written: an update then gives what NumPy's
    gives, to the last bit."""
    return _kept(numba.njit(**OPTIONS)(function))


class Cache(FunctionCache):  # type: ignore[misc]
    """The code of a kernel on disk.

    Numba's own cache imports, before it reads code, all that compiling needs, SciPy's linear
    algebra too: without that, the first step of `blitz-4` takes 0.25 s less.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # by which compiled code allocates arrays
        with self._guard_against_spurious_io_errors():
            if (found := self._load_overload(sig, target_context)) is None:
                notice.say()
            return found


def _kept(kernel: Any) -> Any:
    """Keep the kernel's code on disk, as `numba.njit(cache=True)` does."""
    kernel._cache = Cache(kernel.py_func)
    KERNELS.append(kernel)
    return kernel
