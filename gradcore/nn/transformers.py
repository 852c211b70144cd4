"""Transformers (https://arxiv.org/abs/1706.03762): layers of attention, and stacks of layers."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from math import inf
from typing import Any

from .. import functions
from ..backends import Array, default
from ..engine.arrays import describe, node_or_array
from ..functions.sizes import sizes
from ..graph import TensorNode
from ..ops.dropout import check_probability
from .attention import MultiheadAttention
from .containers import ModuleList
from .dropout import Dropout
from .init import initial
from .layers import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Input = TensorNode | Array
ACTIVATIONS: dict[str, Callable[[Any], TensorNode]] = {
    "relu": functions.relu,
    "gelu": functions.gelu,
}


class _Layer(Module):
    """What the layers of encoder and decoder share: blocks, each with a residual connection and a
    norm."""

    blocks: int  # how many

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = "float32",
    ) -> None:
        name = type(self).__name__
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise ValueError(
                f"{name}: activation = {activation!r}, expected 'relu', 'gelu' or a function"
            )
        check_probability(name, dropout=dropout)

        def attention() -> MultiheadAttention:
            return MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
            )

        self.self_attn = attention()
        if self.blocks == 3:
            self.multihead_attn = attention()
        init = "kaiming_uniform"
        self.linear1 = Linear(d_model, dim_feedforward, bias, init, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, init, dtype)
        self.norm_first = norm_first
        for i in range(1, self.blocks + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))
        for i in range(1, self.blocks + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = ACTIVATIONS[activation] if isinstance(activation, str) else activation

    def _through(self, x: Any, *blocks: Callable[[Any], Any]) -> TensorNode:
        """Add to x what each block makes of it, and norm before or after."""
        for i, block in enumerate(blocks, start=1):
            norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
            # The node comes first: x may be an array of a library that adds no nodes.
            x = dropout(block(norm(x))) + x if self.norm_first else norm(dropout(block(x)) + x)
        return x

    def _feed_forward(self, x: Any) -> TensorNode:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def __repr__(self) -> str:
        attention, hidden = self.self_attn, self.linear1.out_features
        return f"{type(self).__name__}({attention.embed_dim}, {attention.num_heads}, {hidden})"


class TransformerEncoderLayer(_Layer):
    """Let a sequence attend to itself, then apply two linear layers to each vector. Each of the two
    blocks has dropout, a residual connection and a layer norm.

    Args:
        d_model: the size of the vectors.
        nhead: how many heads attention has.
        dim_feedforward: the size between the two linear layers.
        dropout: the probability of dropout, also of the weights of attention.
        activation: "relu", "gelu" or a function, between the linear layers.
        layer_norm_eps: see `LayerNorm`.
        batch_first: whether inputs are (N, S, d_model), in place of (S, N, d_model).
        norm_first: whether the norm is applied to the input of a block ("pre-norm"), in place of
            the sum after the block.
        bias: whether linear layers and norms have biases.

    Attributes:
        self_attn, linear1, linear2, norm1, norm2: the layers with weights, which are drawn as
            PyTorch draws them.

    Raises:
        ValueError: there is no such activation, `dropout` is not in [0, 1], or `d_model` is no
            multiple of `nhead`.

    Example:
        >>> layer = nn.TransformerEncoderLayer(16, nhead=2, dim_feedforward=32, batch_first=True)
        >>> print(layer(gradcore.randn(4, 7, 16)).shape)
        (4, 7, 16)
    """

    blocks = 2

    def forward(
        self,
        src: Input,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> TensorNode:
        """Apply the layer to src: (S, N, d_model), (N, S, d_model) if `batch_first`, or, without a
        batch, (S, d_model).

        Args:
            src_mask: the `attn_mask` of `MultiheadAttention.forward`.
            src_key_padding_mask: its `key_padding_mask`.
            is_causal: says that `src_mask` is causal.
        """

        def attend(x: Any) -> TensorNode:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask,
                                  is_causal=is_causal)[0]  # fmt: skip

        return self._through(src, attend, self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Let a sequence attend to itself, then to a memory, and then apply two linear layers to each
    vector. Each of the three blocks has dropout, a residual connection and a layer norm.

    Arguments are those of `TransformerEncoderLayer`.

    Attributes:
        self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3: the layers with weights.

    Example:
        >>> layer = nn.TransformerDecoderLayer(16, nhead=2, batch_first=True)
        >>> print(layer(gradcore.randn(4, 5, 16), memory=gradcore.randn(4, 7, 16)).shape)
        (4, 5, 16)
    """

    blocks = 3

    def forward(
        self,
        tgt: Input,
        memory: Input,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> TensorNode:
        """Apply the layer to tgt (T, N, d_model) with a memory (S, N, d_model), what an encoder
        gave; or (N, ..., d_model) if `batch_first`; or without N.

        Args:
            tgt_mask, memory_mask: the `attn_mask` of `MultiheadAttention.forward`, for the two
                attentions.
            tgt_key_padding_mask, memory_key_padding_mask: their `key_padding_mask`.
            tgt_is_causal, memory_is_causal: say that the masks are causal.
        """

        def attend(x: Any) -> TensorNode:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask,
                                  is_causal=tgt_is_causal)[0]  # fmt: skip

        def look_up(x: Any) -> TensorNode:
            return self.multihead_attn(x, memory, memory, memory_key_padding_mask, False,
                                       memory_mask, is_causal=memory_is_causal)[0]  # fmt: skip

        return self._through(tgt, attend, look_up, self._feed_forward)


class TransformerEncoder(Module):
    """Apply `num_layers` copies of a layer one after the other, and a norm at the end if given. All
    copies start from the layer's weights, as in PyTorch.

    Args:
        enable_nested_tensor, mask_check: have no effect; PyTorch's have.

    Attributes:
        layers: the copies, in a `ModuleList`.

    Example:
        >>> layer = nn.TransformerEncoderLayer(16, nhead=2, batch_first=True)
        >>> encoder = nn.TransformerEncoder(layer, num_layers=2)
        >>> print(encoder(gradcore.randn(4, 7, 16)).shape)
        (4, 7, 16)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,  # noqa: ARG002
        mask_check: bool = True,  # noqa: ARG002
    ) -> None:
        (num_layers,) = sizes("TransformerEncoder", 1, num_layers=num_layers, least=0)
        self.layers = ModuleList([deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        src: Input,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool | None = None,
    ) -> Any:
        """Apply the layers; arguments are those of `TransformerEncoderLayer.forward`."""
        x: Any = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, is_causal=bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """Apply `num_layers` copies of a layer one after the other, and a norm at the end if given. All
    copies start from the layer's weights, as in PyTorch.

    Attributes:
        layers: the copies, in a `ModuleList`.

    Example:
        >>> layer = nn.TransformerDecoderLayer(16, nhead=2, batch_first=True)
        >>> decoder = nn.TransformerDecoder(layer, num_layers=2)
        >>> print(decoder(gradcore.randn(4, 5, 16), memory=gradcore.randn(4, 7, 16)).shape)
        (4, 5, 16)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        (num_layers,) = sizes("TransformerDecoder", 1, num_layers=num_layers, least=0)
        self.layers = ModuleList([deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Input,
        memory: Input,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """Apply the layers; arguments are those of `TransformerDecoderLayer.forward`."""
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        x: Any = tgt
        for layer in self.layers:
            x = layer(x, memory, *masks, bool(tgt_is_causal), memory_is_causal)
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """Encode a sequence, and decode another one with the first as the memory.

    Args:
        custom_encoder, custom_decoder: modules in place of the stacks.

    The other arguments are those of `TransformerEncoderLayer`. All matrices are drawn anew for each
    layer ("glorot_uniform").

    Attributes:
        encoder: a `TransformerEncoder`.
        decoder: a `TransformerDecoder`.

    Raises:
        ValueError: as `TransformerEncoderLayer`; or the shapes of `src` and `tgt` do not fit.

    Example:
        >>> model = nn.Transformer(16, nhead=2, num_encoder_layers=1, num_decoder_layers=1)
        >>> source, target = gradcore.randn(7, 4, 16), gradcore.randn(5, 4, 16)
        >>> print(model(source, target).shape)
        (5, 4, 16)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = "float32",
    ) -> None:
        settings: Any = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps
        settings = *settings, batch_first, norm_first, bias, dtype

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*settings), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*settings), num_decoder_layers, norm()
        )
        for module in self.modules():
            names = {Linear: ["w"], MultiheadAttention: ["in_proj_weight"]}.get(type(module), [])
            for name in names:
                p = getattr(module, name)
                fan_out, fan_in = p.shape
                p.value = initial("glorot_uniform", p.shape, fan_in, fan_out, dtype)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self,
        src: Input,
        tgt: Input,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """Encode src (S, N, d_model) and decode tgt (T, N, d_model): (T, N, d_model). If
        `batch_first`, N is the first axis. The masks are those of the layers.

        Raises:
            ValueError: the shapes do not fit.
        """
        src, tgt = node_or_array(src), node_or_array(tgt)
        batch = 0 if self.batch_first else 1
        fit = src.ndim == tgt.ndim and src.ndim in (2, 3)
        fit = fit and src.shape[-1] == tgt.shape[-1] == self.d_model
        if not fit or (src.ndim == 3 and src.shape[batch] != tgt.shape[batch]):
            axes = "(N, {}, {})" if self.batch_first else "({}, N, {})"
            some = " and ".join(axes.format(n, self.d_model) for n in "ST")
            raise ValueError(
                f"Transformer: src is {describe(src)} and tgt {describe(tgt)}, expected {some}, or "
                "both without N"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: Any = "float32") -> Array:
        """Make a causal mask (sz, sz), an array of the default backend: -inf where a key comes
        after the query, and zeros elsewhere."""
        backend = default()
        xp = backend.xp
        full = xp.full((sz, sz), -inf, dtype=backend.dtype(dtype), device=backend.device)
        return xp.triu(full, k=1)
