"""How numba compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

__all__ = ["compiled", "exact"]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

OPTIONS: Any = {"cache": True, "nogil": True, "error_model": "numpy"}


def compiled(function: Kernel) -> Kernel:
    return numba.njit(fastmath={"contract", "reassoc"}, **OPTIONS)(function)


def exact(function: Kernel) -> Kernel:
    """Every operation rounded as written, so that an update is that of NumPy to the last bit."""
    return numba.njit(**OPTIONS)(function)
