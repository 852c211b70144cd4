"""Whether figures mean something: how much other processes compute meanwhile, and whether rounds
agree."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from math import floor, sqrt
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["Others", "is_settled", "noise"]

SETTLED = 0.05  # by so much of itself the median of PyTorch's rounds may be wrong, up or down
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


def is_settled(rounds: Sequence[float]) -> bool:
    """Whether the median of rounds is known: with 95 % confidence it lies between two of the sorted
    rounds, whatever their distribution is, and these two are close to each other."""
    if not rounds:
        return True
    n = len(rounds)
    outside = max(0, floor(n / 2 - sqrt(n)))  # rounds on each side of the interval
    low, high = sorted(rounds)[outside], sorted(rounds)[n - 1 - outside]
    return high - low <= 2 * SETTLED * median(rounds)


def noise(results: dict[str, Any]) -> str | None:
    """Say why figures are noise, if they are."""
    rows = results["workloads"]
    unsettled = [name for name, w in rows.items() if not w.get("is_settled", True)]
    if (used := results["others"]) > OTHERS:
        return f"other processes used {used:.1f} cores"
    if len(unsettled) > len(rows) / 10:
        return f"PyTorch's time is not settled in {', '.join(unsettled)}"
    return None
