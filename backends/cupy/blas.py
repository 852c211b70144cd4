"""Products of matrices by cuBLAS, called through ctypes: CuPy's own can't be captured in a graph.

cuBLAS stores matrices by columns. A matrix stored by rows is, in the same memory, its transpose
stored by columns. So to get y = a b by rows, ask cuBLAS for y^T = b^T a^T by columns
(https://docs.nvidia.com/cuda/cublas/#cublasgemmstridedbatchedex).
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import cupy
import numpy as np

from ..types import Array
from .tf32 import in_matmul

__all__ = ["Cublas", "library", "matmul", "operand"]

WORKSPACE = 32 << 20  # bytes, as NVIDIA recommends for Hopper; others need less

# Constants of library_types.h and cublas_api.h.
NOT_TRANSPOSED, TRANSPOSED = 0, 1
TYPES = {np.dtype("float16"): 2, np.dtype("float32"): 0, np.dtype("float64"): 1}
COMPUTE_32F, COMPUTE_64F, COMPUTE_32F_FAST_TF32 = 68, 70, 77
DEFAULT_ALGORITHM = -1

HANDLE = POINTER = ctypes.c_void_p
INT, LONG = ctypes.c_int, ctypes.c_longlong
MATRIX = (POINTER, INT, INT)  # address, type, leading dimension
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cublasCreate_v2": (POINTER,),
    "cublasDestroy_v2": (HANDLE,),
    "cublasSetStream_v2": (HANDLE, POINTER),
    "cublasSetWorkspace_v2": (HANDLE, POINTER, ctypes.c_size_t),
    # handle, transa, transb, m, n, k, alpha, A, B, beta, C, computeType, algo. For stacks, the
    # stride from one matrix to the next follows A, B and C each, and their count the stride of C.
    "cublasGemmEx": (HANDLE, *[INT] * 5, POINTER, *MATRIX * 2, POINTER, *MATRIX, INT, INT),
    "cublasGemmStridedBatchedEx": (
        *(HANDLE, *[INT] * 5, POINTER, *(*MATRIX, LONG) * 2, POINTER, *MATRIX, LONG),
        *(INT, INT, INT),
    ),
}

_current: ContextVar[Cublas | None] = ContextVar("cublas", default=None)


def matmul(a: Array, b: Array, /) -> Array:
    """Multiply matrices, stacks of matrices, or vectors, as the standard's `matmul` does.

    Inside `Cublas.active` this can be captured in a graph.
    """
    cublas = _current.get()
    if cublas is None or a.device.id != cublas.device:
        return cupy.matmul(a, b)
    return cublas.matmul(a, b)


class Operand(NamedTuple):
    """How cuBLAS reads a matrix stored by rows, as its transpose stored by columns."""

    operation: int
    leading: int  # elements from one column of this transpose to the next


def operand(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> Operand | None:
    """Say how to read the last two dimensions of an array, or `None` if that needs a copy."""
    (rows, columns), (down, right) = shape[-2:], strides[-2:]
    # The stride of an axis of length 1 means nothing.
    if (columns == 1 or right == itemsize) and _leads(down, rows, columns, itemsize):
        return Operand(NOT_TRANSPOSED, columns if rows == 1 else down // itemsize)
    if (rows == 1 or down == itemsize) and _leads(right, columns, rows, itemsize):
        return Operand(TRANSPOSED, rows if columns == 1 else right // itemsize)
    return None


def _leads(stride: int, count: int, length: int, itemsize: int) -> bool:
    """Whether a stride, in bytes, can lead from each of `count` vectors of this length to the
    next."""
    return count == 1 or (stride % itemsize == 0 and stride >= length * itemsize)


class Cublas:
    """A handle of cuBLAS for one stream, with a workspace of its own."""

    def __init__(self, stream: cupy.cuda.Stream) -> None:
        self.library = library()
        self.device = cupy.cuda.runtime.getDevice()
        handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(handle))
        self.handle = handle
        weakref.finalize(self, self.library.cublasDestroy_v2, handle).atexit = False
        self.workspace = cupy.cuda.alloc(WORKSPACE)
        # In this order: setting the stream takes the workspace away again.
        self._call("cublasSetStream_v2", handle, stream.ptr)
        self._call("cublasSetWorkspace_v2", handle, self.workspace.ptr, WORKSPACE)

    def check(self) -> None:
        """Compare a product of each dtype with CuPy's, which goes through CuPy's own handle: a
        graph would repeat wrong numbers without a word. The stream of the handle must be the
        current one.

        Raises:
            RuntimeError: a product differs, or cuBLAS failed.
        """
        for dtype in TYPES:
            a = cupy.arange(12, dtype=dtype).reshape(3, 4)  # the products are exact in float16, too
            if not (self.matmul(a, a.T) == cupy.matmul(a, a.T)).all():
                raise RuntimeError(f"cuBLAS, called by gradcore, gives wrong products of {dtype}")

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, the `matmul` of this module goes through this handle, to its stream."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def matmul(self, a: Array, b: Array) -> Array:
        """Multiply matrices, stacks of matrices, or vectors, on this handle's stream.

        Raises:
            ValueError: the shapes don't fit.
            RuntimeError: cuBLAS failed.
        """
        dtype = np.result_type(a, b)
        if dtype not in TYPES or not a.ndim or not b.ndim:
            return cupy.matmul(a, b)  # which has kernels of its own for integers
        a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
        # A vector is a matrix of one row (left) or one column (right).
        y = self._product(a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b)
        y = y[..., 0] if b.ndim == 1 else y
        return y[..., 0, :] if a.ndim == 1 and b.ndim > 1 else y[..., 0] if a.ndim == 1 else y

    def _product(self, a: Array, b: Array) -> Array:
        (m, k), n = a.shape[-2:], b.shape[-1]
        if k != b.shape[-2]:
            raise ValueError(f"matmul: {a.shape} @ {b.shape} does not fit")
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        y = cupy.empty((*stack, m, n), a.dtype)
        if not y.size or not k:
            y.fill(0)
            return y
        (a, read_a, step_a), (b, read_b, step_b) = (_readable(x, stack) for x in (a, b))
        kind, real = TYPES[a.dtype], ctypes.c_double if a.dtype == np.float64 else ctypes.c_float
        compute = COMPUTE_64F if a.dtype == np.float64 else COMPUTE_32F
        if a.dtype == np.float32 and in_matmul():
            compute = COMPUTE_32F_FAST_TF32
        one, zero = ctypes.byref(real(1)), ctypes.byref(real(0))
        sizes = (self.handle, read_b.operation, read_a.operation, n, m, k, one)
        first, second = (b.data.ptr, kind, read_b.leading), (a.data.ptr, kind, read_a.leading)
        third, how = (zero, y.data.ptr, kind, n), (compute, DEFAULT_ALGORITHM)
        if (count := prod(stack)) == 1:
            self._call("cublasGemmEx", *sizes, *first, *second, *third, *how)
        else:
            self._call(
                "cublasGemmStridedBatchedEx",
                *(*sizes, *first, step_b, *second, step_a, *third, m * n, count, *how),
            )
        return y

    def _call(self, name: str, *args: Any) -> None:
        if status := getattr(self.library, name)(*args):
            raise RuntimeError(f"{name} failed with status {status}")


def _readable(x: Array, stack: tuple[int, ...]) -> tuple[Array, Operand, int]:
    """Give x, copied if cuBLAS can't read it where it is; how to read it; and how many elements
    lead from one matrix to the next."""
    read = operand(x.shape, x.strides, x.itemsize)
    if read is None:
        x = cupy.ascontiguousarray(x)
        read = Operand(NOT_TRANSPOSED, x.shape[-1])
    if prod(x.shape[:-2]) == 1:
        return x, read, 0
    step = _step(x.shape[:-2], x.strides[:-2]) if x.shape[:-2] == stack else None
    if step is None or step % x.itemsize:
        x = cupy.ascontiguousarray(cupy.broadcast_to(x, (*stack, *x.shape[-2:])))
        read, step = Operand(NOT_TRANSPOSED, x.shape[-1]), x.shape[-2] * x.shape[-1] * x.itemsize
    return x, read, step // x.itemsize


def _step(shape: tuple[int, ...], strides: tuple[int, ...]) -> int | None:
    """Find one stride that leads through all of these dimensions; `None`: there is none."""
    axes = [(n, s) for n, s in zip(shape, strides, strict=True) if n > 1]
    for (_, outer), (n, inner) in pairwise(axes):
        if outer != n * inner:
            return None
    return axes[-1][1] if axes else 0


def library() -> ctypes.CDLL:
    """Load libcublas from where CuPy finds it, and declare the functions called here."""
    from cuda import pathfinder

    loaded = ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path)
    for name, arguments in SIGNATURES.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, ctypes.c_int
    return loaded
