"""The rows of gradcore/ops/special/integrals.py.

tests/array_api/special/ tests how exact the values are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from ..rows import FEW, Case, Row, case, node

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(200)
T = (POINTS + 1) / 2  # from 0 to 1


def _expn(x: Any, n: int) -> Any:
    """By t = 1 + s / (1 - s)."""
    s, x = T, np.asarray(x)[..., None]
    t = 1 / (1 - s)
    return (np.exp(-x * t) * t ** (2.0 - n)) @ WEIGHTS / 2


def _expi(x: Any) -> Any:
    """EULER + log|x|, and the integral of (exp(x t) - 1) / t."""
    x = np.asarray(x)
    rest = np.expm1(x[..., None] * T) / T @ WEIGHTS / 2
    return 0.5772156649015329 + np.log(abs(x)) + rest


def _spence(x: Any) -> Any:
    t = (np.asarray(x)[..., None] - 1) * T
    return -np.log1p(t) / T @ WEIGHTS / 2


ROWS = [
    Row(
        ops.ExpIntegral,
        _expn,
        [Case(c.inputs, {"n": n}) for n in (1, 3) for c in (*FEW, case(node((3, 5), 0.4, 9.0)))],
        low=0.3,
    ),
    Row(ops.Expi, _expi, [*FEW, case(node((3, 5), -9.0, 9.0))], avoid=0.0),
    Row(ops.Spence, _spence, [*FEW, case(node((3, 5), 0.2, 9.0))], low=0.2),
]
