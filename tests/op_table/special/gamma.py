"""The rows of gradcore/ops/special/gamma.py.

tests/array_api/special/ tests how exact the values are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcore import ops

from ..rows import FEW, Case, Point, Row, case, node, refuses


def _each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    return np.vectorize(function, otypes=[float])


def _digamma(x: float) -> float:
    """By recurrence, https://dlmf.nist.gov/5.5.E2, and the asymptotic series."""
    total = 0.0
    while x < 20:
        total -= 1 / x
        x += 1
    return total + math.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4) - 1 / (252 * x**6)


def _polygamma(x: Any, n: int) -> Any:
    """The sum of 1 / (x + k)^(n + 1), https://dlmf.nist.gov/5.15.E1, and what is left of it by
    Euler and Maclaurin."""
    k = np.arange(1000)
    end = np.asarray(x)[..., None] + 1000.0
    total = np.sum((np.asarray(x)[..., None] + k) ** -(n + 1.0), -1, keepdims=True)
    total = total + end**-n / n + end ** -(n + 1.0) / 2 + (n + 1) / 12 * end ** -(n + 2.0)
    return (-1) ** (n + 1) * math.factorial(n) * total[..., 0]


def _torch_polygamma(x: Any, n: int) -> Any:
    import torch

    if bool((x < -1e6).any()):  # PyTorch would add up a term for each integer between x and 0
        raise ValueError(f"polygamma: x has {x.min()}")
    # torch.polygamma(1, x) is exact to 1e-9 only, and so is the gradient of torch.digamma.
    return (-1) ** (n + 1) * math.factorial(n) * torch.special.zeta(n + 1, x)


EULER = 0.57721566490153286
BELOW_ZERO = [case(node((3,), low + 0.2, low + 0.8)) for low in (-1, -2, -5)]

ROWS = [
    Row(
        ops.LogGamma,
        _each(math.lgamma),
        [*FEW, case(node((3, 7), 2.0, 30.0)), *BELOW_ZERO],
        "lgamma",
        low=0.3,
        points=[
            Point(
                ([1.0, 2.0],),
                [0.0, 0.0],
                ([-EULER, 1 - EULER],),
                ([math.pi**2 / 6, math.pi**2 / 6 - 1],),
            )
        ],
    ),
    Row(
        ops.Digamma,
        _each(_digamma),
        [*FEW, case(node((3, 7), 2.0, 30.0)), *BELOW_ZERO],
        low=0.3,
        points=[Point(([1.0, 2.0],), [-EULER, 1 - EULER], ([math.pi**2 / 6, math.pi**2 / 6 - 1],))],
    ),
    Row(
        ops.Polygamma,
        _polygamma,
        [Case(c.inputs, {"n": n}) for n in (1, 2) for c in FEW]
        + [Case(c.inputs, {"n": n}) for n in (1, 2) for c in BELOW_ZERO[:2]]
        + [case(node((3, 7), 2.0, 30.0), n=3)],
        _torch_polygamma,
        low=0.8,
        points=[
            Point(
                ([1.0, 1000.0],),
                [math.pi**2 / 6, 1.0005001666666e-3],
                ([-2 * 1.2020569031595942, -1.0010005e-6],),
                ([math.pi**4 / 15, 2.0030000e-9],),
                {"n": 1},
            )
        ],
        refuses=[
            refuses(case((2,), n=n), ValueError, f"n = {n!r}, expected a positive integer")
            for n in (0, -1, 1.0)
        ],
    ),
]
