"""Layers that bring numbers to a common scale, and dropout."""

from __future__ import annotations

from typing import Any

from .. import functions, normalization
from ..backends import default
from ..graph import TensorNode
from .module import Module


class LayerNorm(Module):
    """x with mean 0 and variance 1 over its last axes, scaled and moved: see
    `gradcore.layer_norm`.

    Args:
        normalized_shape: the shape of these axes; of a single axis, its size.
        elementwise_affine: whether there are a weight and, if `bias`, a bias.
        dtype: of these; x must have the same.

    Attributes:
        w: the weight, of normalized_shape, ones at first; or `None`.
        b: the bias, of normalized_shape, zeros at first; or `None`.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = "float32",
    ) -> None:
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        self.w = _full(self.normalized_shape, 1.0, dtype) if elementwise_affine else None
        self.b = _full(self.normalized_shape, 0.0, dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> TensorNode:
        return normalization.layer_norm(x, self.normalized_shape, self.w, self.b, self.eps)

    def __repr__(self) -> str:
        return f"LayerNorm({self.normalized_shape}, eps={self.eps})"


class RMSNorm(Module):
    """x divided by the root of its mean square over its last axes, scaled: see
    `gradcore.rms_norm`.

    Args:
        normalized_shape: the shape of these axes; of a single axis, its size.
        eps: `None`: the `finfo` eps of x's dtype.
        elementwise_affine: whether there is a weight.
        dtype: of the weight; x must have the same.

    Attributes:
        w: the weight, of normalized_shape, ones at first; or `None`.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = "float32",
    ) -> None:
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        self.w = _full(self.normalized_shape, 1.0, dtype) if elementwise_affine else None

    def forward(self, x: Any) -> TensorNode:
        return normalization.rms_norm(x, self.normalized_shape, self.w, self.eps)

    def __repr__(self) -> str:
        return f"RMSNorm({self.normalized_shape}, eps={self.eps})"


class GroupNorm(Module):
    """x (N, C, ...) with mean 0 and variance 1 in each instance over each group of channels,
    scaled and moved: see `gradcore.group_norm`.

    Args:
        affine: whether there are a weight and a bias.
        dtype: of these; x must have the same.

    Attributes:
        w: the weight, (num_channels,), ones at first; or `None`.
        b: the bias, (num_channels,), zeros at first; or `None`.

    Raises:
        ValueError: `num_channels` is no multiple of `num_groups`.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = "float32",
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels = {num_channels}, expected a multiple of num_groups = "
                f"{num_groups}"
            )
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.w = _full((num_channels,), 1.0, dtype) if affine else None
        self.b = _full((num_channels,), 0.0, dtype) if affine else None

    def forward(self, x: Any) -> TensorNode:
        return normalization.group_norm(x, self.num_groups, self.w, self.b, self.eps)

    def __repr__(self) -> str:
        return f"GroupNorm({self.num_groups}, {self.num_channels}, eps={self.eps})"


class Dropout(Module):
    """In training, each element becomes 0 with probability p, and the others are divided by
    1 - p: see `gradcore.dropout`. After `eval()`, x as it is.

    Raises:
        ValueError: p is not in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p = {p}, expected a probability, from 0 to 1")
        self.p = p

    def forward(self, x: Any) -> TensorNode:
        return functions.dropout(x, self.p, self.training)

    def __repr__(self) -> str:
        return f"Dropout({self.p})"


def _shape(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _full(shape: tuple[int, ...], value: float, dtype: Any) -> TensorNode:
    backend = default()
    made = backend.xp.full(shape, value, dtype=backend.dtype(dtype), device=backend.device)
    return TensorNode(made)
