"""The types that backends speak of: arrays, dtypes, numbers, and what records steps."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

__all__ = ["Array", "DType", "Number", "Recorder"]

Array = Any  # an array of whichever library the backend wraps
DType = Any
Number = Any


class Recorder(Protocol):
    """Records what a device is asked to do, once, and has it done again and again.

    A record has fixed arrays: a replay reads and writes the memory that they had as it was made.
    """

    def on_device(self) -> AbstractContextManager[object]:
        """Inside, its device is the current one, where the library has such a thing."""
        ...

    def warm_up(self) -> AbstractContextManager[None]:
        """Inside, work is done as it will be recorded, so that all it needs is there by then."""
        ...

    def record(self) -> AbstractContextManager[None]:
        """Inside, work is recorded and not done. New arrays get memory that only replays write
        to, as long as this object lives. Reading an array on the host is a RuntimeError."""
        ...

    def apart(self) -> AbstractContextManager[None]:
        """Inside, also while recording, new arrays get memory that replays don't write to by
        themselves; else they may, before the step does, where it was others' earlier in it."""
        ...

    def replay(self) -> None:
        """Do what was recorded."""
        ...
