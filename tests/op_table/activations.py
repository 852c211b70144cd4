"""The rows of gradcore/ops/activations.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcore import ops

from .rows import AXIS, FEW, NO_AXIS, UNARY, Case, Point, Row, case, constant, node, raw, refuses


def _with_torch(name: str, **more: Any) -> Callable[..., Any]:
    """A function of torch.nn.functional."""

    def function(x: Any, **constants: Any) -> Any:
        from torch.nn import functional

        return getattr(functional, name)(x, **constants, **more)

    return function


def _few(**constants: Any) -> list[Case]:
    return [Case(c.inputs, constants) for c in FEW]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any, beta: float = 1.0, threshold: float = math.inf) -> Any:
    return np.where(beta * x > threshold, x, np.log(1 + np.exp(beta * x)) / beta)


def _gelu(x: Any) -> Any:
    return x * (1 + np.vectorize(math.erf, otypes=[float])(x / np.sqrt(2))) / 2


def _gelu_tanh(x: Any) -> Any:
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def log_softmax(x: Any, axis: int = -1) -> Any:
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


FAR = [-1000.0, 0.0, 1000.0]
AS_GELU = Point(
    (FAR,), [0.0, 0.0, 1000.0], ([0.0, 0.5, 1.0],), ([0.0, math.sqrt(2 / math.pi), 0.0],)
)
WIDE = [case(node((4, 9), -25.0, 25.0))]

ROWS = [
    Row(
        ops.Relu,
        lambda x: np.maximum(x, 0),
        UNARY,
        "relu",
        avoid=0.0,
        points=[Point(([-2.0, 0.0, 3.0],), [0.0, 0.0, 3.0], ([0.0, 0.0, 1.0],))],
    ),
    Row(
        ops.LeakyRelu,
        lambda x, negative_slope: np.maximum(x, 0) + negative_slope * np.minimum(x, 0),
        [*_few(negative_slope=0.01), case((3,), negative_slope=-1.5), case((3,), negative_slope=2)],
        _with_torch("leaky_relu"),
        avoid=0.0,
        points=[
            Point(
                ([-1000.0, -2.0, 0.0, 3.0],),
                [-250.0, -0.5, 0.0, 3.0],
                ([0.25, 0.25, 0.25, 1.0],),
                None,
                {"negative_slope": 0.25},
            )
        ],
    ),
    Row(
        ops.Prelu,
        lambda x, slope: np.maximum(x, 0) + slope * np.minimum(x, 0),
        [
            case((2, 3), ()),
            case((2, 3, 4), (3, 1)),
            case(node((7,), -2.0, -0.5), (7,)),
            case((1,), (1,)),
            case((0, 2), (2,)),
        ],
        lambda x, slope: x.clamp(min=0) + slope * x.clamp(max=0),
        avoid=0.0,
        points=[
            Point(
                ([-1000.0, -2.0, 0.0, 3.0, 1000.0], [0.25]),
                [-250.0, -0.5, 0.0, 3.0, 1000.0],
                ([0.25, 0.25, 0.25, 1.0, 1.0], [-1002.0]),
            )
        ],
    ),
    Row(
        ops.Elu,
        lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
        [*_few(alpha=1.0), case((2, 3), alpha=0.5), case((3,), alpha=-2)],
        _with_torch("elu"),
        avoid=0.0,
        points=[
            Point((FAR,), [-2.0, 0.0, 1000.0], ([0.0, 2.0, 1.0],), ([0.0, 0.0, 0.0],), {"alpha": 2})
        ],
    ),
    Row(
        ops.Sigmoid,
        _sigmoid,
        [*UNARY, *WIDE],
        "sigmoid",
        points=[Point((FAR,), [0.0, 0.5, 1.0], ([0.0, 0.25, 0.0],))],
    ),
    Row(
        ops.ReluGradient,
        lambda y, go: np.where(y > 0, go, y),  # y is what relu gives: 0, or NaN, where not positive
        [
            case(raw([[0.0, 1.5, 0.25], [2.0, 0.0, 1.0]]), (2, 3)),
            case(raw(1.0), ()),
            case(raw([0.0]), (1,)),
            case(constant((0, 2)), (0, 2)),
        ],
        lambda y, go: go.where(y > 0, y),
    ),
    Row(
        ops.SigmoidGradient,
        lambda y, go: go * y * (1.0 - y),
        [case((2, 3), (2, 3)), case((), ()), case((1,), (1,)), case((0, 2), (0, 2))],
        lambda y, go: go * y * (1.0 - y),
    ),
    Row(
        ops.Silu,
        lambda x: x * _sigmoid(x),
        [*FEW, *WIDE],
        _with_torch("silu"),
        points=[Point((FAR,), [0.0, 0.0, 1000.0], ([0.0, 0.5, 1.0],), ([0.0, 0.5, 0.0],))],
    ),
    Row(
        ops.Softplus,
        _softplus,
        [
            *_few(beta=1.0, threshold=20.0),
            case((2, 3), beta=2.5, threshold=20),
            case((2, 3), beta=-0.5, threshold=20.0),
            case(node((9,), 0.6, 4.0), beta=2.0, threshold=1.0),
            case(node((9,), -25.0, 25.0), beta=0.75, threshold=math.inf),
        ],
        _with_torch("softplus"),
        points=[
            Point(
                (FAR,),
                [0.0, math.log(2) / 2, 1000.0],
                ([0.0, 0.5, 1.0],),
                ([0.0, 0.5, 0.0],),
                {"beta": 2.0, "threshold": threshold},
            )
            for threshold in (20.0, math.inf)
        ]
        + [  # on the threshold, the smooth part
            Point(
                ([0.0, 0.25],),
                [math.log(2), 0.25],
                ([0.5, 1.0],),
                ([0.25, 0.0],),
                {"beta": 1.0, "threshold": 0.0},
            )
        ],
        refuses=[refuses(case((2,), beta=0.0, threshold=20.0), ValueError, "beta is 0")],
    ),
    Row(
        ops.Mish,
        lambda x: x * np.tanh(_softplus(x)),
        [*FEW, *WIDE],
        _with_torch("mish"),
        points=[Point((FAR,), [0.0, 0.0, 1000.0], ([0.0, 0.6, 1.0],), ([0.0, 0.64, 0.0],))],
    ),
    Row(
        ops.Gelu,
        _gelu,
        [*FEW, case(node((4, 9), -9.0, 9.0))],
        _with_torch("gelu"),
        points=[AS_GELU],
    ),
    Row(
        ops.GeluGradient,
        lambda x, go: go * (_gelu(x) / x + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)),
        [case(node(shape, 0.1, 4.0), shape) for shape in ((2, 3), (), (1,), (0, 2))],
    ),
    Row(
        ops.GeluTanh,
        _gelu_tanh,
        [*FEW, case(node((4, 9), -9.0, 9.0))],
        _with_torch("gelu", approximate="tanh"),
        points=[AS_GELU],
    ),
    Row(
        ops.HardTanh,
        lambda x, min_val, max_val: np.clip(x, min_val, max_val),
        [*_few(min_val=-1.0, max_val=0.0), case((7,), min_val=-5, max_val=0.0)],
        _with_torch("hardtanh"),
        avoid=0.0,
        low=-0.9,
        points=[
            Point(
                ([-1000.0, -1.0, 0.5, 3.0, 1000.0],),
                [-1.0, -1.0, 0.5, 3.0, 3.0],
                ([0.0, 0.0, 1.0, 0.0, 0.0],),
                None,
                {"min_val": -1.0, "max_val": 3.0},
            )
        ],
        refuses=[
            refuses(
                case((2,), min_val=1.0, max_val=-1.0), ValueError, "min_val = 1.0", "max_val = -1.0"
            )
        ],
    ),
    Row(
        ops.Shrink,
        lambda x, lambd, bias: np.where(abs(x) > lambd, x - bias * np.sign(x), 0),
        [
            *_few(lambd=0.2, bias=0.2),
            *_few(lambd=0.2, bias=0.0),
            case(node((9,), -3.0, 3.0), lambd=0, bias=1),
        ],
        lambda x, lambd, bias: (x - bias * x.sign()).where(abs(x) > lambd, x * 0),
        avoid=0.0,
        points=[
            Point(
                ([-1000.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1000.0],),
                [-999.5, -0.5, 0.0, 0.0, 0.0, 0.5, 999.5],
                ([1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0],),
                None,
                {"lambd": 0.5, "bias": 0.5},
            )
        ],
        refuses=[refuses(case((2,), lambd=-1.0, bias=0.0), ValueError, "lambd = -1.0")],
    ),
    Row(
        ops.Threshold,
        lambda x, threshold, value: np.where(x > threshold, x, value),
        [*_few(threshold=0.0, value=-1.0), case(node((5,), 0.5, 3.0), threshold=2, value=7)],
        _with_torch("threshold"),
        avoid=0.0,
        points=[
            Point(
                ([-1000.0, 0.5, 1.0, 1000.0],),
                [3.0, 3.0, 1.0, 1000.0],
                ([0.0, 0.0, 1.0, 1.0],),
                None,
                {"threshold": 0.5, "value": 3.0},
            )
        ],
    ),
    Row(
        ops.HardSwish,
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        [*FEW, case(node((5,), -9.0, -3.1)), case(node((5,), 3.1, 9.0))],
        _with_torch("hardswish"),
        points=[
            Point(
                ([-1000.0, -3.0, 0.0, 3.0, 1000.0],),
                [0.0, 0.0, 0.0, 3.0, 1000.0],
                ([0.0, 0.0, 0.5, 1.0, 1.0],),
                ([0.0, 0.0, 1 / 3, 0.0, 0.0],),
            )
        ],
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
        ops.LogSoftmaxGradient,
        lambda y, go, axis=-1: go - np.exp(y) * go.sum(axis=axis, keepdims=True),
        [
            case((2, 3), (2, 3)),
            case((2, 3, 2), (2, 3, 2), axis=1),
            case((1,), (1,)),
            case((0, 2), (0, 2)),
        ],
        lambda y, go, axis=-1: go - y.exp() * go.sum(axis, keepdim=True),
    ),
]
