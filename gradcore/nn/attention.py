"""Multi-head attention, as a module."""

from __future__ import annotations

from math import inf
from typing import Any

from .. import array_api, functions
from ..backends import Array
from ..engine.arrays import describe, is_real_floating, namespace, node_or_array, raw_array
from ..functions.sizes import sizes
from ..graph import TensorNode
from ..ops.dropout import check_probability
from .init import initial
from .layers import Linear
from .module import Module

__all__ = ["MultiheadAttention"]

Input = TensorNode | Array


class MultiheadAttention(Module):
    """Let several heads attend, each to its own projections of queries, keys and values, and
    project together what they find (https://arxiv.org/abs/1706.03762, section 3.2.2).

    Args:
        embed_dim: the size of queries and of the output: a multiple of `num_heads`.
        dropout: the probability that a weight becomes 0 in training.
        bias: whether the projections have biases.
        add_bias_kv: whether there are a key and a value, at the end, that are learned.
        add_zero_attn: whether there are a key and a value of zeros at the end.
        kdim, vdim: the sizes of keys and values; `None` is `embed_dim`.
        batch_first: whether inputs and output are (N, L, E), in place of (L, N, E).

    Attributes:
        in_proj_weight: (3 * embed_dim, embed_dim), for queries, keys and values; `None` if their
            sizes differ, and then there are `q_proj_weight`, `k_proj_weight` and `v_proj_weight`.
        in_proj_bias: (3 * embed_dim,), or `None`.
        out_proj: the last projection, a `Linear`.
        bias_k, bias_v: (1, 1, embed_dim), or `None`.

    Raises:
        ValueError: a size is not positive, or `embed_dim` no multiple of `num_heads`; or `dropout`
            is not in [0, 1].

    Example:
        >>> attention = nn.MultiheadAttention(embed_dim=8, num_heads=2, batch_first=True)
        >>> x = gradcore.randn(4, 5, 8)  # 4 sequences of 5 vectors
        >>> y, weights = attention(x, x, x)
        >>> print(y.shape, weights.shape, weights.sum(axis=-1)[0].round(3))
        (4, 5, 8) (4, 5, 5) [1. 1. 1. 1. 1.]
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = "float32",
    ) -> None:
        name = "MultiheadAttention"
        (E,) = sizes(name, 1, embed_dim=embed_dim)
        (num_heads,) = sizes(name, 1, num_heads=num_heads)
        (K,) = sizes(name, 1, kdim=E if kdim is None else kdim)
        (V,) = sizes(name, 1, vdim=E if vdim is None else vdim)
        if E % num_heads:
            raise ValueError(
                f"{name}: embed_dim = {E}, expected a multiple of num_heads = {num_heads}"
            )
        check_probability(name, dropout=dropout)
        self.embed_dim, self.num_heads, self.head_dim = E, num_heads, E // num_heads
        self.kdim, self.vdim, self.dropout = K, V, dropout
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn

        def drawn(init: str, *shape: int) -> TensorNode:
            return TensorNode(initial(init, shape, shape[-1], shape[0], dtype))

        self.in_proj_weight = self.q_proj_weight = None
        self.k_proj_weight = self.v_proj_weight = None
        if K == V == E:
            self.in_proj_weight = drawn("glorot_uniform", 3 * E, E)
        else:
            self.q_proj_weight = drawn("glorot_uniform", E, E)
            self.k_proj_weight = drawn("glorot_uniform", E, K)
            self.v_proj_weight = drawn("glorot_uniform", E, V)
        self.in_proj_bias = drawn("zeros", 3 * E) if bias else None
        self.out_proj = Linear(E, E, bias, "kaiming_uniform", dtype)
        if self.out_proj.b is not None:
            self.out_proj.b = TensorNode(
                namespace(self.out_proj.b.value).zeros_like(self.out_proj.b.value)
            )
        self.bias_k = self.bias_v = None
        if add_bias_kv:  # PyTorch counts the fans of (1, 1, E) so: E and 1 times E
            self.bias_k, self.bias_v = (
                TensorNode(initial("glorot", (1, 1, E), E, E, dtype)) for _ in range(2)
            )

    def forward(
        self,
        query: Input,
        key: Input,
        value: Input,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[TensorNode, TensorNode | None]:
        """Apply the layer.

        Args:
            query: (L, N, E), or (N, L, E) if `batch_first`, or without a batch (L, E).
            key: (S, N, kdim), (N, S, kdim) or (S, kdim).
            value: (S, N, vdim), (N, S, vdim) or (S, vdim).
            key_padding_mask: (N, S), or (S,) without a batch: true where a key is left out, or
                floating numbers to add to the scores.
            need_weights: whether to give the weights too. Without, less is computed and kept.
            attn_mask: (L, S) or (N * num_heads, L, S): true where a query does not look at a key,
                or floating numbers to add to the scores. (In `scaled_dot_product_attention`, true
                is where it looks.)
            average_attn_weights: whether to give the mean of the heads' weights.
            is_causal: says that `attn_mask` is causal, so that it need not be read where no weights
                and no `key_padding_mask` are asked for.

        Returns:
            The output, of the shape of the query; and the weights, after dropout, (N, L, S) or, of
            each head, (N, num_heads, L, S), or `None`. A query to which the masks leave no key has
            weights of 0. (PyTorch gives NaN for it if `need_weights`.)

        Raises:
            ValueError: the shapes do not fit, or `is_causal` comes without an `attn_mask`.
            TypeError: a mask has integers.
        """
        same = query is key is value
        query, key, value = map(node_or_array, (query, key, value))
        if same:
            key = value = query
        self._check(query, key, value)
        if is_causal and attn_mask is None:
            raise ValueError(
                f"{self!r}: is_causal says that attn_mask is causal, and there is none; give it, "
                "as by nn.Transformer.generate_square_subsequent_mask"
            )
        # Axes of the sequence and of the batch; heads come last but one, and are moved before them.
        place = 1 if self.batch_first and query.ndim == 3 else 0
        order = (1, 0, 2) if query.ndim == 2 else (1 - place, 2, place, 3)
        q, k, v = (array_api.permute_dims(x, order) for x in self._projected(query, key, value))
        masks = None
        if need_weights or key_padding_mask is not None or not is_causal:
            masks, is_causal = self._masks(q, k, attn_mask, key_padding_mask), False
        k, v, masks = self._extended(k, v, masks)
        dropout, scale = self.dropout if self.training else 0.0, self.head_dim**-0.5
        weights = None
        if need_weights:
            weights = functions.attention_weights(q, k, masks, scale=scale)
            weights = functions.dropout(weights, dropout)
            y = weights @ v
            if average_attn_weights:
                weights = array_api.mean(weights, axis=-3)
        else:
            y = functions.scaled_dot_product_attention(q, k, v, masks, dropout, is_causal=is_causal)
        back = tuple(sorted(range(len(order)), key=order.__getitem__))
        y = array_api.permute_dims(y, back)
        return self.out_proj(array_api.reshape(y, tuple(query.shape))), weights

    def _check(self, query: Input, key: Input, value: Input) -> None:
        shapes = [tuple(x.shape) for x in (query, key, value)]
        expected = self.embed_dim, self.kdim, self.vdim
        batch = 0 if self.batch_first else 1
        fit = (
            len(shapes[0]) in (2, 3)
            and len({len(s) for s in shapes}) == 1
            and all(s[-1] == n for s, n in zip(shapes, expected, strict=True))
            and shapes[1][:-1] == shapes[2][:-1]
            and (len(shapes[0]) == 2 or shapes[0][batch] == shapes[1][batch])
        )
        if not fit:
            axes = "(N, {}, {})" if self.batch_first else "({}, N, {})"
            some = (axes.format(n, m) for n, m in zip("LSS", expected, strict=True))
            raise ValueError(
                f"{self!r}: query {describe(query)}, key {describe(key)} and value "
                f"{describe(value)} do not fit; expected {', '.join(some)}, or none with N"
            )

    def _projected(self, query: Input, key: Input, value: Input) -> tuple[TensorNode, ...]:
        """Project the inputs (..., E): (..., num_heads, head_dim)."""
        heads, E = (self.num_heads, self.head_dim), self.embed_dim
        weight, bias = self.in_proj_weight, self.in_proj_bias
        if weight is not None and query is key is value:
            y = functions.linear(query, weight, bias)
            y = array_api.reshape(y, (*query.shape[:-1], 3, *heads))
            return tuple(array_api.unstack(y, axis=-3))
        if weight is not None:
            weights: Any = [weight[i * E : (i + 1) * E] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases: Any = [None if bias is None else bias[i * E : (i + 1) * E] for i in range(3)]
        ys = map(functions.linear, (query, key, value), weights, biases)
        return tuple([array_api.reshape(y, (*y.shape[:-1], *heads)) for y in ys])

    def _masks(self, q: TensorNode, k: TensorNode, attn_mask: Any, padding: Any) -> Any:
        """Add up the masks: numbers to add to the scores (N, num_heads, L, S), or `None`."""
        lead, (L, S) = tuple(q.shape[:-2]), (q.shape[-2], k.shape[-2])
        total: Any = None
        if attn_mask is not None:
            mask = self._numbers("attn_mask", attn_mask, q)
            every = (lead[0] * self.num_heads if len(lead) == 2 else self.num_heads, L, S)
            if tuple(mask.shape) not in ((L, S), every):
                raise ValueError(
                    f"{self!r}: attn_mask is {describe(mask)}, expected {(L, S)} or {every}"
                )
            total = mask if mask.ndim == 2 else array_api.reshape(mask, (*lead, L, S))
        if padding is not None:
            mask = self._numbers("key_padding_mask", padding, q)
            if tuple(mask.shape) != (*lead[:-1], S):
                raise ValueError(
                    f"{self!r}: key_padding_mask is {describe(mask)}, expected {(*lead[:-1], S)}"
                )
            mask = namespace(mask).reshape(mask, (*lead[:-1], 1, 1, S))
            total = mask if total is None else total + mask
        return total

    def _numbers(self, name: str, mask: Any, q: TensorNode) -> Any:
        """Make of a mask, true where a query does not look, what is added to the scores."""
        mask, like = node_or_array(mask), q.value
        raw = raw_array(mask)
        xp = namespace(raw)
        if xp.isdtype(raw.dtype, "bool"):
            nothing = xp.zeros((), dtype=like.dtype, device=raw.device)
            return xp.where(raw, xp.full_like(nothing, -inf), nothing)
        if not is_real_floating(raw):
            raise TypeError(
                f"{self!r}: {name} is {describe(raw)}, expected booleans, true where a query does "
                "not look at a key, or floating numbers to add; try mask != 0"
            )
        return mask if raw.dtype == like.dtype else namespace(mask).astype(mask, like.dtype)

    def _extended(self, k: Any, v: Any, masks: Any) -> tuple[Any, Any, Any]:
        """Put the keys and values that are learned, and those of zeros, at the end."""
        more, lead = [], tuple(k.shape[:-2])
        if self.bias_k is not None and self.bias_v is not None:
            shape = self.num_heads, 1, self.head_dim
            more.append([array_api.reshape(x, shape) for x in (self.bias_k, self.bias_v)])
        if self.add_zero_attn:
            xp = namespace(k.value)
            zeros = xp.zeros((1, self.head_dim), dtype=k.value.dtype, device=k.value.device)
            more.append([zeros, zeros])
        for of_k, of_v in more:
            one = (*lead, 1, self.head_dim)
            k = array_api.concat([k, array_api.broadcast_to(of_k, one)], axis=-2)
            v = array_api.concat([v, array_api.broadcast_to(of_v, one)], axis=-2)
        if more and masks is not None:
            raw = raw_array(masks)
            shape = (*raw.shape[:-1], len(more))
            zeros = namespace(raw).zeros(shape, dtype=raw.dtype, device=raw.device)
            masks = array_api.concat([masks, zeros], axis=-1)
        return k, v, masks

    def __repr__(self) -> str:
        return f"MultiheadAttention({self.embed_dim}, {self.num_heads})"
