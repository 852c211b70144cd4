"""LSTMs and GRUs, as the operators of ONNX.

ONNX's weights have an axis more, for directions, and other orders of the gates: input, output,
forget, candidate; and update, reset, candidate.
"""

from __future__ import annotations

import math
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import spox.opset.ai.onnx.v21 as op

from ..base import Backend
from ..types import Array
from . import namespace as xp
from .elementwise import is_double

__all__ = ["OnnxRecurrent"]


class OnnxRecurrent(Backend):
    """Recurrent layers over whole sequences. Of the cells, ONNX gives those after the last step."""

    def lstm(
        self, x: Array, h: Array, c: Array, w_ih: Array, w_hh: Array, b: Array | None
    ) -> tuple[Array, Array, Array]:
        if is_double(x):
            return super().lstm(x, h, c, w_ih, w_hh, b)
        gates = 0, 3, 1, 2
        if b is not None:  # for ONNX the sum of two
            nothing = xp.asarray(np.zeros((1, *b.shape), b.dtype.unwrap_numpy()))
            b = xp.concat([_reordered(b, gates), nothing], axis=1)
        y, h_last, c_last = op.lstm(
            x.unwrap_spox(),
            _reordered(w_ih, gates).unwrap_spox(),
            _reordered(w_hh, gates).unwrap_spox(),
            None if b is None else b.unwrap_spox(),
            initial_h=_start(h),
            initial_c=_start(c),
            hidden_size=w_hh.shape[1],
        )
        nothing = xp.full((*x.shape[:2], w_hh.shape[0]), math.nan, dtype=x.dtype)
        return _steps(y, h_last), self._only_last(x, xp.of(c_last)), nothing

    def gru(
        self,
        x: Array,
        h: Array,
        w_ih: Array,
        w_hh: Array,
        b_ih: Array | None,
        b_hh: Array | None,
    ) -> tuple[Array, Array]:
        if is_double(x):
            return super().gru(x, h, w_ih, w_hh, b_ih, b_hh)
        gates, b = (1, 0, 2), None
        if b_ih is not None:
            b = xp.concat([_reordered(b_ih, gates), _reordered(b_hh, gates)], axis=1)
        y, h_last = op.gru(
            x.unwrap_spox(),
            _reordered(w_ih, gates).unwrap_spox(),
            _reordered(w_hh, gates).unwrap_spox(),
            None if b is None else b.unwrap_spox(),
            initial_h=_start(h),
            hidden_size=w_hh.shape[1],
            linear_before_reset=1,
        )
        nothing = xp.full((*x.shape[:2], 4 * w_hh.shape[1]), math.nan, dtype=x.dtype)
        return _steps(y, h_last), nothing

    def _only_last(self, x: Array, c: Array) -> Array:
        """Give cells (T, N, H) of which the last are c (1, N, H), and the others, which ONNX does
        not give, are NaN."""
        others = xp.full((x.shape[0] - 1, *c.shape[1:]), math.nan, dtype=x.dtype)
        cells = xp.concat([others, c], axis=0)
        _last[cells.unwrap_spox()] = xp.squeeze(c, axis=0)
        return cells

    def getitem(self, x: Array, key: Any) -> Array:
        """Give x[key]; of the last step, what the operator gives besides."""
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) and key else (key, ())
        T = x.shape[0] if x.ndim else 0
        if type(first) is not int or not -T <= first < T or rest not in ((), (...,)):
            return super().getitem(x, key)
        last = _last.get(x.unwrap_spox()) if first % T == T - 1 else None
        return xp.entry(x, first, 0) if last is None else last


_last = WeakKeyDictionary[Any, Array]()  # of steps that an operator gave: the last


def _start(h: Array) -> Any:
    """Give the state at the start (1, N, H); `None`, which is zeros, if it is known to be zeros."""
    numbers = xp.known(h)
    if numbers is not None and not numbers.any():
        return None
    return xp.expand_dims(h, axis=0).unwrap_spox()


def _reordered(w: Array, gates: tuple[int, ...]) -> Array:
    """Give the rows of w (G, ...), of several gates, in this order: (1, G, ...)."""
    rows = np.arange(w.shape[0]).reshape(len(gates), -1)[list(gates)].reshape(1, -1)
    return xp.of(op.gather(w.unwrap_spox(), op.const(rows), axis=0))


def _steps(y: Any, h_last: Any) -> Array:
    """Give the steps (T, N, H) of y (T, 1, N, H), and note what is after the last."""
    steps = xp.squeeze(xp.of(y), axis=1)
    _last[steps.unwrap_spox()] = xp.squeeze(xp.of(h_last), axis=0)
    return steps
