"""The rows of gradcore/ops/special/error.py.

tests/array_api/special/ tests how exact the values are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcore import ops

from ..rows import FEW, Point, Row, case, node


def _each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    return np.vectorize(function, otypes=[float])


def _ndtr(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _erfcx(x: Any, n: int = 0) -> Any:
    """The integral of 2 / sqrt(pi) exp(-t² - 2 x t) over t > 0, n times differentiated."""
    points, weights = np.polynomial.legendre.leggauss(200)
    t = 5 * (points + 1)
    return ((-2 * t) ** n * np.exp(-t * (t + 2 * np.asarray(x)[..., None]))) @ weights * 5 * SLOPE


def _inverse(function: Callable[[float], float], low: float, high: float, sign: int = 1) -> Any:
    """The inverse of a function that rises, by bisection."""

    def value(y: float) -> float:
        a, b = low, high
        for _ in range(80):
            middle = (a + b) / 2
            a, b = (a, middle) if function(middle) > sign * y else (middle, b)
        return a

    return _each(value)


def _torch() -> Any:
    import torch

    return torch.special


SLOPE = 2 / math.sqrt(math.pi)
DENSITY = 1 / math.sqrt(2 * math.pi)

ROWS = [
    Row(
        ops.Erf,
        _each(math.erf),
        [*FEW, case(node((3, 7), -6.0, 6.0))],
        "erf",
        points=[Point(([-1000.0, 0.0, 1000.0],), [-1.0, 0.0, 1.0], ([0.0, SLOPE, 0.0],))],
    ),
    Row(
        ops.Erfc,
        _each(math.erfc),
        [*FEW, case(node((3, 7), -6.0, 6.0))],
        "erfc",
        points=[Point(([-1000.0, 0.0, 1000.0],), [2.0, 1.0, 0.0], ([0.0, -SLOPE, 0.0],))],
    ),
    Row(
        ops.Erfcx,
        _erfcx,
        [case((), n=1), case((2, 3)), case((0, 2), n=1), *[case((3,), n=n) for n in range(4)]],
        points=[
            Point(([0.0, 1000.0],), [1.0, 0.000564189301453387635], ([-SLOPE, -5.6418873908e-7],))
        ],
    ),
    Row(
        ops.Erfinv,
        _inverse(math.erf, -10, 10),
        FEW,
        "erfinv",
        low=-0.97,
        high=0.97,
        points=[Point(([0.0],), [0.0], ([1 / SLOPE],))],
    ),
    Row(
        ops.Erfcinv,
        _inverse(lambda y: -math.erfc(y), -10, 10, -1),
        FEW,
        lambda x: _torch().erfinv(1 - x),
        low=0.03,
        high=1.97,
        points=[Point(([1.0],), [0.0], ([-1 / SLOPE],))],
    ),
    Row(
        ops.Ndtr,
        _each(_ndtr),
        [*FEW, case(node((3, 7), -8.0, 8.0))],
        lambda x: _torch().ndtr(x),
        points=[Point(([-1000.0, 0.0, 1000.0],), [0.0, 0.5, 1.0], ([0.0, DENSITY, 0.0],))],
    ),
    Row(
        ops.LogNdtr,
        _each(lambda x: math.log1p(-_ndtr(-x)) if x > 0 else math.log(_ndtr(x))),
        [*FEW, case(node((3, 7), -8.0, 8.0))],
        lambda x: _torch().log_ndtr(x),
        points=[Point(([-1000.0, 1000.0],), [-500007.8266951833, 0.0], ([1000.000999998, 0.0],))],
    ),
    Row(
        ops.Ndtri,
        _inverse(_ndtr, -40, 40),
        FEW,
        lambda x: _torch().ndtri(x),
        low=0.02,
        high=0.98,
        points=[Point(([0.5],), [0.0], ([1 / DENSITY],))],
    ),
    Row(
        ops.NdtriExp,
        _inverse(lambda y: math.log(_ndtr(y)), -37, 5),
        FEW,
        lambda x: _torch().ndtri(x.exp()),
        low=-9.0,
        high=-0.1,
    ),
]
