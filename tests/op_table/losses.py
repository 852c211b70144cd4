"""The rows of gradcore/ops/losses.py."""

from __future__ import annotations

import operator
from functools import reduce
from itertools import pairwise, product
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


# Two instances of 3 times and 5 states, of 2 labels that differ, and of 1.
PATHS: dict[str, Any] = {
    "skips": raw([[False, True, False, True, False], [False, True, False, False, False]]),
    "input_lengths": raw([3, 2]),
    "last": raw([4, 2]),
}
ONE_STATE = {"skips": raw([[False]]), "input_lengths": raw([1]), "last": raw([0])}
NOTHING = {
    "skips": booleans((0, 5)),
    "input_lengths": integers((0,), 3),
    "last": integers((0,), 3),
}


def _each_path(x: Any, skips: Any, input_lengths: Any, last: Any) -> list[list[Any]]:
    """For each instance, each path with its log-probability."""

    def is_path(n: int, path: tuple[int, ...]) -> bool:
        steps = [b - a in (0, 1) or (b - a == 2 and skips[n, b]) for a, b in pairwise(path)]
        return all(steps) and path[0] < 2 and 0 <= last[n] - path[-1] < 2

    states = range(x.shape[2])
    return [
        [
            (path, reduce(operator.add, [x[t, n, s] for t, s in enumerate(path)]))
            for path in product(states, repeat=int(input_lengths[n]))
            if is_path(n, path)
        ]
        for n in range(x.shape[1])
    ]


def _ctc(x: Any, **paths: Any) -> Any:
    each = _each_path(x, **paths)
    return np.array([-np.log(sum(np.exp(log) for _, log in some)) for some in each])


def _torch_ctc(x: Any, **paths: Any) -> Any:
    import torch

    each = _each_path(x, **paths)
    found = [-torch.stack([log for _, log in some]).logsumexp(0) for some in each]
    return torch.stack(found) if found else x.sum((0, 2))


def _ctc_gradient(x: Any, go: Any, **paths: Any) -> Any:
    g, losses = np.zeros_like(x), _ctc(x, **paths)
    for n, some in enumerate(_each_path(x, **paths)):
        for path, log in some:
            for t, s in enumerate(path):
                g[t, n, s] -= np.exp(log + losses[n]) * go[n]
    return g


ROWS = [
    Row(
        ops.CTC,
        _ctc,
        [case((3, 2, 5), **PATHS), case((1, 1, 1), **ONE_STATE), case((2, 0, 5), **NOTHING)],
        _torch_ctc,
        high=-0.1,
        low=-3.0,
    ),
    Row(
        ops.CTCGradient,
        _ctc_gradient,
        [
            case((3, 2, 5), (2,), **PATHS),
            case((1, 1, 1), (1,), **ONE_STATE),
            case((2, 0, 5), (0,), **NOTHING),
        ],
        high=-0.1,
        low=-3.0,
    ),
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
