"""Steps as CUDA graphs: the recorder of the CuPy backend.

A graph holds the addresses of its arrays. So it has a pool of memory of its own, which lives as
long as the graph, and from which nothing else gets memory. What a step frees there, only later
parts of the same step use again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import cupy

from .blas import Cublas
from .indexing import raise_index_errors

__all__ = ["CupyRecorder", "keep"]

_recording: ContextVar[set[Any] | None] = ContextVar("recording", default=None)


def keep(what: Any) -> None:
    """Keep what the graph that is being recorded, if one is, needs as long as it lives: a plan of
    cuDNN has the code of its kernels."""
    if (kept := _recording.get()) is not None:
        kept.add(what)


class CupyRecorder:
    """Records the work of one GPU as a CUDA graph, on a stream of its own.

    It is a `gradcore.backends.types.Recorder`, where its methods are explained.
    """

    def __init__(self, device: Any) -> None:
        self.device = cupy.cuda.Device(device)
        with self.device:
            self.stream = cupy.cuda.Stream(non_blocking=True)
            self.pool = cupy.cuda.MemoryPool(_fresh)
            self.pool.set_limit(size=0)  # none, though CUPY_GPU_MEMORY_LIMIT sets one for each pool
            self.cublas = Cublas(self.stream)
            with self.stream:
                self.cublas.check()
        self.others = cupy.cuda.get_allocator()  # for arrays that don't belong to the graph
        self.graph: Any = None
        self.kept: set[Any] = set()  # what the graph needs, beside its memory

    def on_device(self) -> cupy.cuda.Device:
        return self.device

    @contextmanager
    def warm_up(self) -> Iterator[None]:
        current = cupy.cuda.get_current_stream()
        self.stream.wait_event(current.record())
        try:
            # The first product of each kind loads kernels, which a capture does not allow.
            with self.stream, self.cublas.active():
                yield
        finally:
            current.wait_event(self.stream.record())

    @contextmanager
    def record(self) -> Iterator[None]:
        allocator = cupy.cuda.using_allocator(self.pool.malloc)
        with self.stream, allocator, self.cublas.active():
            # The memory that the warm-up has left in CuPy's pool is about what the graph needs.
            cupy.get_default_memory_pool().free_all_blocks()
            self.stream.begin_capture()
            token = _recording.set(self.kept)
            try:
                yield
            except BaseException:
                with suppress(Exception):  # which only says that the recording has failed
                    self.stream.end_capture()
                raise
            finally:
                _recording.reset(token)
            self.graph = self.stream.end_capture()

    def replay(self) -> None:
        raise_index_errors()  # the checks in the graph write what they find, but raise nothing
        self.graph.launch()


def _fresh(size: int) -> cupy.cuda.MemoryPointer:
    """Allocate new memory for a graph's pool.

    Raises:
        MemoryError: there is none. CUDA's own error would have the pool free its unused memory and
            try again; the graph would then go on to use addresses that are no longer its own.
    """
    try:
        return cupy.cuda.MemoryPointer(cupy.cuda.Memory(size), 0)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise MemoryError(f"no room for the graph's memory: {error}") from error
