"""The rows of gradcore/ops/unfolding.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .convolution import ONES, ZEROS, windows
from .rows import Row, case, refuses


def _unfold(
    x: Any, kernel: Any, stride: Any = ONES, padding: Any = ZEROS, dilation: Any = ONES
) -> Any:
    seen = windows(x, kernel, stride, padding, dilation)  # (N, C, OH, OW, KH, KW)
    places, taps = np.prod(seen.shape[2:4]), np.prod(kernel)
    return np.moveaxis(seen, (4, 5), (2, 3)).reshape(len(x), x.shape[1] * taps, places)


def _fold(x: Any, size: Any, kernel: Any, **options: Any) -> Any:
    c, n = x.shape[1] // np.prod(kernel), int(np.prod(size))
    shape = (c, *size)
    matrix = _unfold(np.eye(c * n).reshape(c * n, *shape), kernel, **options)
    return np.tensordot(x, matrix, ([1, 2], [1, 2])).reshape(len(x), *shape)


def _plain(kernel: Any, stride: Any = ONES, padding: Any = ZEROS, dilation: Any = ONES) -> Any:
    return {
        "kernel_size": kernel,
        "stride": stride,
        "padding": [p for p, _ in padding],
        "dilation": dilation,
    }


def _torch_unfold(x: Any, **options: Any) -> Any:
    from torch.nn.functional import unfold

    return unfold(x, **_plain(**options))


def _torch_fold(x: Any, size: Any, **options: Any) -> Any:
    from torch.nn.functional import fold

    return fold(x, size, **_plain(**options))


ODD = {
    "kernel": (2, 1), "stride": (2, 1), "padding": ((1, 1), (0, 0)), "dilation": (2, 1)
}  # fmt: skip

ROWS = [
    Row(
        ops.Unfold,
        _unfold,
        [
            case((2, 2, 3, 3), kernel=(2, 2)),
            case((1, 2, 3, 2), **ODD),
            case((1, 1, 1, 1), kernel=(1, 1)),
            case((0, 2, 3, 3), kernel=(2, 2)),
        ],
        _torch_unfold,
        refuses=[
            refuses(case((2, 3, 3), kernel=(2, 2)), ValueError, "(2, 3, 3)", "(N, C, H, W)"),
            refuses(case((1, 1, 1, 4), kernel=(2, 2)), ValueError, "kernel (2, 2)", "(1, 4)"),
        ],
        complex=True,
    ),
    Row(
        ops.Fold,
        _fold,
        [
            case((2, 4, 4), size=(3, 3), kernel=(2, 2)),
            case((1, 4, 4), size=(3, 2), **ODD),
            case((1, 1, 1), size=(1, 1), kernel=(1, 1)),
            case((0, 8, 4), size=(3, 3), kernel=(2, 2)),
        ],
        _torch_fold,
        refuses=[
            refuses(
                case((2, 5, 4), size=(3, 3), kernel=(2, 2)), ValueError, "(2, 5, 4)", "(N, C * 4, 4"
            ),
            refuses(case((1, 4, 3), size=(3, 3), kernel=(2, 2)), ValueError, "2 x 2 windows"),
        ],
        complex=True,
    ),
]
