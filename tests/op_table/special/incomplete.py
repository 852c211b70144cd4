"""The rows of gradcore/ops/special/incomplete.py.

The references are series that converge for the numbers drawn, and bisection for the inverses.
tests/array_api/special/ tests how exact the values are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcore import ops

from ..rows import Point, Row, case, node
from .gamma import PAIRS, lgamma

ONE = [case((1,), ()), case((0,), ())]
ONE_INVERSE = [case(node((1,), 0.5, 3.0), ()), case(node((0,), 1, 2), ())]
THREE = [
    case(node((1,), 1.0, 2.0), node((), 1.0, 2.0), ()),
    case(node((1,), 4.0, 5.0), node((), 0.5, 3.0), (0,)),
]
STUDENT = [case(node((1,), 2.0, 9.0), ()), case(node((0,), 2.0, 9.0), ())]


def _series(ratios: Callable[..., Any], count: int, *inputs: Any) -> Any:
    """1 + r1 + r1 r2 + ..., where the ratios are ratios(k, *inputs)."""
    last = [np.asarray(z, float)[..., None] for z in inputs]
    return 1 + np.sum(np.cumprod(ratios(np.arange(1, count), *last), -1), -1)


def _p(a: Any, x: Any) -> Any:
    total = _series(lambda k, a, x: x / (a + k), 80, a, x)
    return total * np.exp(a * np.log(x) - x - lgamma(a + 1.0))


def _i(a: Any, b: Any, x: Any) -> Any:
    total = _series(lambda k, a, b, x: x * (a + b + k - 1) / (a + k), 300, a, b, x)
    return total * x * _beta_density(a, b, x) * (1 - x) / a


def _gamma_density(a: Any, x: Any) -> Any:
    return np.exp((a - 1) * np.log(x) - x - lgamma(a))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    logs = lgamma(a + b) - lgamma(a) - lgamma(b)
    return np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) + logs)


def _student(df: Any, t: Any) -> Any:
    return 0.5 + 0.5 * np.sign(t) * _i(0.5 + 0 * t, 0.5 * df, t * t / (df + t * t))


def _inverse(function: Callable[..., Any], low: float, high: float) -> Callable[..., Any]:
    """By bisection, where the function is increasing."""

    def inverse(*inputs: Any) -> Any:
        *parameters, p = inputs
        shape = np.broadcast_shapes(*map(np.shape, inputs))
        below, above = np.full(shape, low), np.full(shape, high)
        for _ in range(52):
            middle = 0.5 * (below + above)
            less = function(*parameters, middle) < p
            below, above = np.where(less, middle, below), np.where(less, above, middle)
        return below

    return inverse


def _complement(inverse: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *inputs: inverse(*inputs[:-1], 1 - inputs[-1])


# The gradients of parameters are many ops, so these are few cases and small ones.
ROWS = [
    Row(
        ops.GammaInc,
        _p,
        ONE,
        many_steps=True,
        low=0.5,
        high=3.0,
        points=[Point(([1.0, 2.0], [0.0, 0.0]), [0.0, 0.0], ([0.0, 0.0], [1.0, 0.0]))],
    ),
    Row(ops.GammaIncC, lambda a, x: 1 - _p(a, x), ONE, low=0.5, high=3.0, many_steps=True),
    Row(ops.GammaDensity, _gamma_density, PAIRS, low=0.5, high=3.0),
    Row(
        ops.GammaIncInv,
        _inverse(_p, 1e-9, 30.0),
        ONE_INVERSE,
        many_steps=True,
        low=0.2,
        high=0.8,
    ),
    Row(
        ops.GammaIncCInv,
        _complement(_inverse(_p, 1e-9, 30.0)),
        ONE_INVERSE,
        many_steps=True,
        low=0.2,
        high=0.8,
    ),
    Row(
        ops.BetaInc,
        _i,
        THREE,
        many_steps=True,
        low=0.2,
        high=0.7,
        points=[
            Point(
                ([1.0, 1.0], [2.0, 1.0], [0.0, 1.0]),
                [0.0, 1.0],
                ([0.0, 0.0], [0.0, 0.0], [2.0, 1.0]),
            )
        ],
    ),
    Row(
        ops.BetaIncC,
        lambda a, b, x: 1 - _i(a, b, x),
        THREE,
        many_steps=True,
        low=0.2,
        high=0.7,
    ),
    Row(
        ops.BetaDensity,
        _beta_density,
        THREE,
        low=0.2,
        high=0.7,
    ),
    Row(
        ops.BetaIncInv,
        _inverse(_i, 1e-9, 0.9),
        THREE,
        many_steps=True,
        low=0.3,
        high=0.7,
    ),
    Row(
        ops.BetaIncCInv,
        _complement(_inverse(_i, 1e-9, 0.9)),
        THREE,
        many_steps=True,
        low=0.3,
        high=0.7,
    ),
    Row(
        ops.StudentT,
        _student,
        STUDENT,
        many_steps=True,
        low=-1.5,
        high=1.5,
        avoid=0.0,
        points=[Point(([1.0, 4.0], [0.0, 0.0]), [0.5, 0.5], ([0.0, 0.0], [1 / math.pi, 0.375]))],
    ),
    Row(
        ops.StudentTInv,
        _inverse(_student, -20.0, -0.01),
        STUDENT,
        many_steps=True,
        low=0.2,
        high=0.45,
    ),
]
