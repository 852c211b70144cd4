"""The rows of gradcore/ops/normalization.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .rows import AXIS, NO_AXIS, ROWS_OF_MATRIX, Point, Row, case, refuses


def _log_softmax(x: Any, axis: int = -1) -> Any:
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


ROWS = [
    Row(
        ops.Normalize,
        lambda x: x / x.sum(axis=1, keepdims=True),
        ROWS_OF_MATRIX,
        lambda x: x / x.sum(dim=1, keepdim=True),
        low=0.5,
        refuses=[refuses(case((3,)), (ValueError, IndexError), "(3,)")],
    ),
    Row(
        ops.Softmax,
        lambda x, axis=-1: np.exp(_log_softmax(x, axis)),
        AXIS,
        lambda x, axis=-1: x.softmax(axis),
        points=[Point(([1000.0, 1000.0, -1000.0],), [0.5, 0.5, 0.0], ([0.0, 0.0, 0.0],))],
        refuses=[NO_AXIS],
    ),
    Row(
        ops.LogSoftmax,
        _log_softmax,
        AXIS,
        lambda x, axis=-1: x.log_softmax(axis),
        points=[Point(([1000.0, -1000.0],), [0.0, -2000.0], ([-1.0, 1.0],))],
        refuses=[NO_AXIS],
    ),
]
