"""Compute attention part by part, so that scores and weights stay in the cache.

Results lie in memory as (..., L, heads, E): projections of queries, keys and values have this
order, and what they make of it needs no copy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import Backend
from ..definitions.common import is_half
from .blocks import for_each
from .products import alone

__all__ = ["NumpyAttention", "Parts"]

BLOCK = 1 << 17  # scores: half a megabyte of float32


class Parts:
    """The arrays of one call with two leading axes, (A, H, ...): views, and copies where more
    leading axes don't fit into two.

    Args:
        mask: is given as (A, H, L, S), broadcast, or `None`.
    """

    def __init__(self, mask: np.ndarray | None, *arrays: np.ndarray) -> None:
        shapes = [x.shape[:-2] for x in (*arrays, *([] if mask is None else [mask]))]
        self.lead = np.broadcast_shapes(*shapes)
        self.A, self.H = math.prod(self.lead[:-1]), math.prod(self.lead[-1:])
        self.arrays = [self.spread(x, x.shape[-2:]) for x in arrays]
        self.L, self.S = arrays[0].shape[-2], arrays[1].shape[-2]
        self.mask = None if mask is None else self.spread(mask, (self.L, self.S))

    def spread(self, x: np.ndarray, last: tuple[int, ...]) -> np.ndarray:
        if x.shape != (*self.lead, *last):
            x = np.broadcast_to(x, (*self.lead, *last))
        return x if len(self.lead) == 2 else x.reshape(self.A, self.H, *last)

    def empty(self, rows: int, width: int, dtype: Any, zero: bool = False) -> np.ndarray:
        """Make a result (A, H, rows, width), in memory (A, rows, H, width)."""
        make = np.zeros if zero else np.empty
        return make((self.A, rows, self.H, width), dtype).transpose(0, 2, 1, 3)

    def full(self, x: np.ndarray) -> np.ndarray:
        """Give a result all leading axes."""
        return x if len(self.lead) == 2 else x.reshape(*self.lead, *x.shape[2:])

    def blocks(self, causal: bool) -> list[list[tuple[tuple[Any, ...], tuple[Any, ...]]]]:
        """List the indices of queries, and of keys that these look at: several instances, or one
        head and some of its queries, whose scores are about BLOCK. What looks at the same keys is
        in one list."""
        each = self.L * self.S * self.H
        if each <= BLOCK:
            step = max(BLOCK // max(each, 1), 1)
            instances = (slice(a, a + step) for a in range(0, self.A, step))
            return [[((some, slice(None), slice(None)), (slice(None),))] for some in instances]
        rows = max(BLOCK // self.S, 1)
        return [
            [
                (
                    (slice(a, a + 1), slice(h, h + 1), slice(low, low + rows)),
                    (slice(low + rows) if causal else slice(None),),
                )
                for low in range(0, self.L, rows)
            ]
            for a in range(self.A)
            for h in range(self.H)
        ]

    def for_each(self, causal: bool, compute: Callable[[Any, Any], None]) -> None:
        """Call `compute` for the indices of each block; threads share these, but for blocks that
        look at the same keys."""

        def some(together: Any) -> None:
            for at, keys in together:
                compute(at, keys)

        with alone():
            for_each(some, self.blocks(causal), self.A * self.H * self.L * self.S)

    def weights(
        self, q: np.ndarray, k: np.ndarray, at: Any, keys: Any, causal: bool, scale: float
    ) -> np.ndarray:
        """Compute the weights of one block, in one array."""
        p = np.matmul(q * scale, k.mT)
        if causal:
            first, (L, S) = at[2].start or 0, p.shape[-2:]
            p += np.triu(np.full((L, S), -np.inf, p.dtype), first + 1)
        if self.mask is not None:
            p += self.mask[at][..., keys[0]]
        most = p.max(axis=-1, keepdims=True)
        if self.mask is not None:
            empty = most == -np.inf
            most[empty] = 0.0
        p -= most
        np.exp(p, out=p)
        total = p.sum(axis=-1, keepdims=True)
        if self.mask is not None:
            total[empty] = 1.0
        p /= total
        return p


class NumpyAttention(Backend):
    """Wrap NumPy, with attention in parts."""

    def attention(
        self,
        q: np.ndarray,
        k: np.ndarray,
        v: np.ndarray,
        mask: np.ndarray | None = None,
        *,
        causal: bool,
        scale: float,
    ) -> np.ndarray:
        if is_half(q) or not k.shape[-2]:
            return super().attention(q, k, v, mask, causal=causal, scale=scale)
        parts = Parts(mask, q, k, v)
        q, k, v = parts.arrays
        y = parts.empty(parts.L, v.shape[-1], q.dtype)

        def compute(at: Any, keys: Any) -> None:
            there = (*at[:2], *keys)
            p = parts.weights(q[at], k[there], at, keys, causal, scale)
            np.matmul(p, v[there], out=y[at])

        parts.for_each(causal, compute)
        return parts.full(y)

    def attention_gradient(
        self,
        q: np.ndarray,
        k: np.ndarray,
        v: np.ndarray,
        go: np.ndarray,
        mask: np.ndarray | None = None,
        *,
        causal: bool,
        scale: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if is_half(q) or not k.shape[-2]:
            return super().attention_gradient(q, k, v, go, mask, causal=causal, scale=scale)
        parts = Parts(mask, q, k, v, go)
        q, k, v, go = parts.arrays
        gq = parts.empty(parts.L, q.shape[-1], q.dtype)
        gk, gv = (parts.empty(parts.S, x.shape[-1], q.dtype, zero=True) for x in (k, v))

        def compute(at: Any, keys: Any) -> None:
            there = (*at[:2], *keys)
            p = parts.weights(q[at], k[there], at, keys, causal, scale)
            gv[there] += np.matmul(p.mT, go[at])
            gp = np.matmul(go[at], v[there].mT)
            gp -= np.vecdot(gp, p)[..., None]
            gp *= p
            gp *= scale
            np.matmul(gp, k[there], out=gq[at])
            gk[there] += np.matmul(gp.mT, q[at])

        parts.for_each(causal, compute)
        return parts.full(gq), parts.full(gk), parts.full(gv)
