"""Attention: means of values, weighted by how well queries match keys."""

from __future__ import annotations

from math import inf
from typing import Any

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..backends import Array
from ..engine.arrays import (
    describe,
    is_real_floating,
    namespace,
    node_or_array,
    raw_array,
    value_of,
)
from ..graph import TensorNode
from ..ops.dropout import check_probability
from .dropout import dropout

__all__ = ["attention_weights", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: NodeOrArray,
    key: NodeOrArray,
    value: NodeOrArray,
    attn_mask: NodeOrArray | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> TensorNode:
    """Compute softmax(query @ key^T * scale) @ value: for queries (..., L, E), keys (..., S, E) and
    values (..., S, V), (..., L, V) (https://arxiv.org/abs/1706.03762, section 3.2.1).

    Without dropout, the weights (..., L, S) are not kept for the gradient, and computed twice.

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
        enable_gqa: let groups of neighbouring heads of the query share a head of key and value
            (https://arxiv.org/abs/2305.13245): their axis -3 divides that of the query.

    Returns:
        (..., L, V).

    Raises:
        ValueError: the shapes do not fit, `dropout_p` is not in [0, 1], or `is_causal` comes with
            an `attn_mask`.
        TypeError: the mask has integers.

    Example:
        >>> query = TensorNode(np.ones((8, 5, 16)))  # 8 heads, 5 places, 16 numbers each
        >>> key, value = TensorNode(np.ones((8, 7, 16))), TensorNode(np.ones((8, 7, 32)))
        >>> gradcore.scaled_dot_product_attention(query, key, value).shape
        (8, 5, 32)
    """
    name = "scaled_dot_product_attention"
    query, key, value = map(node_or_array, (query, key, value))
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: is_causal and attn_mask exclude each other")
    check_probability(name, dropout_p=dropout_p)
    shapes = [tuple(x.shape) for x in (query, key, value)]
    if min(map(len, shapes)) < 2:
        raise ValueError(
            f"{name}: query is {describe(query)}, key {describe(key)} and value {describe(value)}, "
            "expected (..., L, E), (..., S, E) and (..., S, V)"
        )
    if enable_gqa:
        key, value = (_shared(name, x, shapes[0]) for x in (key, value))
    scale = max(shapes[0][-1], 1) ** -0.5 if scale is None else float(scale)
    masks = [] if attn_mask is None else [_added(name, attn_mask, raw_array(query))]
    if dropout_p == 0:
        return ops.Attention.do_forward(
            query, key, value, *masks, causal=bool(is_causal), scale=scale
        )
    weights = attention_weights(query, key, *masks, is_causal=is_causal, scale=scale)
    return dropout(weights, dropout_p) @ value


def attention_weights(
    query: NodeOrArray,
    key: NodeOrArray,
    mask: NodeOrArray | None = None,
    *,
    is_causal: bool = False,
    scale: float,
) -> TensorNode:
    """Compute the weights of `scaled_dot_product_attention`, softmax(query @ key^T * scale + mask):
    (..., L, S). A query to which a mask of floating numbers leaves no key has zeros.

    Example:
        >>> query, key = TensorNode(np.eye(2)), TensorNode([[1.0, 1.0], [1.0, 1.0]])
        >>> print(gradcore.attention_weights(query, key, scale=1.0, is_causal=True).value)
        [[1.  0. ]
         [0.5 0.5]]
    """
    # Scale the query and not the product, which mostly is larger.
    keys = array_api.matrix_transpose(key)
    scores = ops.MatrixMultiply.do_forward(ops.Multiply.do_forward(query, scale), keys)
    if is_causal:
        xp, device = namespace(scores.value), scores.value.device
        rows, columns = (xp.arange(n, device=device) for n in scores.shape[-2:])
        scores = array_api.where(xp.expand_dims(rows, axis=1) >= columns, scores, -inf)
    if mask is None:
        return ops.Softmax.do_forward(scores)
    # A row of -inf has no softmax. Let a query without keys look at all keys here, and set its
    # weights to 0 below.
    raw = raw_array(mask)
    empty = ~namespace(raw).any(raw != -inf, axis=-1, keepdims=True)
    weights = ops.Softmax.do_forward(scores + array_api.where(empty, 0.0, mask))
    return array_api.where(empty, 0.0, weights)


def _added(name: str, mask: Any, like: Array) -> NodeOrArray:
    """Make of a mask the numbers to add to the scores, of the dtype of `like`."""
    mask = node_or_array(mask)
    raw = value_of(mask)
    xp = namespace(raw)
    if xp.isdtype(raw.dtype, "bool"):
        nothing = xp.zeros((), dtype=like.dtype, device=raw.device)
        return xp.where(raw, nothing, xp.full_like(nothing, -inf))
    if not is_real_floating(raw):
        raise TypeError(
            f"{name}: attn_mask is {describe(raw)}, expected booleans, true where a query looks at "
            "a key, or floating numbers to add; try mask != 0"
        )
    return mask if raw.dtype == like.dtype else namespace(mask).astype(mask, like.dtype)


def _shared(name: str, x: NodeOrArray, query: tuple[int, ...]) -> NodeOrArray:
    """Repeat each head of a key or value (..., heads, S, E), so that it has as many as the query,
    whose shape is given."""
    shape = tuple(x.shape)
    if len(shape) < 3 or len(query) < 3 or not shape[-3] or query[-3] % shape[-3]:
        raise ValueError(
            f"{name}: enable_gqa needs (..., heads, length, size), with the heads of key and value "
            f"dividing those of the query; found query {query} and {describe(x)}"
        )
    if query[-3] == shape[-3]:
        return x
    xp, (*lead, heads, length, size) = namespace(x), shape
    groups = xp.broadcast_to(
        xp.expand_dims(x, axis=-3), (*lead, heads, query[-3] // heads, length, size)
    )
    return xp.reshape(groups, (*lead, query[-3], length, size))
