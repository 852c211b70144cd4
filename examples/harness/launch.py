"""The first and the last moment of a program: see the package for the first."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

__all__ = ["ignore_interrupts", "launch"]


def launch(main: Callable[[], int]) -> NoReturn:
    """Run a program and end it with its status, or with 2 if what it printed can't be written.
    SIGTERM, by which `kill` and batch systems end programs, acts as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = main()
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    ignore_interrupts()  # all is done
    _end_interrupted(status)
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError as error:
        # So that Python doesn't try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not status and not isinstance(error, BrokenPipeError):
            name = os.path.basename(sys.argv[0])
            print(f"{name}: can't print the result ({error.strerror})", file=sys.stderr)
        status = status or 2
    sys.exit(status)


def ignore_interrupts() -> None:
    """Let what is left to do be done to its end, whatever the user or the system asks for."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _end_interrupted(status: int) -> None:
    """Of several processes that were interrupted, let rank 0 write to its end, and then end all: an
    exchange that they were in can't be finished."""
    distributed = sys.modules.get("gradcore.distributed")  # unless the imports were interrupted
    if status != 130 or distributed is None or distributed.world().size == 1:
        return
    if distributed.world().rank:
        time.sleep(60)
    distributed.world().abort("", status)
