"""Share loops that release Python's lock among threads: NumPy's functions, and compiled loops."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import cache, partial
from typing import Any

from .tracer import Loop, note_loop, recording

__all__ = ["LIGHT", "MANY", "SHARED", "count", "in_parts", "share", "shared"]

# The second thread of two begins some 0.1 ms after it is asked to. From these sizes on, it is worth
# that; below, `blitz-32` took 1.3 times as long on two threads as on one.
MANY = 1 << 17  # elements, of a function that takes many operations
LIGHT = 1 << 20  # elements, of a function that takes few operations
SHARED = 1 << 24  # products


@cache
def count() -> int:
    """Give the number of threads: OMP_NUM_THREADS, or as many as this process has processors."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def pool() -> ThreadPoolExecutor:
    """Start the threads besides the caller's."""
    return ThreadPoolExecutor(count() - 1, "gradcore")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # a child has no threads


def share(loop: Callable[..., None], n: int, *arguments: Any, alone: bool = False) -> None:
    """Run `loop(*arguments, start, stop)` for parts of range(n), in this thread and in others.

    A thread that has finished a part takes the next one, as some threads start late or are slower.

    Args:
        alone: run everything in this thread, which is faster where there is little to do.
    """
    if alone or count() == 1 or n < 2:
        loop(*arguments, 0, n)
        return
    if recording() is not None:
        if not isinstance(loop, Loop):
            raise RuntimeError("what threads do in a function of Python is not noted")
        note_loop(share, (loop.function, n, *arguments), arguments)
        return
    parts = min(4 * count(), n)
    next_part = iter(range(parts)).__next__
    loops = [partial(loop, *arguments)]

    def work() -> None:
        run = loops[0]
        with suppress(StopIteration):
            while True:
                i = next_part()
                run(n * i // parts, n * (i + 1) // parts)

    others: list[Future[None]] = []
    with suppress(RuntimeError):  # the interpreter is ending: this thread does it all
        others.extend(pool().submit(copy_context().run, work) for _ in range(count() - 1))
    work()
    for other in others:
        if not other.cancel():
            other.result()
    # A thread still holds `work` for a moment after its result is there. If it held the arrays too,
    # they would be copied where else they are written to, as nobody else refers to them.
    loops.clear()


def shared(work: int, loop: Callable[..., None], n: int, *arguments: Any) -> None:
    """Run a loop for all of range(n), in several threads if it has SHARED products or more."""
    share(loop, n, *arguments, alone=work < SHARED)


def in_parts(loop: Callable[..., None], *arrays: Any, size: int, many: int = MANY) -> None:
    """Run a loop for parts of arrays along their first axes, which are of one length, in several
    threads if there are many elements.

    Args:
        size: how many elements there are.
    """
    if size < many or count() == 1:
        loop(*arrays)
        return

    def part(start: int, stop: int) -> None:
        loop(*[x[start:stop] for x in arrays])

    share(part, len(arrays[0]))
