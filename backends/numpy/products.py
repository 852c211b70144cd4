"""Multiply matrices in the threads of this process, each by BLAS in one thread.

BLAS's own threads wait for more work in a loop, after each product, and so slow down what other
threads do next.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from math import prod
from threading import Lock
from typing import Any

import numpy as np

from ..base import Backend
from . import threads
from .memory import empty
from .threads import share
from .tracer import recording

__all__ = ["NumpyProducts", "alone"]

TYPES = (np.dtype("float32"), np.dtype("float64"))  # of BLAS's products
LEAST = 1 << 18  # multiplications: OpenBLAS takes more than one thread for more
WORK = 1 << 24  # multiplications: so many are worth a second thread (see threads.py)
NAMES = "scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "openblas_{}_num_threads"


@cache
def setting() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Find the functions that get and set the number of OpenBLAS's threads; `None` where NumPy has
    another BLAS."""
    try:
        library: Any = ctypes.PyDLL(import_module("numpy._core._multiarray_umath").__file__)
    except (ImportError, OSError, TypeError, AttributeError):
        return None
    for name in NAMES:
        if hasattr(library, name.format("set")):
            return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None


class _Alone:
    """While a thread is inside, let OpenBLAS compute products in the thread that asks for them."""

    def __init__(self) -> None:
        self.lock, self.inside, self.before = Lock(), 0, 1

    def __enter__(self) -> None:
        if recording() is not None:
            raise RuntimeError("how many threads BLAS has is not noted")
        if (found := setting()) is not None:
            get, set_to = found
            with self.lock:
                if not self.inside:
                    self.before = get()
                    set_to(1)
                self.inside += 1

    def __exit__(self, *exception: object) -> None:
        if (found := setting()) is not None:
            with self.lock:
                self.inside -= 1
                if not self.inside:
                    found[1](self.before)


alone = _Alone()


class NumpyProducts(Backend):
    """Wrap NumPy, with products that threads share."""

    def linear(self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
        # Put instances last in memory where x is a matrix, as for images: BLAS is faster so (x
        # (128, 784) and w (3136, 784) take 3.5 ms in place of 4.2 ms), and NumPy's functions keep
        # the order.
        n = prod(x.shape[:-1])
        if n < 16 or x.dtype != w.dtype or (b is not None and b.dtype != x.dtype):
            return super().linear(x, w, b)
        if x.ndim == 2:
            return _product(w, x.T, None if b is None else b[:, None]).T
        y = _product(x.reshape(n, x.shape[-1]), w.T, b)
        return y.reshape(*x.shape[:-1], len(w))

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return _product(a, b, None) if a.dtype == b.dtype else super().product(a, b)


def _product(a: np.ndarray, b: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """Compute a (M, K) @ b (K, N), plus `start` if given, which can be broadcast to (M, N).

    Each thread computes some rows, or if there are more columns than rows, some columns.
    """
    work, y = a.size * b.shape[1], empty((a.shape[0], b.shape[1]), a.dtype)
    parts = threads.count() if a.dtype in TYPES and setting() is not None else 1
    if work < WORK or parts == 1:
        with alone if work > LEAST and parts > 1 else nullcontext():
            np.matmul(a, b, out=y)
        if start is not None:
            y += start
        return y
    a, b = (x if x.flags.forc else np.ascontiguousarray(x) for x in (a, b))
    added = None if start is None else np.broadcast_to(start, y.shape)
    n, rows = max(y.shape), y.shape[0] >= y.shape[1]

    def compute(first: int, last: int) -> None:
        some = slice(n * first // parts, n * last // parts)
        left, right, at = (a[some], b, some) if rows else (a, b[:, some], (slice(None), some))
        np.matmul(left, right, out=y[at])
        if added is not None:
            y[at] += added[at]

    with alone:
        share(compute, parts)
    return y
