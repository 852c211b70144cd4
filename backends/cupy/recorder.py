"""Steps as CUDA graphs: what `Backend.recorder` gives for CuPy.

A graph holds addresses. So it has a pool of memory that nothing else gets any of, which lives as
long as the graph; what is freed in it meanwhile only the graph itself uses again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import cupy

from .blas import Cublas
from .indexing import raise_index_errors


class CupyRecorder:
    """Records the work of a GPU, on a stream of its own, as a CUDA graph."""

    def __init__(self, device: Any) -> None:
        self.device = cupy.cuda.Device(device)
        with self.device:
            self.stream = cupy.cuda.Stream(non_blocking=True)
            self.pool = cupy.cuda.MemoryPool(_fresh)
            self.pool.set_limit(size=0)  # CUPY_GPU_MEMORY_LIMIT would set one, for each pool
            self.cublas = Cublas(self.stream)
        self.others = cupy.cuda.get_allocator()  # of memory that is not the graph's
        self.graph: Any = None

    def on_device(self) -> Any:
        return self.device

    @contextmanager
    def warm_up(self) -> Iterator[None]:
        current = cupy.cuda.get_current_stream()
        self.stream.wait_event(current.record())
        try:
            # The first product of a kind loads kernels, which can't be done in a recording.
            with self.stream, self.cublas.active():
                yield
        finally:
            current.wait_event(self.stream.record())

    @contextmanager
    def record(self) -> Iterator[None]:
        allocator = cupy.cuda.using_allocator(self.pool.malloc)
        with self.stream, allocator, self.cublas.active():
            # What the warm-up has left there is about as much as the graph needs.
            cupy.get_default_memory_pool().free_all_blocks()
            self.stream.begin_capture()
            try:
                yield
            except BaseException:
                with suppress(Exception):  # it says that the recording failed
                    self.stream.end_capture()
                raise
            self.graph = self.stream.end_capture()

    @contextmanager
    def apart(self) -> Iterator[None]:
        with cupy.cuda.using_allocator(self.others):
            yield

    def replay(self) -> None:
        raise_index_errors()  # the checks in the graph write what they find, but raise nothing
        self.graph.launch()


def _fresh(size: int) -> Any:
    """New memory for a graph's pool, or a MemoryError: at CUDA's own error the pool would free
    what it has and try again, and the graph go on with addresses that are others' by then."""
    try:
        return cupy.cuda.MemoryPointer(cupy.cuda.Memory(size), 0)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise MemoryError(f"no room for the graph's memory: {error}") from error
