"""Loops that release Python's lock, shared among threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any


@cache
def count() -> int:
    """How many threads compute: OMP_NUM_THREADS, or as many as this process has processors."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count() - 1, "gradcore")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # where the threads are not


def share(loop: Callable[..., None], n: int, *arguments: Any, parts: int | None = None) -> None:
    """Run `loop(*arguments, start, stop)` for parts of range(n), each in a thread of its own.

    Args:
        parts: how many; by default as many as there are threads. What is small is faster in one.
    """
    parts = min(parts or count(), count(), n)
    cuts = [n * i // parts for i in range(parts + 1)]
    others = [pool().submit(loop, *arguments, *cuts[i : i + 2]) for i in range(1, parts)]
    loop(*arguments, *cuts[:2])
    for other in others:
        other.result()
