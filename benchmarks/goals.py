"""The goals that the project has set itself on a CPU, as ratios to PyTorch."""

from __future__ import annotations

import re

__all__ = ["COLUMNS", "GOALS", "MEMORY", "of_row"]

COLUMNS = "gradcore", "gradcore-captured", "gradcore-numpy-captured"
# At most so many times PyTorch's time, for each column, by the names of workloads.
GOALS = {
    "mnist-sigmoid": (1.1, 1.0, 1.1),
    "mnist-3layer": (1.0, 0.95, 1.0),
    "blitz-4": (0.9, 0.45, 0.6),
    "blitz-32": (1.0, 0.75, 1.2),
    "blitz-128": (0.9, 0.75, 1.8),
    "blitz-512": (0.9, 0.85, 2.2),
    "resnet20-64": (1.2, 1.0, 2.0),
    "chain-.*": (1.0, 0.2, 0.2),
    "layer-norm|gelu|batch-norm|cross-entropy-.*|update-.*": (1.1,),
    "conv-5x5|conv-3x3|conv-3x3-stride-2": (1.2,),
    "conv-3x3-wide": (1.5,),
}
MEMORY = 1.0  # at most so many times PyTorch's, for each column, in each training step


def of_row(workload: str, group: str) -> dict[tuple[str, str], float]:
    """Give a workload's goals, by what is measured ("seconds" or "memory") and library."""
    (times, *_) = [g for pattern, g in GOALS.items() if re.fullmatch(pattern, workload)] or [()]
    found = {("seconds", x): most for x, most in zip(COLUMNS, times, strict=False)}
    if group == "Training steps":
        found |= {("memory", x): MEMORY for x in COLUMNS}
    return found
