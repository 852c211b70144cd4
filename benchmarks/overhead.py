"""What the engine costs: forward and backward per op, on chains of 1,000 ops of 4x4 arrays.

    python benchmarks/overhead.py    # needs PyTorch; about 20 s

Both libraries take turns, on one thread, in float32. Times are medians; the ratio is ours by
PyTorch's. NumPy's own time for the arrays is in it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import gradcore
from gradcore import array_api as xp

OPS, ROUNDS = 1000, 31
START = np.full((4, 4), 0.25, np.float32)
Step = Callable[[Any, Any], Any]

CHAINS: dict[str, tuple[int, Step, Step]] = {  # ops in a step; ours; PyTorch's, if other
    "y * 1.001": (1, lambda y, _: y * 1.001, lambda y, _: y * 1.001),
    "y * x + x": (2, lambda y, x: y * x + x, lambda y, x: y * x + x),
    "(y - x) * c": (2, lambda y, x: (y - x) * 0.5, lambda y, x: (y - x) * 0.5),
    "tanh(y)": (1, lambda y, _: xp.tanh(y), lambda y, _: torch.tanh(y)),
    "relu(y)": (1, lambda y, _: gradcore.relu(y), lambda y, _: torch.relu(y)),
    "sigmoid(y)": (1, lambda y, _: gradcore.sigmoid(y), lambda y, _: torch.sigmoid(y)),
    "y @ x": (1, lambda y, x: y @ x, lambda y, x: y @ x),
}


def seconds(x: Any, step: Step, steps: int, total: Callable[[Any], Any]) -> float:
    begin = time.perf_counter()
    y = x
    for _ in range(steps):
        y = step(y, x)
    total(y).backward()
    return time.perf_counter() - begin


def main() -> None:
    torch.set_num_threads(1)
    print(f"gradcore {gradcore.__version__}, torch {torch.__version__}, numpy {np.__version__}")
    print(f"{'chain':14}{'ours':>10}{'PyTorch':>10}{'ratio':>8}")
    for name, (ops, ours, theirs) in CHAINS.items():
        a, b = [], []
        for _ in range(ROUNDS):
            node = gradcore.TensorNode(START.copy())
            a.append(seconds(node, ours, OPS // ops, gradcore.Sum.do_forward))
            tensor = torch.tensor(START, requires_grad=True)
            b.append(seconds(tensor, theirs, OPS // ops, torch.sum))
        mine, other = (statistics.median(x) / OPS * 1e6 for x in (a, b))
        print(f"{name:14}{mine:7.2f} µs{other:7.2f} µs{mine / other:8.2f}")


if __name__ == "__main__":
    main()
