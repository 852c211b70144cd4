"""Replace CuPy's binding to Thrust, whose code is for GPUs only."""

import ctypes
import math

import gpu_on_cpu
import numpy
from cupy.cuda import common, memory, stream

available = True
_sort = ctypes.CDLL(str(gpu_on_cpu.CUDA)).gpu_on_cpu_sort
_INT, _LONG, _POINTER = ctypes.c_int, ctypes.c_int64, ctypes.c_void_p
_sort.argtypes = [_POINTER, _INT, _INT, _POINTER, _POINTER, _LONG, _LONG, _POINTER, _POINTER]


def get_build_version():
    return 200802


def _run(dtype, lexically, data, order, rows, n, keys):
    scratch = memory.alloc(rows * n * numpy.dtype(dtype).itemsize)  # as Thrust takes it
    current, kind = stream.get_current_stream().ptr, common._get_dtype_id(dtype)
    if _sort(current, lexically, kind, data, order, rows, n, keys, scratch.ptr):
        raise NotImplementedError(f"gpu_on_cpu: no sorts of {dtype}, or of this in a capture")


def sort(dtype, data_start, keys_start, shape):
    *rows, n = shape
    _run(dtype, False, data_start, None, math.prod(rows), n, keys_start)


def lexsort(dtype, idx_start, keys_start, k, n):
    _run(dtype, True, keys_start, idx_start, k, n, None)


def argsort(dtype, idx_start, data_start, keys_start, shape):
    *rows, n = shape
    _run(dtype, False, data_start, idx_start, math.prod(rows), n, keys_start)
