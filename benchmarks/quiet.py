"""Whether figures mean something: how much other processes compute meanwhile, and whether turns
agree."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

__all__ = ["OTHERS", "Others", "is_settled", "of_quiet"]

SETTLED, AGREE = 0.05, 2  # by so much of itself two turns may take longer than the fastest one
OTHERS = 0.1  # cores that other processes may use
STAT = Path("/proc/stat")


class Others:
    """Measures the processor time of other processes, on Linux, from when it is made."""

    def __init__(self) -> None:
        self.began = self.now()

    def now(self) -> tuple[float, float]:
        """Give the seconds that all processes and other guests of the machine have computed, but
        this process and those that it has waited for; and the time."""
        if not STAT.exists():
            return 0.0, time.monotonic()
        user, nice, system, _, _, *interrupts_and_stolen = map(
            int, STAT.read_text().split("\n", 1)[0].split()[1:9]
        )
        ticks = user + nice + system + sum(interrupts_and_stolen)
        return ticks / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4]), time.monotonic()

    def cores(self) -> float:
        """Say how many cores they have used on average."""
        (before, began), (after, now) = self.began, self.now()
        return (after - before) / (now - began)


def of_quiet(steps: Sequence[float]) -> float:
    """Give the time of a step while nobody disturbs it: the median of the fastest fifth.

    A core that another guest of the machine shares runs at half its speed, for moments that nothing
    tells of. All that a process computes takes longer then, so the fastest steps are those without.
    """
    return median(sorted(steps)[: max(1, len(steps) // 5)])


def is_settled(turns: Sequence[float]) -> bool:
    """Whether the time of a step is known: two turns agree with the fastest one."""
    return not turns or (len(turns) > AGREE and sorted(turns)[AGREE] <= (1 + SETTLED) * min(turns))
