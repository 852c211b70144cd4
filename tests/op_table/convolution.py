"""The rows of gradcore/ops/conv.py and gradcore/ops/pool.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gradcore import ops

from .rows import Point, Row, case, constant, integers, raw, refuses

ONES, ZEROS = (1, 1), ((0, 0), (0, 0))


def windows(
    x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any = ONES, around: float = 0.0
) -> Any:
    """What the kernel sees: (N, C, OH, OW, KH, KW)."""
    x = np.pad(x, [(0, 0), (0, 0), *padding], constant_values=around)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    views = sliding_window_view(x, spans, (2, 3))
    return views[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def _in_groups(equation: str, a: Any, b: Any, of_a: int, of_b: int, groups: int) -> Any:
    """An einsum for each group of the axes, the results along axis 0 or 1."""
    parts = zip(np.split(a, groups, of_a), np.split(b, groups, of_b), strict=True)
    axis = 0 if equation.endswith("->ocij") else 1
    return np.concatenate([np.einsum(equation, *pair) for pair in parts], axis)


def conv2d(
    x: Any,
    w: Any,
    b: Any = 0.0,
    stride: Any = ONES,
    padding: Any = ZEROS,
    dilation: Any = ONES,
    groups: int = 1,
) -> Any:
    seen = windows(x, w.shape[2:], stride, padding, dilation)
    y = _in_groups("nchwij,ocij->nohw", seen, w, 1, 0, groups)
    return y + np.reshape(b, (-1, 1, 1))


def _input_gradient(go: Any, w: Any, size: Any, groups: int = 1, **options: Any) -> Any:
    shape = (w.shape[1] * groups, *size)
    n = int(np.prod(shape))
    matrix = conv2d(np.eye(n).reshape(n, *shape), w, groups=groups, **options)
    return np.tensordot(go, matrix, ([1, 2, 3], [1, 2, 3])).reshape(len(go), *shape)


def _weight_gradient(
    x: Any,
    go: Any,
    kernel: Any,
    stride: Any = ONES,
    padding: Any = ZEROS,
    dilation: Any = ONES,
    groups: int = 1,
) -> Any:
    seen = windows(x, kernel, stride, padding, dilation)
    return _in_groups("nchwij,nohw->ocij", seen, go, 1, 1, groups)


def _torch_padded(x: Any, padding: Any, around: float = 0.0) -> Any:
    from torch.nn.functional import pad

    return pad(x, (*padding[1], *padding[0]), value=around)


def torch_conv2d(x: Any, w: Any, b: Any = None, padding: Any = ZEROS, **options: Any) -> Any:
    from torch.nn.functional import conv2d

    return conv2d(_torch_padded(x, padding), w, b, **options)


def _torch_gradient(function: Any, shape: Any, *inputs: Any) -> Any:
    """The gradient of the input, of that shape, of a linear function, where the first of these is
    that of the result. Of an empty batch PyTorch's depends on nothing."""
    from torch.autograd import grad

    go = inputs[0]
    x = go.new_zeros(shape).requires_grad_()
    gx = grad(function(x), x, go, create_graph=True)[0]
    return gx if len(go) else gx + 0.0 * sum(x.sum() for x in inputs)


def _torch_input_gradient(go: Any, w: Any, size: Any, **options: Any) -> Any:
    shape = (len(go), w.shape[1] * options.get("groups", 1), *size)
    return _torch_gradient(lambda x: torch_conv2d(x, w, **options), shape, go, w)


def _torch_weight_gradient(x: Any, go: Any, kernel: Any, groups: int = 1, **options: Any) -> Any:
    shape = (go.shape[1], x.shape[1] // groups, *kernel)
    return _torch_gradient(lambda w: torch_conv2d(x, w, groups=groups, **options), shape, go, x)


def _max_pool2d(
    x: Any, kernel: Any, stride: Any, padding: Any = ZEROS, dilation: Any = ONES
) -> Any:
    return windows(x, kernel, stride, padding, dilation, -np.inf).max(axis=(4, 5))


def _torch_max_pool2d(x: Any, kernel: Any, padding: Any = ZEROS, **options: Any) -> Any:
    from torch.nn.functional import max_pool2d

    return max_pool2d(_torch_padded(x, padding, -np.inf), kernel, **options)


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

    return avg_pool2d(_torch_padded(x, padding), kernel, **options)


def _torch_avg_pool2d_gradient(go: Any, size: Any, **options: Any) -> Any:
    return _torch_gradient(lambda x: _torch_avg_pool2d(x, **options), (*go.shape[:2], *size), go)


ODD = {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2)}
POOLED = {"kernel": (2, 3), "stride": (1, 2), "padding": ((0, 1), (1, 0))}
FOURS = {"kernel": (2, 2), "stride": (2, 2)}

ROWS = [
    Row(
        ops.Conv2d,
        conv2d,
        [
            case((2, 2, 3, 4), (3, 2, 2, 3)),
            case((1, 2, 4, 3), (2, 2, 3, 2), (2,), **ODD),
            case((1, 4, 3, 2), (2, 2, 2, 1), (2,), groups=2, padding=((1, 1), (0, 0))),
            case((1, 2, 2, 2), (2, 1, 1, 1), groups=2, stride=(2, 2)),
            case(constant((2, 1, 2, 2)), (1, 1, 2, 2), constant((1,))),
            case((1, 1, 1, 1), (1, 1, 1, 1), (1,)),
            case((0, 2, 3, 3), (1, 2, 2, 2), (1,)),
        ],
        torch_conv2d,
        refuses=[
            refuses(case((8, 3, 9, 9), (5, 4, 3, 3)), ValueError, "3 channels", "expects 4"),
            refuses(case((1, 4, 3, 3), (4, 1, 1, 1), groups=2), ValueError, "2 in 2 groups"),
            refuses(case((1, 3, 3, 3), (4, 1, 1, 1), groups=2), ValueError, "groups = 2", "(1, 3"),
            refuses(case((1, 4, 3, 3), (3, 2, 1, 1), groups=2), ValueError, "groups = 2", "(3, 2"),
            refuses(case((1, 1, 3, 3), (1, 1, 1, 1), groups=0), ValueError, "groups = 0"),
            refuses(case((1, 3, 3), (1, 3, 1, 1)), ValueError, "(N, C, H, W)", "(1, 3, 3)"),
            refuses(case((1, 1, 3, 3), (2, 1, 1, 1), (3,)), ValueError, "b has shape (3,)", "(2,)"),
            refuses(case((1, 1, 3, 3), (1, 1, 4, 1)), ValueError, "kernel (4, 1)", "(3, 3)"),
            refuses(
                case((1, 1, 3, 3), (1, 1, 2, 2), dilation=(3, 1)), ValueError, "(4, 2) with", "(3,"
            ),
            refuses(case((1, 1, 3, 3), (1, 1, 1, 1), stride=(0, 1)), ValueError, "stride (0, 1)"),
            refuses(
                case((1, 1, 3, 3), (1, 1, 1, 1), padding=((0, 0), (-1, 0))), ValueError, "(-1, 0)"
            ),
            refuses(case((1, 1, 3, 3), (1, 1, 0, 1)), ValueError, "kernel (0, 1)"),
        ],
    ),
    Row(
        ops.Conv2dInputGradient,
        _input_gradient,
        [
            case((2, 3, 2, 2), (3, 2, 2, 3), size=(3, 4)),
            case((1, 2, 2, 1), (2, 2, 3, 2), size=(4, 1), **ODD),
            case((1, 2, 2, 2), (2, 1, 2, 1), size=(3, 2), groups=2),
            case((1, 1, 1, 1), (1, 1, 1, 1), size=(2, 2), stride=(2, 2)),
            case((0, 2, 2, 2), (2, 1, 2, 2), size=(3, 3)),
        ],
        _torch_input_gradient,
        refuses=[
            refuses(case((1, 2, 2, 2), (3, 1, 2, 2), size=(3, 3)), ValueError, "(1, 3, 2, 2)"),
            refuses(case((1, 3, 2, 2), (3, 1, 2, 2), size=(4, 3)), ValueError, "(1, 3, 3, 2)"),
            refuses(case((2, 2), (3, 1, 2, 2), size=(4, 3)), ValueError, "(2, 2)"),
        ],
    ),
    Row(
        ops.Conv2dWeightGradient,
        _weight_gradient,
        [
            case((2, 2, 3, 4), (2, 3, 2, 2), kernel=(2, 3)),
            case((1, 2, 4, 3), (1, 2, 2, 3), kernel=(3, 2), **ODD),
            case((1, 4, 3, 2), (1, 2, 2, 2), kernel=(2, 1), groups=2),
            case((1, 1, 1, 1), (1, 1, 1, 1), kernel=(1, 1)),
            case((0, 2, 3, 3), (0, 1, 2, 2), kernel=(2, 2)),
        ],
        _torch_weight_gradient,
        refuses=[
            refuses(case((1, 2, 3, 3), (1, 3, 3, 3), kernel=(2, 2)), ValueError, "(1, 3, 2, 2)"),
        ],
    ),
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
    ),
]
