"""Types in the signatures of backends: arrays, dtypes, numbers, and what records steps."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

__all__ = ["Array", "DType", "Number", "Recorder"]

Array = Any  # an array of whichever library the backend wraps
DType = Any  # a dtype of that library
Number = Any  # one of Python's or, in a step being captured, an array of no dimensions


class Recorder(Protocol):
    """Record once what a device is asked to do, and replay the record any number of times.

    A record has fixed arrays: each replay reads and writes the memory that the arrays had while
    it was recorded.
    """

    def on_device(self) -> AbstractContextManager[object]:
        """Inside the block, make the recorder's device the library's current one, if it has one."""
        ...

    def warm_up(self) -> AbstractContextManager[None]:
        """Inside the block, do work as it will be recorded: kernels are compiled, and memory is
        allocated, before the recording starts."""
        ...

    def record(self) -> AbstractContextManager[None]:
        """Inside the block, record work without doing it.

        New arrays get memory that only replays write to, as long as this recorder lives. Reading
        an array on the host is a RuntimeError.
        """
        ...

    def apart(self) -> AbstractContextManager[None]:
        """Inside the block, also while recording, allocate new arrays outside the graph's pool.

        Otherwise a replay may overwrite the array before the step fills it.
        """
        ...

    def replay(self) -> None:
        """Do once what was recorded."""
        ...
