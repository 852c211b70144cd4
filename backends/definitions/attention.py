"""Define attention and its gradient."""

from __future__ import annotations

import math
from typing import Any

from ..types import Array
from .common import Definitions

__all__ = ["AttentionKernels"]


class AttentionKernels(Definitions):
    """Compute means of values, weighted by how well queries match keys.

    Queries q are (..., L, E), keys k (..., S, E), values v (..., S, V), and the floating mask, if
    there is one, is added to the scores (..., L, S); leading axes are broadcast. A query to which
    the mask leaves no key gets zeros. Where q has 16 bits, all is computed in float32.
    """

    def attention(
        self, q: Array, k: Array, v: Array, mask: Array | None = None, *, causal: bool, scale: float
    ) -> Array:
        """Compute softmax(q @ k^T * scale + mask) @ v: (..., L, V).

        Args:
            causal: let query i look at the keys 0 to i only.
        """
        xp, wide = self.xp, self._wide
        y = xp.matmul(self._weights(wide(q), wide(k), mask, causal, scale), wide(v))
        return xp.astype(y, q.dtype, copy=False)

    def attention_gradient(
        self,
        q: Array,
        k: Array,
        v: Array,
        go: Array,
        mask: Array | None = None,
        *,
        causal: bool,
        scale: float,
    ) -> tuple[Array, Array, Array]:
        """Compute the gradients of q, k and v from that of `attention`, which is go (..., L, V).
        Their leading axes are those of go."""
        xp, dtype = self.xp, q.dtype
        q, k, v, go = (self._wide(x) for x in (q, k, v, go))
        p = self._weights(q, k, mask, causal, scale)
        gp = xp.matmul(go, xp.matrix_transpose(v))
        gs = p * (gp - xp.sum(gp * p, axis=-1, keepdims=True)) * scale
        gk, gv = xp.matmul(xp.matrix_transpose(gs), q), xp.matmul(xp.matrix_transpose(p), go)
        gq, gk, gv = (xp.astype(g, dtype, copy=False) for g in (xp.matmul(gs, k), gk, gv))
        return gq, gk, gv

    def _weights(self, q: Array, k: Array, mask: Any, causal: bool, scale: float) -> Array:
        """Compute the weights of the values: (..., L, S)."""
        xp = self.xp
        scores = xp.matmul(q * scale, xp.matrix_transpose(k))
        if causal:
            rows, columns = (xp.arange(n, device=q.device) for n in scores.shape[-2:])
            scores = xp.where(xp.expand_dims(rows, axis=1) >= columns, scores, -math.inf)
        if mask is not None:
            scores = scores + self._wide(mask)
        if not scores.shape[-1]:
            return scores
        most = xp.max(scores, axis=-1, keepdims=True)
        weights = xp.exp(scores - xp.where(most == -math.inf, 0.0, most))
        total = xp.sum(weights, axis=-1, keepdims=True)
        return weights / xp.where(most == -math.inf, 1.0, total)
