"""The rows of gradcore/ops/special/elementary.py.

tests/array_api/special/ tests how exact the values are, and special points.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradcore import ops

from ..rows import FEW, Point, Row, case, constant, node

PAIRS = [
    case((2, 3), (3,)),
    case((), (2, 1)),
    case((1,), (1,)),
    case((0, 3), (3,)),
    case((2, 3), (2, 3)),
    case(constant((2, 1)), (3,)),
    case((3,), constant((2, 1))),
]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)
T = (NODES + 1) / 2  # from 0 to 1


def _exprel(x: Any, n: int = 0) -> Any:
    return (T**n * np.exp(np.asarray(x)[..., None] * T)) @ WEIGHTS / 2


def _sinc(x: Any, n: int = 0) -> Any:
    angle = math.pi * np.asarray(x)[..., None] * T + n * math.pi / 2
    return (math.pi * T) ** n * np.cos(angle) @ WEIGHTS / 2


def _torch() -> Any:
    import torch

    return torch


def _orders(*others: Any) -> list[Any]:
    return [*FEW, case((2, 3), n=1), case((3,), n=2), *others]


ROWS = [
    Row(
        ops.Cbrt,
        np.cbrt,
        FEW,
        lambda x: x.sign() * abs(x) ** (1 / 3),
        avoid=0.0,
        points=[Point(([1.0, 8.0],), [1.0, 2.0], ([1 / 3, 1 / 12],))],
    ),
    Row(
        ops.Logit,
        lambda x: np.log(x / (1 - x)),
        FEW,
        lambda x: _torch().special.logit(x),
        low=0.02,
        high=0.98,
        points=[Point(([0.5],), [0.0], ([4.0],))],
    ),
    Row(
        ops.SinDegrees,
        lambda x: np.sin(np.radians(x)),
        [*FEW, case(node((4, 5), -800.0, 800.0))],
        lambda x: _torch().sin(_torch().deg2rad(x)),
    ),
    Row(
        ops.CosDegrees,
        lambda x: np.cos(np.radians(x)),
        [*FEW, case(node((4, 5), -800.0, 800.0))],
        lambda x: _torch().cos(_torch().deg2rad(x)),
    ),
    Row(
        ops.Entropy,
        lambda x: -x * np.log(x),
        FEW,
        lambda x: _torch().special.entr(x),
        low=0.2,
        points=[Point(([1.0],), [0.0], ([-1.0],), ([-1.0],))],
    ),
    Row(ops.Exprel, _exprel, _orders(case(node((3, 5), -20.0, 20.0), n=1))),
    Row(ops.Sinc, _sinc, _orders(case(node((3, 5), -9.0, 9.0), n=1)), low=-3.0, high=3.0),
    Row(ops.XLogY, lambda x, y: x * np.log(y), PAIRS, "xlogy", low=0.2, complex=True),
    Row(
        ops.XLog1py,
        lambda x, y: x * np.log1p(y),
        PAIRS,
        lambda x, y: _torch().special.xlog1py(x, y),
        low=-0.8,
        complex=True,
    ),
    Row(
        ops.LogRatio,
        lambda x, y: np.log(x / y),
        PAIRS,
        lambda x, y: (x / y).log(),
        low=0.2,
    ),
    Row(
        ops.RelativeEntropy,
        lambda x, y: x * np.log(x / y),
        PAIRS,
        lambda x, y: x * (x / y).log(),
        low=0.2,
    ),
    Row(
        ops.KlDiv,
        lambda x, y: x * np.log(x / y) - x + y,
        PAIRS,
        lambda x, y: x * (x / y).log() - x + y,
        low=0.2,
    ),
    Row(
        ops.BoxCox,
        lambda a, b: np.expm1(a * b) / b,
        PAIRS,
        lambda a, b: _torch().expm1(a * b) / b,
        avoid=0.0,
    ),
    Row(
        ops.BoxCoxInverse,
        lambda a, b: np.log1p(a * b) / b,
        PAIRS,
        lambda a, b: _torch().log1p(a * b) / b,
        low=0.1,
    ),
]
