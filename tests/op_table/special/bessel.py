"""The rows of gradcore/ops/special/bessel.py.

tests/array_api/special/ tests how exact the values are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcore import ops

from ..rows import FEW, Case, Row, case, node, refuses

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(300)  # of Gauss' quadrature
ANGLE, FAR = math.pi * (POINTS + 1) / 2, 8 * (POINTS + 1) / 2  # from 0 to pi, from 0 to 8


def _integral(function: Callable[..., Any]) -> Callable[..., Any]:
    """The mean of function(x, n, scaled) over its interval, for each x."""

    def value(x: Any, n: int, scaled: bool = False) -> Any:
        return function(np.asarray(x)[..., None], n, scaled) @ WEIGHTS / 2

    return value


def _y_of(x: Any, n: int, _: bool) -> Any:
    """https://dlmf.nist.gov/10.9.E7"""
    far = (np.exp(n * FAR) + (-1) ** n * np.exp(-n * FAR)) * np.exp(-x * np.sinh(FAR))
    return np.sin(x * np.sin(ANGLE) - n * ANGLE) - 8 / math.pi * far


# https://dlmf.nist.gov/10.9.E2, 10.32.E3, 10.32.E9
_j = _integral(lambda x, n, _: np.cos(n * ANGLE - x * np.sin(ANGLE)))
_i = _integral(lambda x, n, scaled: np.exp(x * np.cos(ANGLE) - scaled * abs(x)) * np.cos(n * ANGLE))
_k = _integral(lambda x, n, scaled: 8 * np.exp(-x * (np.cosh(FAR) - scaled)) * np.cosh(n * FAR))


def _cases(*orders: int, **constants: Any) -> list[Case]:
    shapes = [*FEW, case(node((3, 5), 0.5, 9.0))]
    return [Case(c.inputs, {"n": n, **constants}) for n in orders for c in shapes[2:]] + [
        Case(c.inputs, {"n": orders[0], **constants}) for c in FEW
    ]


FRACTION = refuses(case((2,), n=0.5), TypeError, "float")
ROWS = [
    Row(ops.BesselJ, _j, _cases(0, 1, 3), low=-3.0, high=3.0, refuses=[FRACTION]),
    Row(ops.BesselY, _integral(_y_of), _cases(0, 1, 2), low=0.5, high=3.0, refuses=[FRACTION]),
    Row(
        ops.BesselI,
        _i,
        [*_cases(0, 1, 3), *_cases(0, 1, scaled=True)],
        low=-3.0,
        high=3.0,
        avoid=0.0,
        refuses=[FRACTION],
    ),
    Row(
        ops.BesselK,
        _k,
        [*_cases(0, 1, 2), *_cases(0, 1, scaled=True)],
        low=0.5,
        high=3.0,
        refuses=[FRACTION],
    ),
]
