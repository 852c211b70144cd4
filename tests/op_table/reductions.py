"""The rows of gradcore/ops/reductions.py."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import array_api_compat.numpy as xp  # has what NumPy 2.0 lacks
import numpy as np

from gradcore import ops

from .rows import NO_AXIS, REDUCTIONS, ROWS_OF_MATRIX, SPREADS, UNARY, Point, Row, case, refuses
from .shape import torch_cat


def _torch_prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    for a in sorted([a % x.ndim for a in axes], reverse=True):
        x = x.prod(dim=a, keepdim=keepdims)
    return x.clone()


def _torch_cumulative_prod(x: Any, axis: int = -1, include_initial: bool = False) -> Any:
    y = x.cumprod(dim=axis)
    shape = list(y.shape)
    shape[axis] = int(include_initial)
    return torch_cat(y.new_ones(shape), y, axis=axis)


def _torch_cumulative_sum(x: Any, axis: int, include_initial: bool = False) -> Any:
    y = x.cumsum(dim=axis)
    shape = list(y.shape)
    shape[axis] = int(include_initial)
    return torch_cat(y.new_zeros(shape), y, axis=axis)


def torch_norm(x: Any, axis: Any, keepdims: bool) -> Any:
    import torch

    return torch.linalg.vector_norm(x, dim=axis, keepdim=keepdims)


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's variance or standard deviation, with the standard's word for `ddof`."""
    return lambda x, correction=0, **constants: function(x, ddof=correction, **constants)


def _torch_spread(name: str) -> Callable[..., Any]:
    def function(x: Any, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Any:
        with warnings.catch_warnings():  # of the variance of nothing
            warnings.simplefilter("ignore")
            return getattr(x, name)(dim=axis, correction=correction, keepdim=keepdims)

    return function


ROWS = [
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
        complex=True,
    ),
    Row(
        ops.Mean,
        np.mean,
        REDUCTIONS,
        lambda x, axis=None, keepdims=False: x.mean(dim=axis, keepdim=keepdims),
        refuses=[NO_AXIS],
        complex=True,
    ),
    Row(
        ops.Var,
        _spread(np.var),
        [*SPREADS, case(()), case((1,))],
        _torch_spread("var"),
        refuses=[NO_AXIS],
        complex=True,
    ),
    Row(
        ops.Std,
        _spread(np.std),
        [*SPREADS, case((1,)), case((2,), axis=0)],
        _torch_spread("std"),
        points=[
            Point(([2.0, 2.0],), 0.0, ([0.0, 0.0],), ([np.nan, np.nan],)),
            Point(([3.0],), 0.0, ([0.0],)),
        ],
        refuses=[NO_AXIS],
        complex=True,
    ),
    Row(
        ops.Norm,
        lambda x, axis=None, keepdims=False: np.sqrt(
            np.sum(abs(x) ** 2, axis=axis, keepdims=keepdims)
        ),
        REDUCTIONS,
        lambda x, axis=None, keepdims=False: torch_norm(x, axis, keepdims),
        points=[
            Point(([0.0, 0.0],), 0.0, ([0.0, 0.0],), ([np.nan, np.nan],)),
            Point(([3.0, -4.0],), 5.0, ([0.6, -0.8],), ([28 / 125, 21 / 125],)),
        ],
        refuses=[NO_AXIS],
        complex=True,
    ),
    Row(
        ops.NormGradient,
        lambda x, y, go: go * x / y,
        [
            case((2, 3), (2, 1), (2, 1)),
            case((2, 3), (1, 1), (1, 1)),
            case((3,), (1,), (1,)),
            case((), (), ()),
            case((0, 3), (0, 1), (0, 1)),
        ],
        avoid=0.0,
        points=[
            Point(
                ([[0.0, 0.0]], [[0.0]], [[2.0]]), [[0.0, 0.0]], ([[np.nan] * 2], [[0.0]], [[0.0]])
            )
        ],
        complex="inside",
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
        complex=True,
    ),
    Row(
        ops.LogSumExp,
        lambda x, axis=None, keepdims=False: np.log(
            np.sum(np.exp(x), axis=axis, keepdims=keepdims)
        ),
        REDUCTIONS,
        lambda x, axis=None, keepdims=False: x.logsumexp(
            tuple(range(x.ndim)) if axis is None else axis, keepdim=keepdims
        ),
        points=[
            Point(([1000.0, -1000.0],), 1000.0, ([1.0, 0.0],), ([0.0, 0.0],)),
            Point(([-1000.0, -np.inf],), -1000.0, ([1.0, 0.0],)),
            Point(([-np.inf, -np.inf],), -np.inf, ([0.0, 0.0],)),
            Point(([],), -np.inf, ([],)),
            Point(([[], []],), [-np.inf] * 2, ([[], []],), constants={"axis": 1}),
            Point(([1e6] * 4,), 1e6 + np.log(4.0), ([0.25] * 4,), ([0.0] * 4,)),
            Point(([1e15] * 4,), 1e15 + np.log(4.0), ([0.25] * 4,)),
        ],
        refuses=[NO_AXIS],
    ),
    Row(
        ops.CumulativeSum,
        xp.cumulative_sum,
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
        complex=True,
    ),
    Row(
        ops.CumulativeProd,
        xp.cumulative_prod,
        [
            case((5,), axis=0),
            case((2, 3), axis=0, include_initial=True),
            case((2, 3, 2), axis=-2),
            case((3, 4), axis=-1),
            case((1,), axis=0),
            case((2, 0), axis=0),
            case((2, 0), axis=1, include_initial=True),
        ],
        _torch_cumulative_prod,
        points=[
            Point(([2.0, 0.0, 3.0, 5.0],), [2.0, 0.0, 0.0, 0.0], ([1.0, 38.0, 0.0, 0.0],)),
            Point(([0.0, 3.0, 0.0, 2.0],), [0.0] * 4, ([4.0, 0.0, 0.0, 0.0],)),
        ],
        refuses=[NO_AXIS],
        complex=True,
    ),
    Row(
        ops.RowSum,
        lambda x: x.sum(axis=1),
        [*ROWS_OF_MATRIX, case((2, 0))],
        lambda x: x.sum(dim=1),
        refuses=[refuses(case((3,)), (ValueError, IndexError), "(3,)")],
        complex=True,
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
]
