"""The rows of gradcore/ops/pooling.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .convolution import ONES, ZEROS, torch_gradient, torch_padded, windows
from .rows import Point, Row, case, integers, raw, refuses


def _max_pool2d(
    x: Any, kernel: Any, stride: Any, padding: Any = ZEROS, dilation: Any = ONES
) -> Any:
    return windows(x, kernel, stride, padding, dilation, -np.inf).max(axis=(4, 5))


def _torch_max_pool2d(x: Any, kernel: Any, padding: Any = ZEROS, **options: Any) -> Any:
    from torch.nn.functional import max_pool2d

    return max_pool2d(torch_padded(x, padding, -np.inf), kernel, **options)


def _chosen(
    x: Any, places: Any, kernel: Any, stride: Any, padding: Any = ZEROS, dilation: Any = ONES
) -> Any:
    seen = windows(x, kernel, stride, padding, dilation)
    seen = seen.reshape(*seen.shape[:4], kernel[0] * kernel[1])
    return np.take_along_axis(seen, places[..., None], 4)[..., 0]


def _max_pool2d_gradient(go: Any, places: Any, size: Any, **options: Any) -> Any:
    n = int(np.prod(size))
    shape = (n, *go.shape[1:])
    one_hot = np.broadcast_to(np.eye(n).reshape(n, 1, *size), (n, go.shape[1], *size))
    gx = [
        (_chosen(one_hot, np.broadcast_to(p, shape), **options) * g).sum(axis=(2, 3))
        for g, p in zip(go, places, strict=True)
    ]
    return np.reshape(gx, (len(go), n, go.shape[1])).swapaxes(1, 2).reshape(*go.shape[:2], *size)


def _avg_pool2d(x: Any, kernel: Any, stride: Any, padding: Any = ZEROS) -> Any:
    return windows(x, kernel, stride, padding).mean(axis=(4, 5))


def _avg_pool2d_gradient(go: Any, size: Any, **options: Any) -> Any:
    n = int(np.prod(size))
    matrix = _avg_pool2d(np.eye(n).reshape(n, 1, *size), **options)[:, 0]
    return np.tensordot(go, matrix, ([2, 3], [1, 2])).reshape(*go.shape[:2], *size)


def _torch_avg_pool2d(x: Any, kernel: Any, padding: Any = ZEROS, **options: Any) -> Any:
    from torch.nn.functional import avg_pool2d

    return avg_pool2d(torch_padded(x, padding), kernel, **options)


def _torch_avg_pool2d_gradient(go: Any, size: Any, **options: Any) -> Any:
    return torch_gradient(lambda x: _torch_avg_pool2d(x, **options), (*go.shape[:2], *size), go)


POOLED = {"kernel": (2, 3), "stride": (1, 2), "padding": ((0, 1), (1, 0))}
FOURS = {"kernel": (2, 2), "stride": (2, 2)}

ROWS = [
    Row(
        ops.MaxPool2d,
        _max_pool2d,
        [
            case((2, 2, 4, 4), **FOURS),
            case((1, 2, 3, 4), **POOLED),
            case((1, 1, 5, 4), kernel=(3, 2), stride=(1, 1), dilation=(2, 1)),
            case((1, 1, 1, 1), kernel=(1, 1), stride=(2, 2)),
            case((0, 2, 3, 3), **FOURS),
        ],
        _torch_max_pool2d,
        points=[
            Point(  # of equal ones the first
                ([[[[1.0, 2.0, 2.0], [2.0, 2.0, 1.0]]]],),
                [[[[2.0, 2.0]]]],
                ([[[[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]]],),
                constants={"kernel": (2, 2), "stride": (1, 1)},
            ),
            Point(
                ([[[[np.nan, 2.0], [np.inf, 1.0]]]],),
                [[[[np.nan]]]],
                ([[[[1.0, 0.0], [0.0, 0.0]]]],),
                constants=FOURS,
            ),
        ],
        refuses=[
            refuses(case((2, 4, 4), **FOURS), ValueError, "(2, 4, 4)", "(N, C, H, W)"),
            refuses(case((1, 1, 1, 4), **FOURS), ValueError, "kernel (2, 2)", "(1, 4)"),
            refuses(case((1, 1, 3, 3), kernel=(2, 2), stride=(0, 2)), ValueError, "stride (0, 2)"),
        ],
    ),
    Row(
        ops.MaxPool2dGradient,
        _max_pool2d_gradient,
        [
            case((2, 2, 2, 2), places=integers((2, 2, 2, 2), 4), size=(4, 5), **FOURS),
            case((1, 2, 3, 2), places=integers((1, 2, 3, 2), 6), size=(3, 4), **POOLED),
            case((1, 1, 1, 1), places=raw([[[[0]]]]), size=(1, 1), kernel=(1, 1), stride=(1, 1)),
            case((0, 2, 1, 1), places=integers((0, 2, 1, 1), 4), size=(3, 3), **FOURS),
        ],
        refuses=[
            refuses(
                case((1, 1, 2, 2), places=integers((1, 1, 2, 2), 4), size=(6, 4), **FOURS),
                ValueError,
                "(1, 1, 3, 2)",
            ),
        ],
    ),
    Row(
        ops.MaxPool2dChosen,
        _chosen,
        [
            case((2, 2, 4, 5), places=integers((2, 2, 2, 2), 4), **FOURS),
            case((1, 2, 3, 4), places=integers((1, 2, 3, 2), 6), **POOLED),
            case((1, 1, 1, 1), places=raw([[[[0]]]]), kernel=(1, 1), stride=(1, 1)),
            case((0, 2, 3, 3), places=integers((0, 2, 1, 1), 4), **FOURS),
        ],
    ),
    Row(
        ops.AvgPool2d,
        _avg_pool2d,
        [
            case((2, 2, 4, 5), **FOURS),
            case((1, 2, 3, 4), **POOLED),
            case((1, 1, 1, 1), kernel=(1, 1), stride=(1, 1)),
            case((0, 2, 3, 3), **FOURS),
        ],
        _torch_avg_pool2d,
        refuses=[refuses(case((1, 1, 1, 4), **FOURS), ValueError, "kernel (2, 2)", "(1, 4)")],
        complex=True,
    ),
    Row(
        ops.AvgPool2dGradient,
        _avg_pool2d_gradient,
        [
            case((2, 2, 2, 2), size=(4, 5), **FOURS),
            case((1, 2, 3, 2), size=(3, 4), **POOLED),
            case((1, 1, 1, 1), size=(2, 2), **FOURS),
            case((0, 2, 1, 1), size=(3, 3), **FOURS),
        ],
        _torch_avg_pool2d_gradient,
        refuses=[refuses(case((1, 1, 2, 2), size=(6, 4), **FOURS), ValueError, "(1, 1, 3, 2)")],
        complex=True,
    ),
]
