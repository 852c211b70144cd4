"""A part of the selftest in which things go wrong on purpose, in the place of all its parts:
`python tests/helpers/troubled_part.py trouble --backend numpy`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

from benchmarks.selftest import child
from benchmarks.selftest.cases import LOST, Case, Found
from benchmarks.selftest.parts import PARTS, Part

TROUBLED = {"trouble": Part("what goes wrong", lambda _: cases(), 60, 3)}


def cases() -> Iterator[Case]:
    yield "good", lambda: "fine"
    yield "raises", raises
    yield "crashes", lambda: os.kill(os.getpid(), signal.SIGSEGV)
    yield "loses the device", lambda: os._exit(LOST)
    yield "hangs", hangs
    yield "the last", lambda: Found(True, "all the same", {"seconds": 1.5})


def raises() -> None:
    raise ValueError("broken")


def hangs() -> Iterator[Found]:
    yield Found(True, "half of it")
    time.sleep(100)


if __name__ == "__main__":
    PARTS.clear()
    PARTS.update(TROUBLED)
    sys.exit(child.main())
