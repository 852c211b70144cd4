"""Layers with weights."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import functions, ops
from ..backends import Array
from ..engine.arrays import describe, is_integer, namespace, node_or_array
from ..functions.sizes import sizes
from ..graph import TensorNode
from .init import initial
from .module import Weighted

__all__ = ["Embedding", "Linear"]


class Linear(Weighted):
    """Multiply x (N, input_size) with the weights and add the bias: (N, output_size).

    Args:
        bias: whether there is a bias.
        init: how to draw the weights, see `gradcore.nn.init`. The bias starts as zeros; with
            "kaiming_uniform" it is drawn from the same distribution as the weights.
        dtype: of the weights and the bias; x must have the same.

    Attributes:
        w: the weights, (output_size, input_size).
        b: the bias, (1, output_size), or `None`.

    Raises:
        ValueError: a size is not positive, or there is no such `init`.
        TypeError: the dtype is not real floating.
    """

    rows = frozenset({"b"})

    def __init__(
        self,
        input_size: int,
        output_size: int,
        bias: bool = True,
        init: str = "glorot",
        dtype: Any = "float32",
    ) -> None:
        (input_size,) = sizes("Linear", 1, input_size=input_size)
        (output_size,) = sizes("Linear", 1, output_size=output_size)
        fans = input_size, output_size
        self.w = TensorNode(initial(init, (output_size, input_size), *fans, dtype))
        self.b = None
        if bias:
            init = init if init == "kaiming_uniform" else "zeros"
            self.b = TensorNode(initial(init, (1, output_size), *fans, dtype))

    def forward(self, x: TensorNode | Array) -> TensorNode:
        """Apply the layer to a node, or to an array, which is a constant.

        Raises:
            ValueError: x is not of shape (N, input_size).
            TypeError: x has not the weights' dtype.
        """
        x = node_or_array(x)
        w, raw = self.w.value, x.value if isinstance(x, TensorNode) else x
        if raw.ndim != 2 or raw.shape[1] != w.shape[1]:
            advice = ""
            if raw.ndim > 2 and prod(raw.shape[1:]) == w.shape[1]:
                advice = "; make each instance a row with nn.Flatten()"
            raise ValueError(
                f"{self!r}: x is {describe(raw)}, expected (N, {w.shape[1]}), "
                f"as w is {tuple(w.shape)}{advice}"
            )
        if type(raw) is type(w) and raw.dtype != w.dtype:
            raise TypeError(
                f"{self!r}: x is {describe(raw)} and w {describe(w)}; give both one dtype, "
                "as in x.astype('float32') or Linear(..., dtype='float64')"
            )
        return ops.BatchMM.do_forward(self.w, x, *([] if self.b is None else [self.b]))

    def __repr__(self) -> str:
        output_size, input_size = self.w.shape
        return f"Linear({input_size}, {output_size}{', bias=False' if self.b is None else ''})"


class Embedding(Weighted):
    """Replace each integer in x (...) by its vector: (..., embedding_dim).

    Args:
        num_embeddings: how many vectors there are; x holds integers from 0 to one less.
        padding_idx: the integer whose vector is zeros and is not trained; a negative one counts
            from the end.
        dtype: of the vectors.

    Attributes:
        w: the vectors, (num_embeddings, embedding_dim), normally distributed.

    Raises:
        ValueError: a size is not positive; there is no such `padding_idx`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        (num_embeddings,) = sizes("Embedding", 1, num_embeddings=num_embeddings)
        (embedding_dim,) = sizes("Embedding", 1, embedding_dim=embedding_dim)
        shape = num_embeddings, embedding_dim
        w = initial("normal", shape, *shape, dtype)
        if padding_idx is not None:
            if not (is_integer(padding_idx) and -num_embeddings <= padding_idx < num_embeddings):
                rows = f"there are {num_embeddings} vectors"
                raise ValueError(f"Embedding: padding_idx = {padding_idx}, and {rows}")
            padding_idx %= num_embeddings
            xp = namespace(w)
            rows = xp.expand_dims(xp.arange(num_embeddings, device=w.device), axis=1)
            w = xp.where(rows == padding_idx, xp.zeros_like(w), w)
        self.w, self.padding_idx = TensorNode(w), padding_idx

    def forward(self, x: Any) -> TensorNode:
        """Look up the vectors of x: a node, an array or (nested) lists of integers.

        Raises:
            IndexError: an integer is not in [0, num_embeddings).
            TypeError: x has other numbers than integers.
        """
        return functions.embedding(x, self.w, self.padding_idx)

    def __repr__(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"Embedding({self.w.shape[0]}, {self.w.shape[1]}{padding})"
