"""Embeddings of bags of integers."""

from __future__ import annotations

from typing import Any

from .. import functions
from ..graph import TensorNode
from .layers import Embedding

__all__ = ["EmbeddingBag"]


class EmbeddingBag(Embedding):
    """Replace each bag of integers by the sum, the mean or the largest elements of its vectors:
    (B, embedding_dim).

    Args:
        num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, sparse, dtype: see
            `Embedding`.
        mode: "sum", "mean" or "max".
        include_last_offset: whether offsets (B + 1,) also say where the last bag ends.
        padding_idx: the integer that does not count; its vector is zeros and is not trained.

    Attributes:
        w: the vectors, (num_embeddings, embedding_dim), normally distributed.

    Example:
        >>> layer = nn.EmbeddingBag(10, 3, mode="sum")
        >>> print(layer(np.array([[1, 2, 4], [9, 0, 0]])).shape)  # two bags of three integers
        (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, dtype,
        )  # fmt: skip
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(self, x: Any, offsets: Any = None, per_sample_weights: Any = None) -> TensorNode:
        """Reduce the bags that are the rows of x (B, K); or those that begin in x (L,) at the
        offsets (B,)."""
        return functions.embedding_bag(
            x, self.w, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode,
            self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip
