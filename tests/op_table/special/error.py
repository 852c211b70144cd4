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


SLOPE = 2 / math.sqrt(math.pi)

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
]
