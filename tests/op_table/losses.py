"""The rows of gradcore/ops/losses.py."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from gradcore import ops

from .activations import log_softmax
from .rows import MISMATCH, Point, Row, booleans, case, constant, integers, raw, refuses


def _cross_entropy(x: Any, targets: Any, ignored: Any = False) -> Any:
    chosen = np.take_along_axis(log_softmax(x, 1), targets[:, None], 1)
    return np.where(ignored, 0.0, -chosen[:, 0])


def _gradient(x: Any, go: Any, targets: Any, ignored: Any = False) -> Any:
    onehot = np.moveaxis(np.eye(x.shape[1])[targets], -1, 1)
    go = np.where(ignored, 0.0, go)
    return (np.exp(log_softmax(x, 1)) - onehot) * go[:, None]


def _torch_cross_entropy(x: Any, targets: Any, ignored: Any = None) -> Any:
    if ignored is not None:
        targets = targets.where(~ignored, -100)
    from torch.nn.functional import cross_entropy

    return cross_entropy(x, targets, reduction="none")


def _torch_gradient(x: Any, go: Any, targets: Any, ignored: Any = None) -> Any:
    from torch.nn.functional import one_hot

    onehot = one_hot(targets, x.shape[1]).movedim(-1, 1)
    go = go if ignored is None else go.where(~ignored, 0.0)
    return (x.softmax(1) - onehot) * go[:, None]


ROWS = [
    Row(
        ops.Weighted,
        operator.mul,
        [
            case((2, 3), (3,)),
            case((), (2, 1)),
            case((1,), (1,)),
            case((0, 3), (3,)),
            case(2, (2, 3)),
            case(constant((2, 1)), (3,)),
        ],
        operator.mul,
        points=[
            Point(([0.0], [-np.inf]), [0.0], ([-np.inf], [0.0])),
            Point(([0.0], [np.nan]), [np.nan], ([np.nan], [0.0])),
            Point(([0.0, 2.0], [3.0, 0.0]), [0.0, 0.0], ([3.0, 0.0], [0.0, 2.0])),
        ],
        refuses=[MISMATCH],
        complex=True,
    ),
    Row(
        ops.CrossEntropy,
        _cross_entropy,
        [
            case((3, 4), targets=integers((3,), 4)),
            case((3, 4), targets=integers((3,), 4), ignored=raw([False, True, False])),
            case((2, 3, 2), targets=integers((2, 2), 3), ignored=booleans((2, 2))),
            case((2, 3, 2, 2), targets=integers((2, 2, 2), 3)),
            case((1, 1), targets=raw([0])),
            case((0, 3), targets=integers((0,), 3)),
        ],
        _torch_cross_entropy,
        refuses=[
            refuses(case((2, 3), targets=raw([0, 3])), IndexError, "targets", "3", "0 to 2"),
            refuses(case((2, 3), targets=raw([-1, 0])), IndexError, "targets", "-1", "0 to 2"),
            refuses(case((2, 3), targets=raw([0.0, 1.0])), TypeError, "targets", "integers"),
            refuses(case((2, 3), targets=raw([0, 1, 2])), ValueError, "(2, 3)", "(3,)"),
            refuses(case((2,), targets=raw([0, 1])), ValueError, "(2,)", "expected"),
        ],
    ),
    Row(
        ops.CrossEntropyGradient,
        _gradient,
        [
            case((3, 4), (3,), targets=integers((3,), 4)),
            case((3, 4), (3,), targets=integers((3,), 4), ignored=raw([False, True, False])),
            case((2, 3, 2), (2, 2), targets=integers((2, 2), 3), ignored=booleans((2, 2))),
            case((1, 1), (1,), targets=raw([0])),
            case((0, 3), (0,), targets=integers((0,), 3)),
        ],
        _torch_gradient,
    ),
]
