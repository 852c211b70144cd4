"""The rows of gradcore/ops/attention.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .rows import Row, case, constant, raw, refuses

# The second query looks at no key.
MASK = [[0.0, -np.inf, 0.5, 0.0], [-np.inf] * 4, [-np.inf, 0.25, -np.inf, -np.inf]]


def _weights(q: Any, k: Any, mask: Any, causal: bool, scale: float) -> Any:
    scores = q @ np.swapaxes(k, -1, -2) * scale + mask
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    weights = np.exp(scores)
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def _attention(
    q: Any, k: Any, v: Any, mask: Any = 0.0, causal: bool = False, scale: float = 1.0
) -> Any:
    return _weights(q, k, mask, causal, scale) @ v


def _gradient(
    q: Any, k: Any, v: Any, go: Any, mask: Any = 0.0, causal: bool = False, scale: float = 1.0
) -> Any:
    p, turn = _weights(q, k, mask, causal, scale), lambda x: np.swapaxes(x, -1, -2)
    gp = go @ turn(v)
    gs = p * (gp - (gp * p).sum(axis=-1, keepdims=True)) * scale
    return gs @ k, turn(gs) @ q, turn(p) @ go


def _torch_attention(
    q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False, scale: float = 1.0
) -> Any:
    scores = q @ k.mT * scale
    if not k.shape[-2]:
        return scores @ v
    if mask is not None:
        scores = scores + mask
    if causal:
        scores = scores.masked_fill(~scores.new_ones(scores.shape[-2:]).tril().bool(), -np.inf)
    most = scores.amax(dim=-1, keepdim=True)
    weights = (scores - most.masked_fill(most == -np.inf, 0.0)).exp()
    total = weights.sum(dim=-1, keepdim=True)
    return weights / total.masked_fill(most == -np.inf, 1.0) @ v


ROWS = [
    Row(
        ops.Attention,
        _attention,
        [
            case((2, 3), (4, 3), (4, 2), scale=0.5),
            case((2, 3, 2), (2, 4, 2), (2, 4, 3), causal=True, scale=0.7),
            case((4, 2), (2, 2), (2, 1), causal=True, scale=-0.5),
            case((3, 2), (4, 2), (4, 2), raw(MASK), scale=0.5),
            case((2, 3, 2), (4, 2), constant((4, 2)), (3, 4), scale=0.5),
            case((1, 2, 2, 2), (2, 1, 2, 2), (2, 2, 3), (2, 1, 1, 2), causal=True, scale=0.5),
            case((1, 1), (1, 1), (1, 1), scale=1.0),
            case((0, 3), (2, 3), (2, 2), scale=1.0),
            case((2, 3), (0, 3), (0, 2), scale=1.0),
        ],
        _torch_attention,
        refuses=[
            refuses(case((2, 3), (4, 2), (4, 2), scale=1.0), ValueError, "(2, 3)", "(4, 2)"),
            refuses(case((2, 3), (4, 3), (3, 2), scale=1.0), ValueError, "(4, 3)", "(3, 2)"),
            refuses(case((3,), (4, 3), (4, 2), scale=1.0), ValueError, "(3,)", "(..., L, E)"),
        ],
    ),
    Row(
        ops.AttentionGradient,
        _gradient,
        [
            case((2, 3), (4, 3), (4, 2), (2, 2), scale=0.5),
            case((2, 3, 2), (2, 4, 2), (2, 4, 1), (2, 3, 1), causal=True, scale=0.7),
            case((3, 2), (4, 2), (4, 2), (3, 2), raw(MASK), scale=0.5),
            case((1, 1), (1, 1), (1, 1), (1, 1), scale=1.0),
            case((0, 3), (2, 3), (2, 2), (0, 2), scale=1.0),
        ],
    ),
]
