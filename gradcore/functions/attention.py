"""Attention: means of values, weighted by how well queries match keys."""

from __future__ import annotations

from math import inf

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..engine.arrays import (
    describe,
    is_real_floating,
    namespace,
    node_or_array,
    raw_array,
    value_of,
)
from ..graph import TensorNode
from .dropout import dropout

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: NodeOrArray,
    key: NodeOrArray,
    value: NodeOrArray,
    attn_mask: NodeOrArray | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> TensorNode:
    """Compute softmax(query @ key^T * scale) @ value: for queries (..., L, E), keys (..., S, E) and
    values (..., S, V), (..., L, V) (https://arxiv.org/abs/1706.03762, section 3.2.1).

    Args:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, V).
        attn_mask: an array that can be broadcast to (..., L, S). It has booleans, true where a
            query looks at a key, or floating numbers to add before the softmax. A query that looks
            at no key gets zeros.
        dropout_p: the probability that a weight of a value becomes 0, see `dropout`. Leave it 0
            outside of training.
        is_causal: let query i look at the keys 0 to i only. Then `attn_mask` must be `None`.
        scale: a factor; `None` is 1 / sqrt(E). With E = 0, all keys have the same weight.

    Returns:
        (..., L, V).

    Raises:
        ValueError: the shapes do not fit, `dropout_p` is not in [0, 1], or `is_causal` comes with
            an `attn_mask`.
        TypeError: the mask has integers.
    """
    raw = raw_array(query)
    if is_causal and attn_mask is not None:
        raise ValueError("scaled_dot_product_attention: is_causal and attn_mask exclude each other")
    if raw.ndim < 2 or raw_array(key).ndim < 2:
        raise ValueError(
            f"scaled_dot_product_attention: query is {describe(raw)} and key "
            f"{describe(raw_array(key))}, expected (..., L, E) and (..., S, E)"
        )
    # Scale the query and not the product, which mostly is larger.
    scale = max(raw.shape[-1], 1) ** -0.5 if scale is None else scale
    keys = array_api.matrix_transpose(key)
    scores = ops.MatrixMultiply.do_forward(ops.Multiply.do_forward(query, scale), keys)
    empty = None
    if is_causal:
        xp = namespace(raw)
        rows, columns = (xp.arange(n, device=raw.device) for n in scores.shape[-2:])
        scores = array_api.where(xp.expand_dims(rows, axis=1) >= columns, scores, -inf)
    elif attn_mask is not None:
        attn_mask = node_or_array(attn_mask)
        mask = value_of(attn_mask)
        xp = namespace(mask)
        is_boolean = xp.isdtype(mask.dtype, "bool")
        if not is_boolean and not is_real_floating(mask):
            raise TypeError(
                f"scaled_dot_product_attention: attn_mask is {describe(mask)}, expected booleans, "
                "true where a query looks at a key, or floating numbers to add; try mask != 0"
            )
        empty = ~xp.any(mask if is_boolean else mask != -inf, axis=-1, keepdims=True)
        # A row of -inf has no softmax. Let a query without keys look at all keys here; its weights
        # are set to 0 below.
        if is_boolean:
            scores = array_api.where(mask | empty, scores, -inf)
        else:
            scores = scores + array_api.where(empty, 0.0, attn_mask)
    weights = ops.Softmax.do_forward(scores)
    if empty is not None:
        weights = array_api.where(empty, 0.0, weights)
    return dropout(weights, dropout_p) @ value
