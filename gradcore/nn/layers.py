"""Layers with weights."""

from __future__ import annotations

from math import prod
from typing import Any, Self

from .. import functions, ops
from ..backends import Array
from ..engine.arrays import copied, describe, is_integer, namespace, node_or_array, value_of
from ..functions.sizes import sizes
from ..graph import TensorNode
from .init import initial
from .module import Module, Weighted
from .parameter import Parameter

__all__ = ["Bilinear", "Embedding", "Linear"]


class Linear(Weighted):
    """Multiply x (..., in_features) with the weights and add the bias: (..., out_features). All
    vectors of x are multiplied in one product.

    `input_size` and `output_size` are the same sizes by gradcore's first names.

    Args:
        bias: whether there is a bias.
        init: how to draw the weights, see `gradcore.nn.init`. The bias starts as zeros; with
            "kaiming_uniform" it is drawn from the same distribution as the weights.
        dtype: of the weights and the bias; x must have the same.

    Attributes:
        w: the weights, (out_features, in_features).
        b: the bias, (1, out_features), or `None`.

    Raises:
        ValueError: a size is not positive, or there is no such `init`.
        TypeError: the dtype is not real floating.

    Example:
        >>> layer = nn.Linear(3, 2)
        >>> y = layer(gradcore.ones((4, 3)))
        >>> y.sum().backward()
        >>> print(y.shape, layer.w.shape, layer.b.grad)
        (4, 2) (2, 3) [[4. 4.]]
    """

    _state_rows = frozenset({"b"})

    def __init__(
        self,
        input_size: int | None = None,
        output_size: int | None = None,
        bias: bool = True,
        init: str = "glorot",
        dtype: Any = "float32",
        *,
        in_features: int | None = None,
        out_features: int | None = None,
    ) -> None:
        input_size = _one_size("input_size", input_size, in_features)
        output_size = _one_size("output_size", output_size, out_features)
        fans = input_size, output_size
        self.w = TensorNode(initial(init, (output_size, input_size), *fans, dtype))
        self.b = None
        if bias:
            init = init if init == "kaiming_uniform" else "zeros"
            self.b = TensorNode(initial(init, (1, output_size), *fans, dtype))

    def forward(self, x: TensorNode | Array) -> TensorNode:
        """Apply the layer to a node, or to an array, which is a constant.

        Raises:
            ValueError: x is not of shape (..., in_features).
            TypeError: x has not the weights' dtype.
        """
        x = node_or_array(x)
        w, raw = self.w.value, x.value if isinstance(x, TensorNode) else x
        if not raw.ndim or raw.shape[-1] != w.shape[1]:
            advice = ""
            if raw.ndim > 1 and prod(raw.shape[1:]) == w.shape[1]:
                advice = "; make each instance a row with nn.Flatten()"
            raise ValueError(
                f"{self!r}: x is {describe(raw)}, expected (..., {w.shape[1]}), "
                f"as w is {tuple(w.shape)}{advice}"
            )
        if type(raw) is type(w) and raw.dtype != w.dtype:
            raise TypeError(
                f"{self!r}: x is {describe(raw)} and w {describe(w)}; give both one dtype, "
                "as in x.astype('float32') or Linear(..., dtype='float64')"
            )
        return ops.BatchMM.do_forward(self.w, x, *([] if self.b is None else [self.b]))

    @property
    def in_features(self) -> int:
        """How many numbers each vector of x has."""
        return int(self.w.shape[1])

    @property
    def out_features(self) -> int:
        """How many numbers each vector of the output has."""
        return int(self.w.shape[0])

    input_size, output_size = in_features, out_features

    def __repr__(self) -> str:
        output_size, input_size = self.w.shape
        return f"Linear({input_size}, {output_size}{', bias=False' if self.b is None else ''})"


def _one_size(name: str, size: int | None, other: int | None) -> int:
    """Check a size of a Linear that is given by one of two names."""
    if size is not None and other is not None:
        raise TypeError(f"Linear: {name} is given twice, as {size} and {other}")
    return sizes("Linear", 1, 1, **{name: other if size is None else size})[0]


class Bilinear(Module):
    """Compute x1 W x2 + b for each pair of vectors x1 (..., in1_features) and x2 (...,
    in2_features), with a matrix W for each of the numbers that come out: (..., out_features).

    Attributes:
        weight: the matrices, (out_features, in1_features, in2_features), drawn uniformly from
            -1 / sqrt(in1_features) to 1 / sqrt(in1_features), as in PyTorch.
        bias: (out_features,), drawn from the same distribution; or `None`.

    Raises:
        ValueError: a size is not positive.

    Example:
        >>> layer = nn.Bilinear(3, 4, 2)
        >>> print(layer(gradcore.ones((5, 3)), gradcore.ones((5, 4))).shape)
        (5, 2)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        dtype: Any = "float32",
    ) -> None:
        (in1_features,) = sizes("Bilinear", 1, in1_features=in1_features)
        (in2_features,) = sizes("Bilinear", 1, in2_features=in2_features)
        (out_features,) = sizes("Bilinear", 1, out_features=out_features)
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        init, fans = "kaiming_uniform", (in1_features, out_features)
        shape = out_features, in1_features, in2_features
        self.weight = TensorNode(initial(init, shape, *fans, dtype))
        self.bias = TensorNode(initial(init, shape[:1], *fans, dtype)) if bias else None

    def forward(self, x1: TensorNode | Array, x2: TensorNode | Array) -> TensorNode:
        """Apply the layer.

        Raises:
            ValueError: the shapes do not fit.
        """
        return functions.bilinear(x1, x2, self.weight, self.bias)

    def __repr__(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        return f"Bilinear({self.in1_features}, {self.in2_features}, {self.out_features}{bias})"


class Embedding(Weighted):
    """Replace each integer in x (...) by its vector: (..., embedding_dim).

    Args:
        num_embeddings: how many vectors there are; x holds integers from 0 to one less.
        padding_idx: the integer whose vector is zeros and is not trained; a negative one counts
            from the end.
        max_norm: scale vectors that x names, and whose norm is larger, down to this norm, in `w`.
        norm_type: the order of that norm.
        scale_grad_by_freq: divide the gradient of each vector by how often x names it.
        sparse: without effect; gradients are arrays of all vectors.
        dtype: of the vectors.

    Attributes:
        w: the vectors, (num_embeddings, embedding_dim), normally distributed.

    Raises:
        ValueError: a size is not positive; there is no such `padding_idx`.

    Example:
        >>> layer = nn.Embedding(10, 3)
        >>> print(layer(np.array([[1, 2], [9, 0]])).shape)  # 3 numbers for each integer
        (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
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
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, *given: Any, **settings: Any
    ) -> Self:
        """Make a layer of vectors that are there, an array or a node (num_embeddings,
        embedding_dim), of which the layer gets a copy.

        Args:
            freeze: whether the vectors stay as they are in training.
            given, settings: what the class takes after the two sizes.

        Raises:
            ValueError: the vectors are no matrix.
        """
        w = value_of(node_or_array(embeddings))
        if w.ndim != 2:
            expected = "(num_embeddings, embedding_dim)"
            raise ValueError(f"{cls.__name__}: embeddings is {describe(w)}, expected {expected}")
        layer = cls(*w.shape, *given, **settings)
        layer.w = Parameter(copied(w), requires_grad=not freeze)
        return layer

    @property
    def num_embeddings(self) -> int:
        """How many vectors there are."""
        return int(self.w.shape[0])

    @property
    def embedding_dim(self) -> int:
        """How many numbers each vector has."""
        return int(self.w.shape[1])

    def forward(self, x: Any) -> TensorNode:
        """Look up the vectors of x: a node, an array or (nested) lists of integers.

        Raises:
            IndexError: an integer is not in [0, num_embeddings).
            TypeError: x has other numbers than integers.
        """
        return functions.embedding(
            x, self.w, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    def __repr__(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{type(self).__name__}({self.w.shape[0]}, {self.w.shape[1]}{padding})"
