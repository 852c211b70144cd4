"""The rows of gradcore/ops/elementwise.py."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcore import ops

from .rows import (
    BINARY,
    FEW,
    FEW_PAIRS,
    MISMATCH,
    UNARY,
    Point,
    Row,
    booleans,
    case,
    constant,
    node,
    raw,
    refuses,
)


def _with_torch(name: str) -> Callable[..., Any]:
    """A function of PyTorch, also of numbers."""

    def function(*inputs: Any) -> Any:
        import torch

        like = next(x for x in inputs if isinstance(x, torch.Tensor))
        return getattr(torch, name)(*[torch.as_tensor(x, dtype=like.dtype) for x in inputs])

    return function


LOG4 = float(np.log(4))


def _power(a: Any, b: Any) -> Any:
    return (np.asarray(a) * 1.0) ** b


ROWS = [
    Row(ops.Id, lambda x: x, UNARY, "clone", complex=True),
    Row(ops.Add, operator.add, BINARY, operator.add, refuses=[MISMATCH], complex=True),
    Row(ops.Sub, operator.sub, BINARY, operator.sub, refuses=[MISMATCH], complex=True),
    Row(ops.Multiply, operator.mul, BINARY, operator.mul, refuses=[MISMATCH], complex=True),
    Row(
        ops.Divide,
        operator.truediv,
        [*BINARY, case(node((2, 3), -2, -0.5), node((3,), -3, -0.5))],
        operator.truediv,
        low=0.5,
        refuses=[MISMATCH],
        complex=True,
    ),
    Row(
        ops.Power,
        _power,
        [
            *BINARY,
            case(node((2, 3), -2, 2), 2),
            case(node((5,), -2, -0.5), 3),
            case(node((5,), -2, -0.5), -1),
            case(node((2,), -2, -0.5), constant((2,), 2, 2)),
            case((4,), 0.5),
            case((4,), 0),
            case((4,), 1),
            case(0.5, node((4,), -2, 2)),
        ],
        operator.pow,
        low=0.5,
        points=[
            Point(([0.0, 3.0], 2), [0.0, 9.0], ([0.0, 6.0],), ([2.0, 2.0],)),
            Point(([0.0, -2.0], 3), [0.0, -8.0], ([0.0, 12.0],), ([0.0, -12.0],)),
            Point(([0.0, 2.0], 1), [0.0, 2.0], ([1.0, 1.0],), ([0.0, 0.0],)),
            Point(([0.0, 2.0], 0), [1.0, 1.0], ([0.0, 0.0],), ([0.0, 0.0],)),
            Point(([0.0], [2.0]), [0.0], ([0.0], [0.0]), ([2.0], [0.0])),
            Point(([0.0], [3.0]), [0.0], ([0.0], [0.0]), ([0.0], [0.0])),
            Point(([0.0], [0.0]), [1.0], ([0.0], [0.0])),
            Point(([4.0], [0.0]), [1.0], ([0.0], [LOG4]), ([0.25], [0.25 + LOG4**2])),
        ],
        refuses=[MISMATCH],
        complex=True,
    ),
    Row(
        ops.PowerLog,
        lambda a, b, n: a**b * np.log(a) ** n,
        [
            case((2, 3), (3,), n=0),
            case((2, 3), (2, 1), n=1),
            case((1,), (), n=2),
            case((3,), constant((3,)), n=1),
            case((0, 3), (3,), n=1),
        ],
        lambda a, b, n: a**b * a.log() ** n,
        low=0.5,
        points=[
            Point(([0.0], [2.0]), [0.0], ([0.0], [0.0]), None, {"n": 1}),
            Point(([0.0], [3.0]), [0.0], ([0.0], [0.0]), ([0.0], [0.0]), {"n": 2}),
        ],
        refuses=[refuses(case((2, 3), (4,), n=1), ValueError, "(2, 3)", "(4,)")],
        complex=True,
    ),
    Row(ops.Negative, operator.neg, UNARY, operator.neg, complex=True),
    Row(
        ops.Absolute,
        abs,
        UNARY,
        abs,
        avoid=0.0,
        points=[Point(([-2.0, 0.0, 3.0],), [2.0, 0.0, 3.0], ([-1.0, 0.0, 1.0],))],
        complex=True,
    ),
    Row(ops.Phase, lambda x: x / abs(x), UNARY, "sgn", avoid=0.0, complex="only"),
    Row(ops.Real, np.real, UNARY, "real", complex="only"),
    Row(ops.Imag, np.imag, UNARY, "imag", complex="only"),
    Row(ops.Conjugate, np.conj, UNARY, "conj", complex="only"),
    Row(ops.Exp, np.exp, UNARY, "exp", complex=True),
    Row(ops.Log, np.log, UNARY, "log", low=0.3, complex=True),
    Row(ops.Sqrt, np.sqrt, UNARY, "sqrt", low=0.3, complex=True),
    Row(ops.Cbrt, np.cbrt, UNARY, lambda x: x.sign() * x.abs() ** (1 / 3), low=0.3),
    Row(
        ops.Tanh,
        np.tanh,
        UNARY,
        "tanh",
        points=[Point(([-1000.0, 0.0, 1000.0],), [-1.0, 0.0, 1.0], ([0.0, 1.0, 0.0],))],
        complex=True,
    ),
    Row(ops.Expm1, np.expm1, FEW, "expm1", complex=True),
    Row(ops.Log1p, np.log1p, FEW, "log1p", low=-0.7, complex=True),
    Row(ops.Log2, np.log2, FEW, "log2", low=0.3, complex=True),
    Row(ops.Log10, np.log10, FEW, "log10", low=0.3, complex=True),
    Row(ops.Square, np.square, FEW, "square", complex=True),
    Row(ops.Sin, np.sin, FEW, "sin", complex=True),
    Row(ops.Cos, np.cos, FEW, "cos", complex=True),
    Row(ops.Tan, np.tan, FEW, "tan", low=-1, high=1, complex=True),
    Row(ops.Asin, np.arcsin, FEW, "asin", low=-0.8, high=0.8, complex=True),
    Row(ops.Acos, np.arccos, FEW, "acos", low=-0.8, high=0.8, complex=True),
    Row(ops.Atan, np.arctan, FEW, "atan", complex=True),
    Row(ops.Sinh, np.sinh, FEW, "sinh", complex=True),
    Row(ops.Cosh, np.cosh, FEW, "cosh", complex=True),
    Row(
        ops.Asinh,
        np.arcsinh,
        FEW,
        "asinh",
        points=[Point(([0.0, 1e30],), [0.0, np.arcsinh(1e30)], ([1.0, 1e-30],))],
        complex=True,
    ),
    Row(ops.Acosh, np.arccosh, FEW, "acosh", low=1.3, high=3.0, complex=True),
    Row(ops.Atanh, np.arctanh, FEW, "atanh", low=-0.8, high=0.8, complex=True),
    Row(
        ops.Atan2,
        np.arctan2,
        [*FEW_PAIRS, case((3,), node((3,), -2, -0.5)), case(node((3,), -2, -0.5), (3,))],
        _with_torch("atan2"),
        low=0.5,
        points=[
            Point(([0.0, 2.0], [0.0, 0.0]), [0.0, np.pi / 2], ([0.0, 0.0], [0.0, -0.5])),
            Point(([0.0], [0.0]), [0.0], ([0.0], [0.0]), ([np.nan], [np.nan])),
            Point(([1e-22], [1e-22]), [np.pi / 4], ([5e21], [-5e21])),  # squares are 0 in float32
            Point(([2e30], [1e-30]), [np.pi / 2], ([0.0], [-5e-31])),  # and infinite
        ],
        refuses=[MISMATCH],
    ),
    Row(
        ops.Hypot,
        np.hypot,
        [*FEW_PAIRS, case((3,), node((3,), -2, -0.5))],
        _with_torch("hypot"),
        low=0.5,
        points=[
            Point(([0.0], [0.0]), [0.0], ([0.0], [0.0]), ([np.nan], [np.nan])),
            Point(([3e-30], [4e-30]), [5e-30], ([0.6], [0.8])),
            Point(([3e30], [4e30]), [5e30], ([0.6], [0.8])),
        ],
        refuses=[MISMATCH],
    ),
    Row(
        ops.LogAddExp,
        np.logaddexp,
        FEW_PAIRS,
        _with_torch("logaddexp"),
        points=[
            Point(([1000.0, 0.0], [0.0, 0.0]), [1000.0, np.log(2)], ([1, 0.5], [0, 0.5])),
            Point(([1e16], [1e16]), [1e16], ([0.5], [0.5])),
            Point(([-np.inf], [-np.inf]), [-np.inf], ([0.5], [0.5])),
            Point(([np.inf], [np.inf]), [np.inf], ([0.5], [0.5])),
            Point(([-np.inf], [2.0]), [2.0], ([0.0], [1.0]), ([0.0], [0.0])),
        ],
        refuses=[MISMATCH],
    ),
    Row(
        ops.Maximum,
        np.maximum,
        [*FEW_PAIRS, case((8,), raw([1.0, -1.0] * 4))],
        _with_torch("maximum"),
        low=-1.9,
        high=1.9,
        points=[Point(([1.0, 2.0, 3.0], [2.0] * 3), [2, 2, 3], ([0, 0.5, 1], [1, 0.5, 0]))],
        refuses=[MISMATCH],
    ),
    Row(
        ops.Minimum,
        np.minimum,
        [*FEW_PAIRS, case((8,), raw([1.0, -1.0] * 4))],
        _with_torch("minimum"),
        low=-1.9,
        high=1.9,
        points=[Point(([1.0, 2.0, 3.0], [2.0] * 3), [1, 2, 2], ([1, 0.5, 0], [0, 0.5, 1]))],
        refuses=[MISMATCH],
    ),
    Row(
        ops.Fmod,
        np.fmod,
        [
            case(node((2, 3), 2.1, 2.9), node((3,), 0.8, 0.9)),
            case(node((2, 3), -2.9, -2.1), node((2, 1), 0.8, 0.9)),
            case(node((), 2.1, 2.9), -2.0),
            case(3, node((1,), -1.4, -1.1)),
            case(constant((0, 3), 1, 2), node((3,), 3, 4)),
        ],
        _with_torch("fmod"),
        points=[
            Point(([1.0], [0.1]), [1.0 % 0.1], ([1.0], [-9.0])),  # though 1 / 0.1 is 10
            Point(([-7.0, 0.0], [2.0, 2.0]), [-1.0, 0.0], ([1.0, 1.0], [3.0, 0.0])),
        ],
    ),
    Row(
        ops.Remainder,
        np.remainder,
        [
            case(node((2, 3), 2.1, 2.9), node((3,), 0.8, 0.9)),
            case(node((2, 3), -2.9, -2.1), node((2, 1), 0.8, 0.9)),
            case(node((), 2.1, 2.9), -2.0),
            case(3, node((1,), -1.4, -1.1)),
            case(constant((0, 3), 1, 2), node((3,), 3, 4)),
        ],
        _with_torch("remainder"),
        points=[
            Point(([1.0], [0.1]), [1.0 % 0.1], ([1.0], [-9.0])),  # though 1 / 0.1 is 10
            Point(([2.0, -1.0], [1.0, 1.0]), [0.0, 0.0], ([1.0, 1.0], [-2.0, 1.0])),
        ],
        refuses=[MISMATCH],
    ),
    Row(ops.NextAfter, np.nextafter, FEW_PAIRS, refuses=[MISMATCH]),
    Row(
        ops.CopySign,
        np.copysign,
        FEW_PAIRS,
        _with_torch("copysign"),
        avoid=0.0,
        points=[Point(([2.0, -2.0, 0.0], [-1.0] * 3), [-2, -2, 0], ([-1, 1, 0], [0, 0, 0]))],
        refuses=[MISMATCH],
    ),
    Row(
        ops.Where,
        np.where,
        [
            case(booleans((2, 3)), (2, 3), (2, 3)),
            case(booleans((3,)), (2, 1), (2, 3)),
            case(booleans((2, 3)), (), (3,)),
            case(booleans((2, 3)), (2, 3), 0.5),
            case(booleans((2, 3)), 2, (2, 3)),
            case(booleans((4,)), constant((4,)), (4,)),
            case(booleans(()), (), ()),
            case(booleans((1,)), (1,), (1,)),
            case(booleans((0, 2)), (2,), (0, 2)),
        ],
        "where",
        refuses=[refuses(case(booleans((2,)), (3,), (3,)), ValueError, "(2,)", "(3,)")],
        complex=True,
    ),
    Row(
        ops.Masked,
        lambda x, mask: np.where(mask, x, 0.0),
        [
            case((2, 3), mask=booleans((2, 3))),
            case((2, 3), mask=booleans((3,))),
            case((4, 1, 5), mask=booleans((4, 1, 1))),
            case((), mask=booleans(())),
            case((1,), mask=booleans((1,))),
            case((0, 2), mask=booleans((0, 2))),
        ],
        lambda x, mask: x.where(mask, 0.0),
        complex=True,
    ),
    Row(
        ops.Cast,
        lambda x, **_: x,  # the numbers drawn are float32's
        [case(x.inputs[0].shape, dtype=dtype) for x in UNARY for dtype in ("float32", "float64")],
        lambda x, dtype: {"float32": x.float(), "float64": x.double()}[dtype],
        complex="inside",
    ),
    Row(
        ops.Quotient,
        lambda x, d, vanishes: x / d,  # noqa: ARG005
        [
            case((2, 3), (2, 3), vanishes=raw([[False] * 3] * 2)),
            case((2, 3), (3,), vanishes=raw([False] * 3)),
            case((1,), (1,), vanishes=raw([False])),
            case((0, 2), (0, 2), vanishes=raw(np.zeros((0, 2), bool))),
        ],
        avoid=0.0,
        complex=True,
    ),
]
