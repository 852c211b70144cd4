"""Take elements and add up rows at indices on CuPy; check indices without waiting for the device.

The device finds out whether an index is out of range. A host that asked for the answer after each
launch would wait for the device in every step. So the device writes the wrong index into memory of
the host, and the host looks there at its next check, and whenever it reads from the device. With
CUDA_LAUNCH_BLOCKING=1, which does the same for CUDA's own errors (and as CUDA reads it: once, at
the start), each check waits, and the error comes from the op that is wrong.
"""

from __future__ import annotations

import os
from math import prod

import cupy
import numpy as np

from ..base import Backend
from ..definitions.indexing import index_error
from ..types import Array
from .kernels import WIDE, elementwise

__all__ = ["CupyIndexing", "raise_index_errors"]

out_of_range = elementwise(
    "check_indices",
    "int64 index, int64 start, int64 stop, int64 call",
    "raw int64 wrong",
    """
if (index < start || index >= stop) wrong[0] = call, wrong[1] = index;
""",
)
# Out of range, count on from the other end, as all of CuPy's functions do.
WRAP = "if (at < 0 || at >= size) at = (at % size + size) % size;"

selected = elementwise(
    "select",
    "raw T x, int64 index, int64 size, int64 inner",
    "T y",
    f"""
long long at = index;
{WRAP}
y = x[(i / inner * size + at) * inner + i % inner];
""",
)
spread = elementwise(
    "select_gradient",
    "T go, int64 index, int64 size, int64 inner",
    "T gx",
    "gx = i / inner % size == index ? go : T(0);",
)
added = elementwise(
    "scatter_add",
    "T x, raw int64 indices, int64 size, int64 width",
    "raw T y",
    f"""
long long at = indices[i / width];
{WRAP}
atomicAdd(&y[at * width + i % width], x);
""",
    "#include <cupy/atomics.cuh>",
)
gathered = elementwise(
    "gather_add",
    "raw T x, raw int64 order, raw int64 starts, int64 width",
    "T y",
    f"""
{WIDE} A sum = 0;
long long row = i / width, column = i % width;
for (long long k = starts[row]; k < starts[row + 1]; ++k) sum += x[order[k] * width + column];
y = sum;
""",
)


class IndexErrors:
    """The last index that a device has found out of range, in memory of the host.

    Args:
        device: the number of the GPU that writes there.
    """

    def __init__(self, device: int) -> None:
        memory = cupy.cuda.alloc_pinned_memory(16)
        self.host = np.frombuffer(memory, np.int64, 2)  # number of the check (0: none), and index
        self.host[:] = 0
        there = cupy.cuda.UnownedMemory(memory.ptr, 16, memory, device)
        self.device = cupy.ndarray((2,), np.int64, cupy.cuda.MemoryPointer(there, 0))
        # The numbers of checks, from 1, by what was checked, its size and its start.
        self.checks: dict[tuple[str, int, int], int] = {}

    def raise_found(self) -> None:
        """Raise IndexError if the device has written an index, and forget it."""
        if self.host[0]:
            number, wrong = self.host.tolist()
            self.host[:] = 0
            what, size, start = list(self.checks)[number - 1]
            raise index_error(what, wrong, size, start)


INDEX_ERRORS: dict[int, IndexErrors] = {}  # by the number of the device


def raise_index_errors() -> None:
    """Raise IndexError if a device has found an index out of range in the work done so far."""
    for errors in INDEX_ERRORS.values():
        errors.raise_found()


class CupyIndexing(Backend):
    checks_wait = os.environ.get("CUDA_LAUNCH_BLOCKING") == "1"

    # The kernels take int64, the dtype of labels and indices where nobody chose another.

    def check_indices(self, what: str, indices: Array, size: int, start: int = 0) -> None:
        self.check_integers(what, indices)
        if not indices.size:
            return
        raise_index_errors()
        number = cupy.cuda.Device().id
        if number not in INDEX_ERRORS:
            INDEX_ERRORS[number] = IndexErrors(number)
        errors = INDEX_ERRORS[number]
        check = errors.checks.setdefault((what, size, start), len(errors.checks) + 1)
        out_of_range(indices.astype(np.int64, copy=False), start, size, check, errors.device)
        if self.checks_wait:
            stream = cupy.cuda.get_current_stream()
            if not stream.is_capturing():
                stream.synchronize()
                raise_index_errors()

    def select(self, x: Array, indices: Array) -> Array:
        if x.dtype.kind != "f" or not x.size:
            return super().select(x, indices)
        indices = indices.astype(np.int64, copy=False)
        return selected(cupy.ascontiguousarray(x), indices, x.shape[1], prod(x.shape[2:]))

    def select_gradient(self, go: Array, indices: Array, size: int) -> Array:
        if go.dtype.kind != "f" or not go.size:
            return super().select_gradient(go, indices, size)
        gx = cupy.empty((go.shape[0], size, *go.shape[1:]), go.dtype)
        go, indices = (cupy.expand_dims(x, 1) for x in (go, indices.astype(np.int64, copy=False)))
        return spread(go, indices, size, prod(go.shape[2:]), gx)

    def scatter_add(self, x: Array, indices: Array, size: int) -> Array:
        width, shape = prod(x.shape[1:]), (size, *x.shape[1:])
        # Few types that are not floating can be added atomically by CUDA.
        if x.dtype.kind != "f" or not x.size or not size:
            return super().scatter_add(x, indices, size)
        indices = indices.astype(np.int64, copy=False)
        if os.environ.get("GRADCORE_DETERMINISTIC") != "1":
            y = cupy.zeros(shape, x.dtype)
            added(x, indices, size, width, y)
            return y
        order = cupy.argsort(indices, kind="stable")
        starts = cupy.searchsorted(cupy.take(indices, order), cupy.arange(size + 1))
        y = cupy.empty(shape, x.dtype)
        gathered(cupy.ascontiguousarray(x), order, starts, width, y)
        return y
