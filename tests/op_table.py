"""One row for each op; `test_ops.py` drives every row on every backend and dtype.

A row says how its op is called (`cases`), what it computes, in NumPy (`reference`) and in
PyTorch (`torch`), from which numbers its inputs are drawn (`low` to `high`, at least 0.1 from
`avoid`, where a derivative jumps), up to which order it can be differentiated, what it gives
at special points, and what it refuses, with which words.

In a case, a tuple is the shape of a node, a number is that number, and `constant`, `booleans`,
`integers` and `raw` are arrays of the backend, for which there is no gradient:

    case((2, 3), constant((3,)), axis=1)   calls   Op.do_forward(node, array, axis=1)
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gradcore import Op, ops


@dataclass(frozen=True)
class Draw:
    """An array of numbers drawn between `low` and `high` (`None`: the row's), all different."""

    shape: tuple[int, ...]
    low: float | None = None
    high: float | None = None
    is_node: bool = False
    kind: type = float


@dataclass(frozen=True)
class Raw:
    """The array of exactly these values, as a constant."""

    values: Any


@dataclass(frozen=True, eq=False)
class Case:
    inputs: tuple[Any, ...]  # Draw, Raw or a number
    constants: dict[str, Any]  # the op's keyword arguments; Draw and Raw become arrays

    @property
    def nodes(self) -> list[int]:
        """Which of the inputs are nodes."""
        return [k for k, x in enumerate(self.inputs) if isinstance(x, Draw) and x.is_node]


class Point(NamedTuple):
    """What an op gives at special values, where incoming gradients are one."""

    inputs: tuple[Any, ...]  # a list is a node, a number is that number
    value: Any
    gradients: tuple[Any, ...]  # one for each list
    second: tuple[Any, ...] | None = None  # the gradients of the sum of all gradients


class Refusal(NamedTuple):
    case: Case
    error: Any  # the exception's type, or a tuple of them
    words: tuple[str, ...]  # besides the op's name


@dataclass(frozen=True, eq=False)
class Row:
    op: type[Op]
    reference: Callable[..., Any]
    cases: Sequence[Case]
    torch: Callable[..., Any] | str | None = None  # on tensors; or a function's name in torch
    low: float = -2.0
    high: float = 2.0
    avoid: float | None = None
    order: int = 2
    points: Sequence[Point] = ()
    refuses: Sequence[Refusal] = ()


def all_ops() -> list[type[Op]]:
    """Every op that the package defines, in the modules that are imported."""
    found, stack = [], [Op]
    while stack:
        subclasses = stack.pop().__subclasses__()
        stack += subclasses
        found += [op for op in subclasses if op.__module__.startswith("gradcore.")]
    return found


def node(shape: tuple[int, ...], low: float, high: float) -> Draw:
    return Draw(shape, low, high, is_node=True)


def constant(shape: tuple[int, ...], low: float | None = None, high: float | None = None) -> Draw:
    return Draw(shape, low, high)


def booleans(shape: tuple[int, ...]) -> Draw:
    return Draw(shape, -1, 1, kind=bool)


def integers(shape: tuple[int, ...], below: int) -> Draw:
    return Draw(shape, 0, below, kind=int)


def raw(values: Any) -> Raw:
    return Raw(values)


def case(*inputs: Any, **constants: Any) -> Case:
    return Case(
        tuple(Draw(x, is_node=True) if isinstance(x, tuple) else x for x in inputs), constants
    )


def refuses(case: Case, error: Any, *words: str) -> Refusal:
    return Refusal(case, error, words)


UNARY = [case(()), case((1,)), case((3,)), case((2, 3)), case((2, 1, 2)), case((0, 2))]
BINARY = [
    case((2, 3), (2, 3)),
    case((2, 3), (3,)),
    case((1, 2), (3, 1)),
    case((), (2, 3)),
    case((2, 2), ()),
    case((), ()),
    case((1,), (1,)),
    case((0, 3), (3,)),
    case((1, 2), (0, 1)),
    case((2, 3), 1.5),
    case(2, (2, 3)),
    case((), 3),
    case((2, 3), constant((3,))),
    case(constant((2, 1)), (3,)),
]
FEW = [case(()), case((1,)), case((2, 3)), case((0, 2))]
FEW_PAIRS = [
    case((2, 3), (3,)),
    case((), (2, 1)),
    case((1,), (1,)),
    case((0, 3), (3,)),
    case((2, 3), 1.5),
    case(2, (2, 3)),
    case(constant((2, 1)), (3,)),
]
REDUCTIONS = [
    case(()),
    case((1,)),
    case((3,)),
    case((2, 3)),
    case((2, 3), axis=0),
    case((2, 3), axis=-1, keepdims=True),
    case((2, 3, 2), axis=(0, 2)),
    case((2, 3, 2), axis=(-1, 1), keepdims=True),
    case((0, 3), axis=1),
]
SPREADS = [
    case((4,)),
    case((2, 3), axis=0, correction=1),
    case((2, 3), axis=-1, keepdims=True, correction=0.5),
    case((2, 3, 2), axis=(0, 2)),
    case((2, 3, 2), axis=(-1, 1), keepdims=True, correction=1.0),
    case((0, 3), axis=1, correction=1),
]
MISMATCH = refuses(case((2, 3), (4,)), ValueError, "(2, 3)", "(4,)")
ROWS_OF_MATRIX = [case((2, 3)), case((3, 1)), case((1, 1)), case((0, 3)), case((1, 4))]
AXIS = [case((2, 3)), case((3, 2), axis=0), case((2, 3, 2), axis=1), case((2, 2), axis=-2)]
AXIS += [case((1,)), case((3, 1)), case((0, 3)), case((4,), axis=0)]
NO_AXIS = refuses(case((2, 3), axis=2), (ValueError, IndexError), "axis", "(2, 3)")

KEYS: list[Any] = [  # of an array of shape (3, 4)
    1,
    -1,
    (2, 3),
    slice(1, None),
    slice(None, None, 2),
    slice(None, None, -1),
    (slice(None), slice(3, 0, -2)),
    (..., 0),
    (None, slice(None), 1),
    (1, ..., None),
    slice(2, 2),
    ...,
]
WITHOUT_NONE = [key for key in KEYS if not isinstance(key, tuple) or None not in key]


def _put(x: Any, key: Any, shape: tuple[int, ...]) -> Any:
    y = np.zeros(shape)
    y[key] = x
    return y


def _with_torch(name: str) -> Callable[..., Any]:
    """A function of PyTorch, also of numbers."""

    def function(*inputs: Any) -> Any:
        import torch

        like = next(x for x in inputs if isinstance(x, torch.Tensor))
        return getattr(torch, name)(*[torch.as_tensor(x, dtype=like.dtype) for x in inputs])

    return function


def _torch_prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    for a in sorted([a % x.ndim for a in axes], reverse=True):
        x = x.prod(dim=a, keepdim=keepdims)
    return x.clone()


def _torch_cumulative_sum(x: Any, axis: int, include_initial: bool = False) -> Any:
    y = x.cumsum(dim=axis)
    shape = list(y.shape)
    shape[axis] = int(include_initial)
    return _torch_cat(y.new_zeros(shape), y, axis=axis)


def _torch_cat(*arrays: Any, axis: int = 0) -> Any:
    import torch

    return torch.cat(arrays, dim=axis)


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's variance or standard deviation, with the standard's word for `ddof`."""
    return lambda x, correction=0, **constants: function(x, ddof=correction, **constants)


def _torch_spread(name: str) -> Callable[..., Any]:
    def function(x: Any, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Any:
        with warnings.catch_warnings():  # of the variance of nothing
            warnings.simplefilter("ignore")
            return getattr(x, name)(dim=axis, correction=correction, keepdim=keepdims)

    return function


def _power(a: Any, b: Any) -> Any:
    return np.asarray(a, dtype=float) ** b


def _log_softmax(x: Any, axis: int = -1) -> Any:
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def _positions(key: Any, shape: tuple[int, ...]) -> Any:
    """Where the elements of `x[key]` are in the flattened x; PyTorch has no negative steps."""
    return np.arange(math.prod(shape)).reshape(shape)[key].copy()


def _torch_put(x: Any, key: Any, shape: tuple[int, ...]) -> Any:
    y, positions = x.new_zeros(math.prod(shape)), _positions(key, shape)
    y[positions] = x.expand(positions.shape)
    return y.reshape(shape)


ROWS = [
    # -- elementwise ------------------------------------------------------------------------
    Row(ops.Id, lambda x: x, UNARY, "clone"),
    Row(ops.Add, operator.add, BINARY, operator.add, refuses=[MISMATCH]),
    Row(ops.Sub, operator.sub, BINARY, operator.sub, refuses=[MISMATCH]),
    Row(ops.Multiply, operator.mul, BINARY, operator.mul, refuses=[MISMATCH]),
    Row(
        ops.Divide,
        operator.truediv,
        [*BINARY, case(node((2, 3), -2, -0.5), node((3,), -3, -0.5))],
        operator.truediv,
        low=0.5,
        refuses=[MISMATCH],
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
            Point(([0.0], [2.0]), [0.0], ([0.0], [0.0])),
            Point(([0.0], [0.0]), [1.0], ([0.0], [0.0])),
        ],
        refuses=[MISMATCH],
    ),
    Row(ops.Negative, operator.neg, UNARY, operator.neg),
    Row(
        ops.Absolute,
        abs,
        UNARY,
        abs,
        avoid=0.0,
        points=[Point(([-2.0, 0.0, 3.0],), [2.0, 0.0, 3.0], ([-1.0, 0.0, 1.0],))],
    ),
    Row(ops.Exp, np.exp, UNARY, "exp"),
    Row(ops.Log, np.log, UNARY, "log", low=0.3),
    Row(ops.Sqrt, np.sqrt, UNARY, "sqrt", low=0.3),
    Row(
        ops.Sigmoid,
        lambda x: 1 / (1 + np.exp(-x)),
        UNARY,
        "sigmoid",
        points=[Point(([-1000.0, 0.0, 1000.0],), [0.0, 0.5, 1.0], ([0.0, 0.25, 0.0],))],
    ),
    Row(
        ops.Tanh,
        np.tanh,
        UNARY,
        "tanh",
        points=[Point(([-1000.0, 0.0, 1000.0],), [-1.0, 0.0, 1.0], ([0.0, 1.0, 0.0],))],
    ),
    Row(
        ops.Relu,
        lambda x: np.maximum(x, 0),
        UNARY,
        "relu",
        avoid=0.0,
        points=[Point(([-2.0, 0.0, 3.0],), [0.0, 0.0, 3.0], ([0.0, 0.0, 1.0],))],
    ),
    Row(ops.Expm1, np.expm1, FEW, "expm1"),
    Row(ops.Log1p, np.log1p, FEW, "log1p", low=-0.7),
    Row(ops.Log2, np.log2, FEW, "log2", low=0.3),
    Row(ops.Log10, np.log10, FEW, "log10", low=0.3),
    Row(ops.Square, np.square, FEW, "square"),
    Row(ops.Sin, np.sin, FEW, "sin"),
    Row(ops.Cos, np.cos, FEW, "cos"),
    Row(ops.Tan, np.tan, FEW, "tan", low=-1, high=1),
    Row(ops.Asin, np.arcsin, FEW, "asin", low=-0.8, high=0.8),
    Row(ops.Acos, np.arccos, FEW, "acos", low=-0.8, high=0.8),
    Row(ops.Atan, np.arctan, FEW, "atan"),
    Row(ops.Sinh, np.sinh, FEW, "sinh"),
    Row(ops.Cosh, np.cosh, FEW, "cosh"),
    Row(
        ops.Asinh,
        np.arcsinh,
        FEW,
        "asinh",
        points=[Point(([0.0, 1e30],), [0.0, np.arcsinh(1e30)], ([1.0, 1e-30],))],
    ),
    Row(ops.Acosh, np.arccosh, FEW, "acosh", low=1.3, high=3.0),
    Row(ops.Atanh, np.arctanh, FEW, "atanh", low=-0.8, high=0.8),
    Row(
        ops.Atan2,
        np.arctan2,
        [*FEW_PAIRS, case((3,), node((3,), -2, -0.5)), case(node((3,), -2, -0.5), (3,))],
        _with_torch("atan2"),
        low=0.5,
        points=[Point(([0.0, 2.0], [0.0, 0.0]), [0.0, np.pi / 2], ([0.0, 0.0], [0.0, -0.5]))],
        refuses=[MISMATCH],
    ),
    Row(
        ops.Hypot,
        np.hypot,
        [*FEW_PAIRS, case((3,), node((3,), -2, -0.5))],
        _with_torch("hypot"),
        low=0.5,
        refuses=[MISMATCH],
    ),
    Row(
        ops.LogAddExp,
        np.logaddexp,
        FEW_PAIRS,
        _with_torch("logaddexp"),
        points=[Point(([1000.0, 0.0], [0.0, 0.0]), [1000.0, np.log(2)], ([1, 0.5], [0, 0.5]))],
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
        refuses=[MISMATCH],
    ),
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
    ),
    Row(
        ops.Cast,
        lambda x, **_: x,  # the numbers drawn are float32's
        [case(x.inputs[0].shape, dtype=dtype) for x in UNARY for dtype in ("float32", "float64")],
        lambda x, dtype: {"float32": x.float(), "float64": x.double()}[dtype],
    ),
    # -- reduction --------------------------------------------------------------------------
    Row(
        ops.Sum,
        np.sum,
        [
            *UNARY,
            case((2, 3), axis=0),
            case((2, 3), axis=-1, keepdims=True),
            case((2, 3, 2), axis=(0, 2)),
            case((2, 3, 2), axis=(-1, 1), keepdims=True),
            case((2, 3), axis=(), keepdims=False),
            case((2, 3), keepdims=True),
            case((3, 0), axis=1),
        ],
        lambda x, axis=None, keepdims=False: (
            x.clone() if axis == () else x.sum(dim=axis, keepdim=keepdims)
        ),
        refuses=[NO_AXIS],
    ),
    Row(
        ops.Mean,
        np.mean,
        REDUCTIONS,
        lambda x, axis=None, keepdims=False: x.mean(dim=axis, keepdim=keepdims),
        refuses=[NO_AXIS],
    ),
    Row(
        ops.Var,
        _spread(np.var),
        [*SPREADS, case(()), case((1,))],
        _torch_spread("var"),
        refuses=[NO_AXIS],
    ),
    Row(
        ops.Std,
        _spread(np.std),
        [*SPREADS, case((1,)), case((2,), axis=0)],
        _torch_spread("std"),
        points=[Point(([2.0, 2.0],), 0.0, ([0.0, 0.0],)), Point(([3.0],), 0.0, ([0.0],))],
        refuses=[NO_AXIS],
    ),
    Row(
        ops.Max,
        np.max,
        REDUCTIONS,
        lambda x, axis=(), keepdims=False: x.amax(dim=axis, keepdim=keepdims),
        points=[Point(([1.0, 3.0, 3.0],), 3.0, ([0.0, 0.5, 0.5],))],
        refuses=[NO_AXIS],
    ),
    Row(
        ops.Min,
        np.min,
        REDUCTIONS,
        lambda x, axis=(), keepdims=False: x.amin(dim=axis, keepdim=keepdims),
        points=[Point(([1.0, 1.0, 3.0],), 1.0, ([0.5, 0.5, 0.0],))],
        refuses=[NO_AXIS],
    ),
    Row(
        ops.Prod,
        np.prod,
        [*REDUCTIONS, case((5,)), case((0,)), case((2, 7), axis=1)],
        _torch_prod,
        points=[
            Point(([2.0, 0.0, 3.0],), 0.0, ([0.0, 6.0, 0.0],), ([3.0, 5.0, 2.0],)),
            Point(([2.0, 0.0, 0.0],), 0.0, ([0.0, 0.0, 0.0],), ([0.0, 2.0, 2.0],)),
        ],
        refuses=[NO_AXIS],
    ),
    Row(
        ops.CumulativeSum,
        np.cumulative_sum,
        [
            case((3,), axis=0),
            case((2, 3), axis=0, include_initial=True),
            case((2, 3, 2), axis=-2),
            case((1,), axis=0),
            case((2, 0), axis=0),
            case((2, 0), axis=1, include_initial=True),
        ],
        _torch_cumulative_sum,
        refuses=[NO_AXIS],
    ),
    Row(
        ops.RowSum,
        lambda x: x.sum(axis=1),
        [*ROWS_OF_MATRIX, case((2, 0))],
        lambda x: x.sum(dim=1),
        refuses=[refuses(case((3,)), (ValueError, IndexError), "(3,)")],
    ),
    Row(
        ops.RowMax,
        lambda x: x.max(axis=1),
        ROWS_OF_MATRIX,
        lambda x: x.max(dim=1).values,
        points=[
            Point(([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]],), [3.0, 2.0], ([[0, 1, 0], [1, 0, 0]],))
        ],
        refuses=[
            refuses(case((3,)), ValueError, "(3,)"),
            refuses(case((2, 3, 3)), ValueError, "(2, 3, 3)"),
            refuses(case((2, 0)), ValueError, "(2, 0)"),
        ],
    ),
    # -- shape ------------------------------------------------------------------------------
    Row(
        ops.Reshape,
        lambda x, shape: x.reshape(shape),
        [
            case((2, 3), shape=(3, 2)),
            case((2, 3), shape=(-1,)),
            case((4,), shape=(2, 1, -1)),
            case((1, 1), shape=()),
            case((), shape=(1, 1)),
            case((0, 3), shape=(3, 0)),
        ],
        lambda x, shape: x.reshape(shape),
        refuses=[refuses(case((2, 3), shape=(4,)), ValueError, "(2, 3)", "4")],
    ),
    Row(
        ops.Transpose,
        lambda x, axes: x.transpose(axes),
        [
            case((2, 3), axes=(1, 0)),
            case((2, 3, 4), axes=(1, 2, 0)),
            case((2, 3, 4), axes=(-1, 0, -2)),
            case((2, 3), axes=(0, 1)),
            case((), axes=()),
            case((1,), axes=(0,)),
            case((0, 3), axes=(1, 0)),
        ],
        lambda x, axes: x.permute(axes),
        refuses=[
            refuses(case((2, 3), axes=(1, 1)), ValueError, "(2, 3)"),
            refuses(case((2, 3), axes=(0, 1, 2)), (ValueError, IndexError), "(2, 3)"),
        ],
    ),
    Row(
        ops.Broadcast,
        np.broadcast_to,
        [
            case((3,), shape=(2, 3)),
            case((2, 1), shape=(2, 3)),
            case((1, 3, 1), shape=(2, 2, 3, 2)),
            case((2, 3), shape=(2, 3)),
            case((), shape=(2, 3)),
            case((1,), shape=(1,)),
            case((1, 3), shape=(0, 3)),
            case((0,), shape=(2, 0)),
        ],
        lambda x, shape: x.broadcast_to(shape),
        refuses=[refuses(case((2, 3), shape=(2, 4)), ValueError, "(2, 3)")],
    ),
    Row(
        ops.Expand,
        lambda x, dim, repeats: np.repeat(x, repeats, axis=dim),
        [
            case((2, 1), dim=1, repeats=3),
            case((1, 3), dim=0, repeats=2),
            case((2, 1, 3), dim=-2, repeats=2),
            case((1,), dim=0, repeats=1),
            case((1, 2), dim=0, repeats=0),
            case((0, 1), dim=1, repeats=2),
        ],
        lambda x, dim, repeats: x.repeat_interleave(repeats, dim),
        refuses=[refuses(case((2, 3), dim=1, repeats=3), ValueError, "dimension 1", "(2, 3)")],
    ),
    Row(
        ops.Squeeze,
        lambda x, dim=0: np.squeeze(x, axis=dim),
        [
            case((1, 3)),
            case((2, 1, 3), dim=1),
            case((2, 1), dim=-1),
            case((1,)),
            case((1, 0)),
        ],
        lambda x, dim=0: x.squeeze(dim),
        refuses=[refuses(case((2, 3), dim=1), ValueError, "(2, 3)")],
    ),
    Row(
        ops.Unsqueeze,
        lambda x, dim=0: np.expand_dims(x, dim),
        [*UNARY, case((2, 3), dim=1), case((2, 3), dim=2), case((2, 3), dim=-1)],
        lambda x, dim=0: x.unsqueeze(dim),
        refuses=[refuses(case((2, 3), dim=4), (ValueError, IndexError), "(2, 3)")],
    ),
    Row(
        ops.Concat,
        lambda *arrays, axis=0: np.concatenate(arrays, axis=axis),
        [
            case((2, 3), (1, 3)),
            case((2, 1), (2, 3), (2, 2), axis=-1),
            case((2, 3), constant((2, 2)), (2, 1), axis=1),
            case((1,), (1,)),
            case((3,)),
            case((0, 2), (2, 2), axis=0),
            case((2, 0), (2, 0), axis=1),
        ],
        _torch_cat,
        refuses=[
            refuses(case((2, 3), (2, 2)), ValueError, "(2, 3)", "(2, 2)"),
            refuses(case((2, 3), (2, 3), axis=2), (ValueError, IndexError), "axis", "(2, 3)"),
        ],
    ),
    Row(
        ops.Unstack,
        lambda x, axis=0: tuple(np.moveaxis(x, axis, 0)),
        [
            case((3,)),
            case((2, 3), axis=1),
            case((2, 3, 2), axis=-2),
            case((1,)),
            case((2, 0)),
        ],
        lambda x, axis=0: x.unbind(axis),
        refuses=[NO_AXIS],
    ),
    Row(
        ops.Roll,
        np.roll,
        [
            case((4,), shift=1, axis=0),
            case((2, 3), shift=-2, axis=-1),
            case((2, 3), shift=(1, 5), axis=(0, 1)),
            case((1,), shift=3, axis=0),
            case((0, 2), shift=1, axis=1),
        ],
        lambda x, shift, axis: x.roll(shift, axis),
        refuses=[refuses(case((2, 3), shift=1, axis=2), (ValueError, IndexError), "axis")],
    ),
    # -- indexing ---------------------------------------------------------------------------
    Row(
        ops.GetItem,
        lambda x, key: x[key],
        [
            *[case((3, 4), key=key) for key in KEYS],
            case((1,), key=0),
            case((), key=...),
            case((), key=None),
            case((0, 3), key=(slice(None), 1)),
        ],
        lambda x, key: x.flatten()[_positions(key, x.shape)],
        refuses=[
            refuses(case((2, 3), key=2), IndexError, "(2, 3)"),
            refuses(case((2, 3), key=(0, 0, 0)), IndexError, "(2, 3)"),
            refuses(case((2, 3), key=[0, 1]), TypeError, "integers, slices", "list"),
            refuses(case((2, 3), key=raw([0, 0])), TypeError, "integers, slices"),
            refuses(case((2, 3), key=raw([True, False])), TypeError, "integers, slices"),
            refuses(case((2, 3), key=True), TypeError, "integers, slices", "bool"),
            refuses(case((2, 3), key=1.0), TypeError, "integers, slices", "float"),
        ],
    ),
    Row(
        ops.PutItem,
        _put,
        [
            *[case(np.empty((3, 4))[key].shape, key=key, shape=(3, 4)) for key in WITHOUT_NONE],
            case((), key=..., shape=()),
            case((1,), key=0, shape=(1, 1)),
            case((0,), key=(slice(None), 1), shape=(0, 3)),
        ],
        _torch_put,
        refuses=[refuses(case((3,), key=0, shape=(2, 2)), ValueError, "(3,)")],
    ),
    Row(
        ops.Select,
        lambda x, indices: x[np.arange(len(x)), indices],
        [
            case((3, 4), indices=integers((3,), 4)),
            case((4, 2), indices=raw([1, 0, 0, 1])),
            case((1, 1), indices=raw([0])),
            case((0, 3), indices=integers((0,), 3)),
        ],
        lambda x, indices: x.gather(1, indices[:, None])[:, 0],
        refuses=[
            refuses(case((2, 3), indices=raw([0, 3])), IndexError, "indices", "3", "0 to 2"),
            refuses(case((2, 3), indices=raw([-1, 0])), IndexError, "indices", "-1", "0 to 2"),
            refuses(case((2, 3), indices=raw([0.0, 1.0])), TypeError, "indices", "integers"),
            refuses(case((2, 3), indices=raw([0, 1, 2])), ValueError, "(2, 3)", "(3,)"),
            refuses(case((2,), indices=raw([0, 1])), ValueError, "(2,)", "expected"),
        ],
    ),
    # -- linear algebra ---------------------------------------------------------------------
    Row(
        ops.MatrixMultiply,
        np.matmul,
        [
            case((2, 3), (3, 4)),
            case((3,), (3, 2)),
            case((2, 3), (3,)),
            case((3,), (3,)),
            case((2, 2, 3), (3, 2)),
            case((2, 3), (2, 3, 2)),
            case((2, 1, 2, 3), (2, 3, 1)),
            case((3,), (2, 3, 2)),
            case((2, 2, 3), (3,)),
            case((2, 3), constant((3, 2))),
            case(constant((3,)), (3, 2)),
            case((1, 1), (1, 1)),
            case((0, 3), (3, 2)),
            case((2, 0), (0, 3)),
        ],
        "matmul",
        refuses=[
            refuses(case((2, 3), (2, 3)), ValueError, "(2, 3) @ (2, 3)", "expected"),
            refuses(case((2, 3), (2,)), ValueError, "(2, 3) @ (2,)"),
            refuses(case((), (2, 3)), ValueError, "() @ (2, 3)"),
            refuses(case((2, 2, 3), (3, 3, 2)), ValueError, "(2, 2, 3)", "(3, 3, 2)"),
        ],
    ),
    Row(
        ops.BatchMM,
        lambda matrix, vectors: vectors @ matrix.T,
        [
            case((2, 3), (4, 3)),
            case((2, 3), constant((2, 3))),
            case(constant((2, 3)), (1, 3)),
            case((1, 1), (1, 1)),
            case((2, 3), (0, 3)),
        ],
        lambda matrix, vectors: vectors @ matrix.T,
        refuses=[
            refuses(case((2, 3), (4, 2)), ValueError, "(2, 3)", "(4, 2)", "expected"),
            refuses(case((2, 3), (3,)), ValueError, "(2, 3)", "(3,)", "expected"),
        ],
    ),
    # -- normalization ----------------------------------------------------------------------
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
