"""Exchanges by way of the host's memory: what transports for NumPy's arrays have in common."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import Array, backend_of
from ..replay.recording import is_rehearsal
from .communicator import Communicator, Reduction, Request

__all__ = ["HostCommunicator"]

Finish = Callable[[], np.ndarray]  # waits for an exchange under way, and gives its result


class HostCommunicator(Communicator):
    """A communicator whose arrays go through the host's memory. A subclass writes the four methods
    that begin with `start_`, for NumPy's arrays: each starts an exchange, and gives a function that
    waits for its result, a new array."""

    def start_reduce(self, x: np.ndarray, op: Reduction) -> Finish:
        raise NotImplementedError

    def start_gather(self, x: np.ndarray) -> Finish:
        """Collect arrays of one shape from all ranks, stacked along a new first axis."""
        raise NotImplementedError

    def start_broadcast(self, x: np.ndarray, root: int) -> Finish:
        raise NotImplementedError

    def start_scatter(self, x: np.ndarray) -> Finish:
        """Sum, and give this rank's part of the first axis, which the ranks divide."""
        raise NotImplementedError

    def allreduce(self, x: Array, op: Reduction = "sum") -> Array:
        def allreduce(a: np.ndarray) -> np.ndarray:
            return self._reduced(a, op)()

        return backend_of(x).host_call(allreduce, x)

    def iallreduce(self, x: Array) -> Request:
        # Two calls, which the plan of a captured step can do in each replay.
        backend, under_way = backend_of(x), deque[Finish]()

        def start_allreduce(a: np.ndarray) -> None:
            under_way.append(self._reduced(a, "sum"))

        def finish_allreduce(_: np.ndarray) -> np.ndarray:
            return under_way.popleft()()

        backend.host_call(start_allreduce, x)
        nothing = backend.xp.reshape(x, (-1,))[:0]  # so that x is not copied to the host again
        return Request(lambda: backend.host_call(finish_allreduce, nothing))

    def reduce_scatter(self, x: Array) -> Array:
        if not x.ndim or x.shape[0] % self.size:
            raise ValueError(
                f"reduce_scatter: x has shape {tuple(x.shape)}, expected a first axis that "
                f"{self.size} ranks divide"
            )

        def reduce_scatter(a: np.ndarray) -> np.ndarray:
            if is_rehearsal():
                return np.split(a * a.dtype.type(self.size), self.size)[self.rank].copy()
            return _widened(a, self.start_scatter)()

        return backend_of(x).host_call(reduce_scatter, x)

    def allgather(self, x: Array) -> Array:
        def allgather(a: np.ndarray) -> np.ndarray:
            stacked = (
                np.stack([a] * self.size) if is_rehearsal() else self.start_gather(_plain(a))()
            )
            return stacked.reshape(-1, *a.shape[1:])

        return backend_of(x).host_call(allgather, x)

    def broadcast(self, x: Array, root: int = 0) -> Array:
        def broadcast(a: np.ndarray) -> np.ndarray:
            return a.copy() if is_rehearsal() else self.start_broadcast(_plain(a), root)()

        return backend_of(x).host_call(broadcast, x)

    def barrier(self) -> None:
        if not is_rehearsal():
            self.start_reduce(np.zeros(1), "sum")()

    def allgather_object(self, x: Any) -> list[Any]:
        data = np.frombuffer(pickle.dumps(x), np.uint8)
        longest = int(self.start_reduce(np.array([len(data)]), "max")()[0])
        rows = self.start_gather(np.pad(data, (0, longest - len(data))))()
        return [pickle.loads(row.tobytes()) for row in rows]  # the zeros behind do not matter

    def broadcast_object(self, x: Any, root: int = 0) -> Any:
        data = np.frombuffer(pickle.dumps(x if self.rank == root else None), np.uint8)
        length = int(self.start_broadcast(np.array([len(data)]), root)()[0])
        data = data if self.rank == root else np.empty(length, np.uint8)
        return pickle.loads(self.start_broadcast(data, root)().tobytes())

    def _reduced(self, a: np.ndarray, op: Reduction) -> Finish:
        if is_rehearsal():
            pretended = a * a.dtype.type(self.size) if op == "sum" else a.copy()
            return lambda: pretended
        return _widened(a, lambda x: self.start_reduce(x, op))


def _plain(a: np.ndarray) -> np.ndarray:
    """Give the array with its elements in order in memory."""
    return np.asarray(a, order="C")


def _widened(a: np.ndarray, start: Callable[[np.ndarray], Finish]) -> Finish:
    """Start an exchange that sums; of numbers of 16 bits in float32, which rounds once."""
    is_half = a.dtype == np.float16
    finish = start(np.asarray(a, np.float32 if is_half else None, order="C"))
    return (lambda: finish().astype(np.float16)) if is_half else finish
