"""Functions that put ops together."""

from __future__ import annotations

from math import inf
from typing import Any

from .. import array_api, ops
from ..engine.arrays import describe, namespace, raw_array
from ..graph import TensorNode
from ..ops import Softmax
from .dropout import dropout

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> TensorNode:
    """softmax(query @ key^T * scale) @ value (https://arxiv.org/abs/1706.03762, section 3.2.1).

    Args:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, V).
        attn_mask: what can be broadcast to (..., L, S): booleans, true where a query looks at a
            key, or numbers to add. A query that looks at no key gets zeros.
        dropout_p: the probability of dropout, see `dropout`; not for evaluation.
        is_causal: query i looks at keys 0 to i only; there is no `attn_mask` then.
        scale: `None`: 1 / sqrt(E).

    Returns:
        (..., L, V).

    Raises:
        ValueError: the shapes do not fit, there are two masks, or `dropout_p` is not in [0, 1].
    """
    raw = raw_array(query)
    if is_causal and attn_mask is not None:
        raise ValueError("scaled_dot_product_attention: is_causal and attn_mask exclude each other")
    if raw.ndim < 2 or raw_array(key).ndim < 2:
        raise ValueError(
            f"scaled_dot_product_attention: query is {describe(raw)} and key "
            f"{describe(raw_array(key))}, expected (..., L, E) and (..., S, E)"
        )
    # The factor goes to the smaller of the products.
    scale = raw.shape[-1] ** -0.5 if scale is None else scale
    keys = array_api.matrix_transpose(key)
    scores = ops.MatrixMultiply.do_forward(ops.Multiply.do_forward(query, scale), keys)
    empty = None
    if is_causal:
        xp = namespace(raw)
        rows, columns = (xp.arange(n, device=raw.device) for n in scores.shape[-2:])
        scores = array_api.where(xp.expand_dims(rows, axis=1) >= columns, scores, -inf)
    elif attn_mask is not None:
        mask = raw_array(attn_mask)
        xp = namespace(mask)
        is_boolean = xp.isdtype(mask.dtype, "bool")
        empty = ~xp.any(mask if is_boolean else mask != -inf, axis=-1, keepdims=True)
        # Of nothing but -inf there is no softmax: such a query looks at all keys at first.
        if is_boolean:
            scores = array_api.where(mask | empty, scores, -inf)
        else:
            scores = scores + array_api.where(empty, 0.0, attn_mask)
    weights = Softmax.do_forward(scores)
    if empty is not None:
        weights = array_api.where(empty, 0.0, weights)
    return dropout(weights, dropout_p) @ value
