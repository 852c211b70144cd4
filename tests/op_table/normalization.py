"""The rows of gradcore/ops/normalization.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .rows import AXIS, NO_AXIS, ROWS_OF_MATRIX, Point, Row, case, refuses


def log_softmax(x: Any, axis: int = -1) -> Any:
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def _standardize(x: Any, axis: Any, eps: float) -> Any:
    mean, variance = x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps), mean, variance


def _torch_standardize(x: Any, axis: Any, eps: float) -> Any:
    mean = x.mean(dim=axis, keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=axis, keepdim=True)
    return (x - mean) / (variance + eps).sqrt(), mean, variance


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
        lambda x, axis=-1: np.exp(log_softmax(x, axis)),
        AXIS,
        lambda x, axis=-1: x.softmax(axis),
        points=[Point(([1000.0, 1000.0, -1000.0],), [0.5, 0.5, 0.0], ([0.0, 0.0, 0.0],))],
        refuses=[NO_AXIS],
    ),
    Row(
        ops.LogSoftmax,
        log_softmax,
        AXIS,
        lambda x, axis=-1: x.log_softmax(axis),
        points=[Point(([1000.0, -1000.0],), [0.0, -2000.0], ([-1.0, 1.0],))],
        refuses=[NO_AXIS],
    ),
    Row(
        ops.Standardize,
        _standardize,
        [
            case((2, 3), axis=-1, eps=1e-5),
            case((4, 2), axis=0, eps=0.1),
            case((2, 3, 2), axis=(0, 2), eps=1e-3),
            case((2, 3, 2), axis=(-2, -1), eps=1e-5),
            case((1,), axis=0, eps=0.5),
            case((0, 3), axis=1, eps=1e-5),
        ],
        _torch_standardize,
        refuses=[refuses(case((2, 3), axis=2, eps=1e-5), (ValueError, IndexError), "axis")],
    ),
]
