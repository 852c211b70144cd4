"""Exchanges by MPI, through mpi4py. Import this file only where MPI is meant: it starts MPI."""

from __future__ import annotations

import atexit
import os
import stat
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import NoReturn

import numpy as np
from mpi4py import MPI

from .communicator import Reduction
from .failures import RanksDifferError, stall_limit, who_is_missing
from .host import Finish, HostCommunicator

__all__ = ["MpiCommunicator"]

REDUCTIONS: dict[Reduction, MPI.Op] = {"sum": MPI.SUM, "max": MPI.MAX, "min": MPI.MIN}
SPINS = 0.001  # seconds that a rank waits without sleep, as most exchanges take less
LISTENS = 0.05  # seconds after which a waiting rank listens to what others say
GRACE = 2.0  # seconds that other ranks have to say where they are
TOGETHER = 1.0  # seconds within which all ranks meet an error that all have
READ = 2.0  # seconds that mpirun has to read what a rank has printed

gives_way: Callable[[], None] = getattr(os, "sched_yield", lambda: None)  # which Windows lacks

# What ranks tell one another, with the number of exchanges that they have begun.
ENDED, FAILED, WHERE, HERE = range(4)


class MpiCommunicator(HostCommunicator):
    """The processes that `mpirun` has started, or others of an MPI communicator.

    No exchange waits for ever. A rank that raises an error, or exits, ends all ranks, and so does
    one that does not come to an exchange within GRADCORE_STALL seconds; a line says which it was.

    Args:
        communicator: of mpi4py.
    """

    def __init__(self, communicator: MPI.Comm = MPI.COMM_WORLD) -> None:
        self._exchanges = communicator.Dup()
        self._words = communicator.Dup()  # what ranks tell one another must not mix with those
        self._sent = list[MPI.Request]()
        self._ended = dict[int, int]()  # how many exchanges ranks had begun that have ended
        self._failed = set[int]()  # ranks that are about to exit for an error
        self._begun = 0
        self._under_way = list[MPI.Request]()
        self.rank, self.size = communicator.rank, communicator.size
        self.limit = stall_limit()
        self._hook = sys.excepthook
        sys.excepthook = self._end_all
        atexit.register(self._tell_all, ENDED)

    # -- Exchanges ----------------------------------------------------------------------------

    def start_reduce(self, x: np.ndarray, op: Reduction) -> Finish:
        out = np.empty_like(x)
        return self._started(self._exchanges.Iallreduce(x, out, REDUCTIONS[op]), out)

    def start_gather(self, x: np.ndarray) -> Finish:
        out = np.empty((self.size, *x.shape), x.dtype)
        return self._started(self._exchanges.Iallgather(_bytes(x), _bytes(out)), out)

    def start_broadcast(self, x: np.ndarray, root: int) -> Finish:
        out = x.copy()
        return self._started(self._exchanges.Ibcast(_bytes(out), root), out)

    def start_scatter(self, x: np.ndarray) -> Finish:
        out = np.empty((x.shape[0] // self.size, *x.shape[1:]), x.dtype)
        return self._started(self._exchanges.Ireduce_scatter_block(x, out, MPI.SUM), out)

    def _started(self, request: MPI.Request, out: np.ndarray) -> Finish:
        self._begun += 1
        number = self._begun
        # MPI goes on with exchanges only while somebody calls it.
        self._under_way = [r for r in self._under_way if r and not r.Test()]
        self._under_way.append(request)

        def finish() -> np.ndarray:
            self._wait(request, number)
            return out

        return finish

    # -- Waiting, and what goes wrong then --------------------------------------------------------

    def _wait(self, request: MPI.Request, number: int) -> None:
        """Wait for an exchange; listen meanwhile whether others still can come to it."""
        start = time.monotonic()
        while not request.Test():
            waited = time.monotonic() - start
            if waited > SPINS:
                time.sleep(min(waited / 20, 0.005))
            else:
                gives_way()  # to a rank that has no processor of its own
            if waited > LISTENS:
                self._listen()
                for rank, begun in self._ended.items():
                    if begun < number and rank not in self._failed:
                        self.abort(f"rank {rank} has ended, and rank {self.rank} waits for it")
            if waited > self.limit:
                self._name_the_missing(number)

    def _listen(self) -> dict[int, int]:
        """Read what other ranks say; give how many exchanges those have begun that say so."""
        found = dict[int, int]()
        status = MPI.Status()
        while self._words.Iprobe(status=status):
            word = np.empty(2, np.int64)
            self._words.Recv(word, status.source)
            kind, begun = word.tolist()
            if kind == ENDED:
                self._ended[status.source] = begun
            elif kind == FAILED:
                self._failed.add(status.source)
            elif kind == WHERE:
                self._tell(status.source, HERE)
            found[status.source] = begun
        if found:
            _leave_nothing_unread()  # the one who speaks may be about to end this rank
        return found

    def _tell(self, rank: int, kind: int) -> None:
        # The words are kept, with their requests, until the process ends.
        self._sent.append(self._words.Isend(np.array([kind, self._begun]), rank))

    def _tell_all(self, kind: int) -> None:
        for rank in range(self.size):
            if rank != self.rank and not MPI.Is_finalized():
                self._tell(rank, kind)

    def _name_the_missing(self, number: int) -> NoReturn:
        """Ask all ranks where they are, and end them all."""
        self._tell_all(WHERE)
        come, until = {self.rank: number}, time.monotonic() + GRACE
        while time.monotonic() < until:
            come |= self._listen()
            time.sleep(0.01)
        missing = [rank for rank in range(self.size) if come.get(rank, 0) < number]
        first = min(come.keys() - {*missing})
        time.sleep(0.5 * (self.rank != first))  # one rank is enough to say so
        self.abort(who_is_missing(missing, self.limit))

    def fail(self, why: str, status: int) -> None:
        self._tell_all(FAILED)
        until = time.monotonic() + TOGETHER
        while len(self._failed) < self.size - 1 and time.monotonic() < until:
            self._listen()
            time.sleep(0.01)
        if self.rank == 0 or 0 not in self._failed:
            _leave_nothing_unread(f"{why}\n")
        if len(self._failed) < self.size - 1:
            self.abort("", status)

    def abort(self, why: str, status: int = 1) -> NoReturn:
        # Told to end all, mpirun does so at once, and drops what it has not read yet.
        _leave_nothing_unread(f"{os.path.basename(sys.argv[0])}: {why}\n" if why else "")
        MPI.COMM_WORLD.Abort(status)
        raise SystemExit(status)  # which MPI leaves no time for

    def _end_all(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
    ) -> None:
        """Take the place of `sys.excepthook`: an error that nobody caught ends all ranks."""
        if issubclass(kind, KeyboardInterrupt):  # which mpirun has sent to all ranks
            self._hook(kind, error, trace)
        elif issubclass(kind, RanksDifferError):
            self.fail(f"{os.path.basename(sys.argv[0])}: {error}", 1)
        else:
            lines = "".join(traceback.format_exception(kind, error, trace)).rstrip()
            self.fail(f"rank {self.rank} of {self.size} failed:\n{lines}", 1)


def _bytes(x: np.ndarray) -> np.ndarray:
    """Give the memory of an array, which MPI is to move whatever its numbers are."""
    return x.reshape(-1).view(np.uint8)


def _leave_nothing_unread(error: str = "") -> None:
    """Print the error, and what was printed before, and wait until `mpirun` has read it."""
    for file, text in ((sys.stdout, ""), (sys.stderr, error)):
        with suppress(OSError, ValueError, AttributeError):  # a file that is closed, or is missing
            file.write(text)
            file.flush()
            _wait_until_read(file.fileno())


def _wait_until_read(fd: int) -> None:
    """Wait until a pipe is empty, for READ seconds at most. What is no pipe, as a terminal, can't
    be asked what of it is unread."""
    try:
        from fcntl import ioctl
        from termios import FIONREAD
    except ImportError:  # Windows
        return
    until = time.monotonic() + READ
    while stat.S_ISFIFO(os.fstat(fd).st_mode) and time.monotonic() < until:
        if not any(ioctl(fd, FIONREAD, bytes(4))):  # the number of bytes in it
            return
        time.sleep(0.001)
