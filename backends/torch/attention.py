"""Attention by PyTorch's fused function."""

from __future__ import annotations

from typing import Any

from torch.nn.functional import scaled_dot_product_attention

from ..base import Backend
from ..types import Array

__all__ = ["TorchAttention"]


class TorchAttention(Backend):
    """Scaled dot-product attention. PyTorch has no one function for the gradient on all devices
    that needs no graph of its own, so this is the definition's."""

    def attention(
        self, q: Array, k: Array, v: Array, mask: Array | None = None, *, causal: bool, scale: float
    ) -> Array:
        if (causal and mask is not None) or not q.dtype is k.dtype is v.dtype or 0 in k.shape:
            return super().attention(q, k, v, mask, causal=causal, scale=scale)
        wide = self._wide
        mask = mask if mask is None else mask.to(wide(q).dtype)
        options: Any = {"attn_mask": mask, "is_causal": causal, "scale": scale}
        y = scaled_dot_product_attention(wide(q), wide(k), wide(v), **options)
        return y.to(q.dtype)
