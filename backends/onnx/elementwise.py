"""Linear layers, activations, softmax and attention, as the operators of ONNX."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import spox.opset.ai.onnx.v21 as op

from ..base import Backend
from ..types import Array
from . import namespace as xp

__all__ = ["OnnxElementwise", "is_double"]


def is_double(x: Array) -> bool:
    """Say whether x is float64, for which ONNX Runtime lacks some operators on CPUs. Definitions
    take their place."""
    return x.dtype == xp.float64


class OnnxElementwise(Backend):
    """Kernels that are one operator, or two."""

    def linear(self, x: Array, w: Array, b: Array | None) -> Array:
        if x.dtype != w.dtype or x.ndim != 2:
            y = xp.matmul(x, xp.matrix_transpose(w))
            return y if b is None else y + b
        inputs = (a if a is None else a.unwrap_spox() for a in (x, w, b))
        return xp.of(op.gemm(*inputs, transB=1))

    def sigmoid(self, x: Array) -> Array:
        return xp.of(op.sigmoid(x.unwrap_spox()))

    def gelu(self, x: Array) -> Array:
        return super().gelu(x) if is_double(x) else xp.of(op.gelu(x.unwrap_spox()))

    def erf(self, x: Array) -> Array:
        return super().erf(x) if is_double(x) else xp.of(op.erf(x.unwrap_spox()))

    def softmax(self, x: Array, axis: int | None) -> Array:
        return self._along(op.softmax, x, axis)

    def log_softmax(self, x: Array, axis: int | None) -> Array:
        return self._along(op.log_softmax, x, axis)

    def _along(self, operator: Any, x: Array, axis: int | None) -> Array:
        if axis is None:  # a number, which the operators do not take
            return xp.reshape(self._along(operator, xp.reshape(x, (1,)), 0), ())
        return xp.of(operator(x.unwrap_spox(), axis=axis))

    def attention(
        self, q: Array, k: Array, v: Array, mask: Array | None = None, *, causal: bool, scale: float
    ) -> Array:
        weights = self._weights(q, k, mask, causal, scale)
        return xp.matmul(weights, v)

    def _weights(self, q: Array, k: Array, mask: Any, causal: bool, scale: float) -> Array:
        scores = xp.matmul(q * scale, xp.matrix_transpose(k))
        if not scores.shape[-1]:
            return scores
        if causal:
            scores = scores + xp.astype(_causal(*scores.shape[-2:]), scores.dtype)
        if mask is not None:
            scores = scores + mask
        weights = self.softmax(scores, -1)
        if mask is None or _leaves_a_key(mask):
            return weights
        return xp.where(xp.max(scores, axis=-1, keepdims=True) == -math.inf, 0.0, weights)


@lru_cache(64)
def _causal(queries: int, keys: int) -> Array:
    """Make the numbers to add to scores: -inf where a key comes after the query."""
    later = np.arange(queries)[:, None] < np.arange(keys)
    return xp.asarray(np.where(later, -np.inf, 0.0).astype(np.float32))


def _leaves_a_key(mask: Array) -> bool:
    """Say whether the mask is known, and leaves each query a key."""
    numbers = xp.known(mask)
    return numbers is not None and bool((numbers > -np.inf).any(axis=-1).all())
