"""Exchange arrays between the processes of a run. `Communicator` says what every transport can do;
as it stands, it is that of a run with a single process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf
from typing import Any, Literal

from ..backends import Array

__all__ = ["Communicator", "Reduction", "Request"]

Reduction = Literal["sum", "max", "min"]


class Request:
    """An exchange under way, as `iallreduce` returns it.

    Args:
        finish: waits for the exchange, and gives its result.

    Example:
        >>> request = gradcore.distributed.world().iallreduce(np.ones(2))
        >>> print(request.wait())  # after other work
        [1. 1.]
    """

    def __init__(self, finish: Callable[[], Array]) -> None:
        self._finish = finish

    def wait(self) -> Array:
        """Wait until all ranks have taken part; return the result."""
        return self._finish()


class Communicator:
    """The processes of a run: how many there are, which of them this one is, and their exchanges.

    Every rank calls the same methods in the same order, with arrays of the same shape and dtype
    (`broadcast`, too: the other ranks' values are replaced). Results are new arrays on the backend
    and device of what was given, unless a method says otherwise; the same bits on each rank.

    Attributes:
        rank: of this process, 0 and up. Rank 0 writes files and talks to the user.
        size: how many ranks there are.
        limit: how many seconds an exchange waits for other ranks; infinity: for ever. It may be
            set, where a rank downloads a file while the others wait.

    Example:
        >>> communicator = gradcore.distributed.Communicator()  # a single process
        >>> print(communicator.rank, communicator.size, communicator.allreduce(np.ones(2)))
        0 1 [1. 1.]
    """

    rank: int = 0
    size: int = 1
    limit: float = inf

    def allreduce(self, x: Array, op: Reduction = "sum") -> Array:  # noqa: ARG002
        """Return the sum (or the largest or smallest) of the ranks' arrays, element by element."""
        return x

    def iallreduce(self, x: Array) -> Request:
        """Start to sum the ranks' arrays, and return at once. The result may be in x's own memory;
        x is not to be used before the request's `wait()` has given the result."""
        return Request(lambda: x)

    def reduce_scatter(self, x: Array) -> Array:
        """Sum the ranks' arrays, and return this rank's share: part `rank` of `size` equal parts of
        the first axis."""
        return x

    def allgather(self, x: Array) -> Array:
        """Return the ranks' arrays one after the other, along the first axis."""
        return x

    def broadcast(self, x: Array, root: int = 0) -> Array:  # noqa: ARG002
        """Return the array of rank `root`."""
        return x

    def barrier(self) -> None:
        """Wait until all ranks have come here."""

    def allgather_object(self, x: Any) -> list[Any]:
        """Return the ranks' small Python objects (settings, names, errors), as a list."""
        return [x]

    def broadcast_object(self, x: Any, root: int = 0) -> Any:
        """Return the Python object of rank `root`, such as a checkpoint."""
        return self.allgather_object(x if self.rank == root else None)[root]

    def abort(self, why: str, status: int = 1) -> None:
        """End all ranks at once, with this exit status, and print why, unless that is empty."""
        if why:
            print(why, file=sys.stderr)
        raise SystemExit(status)

    def fail(self, why: str, status: int) -> None:
        """Print why this rank is about to exit with this status; and end all ranks, unless they are
        about to do so too, for the same reason, which is then printed once."""
        print(why, file=sys.stderr, flush=True)
        if self.size > 1:
            self.abort("", status)
