"""Steps as CUDA graphs: the recorder of the torch backend, on NVIDIA's GPUs and AMD's.

A graph holds the addresses of its arrays. So it has a pool of memory of its own, which PyTorch
gives to nothing else as long as the graph lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import torch

__all__ = ["TorchRecorder"]

# Graphs whose recording failed. PyTorch's allocator of pinned memory goes on to ask them whether a
# stream is theirs, so they must stay; they hold no memory of the GPU.
_failed: list[Any] = []


class TorchRecorder:
    """Records the work of one GPU as a CUDA graph, on a stream of its own.

    It is a `gradcore.backends.types.Recorder`, where its methods are explained. The order of calls
    is that of https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.graph: Any = None

    def on_device(self) -> AbstractContextManager[object]:
        device: AbstractContextManager[object] = torch.cuda.device(self.device)
        return device

    @contextmanager
    def warm_up(self) -> Iterator[None]:
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            current.wait_stream(self.stream)

    @contextmanager
    def record(self) -> Iterator[None]:
        torch.cuda.synchronize()
        # The memory that the warm-up has left in PyTorch's pool is about what the graph needs.
        torch.cuda.empty_cache()
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        try:
            with _own_workspaces(), torch.cuda.stream(self.stream):
                # Other threads, which load data, may allocate memory meanwhile.
                graph.capture_begin(pool, capture_error_mode="thread_local")
                try:
                    yield
                except BaseException:
                    with suppress(RuntimeError):  # which only says that the recording has failed
                        _end(graph, pool)
                    raise
                _end(graph, pool)
        except RuntimeError as error:
            text, *about_debugging = str(error).split("\n")
            if not about_debugging:
                raise
            raise RuntimeError(text).with_traceback(error.__traceback__) from None
        self.graph = graph

    def replay(self) -> None:
        self.graph.replay()


@contextmanager
def _own_workspaces() -> Iterator[None]:
    """Have the products of matrices in the block take their working memory from the graph's pool,
    and those after the block from elsewhere."""
    torch._C._cuda_clearCublasWorkspaces()
    try:
        yield
    finally:
        torch._C._cuda_clearCublasWorkspaces()


def _end(graph: Any, pool: Any) -> None:
    """End the recording, also where it has failed.

    Raises:
        RuntimeError: it has failed.
    """
    try:
        graph.capture_end()
    except RuntimeError:
        _failed.append(graph)
        with suppress(Exception):  # PyTorch itself ends the use of the pool only after a success
            torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), pool)
        raise
