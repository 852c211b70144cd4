"""The rows of gradcore/ops/normalization.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .rows import ROWS_OF_MATRIX, Row, case, constant, node, raw, refuses


def _layer_norm(x: Any, w: Any, b: Any, eps: float) -> Any:
    deviation = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    return (x - x.mean(axis=1, keepdims=True)) / deviation * w + b


def _torch_layer_norm(x: Any, w: Any, b: Any, eps: float) -> Any:
    z = x - x.mean(dim=1, keepdim=True)
    return z / ((z * z).mean(dim=1, keepdim=True) + eps).sqrt() * w + b


def _layer_norm_gradient(x: Any, w: Any, go: Any, eps: float) -> Any:
    deviation = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    y = (x - x.mean(axis=1, keepdims=True)) / deviation
    g = go * w
    centered = g - g.mean(axis=1, keepdims=True) - y * (g * y).mean(axis=1, keepdims=True)
    return centered / deviation, (go * y).sum(axis=0), go.sum(axis=0)


def _batch_norm(x: Any, w: Any, b: Any, *residual: Any, eps: float, relu: bool = False) -> Any:
    axes = (0, *range(2, x.ndim))
    mean, variance = x.mean(axis=axes), x.var(axis=axes)
    y = _batch_norm_inference(x, w, b, mean, variance, *residual, eps=eps, relu=relu)
    return y, mean, variance


def _batch_norm_inference(
    x: Any, w: Any, b: Any, mean: Any, variance: Any, *residual: Any, eps: float, relu: bool = False
) -> Any:
    w, b, mean, variance = (p.reshape(-1, *[1] * (x.ndim - 2)) for p in (w, b, mean, variance))
    y = (x - mean) / np.sqrt(variance + eps) * w + b + sum(residual)
    return np.maximum(y, 0) if relu else y


def _torch_batch_norm(
    x: Any, w: Any, b: Any, *residual: Any, eps: float, relu: bool = False
) -> Any:
    axes = (0, *range(2, x.ndim))
    mean = x.mean(dim=axes)
    z = x - mean.reshape(-1, *[1] * (x.ndim - 2))
    variance = (z * z).mean(dim=axes)
    y = _torch_batch_norm_inference(x, w, b, mean, variance, *residual, eps=eps, relu=relu)
    return y, mean, variance


def _torch_batch_norm_inference(
    x: Any, w: Any, b: Any, mean: Any, variance: Any, *residual: Any, eps: float, relu: bool = False
) -> Any:
    w, b, mean, variance = (p.reshape(-1, *[1] * (x.ndim - 2)) for p in (w, b, mean, variance))
    y = (x - mean) / (variance + eps).sqrt() * w + b + sum(residual)
    return y.relu() if relu else y


def _batch_norm_gradient(
    x: Any,
    w: Any,
    mean: Any,
    variance: Any,
    go: Any,
    *some: Any,
    eps: float,
    given: tuple[bool, bool, bool],
    residual: bool = False,
) -> Any:
    axes, each = (0, *range(2, x.ndim)), (-1, *[1] * (x.ndim - 2))
    n, rest = x.shape[0] * int(np.prod(x.shape[2:])), iter(some)
    y, go_mean, go_variance = (next(rest) if there else np.asarray(0.0) for there in given)
    go = go * (y > 0) if given[0] else go
    w, mean, variance, go_mean, go_variance = (
        p.reshape(each) for p in (w, mean, variance, go_mean, go_variance)
    )
    deviation = np.sqrt(variance + eps)
    z = (x - mean) / deviation
    centered = go - go.mean(axis=axes, keepdims=True)
    gx = w / deviation * (centered - z * (go * z).mean(axis=axes, keepdims=True))
    gx = gx + go_mean / n + go_variance * 2 / n * (x - mean)
    return gx, (go * z).sum(axis=axes), go.sum(axis=axes), *([go] if residual else [])


ROWS = [
    Row(
        ops.Normalize,
        lambda x: x / x.sum(axis=1, keepdims=True),
        ROWS_OF_MATRIX,
        lambda x: x / x.sum(dim=1, keepdim=True),
        low=0.5,
        refuses=[refuses(case((3,)), (ValueError, IndexError), "(3,)")],
        complex=True,
    ),
    Row(
        ops.LayerNorm,
        _layer_norm,
        [
            case((2, 3), (3,), (3,), eps=1e-5),
            case((4, 2), constant((2,)), constant((2,)), eps=0.1),
            case((3, 1), (1,), (1,), eps=0.5),
            case((0, 3), (3,), (3,), eps=1e-5),
        ],
        _torch_layer_norm,
        refuses=[
            refuses(case((2, 3), (2,), (2,), eps=0.1), ValueError, "(2, 3)", "(2,)", "(M,)"),
            refuses(case((3,), (3,), (3,), eps=0.1), ValueError, "(3,)", "(N, M)"),
        ],
    ),
    Row(
        ops.LayerNormGradient,
        _layer_norm_gradient,
        [
            case((2, 3), (3,), (2, 3), eps=0.1),
            case((3, 2), (2,), (3, 2), eps=0.5),
            case((1, 1), (1,), (1, 1), eps=0.5),
            case((0, 3), (3,), (0, 3), eps=0.1),
        ],
    ),
    Row(
        ops.BatchNorm,
        _batch_norm,
        [
            case((4, 2), (2,), (2,), eps=1e-5),
            case((2, 2, 3), (2,), (2,), eps=0.1),
            case((2, 3, 2, 2), (3,), (3,), (2, 3, 2, 2), eps=1e-3),
            case((4, 2, 3), (2,), (2,), eps=0.1, relu=True),
            case((3, 2, 2, 2), (2,), (2,), (3, 2, 2, 2), eps=0.1, relu=True),
            case((3, 2), constant((2,)), constant((2,)), constant((3, 2)), eps=1e-5),
            case((1, 1, 2), (1,), (1,), eps=0.5),
            case((2, 0, 3), (0,), (0,), eps=0.5),
        ],
        _torch_batch_norm,
        refuses=[
            refuses(case((2, 3), (2,), (2,), eps=0.1), ValueError, "(2, 3)", "(2,)", "(C,)"),
            refuses(case((3,), (3,), (3,), eps=0.1), ValueError, "(3,)", "(N, C, ...)"),
            refuses(case((2, 3), (3,), (3,), (2, 1), eps=0.1), ValueError, "residual", "(2, 1)"),
        ],
    ),
    Row(
        ops.BatchNormGradient,
        _batch_norm_gradient,
        [
            case(
                *((3, 2), (2,), (2,), node((2,), 0.5, 2.0), (3, 2), (2,), (2,)),
                eps=1e-5,
                given=(False, True, True),
            ),
            case(
                *((2, 2, 2), (2,), (2,), node((2,), 0.5, 2.0), (2, 2, 2), (2,)),
                eps=0.1,
                given=(False, False, True),
            ),
            case(
                *((3, 2), (2,), (2,), node((2,), 0.5, 2.0), (3, 2)),
                raw([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]),
                (2,),
                eps=0.1,
                given=(True, True, False),
                residual=True,
            ),
            case(
                *((1, 1), (1,), (1,), node((1,), 0.5, 2.0), (1, 1)),
                eps=0.1,
                given=(False, False, False),
            ),
            case(
                *((2, 0), (0,), (0,), (0,), (2, 0), (0,), (0,)), eps=0.1, given=(False, True, True)
            ),
        ],
    ),
    Row(
        ops.BatchNormInference,
        _batch_norm_inference,
        [
            case((4, 2), (2,), (2,), (2,), node((2,), 0.5, 2.0), eps=1e-5),
            case(
                *((2, 3, 2, 2), (3,), (3,), (3,), node((3,), 0.5, 2.0), (2, 3, 2, 2)),
                eps=0.1,
                relu=True,
            ),
            case((3, 2, 2), *[constant((2,))] * 4, eps=4.0),
            case((1, 1), (1,), (1,), (1,), node((1,), 0.5, 2.0), eps=0.5),
            case((2, 0, 3), (0,), (0,), (0,), (0,), eps=0.5),
        ],
        _torch_batch_norm_inference,
        refuses=[
            refuses(case((2, 3), (3,), (3,), (2,), (3,), eps=0.1), ValueError, "mean (2,)", "(C,)"),
        ],
    ),
    Row(
        ops.ChannelSums,
        lambda x: x.sum(axis=(0, *range(2, x.ndim))),
        [case((4, 2)), case((1, 1)), case((2, 3, 2)), case((2, 1, 3, 2)), case((0, 2, 3))],
        lambda x: x.sum(dim=(0, *range(2, x.ndim))),
        complex=True,
    ),
]
