"""What the examples do where `mpirun` has started several processes, the ranks. Rank 0 alone
writes, draws, prints and downloads. With a single process, this does next to nothing."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from itertools import chain, islice, zip_longest
from math import inf
from typing import Any, TypeVar

from gradcore.backends import backend_of
from gradcore.distributed import must_agree, world
from gradcore.engine.arrays import backend_or_none, describe
from gradcore.engine.trees import leaves

__all__ = ["gathered", "in_turn", "must_have_equal", "shared_out", "summed"]

T = TypeVar("T")


def in_turn(function: Callable[[], T]) -> T:
    """Call the function in rank 0, and then in the others: what rank 0 has downloaded, they find,
    and what it has printed, they don't. An error in rank 0 is raised in all."""
    here = world()
    with patience():
        result, error = None, None
        if here.rank == 0:
            try:
                result = function()
            except Exception as raised:
                error = raised
        error = here.broadcast_object(error)
    if error is not None:
        raise error
    if here.rank:
        with redirect_stderr(io.StringIO()):
            result = function()
    return result  # type: ignore[return-value]


@contextmanager
def patience() -> Iterator[None]:
    """In the block, wait for other ranks however long they take."""
    here = world()
    before, here.limit = here.limit, inf
    try:
        yield
    finally:
        here.limit = before


def must_have_equal(settings: dict[str, Any], data: Any) -> None:
    """Check that all ranks have the same flags, and the same data, to the bit.

    Raises:
        RanksDifferError: they have not.
    """
    if world().size == 1:
        return
    facts = {f"--{name.replace('_', '-')}": str(x) for name, x in settings.items()}
    for path, x in leaves(data):
        if backend_or_none(x) is not None:
            host = backend_of(x).to_numpy(x)
            plain = host if host.flags.c_contiguous else host.tobytes()
            facts[f"the data{path}"] = f"{describe(x)} with checksum {zlib.crc32(plain):08x}"
    with patience():
        must_agree(world(), facts)


def shared_out(batches: Iterable[T]) -> Iterator[T]:
    """Give every so many-th batch: each rank gets other ones."""
    return islice(batches, world().rank, None, world().size)


def gathered(results: list[T]) -> list[T]:
    """Collect the results of all ranks for what `shared_out` gave them, in the order of one."""
    nothing = object()
    rows = zip_longest(*world().allgather_object(results), fillvalue=nothing)
    return [x for x in chain.from_iterable(rows) if x is not nothing]


def summed(numbers: list[list[T]]) -> list[list[T]]:
    """Add up lists of numbers over all ranks, number by number."""
    of_ranks = world().allgather_object(numbers)
    return [[sum(xs) for xs in zip(*lists, strict=True)] for lists in zip(*of_ranks, strict=True)]  # type: ignore[misc]
