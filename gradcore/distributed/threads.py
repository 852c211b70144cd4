"""Ranks that are threads of one process: to try out a program for several processes, and to test.

Threads share memory, and one Python interpreter: they are no faster than one process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from functools import reduce
from math import inf
from threading import Condition, Thread
from typing import TypeVar

import numpy as np

from ..backends import random
from .communicator import Reduction
from .failures import OtherRankError, stall_limit, who_is_missing
from .host import Finish, HostCommunicator
from .world import use_world

__all__ = ["ThreadCommunicator", "run_threads"]

T = TypeVar("T")
REDUCTIONS: dict[Reduction, Callable[..., np.ndarray]] = {
    "sum": np.add,
    "max": np.maximum,
    "min": np.minimum,
}


class Meeting:
    """Where threads leave arrays for one another.

    Attributes:
        left: what each rank has left, by the number of the exchange, until all have collected it.
        collected: how many ranks have.
        ended: the ranks whose function has returned or raised.
    """

    def __init__(self, size: int) -> None:
        self.size, self.changed = size, Condition()
        self.left: dict[int, dict[int, tuple[str, np.ndarray]]] = {}
        self.collected = Counter[int]()
        self.ended = list[int]()

    def leave(self, number: int, rank: int, what: str, x: np.ndarray) -> None:
        """Leave an array; a copy, as its owner may go on and write into it."""
        with self.changed:
            here = self.left.setdefault(number, {})
            here[rank] = f"{what} of {x.dtype} {x.shape}", x.copy()
            self.changed.notify_all()

    def collect(self, number: int, rank: int, limit: float) -> list[np.ndarray]:
        """Wait until all ranks have left an array in this exchange; give them by rank.

        Raises:
            OtherRankError: a rank has ended, or did not come, or came with something else.
        """
        with self.changed:
            here = self.left[number]

            def gone() -> list[int]:
                return [r for r in self.ended if r not in here]

            until = None if limit == inf else limit
            if not self.changed.wait_for(lambda: len(here) == self.size or gone(), until):
                missing = [r for r in range(self.size) if r not in here]
                raise OtherRankError(who_is_missing(missing, limit))
            if len(here) < self.size:
                raise OtherRankError(f"rank {gone()[0]} has ended, and rank {rank} waits for it")
            self.collected[number] += 1
            if self.collected[number] == self.size:
                del self.left[number], self.collected[number]
        for r, (kind, _) in sorted(here.items()):
            if kind != here[0][0]:
                raise OtherRankError(f"rank 0 came to {here[0][0]}, and rank {r} to {kind}")
        return [here[r][1] for r in range(self.size)]

    def end(self, rank: int) -> None:
        with self.changed:
            self.ended.append(rank)
            self.changed.notify_all()


class ThreadCommunicator(HostCommunicator):
    """The communicator of one of the threads that `run_threads` starts."""

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.meeting, self.rank, self.size = meeting, rank, meeting.size
        self.limit, self._begun = stall_limit(), 0

    def _meet(self, what: str, x: np.ndarray) -> Callable[[], list[np.ndarray]]:
        self._begun += 1
        number = self._begun
        self.meeting.leave(number, self.rank, what, x)
        return lambda: self.meeting.collect(number, self.rank, self.limit)

    def start_reduce(self, x: np.ndarray, op: Reduction) -> Finish:
        collect = self._meet(f"allreduce ({op})", x)
        return lambda: np.asarray(reduce(REDUCTIONS[op], collect()))

    def start_gather(self, x: np.ndarray) -> Finish:
        collect = self._meet("allgather", x)
        return lambda: np.stack(collect())

    def start_broadcast(self, x: np.ndarray, root: int) -> Finish:
        collect = self._meet(f"broadcast of rank {root}", x)
        return lambda: collect()[root].copy()

    def start_scatter(self, x: np.ndarray) -> Finish:
        collect = self._meet("reduce_scatter", x)
        return lambda: np.split(reduce(np.add, collect()), self.size)[self.rank].copy()

    def abort(self, why: str, status: int = 1) -> None:  # noqa: ARG002
        raise OtherRankError(why)


def run_threads(size: int, function: Callable[[], T]) -> list[T]:
    """Call a function in so many threads at once, each of which is a rank: `world()` gives there
    the communicator of the thread. Random numbers are the same in all of them. In threads,
    NumPy before 2.2 chooses dtypes as NumPy 1 did: `np.float32(3) * 3.0` has 64 bits there.

    Returns:
        What the function has returned, by rank.

    Raises:
        ValueError: `size` is less than 1.
        Exception: what the first rank that fails has raised, with a note that names the rank; the
            other ranks stop at their next exchange.

    Example:
        >>> def sum_of_ranks():
        ...     here = gradcore.distributed.world()
        ...     return here.allreduce(np.array([here.rank]))[0]
        >>> print(*gradcore.distributed.run_threads(3, sum_of_ranks))
        3 3 3
    """
    if size < 1:
        raise ValueError(f"run_threads: size = {size}, expected at least 1")
    meeting = Meeting(size)
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}  # the first to fail is the first here

    def run(rank: int) -> None:
        try:
            with use_world(ThreadCommunicator(meeting, rank)), random.apart():
                results[rank] = function()
        except BaseException as error:
            errors[rank] = error
        meeting.end(rank)

    # In copies of this context, in which `use_backend` may have chosen.
    threads = [
        Thread(target=copy_context().run, args=(run, rank), name=f"rank {rank}", daemon=True)
        for rank in range(size)
    ]
    for thread in threads:
        thread.start()
    with meeting.changed:
        meeting.changed.wait_for(lambda: len(meeting.ended) == size or errors)
    if errors:
        for thread in threads:  # they end at their next exchange; one that hangs, never
            thread.join(0.5)
        rank, error = next(iter(errors.items()))
        error.add_note(f"in rank {rank} of {size}")
        raise error
    return [results[rank] for rank in range(size)]
