"""Trainings in processes of their own: an example with flags, in a folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["EXAMPLES", "THREADS", "as_flags", "command_of", "later_signals", "shared_cores"]

EXAMPLES = Path(__file__).parents[1]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def shared_cores(jobs: int) -> dict[str, str]:
    """Give the environment for each of so many processes side by side: threads for its share of the
    cores, unless our environment says how many."""
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    return {**dict.fromkeys(THREADS, threads), **os.environ}


def as_flags(settings: Mapping[str, Any]) -> list[str]:
    """Write settings as flags of a command line.

    Args:
        settings: by names with "-" or "_". A text with spaces is several values; "on" stands for a
            flag that takes no value, and "off" leaves such a flag out.
    """
    words: list[str] = []
    for name, x in settings.items():
        if x != "off":
            words += [f"--{name.replace('_', '-')}", *(str(x).split() if x != "on" else [])]
    return words


def command_of(example: str, flags: Sequence[str], folder: Path) -> list[str]:
    """Give the command of a training that leaves its files in the folder, and that goes on from the
    checkpoint there, if there is one."""
    command = [sys.executable, str(EXAMPLES / f"{example}.py"), *flags, "--out", str(folder)]
    return [*command, "--resume"] if (folder / "checkpoint.safetensors").exists() else command


@contextmanager
def later_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the end of the block."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)
