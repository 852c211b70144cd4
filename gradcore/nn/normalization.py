"""Layers that bring numbers to a common scale: mean 0 and variance 1, or a mean square of 1."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import array_api
from ..backends import Array, default
from ..engine.arrays import node_or_array, raw_array
from ..functions import normalization
from ..functions.sizes import sizes
from ..graph import TensorNode
from .activations import Function
from .module import Weighted

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


AXES = {2: "(N, C)", 3: "(N, C, L)", 4: "(N, C, H, W)", 5: "(N, C, D, H, W)"}


class LayerNorm(Weighted):
    """Give x (..., *normalized_shape) mean 0 and variance 1 over its last axes, then multiply with
    the weight and add the bias: see `gradcore.layer_norm`.

    Args:
        normalized_shape: the sizes of these axes; a number for a single axis.
        elementwise_affine: whether there are a weight and, if `bias`, a bias.
        dtype: of the weight and the bias; x must have the same.

    Attributes:
        w: the weight, of normalized_shape, ones at first; or `None`.
        b: the bias, of normalized_shape, zeros at first; or `None`.

    Example:
        >>> print(nn.LayerNorm(2)(TensorNode([[1.0, 3.0], [10.0, 30.0]])).round(3).tolist())
        [[-1.0, 1.0], [-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = "float32",
    ) -> None:
        self.normalized_shape = sizes("LayerNorm", None, normalized_shape=normalized_shape, least=0)
        self.eps = eps
        self.w = _full(self.normalized_shape, 1.0, dtype) if elementwise_affine else None
        self.b = _full(self.normalized_shape, 0.0, dtype) if elementwise_affine and bias else None

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return normalization.layer_norm(x, self.normalized_shape, self.w, self.b, self.eps)

    def __repr__(self) -> str:
        return f"LayerNorm({self.normalized_shape}, eps={self.eps})"


class RMSNorm(Weighted):
    """Divide x (..., *normalized_shape) by the root of its mean square over its last axes, then
    multiply with the weight: see `gradcore.rms_norm`.

    Args:
        normalized_shape: the sizes of these axes; a number for a single axis.
        eps: is added to the mean square; by default see `gradcore.rms_norm`.
        elementwise_affine: whether there is a weight.
        dtype: of the weight; x must have the same.

    Attributes:
        w: the weight, of normalized_shape, ones at first; or `None`.

    Example:
        >>> print(nn.RMSNorm(2)(TensorNode([[3.0, 4.0]])).round(3))  # over sqrt(25 / 2)
        [[0.849 1.131]]
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = "float32",
    ) -> None:
        self.normalized_shape = sizes("RMSNorm", None, normalized_shape=normalized_shape, least=0)
        self.eps = eps
        self.w = _full(self.normalized_shape, 1.0, dtype) if elementwise_affine else None

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return normalization.rms_norm(x, self.normalized_shape, self.w, self.eps)

    def __repr__(self) -> str:
        return f"RMSNorm({self.normalized_shape}, eps={self.eps})"


class GroupNorm(Weighted):
    """Give x (N, C, ...) mean 0 and variance 1 in each instance over each group of channels, then
    multiply with the weight and add the bias: see `gradcore.group_norm`.

    Args:
        affine: whether there are a weight and, if `bias`, a bias.
        dtype: of the weight and the bias; x must have the same.

    Attributes:
        w: the weight, (num_channels,), ones at first; or `None`.
        b: the bias, (num_channels,), zeros at first; or `None`.

    Raises:
        ValueError: `num_channels` is no multiple of `num_groups`, or one of them is not positive.

    Example:
        >>> y = nn.GroupNorm(num_groups=2, num_channels=6)(gradcore.randn(8, 6, 4, 4))
        >>> print(y.shape, y.value[0, :3].std().round(3))
        (8, 6, 4, 4) 1.0
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = "float32",
        *,
        bias: bool = True,
    ) -> None:
        (num_groups,) = sizes("GroupNorm", 1, num_groups=num_groups)
        (num_channels,) = sizes("GroupNorm", 1, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels = {num_channels}, expected a multiple of num_groups = "
                f"{num_groups}"
            )
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.w = _full((num_channels,), 1.0, dtype) if affine else None
        self.b = _full((num_channels,), 0.0, dtype) if affine and bias else None

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return normalization.group_norm(x, self.num_groups, self.w, self.b, self.eps)

    def __repr__(self) -> str:
        return f"GroupNorm({self.num_groups}, {self.num_channels}, eps={self.eps})"


class BatchNorm1d(Weighted):
    """Give x (N, C) or (N, C, L) mean 0 and variance 1 in each channel, then multiply with the
    weight and add the bias: see `gradcore.batch_norm`. In training, use the mean and variance of
    the batch; after `eval()`, the running mean and variance of the batches seen in training.

    Args:
        momentum: the part of the running mean and variance that each batch replaces; with `None`
            they are the averages over all batches.
        affine: whether there are a weight and, if `bias`, a bias.
        track_running_stats: whether there are a running mean and variance; without them, those of
            the batch are used after `eval()` too.
        dtype: of the weight, the bias and the running mean and variance; x must have the same.
        relu: whether the layer ends with a ReLU, which the same kernels compute.

    Attributes:
        w: the weight, (num_features,), ones at first; or `None`.
        b: the bias, (num_features,), zeros at first; or `None`.
        running_mean: (num_features,), zeros at first; or `None`.
        running_var: (num_features,), ones at first; or `None`.
        num_batches_tracked: how many batches the running mean and variance have seen, int64, of
            no dimensions; or `None`.

    Raises:
        ValueError: `num_features` is not positive, `eps` is negative, or they or `momentum` are no
            numbers.

    Example:
        >>> norm = nn.BatchNorm1d(2)
        >>> print(norm(TensorNode([[1.0, 10.0], [3.0, 30.0]])).round(3).tolist())
        [[-1.0, -1.0], [1.0, 1.0]]
        >>> print(norm.running_mean)  # a tenth of the way from 0 to the means, 2 and 20
        [0.2 2. ]
    """

    _state_optional = frozenset(
        {"num_batches_tracked"}
    )  # states of PyTorch 0.4 and earlier lack the count
    dimensions: ClassVar[tuple[int, ...]] = (2, 3)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = "float32",
        *,
        bias: bool = True,
        relu: bool = False,
    ) -> None:
        (num_features,) = sizes(type(self).__name__, 1, num_features=num_features)
        normalization.check_numbers(type(self).__name__, eps, 0.0 if momentum is None else momentum)
        self.num_features, self.eps, self.momentum, self.relu = num_features, eps, momentum, relu
        self.affine, self.track_running_stats = affine, track_running_stats
        shape = (num_features,)
        self.w = _full(shape, 1.0, dtype) if affine else None
        self.b = _full(shape, 0.0, dtype) if affine and bias else None
        self.running_mean: TensorNode | None = None
        self.running_var: TensorNode | None = None
        self.num_batches_tracked: TensorNode | None = None
        if track_running_stats:
            self.running_mean = _full(shape, 0.0, dtype, requires_grad=False)
            self.running_var = _full(shape, 1.0, dtype, requires_grad=False)
            self.num_batches_tracked = _full((), 0, "int64", requires_grad=False)

    def forward(
        self, x: TensorNode | Array, residual: TensorNode | Array | None = None
    ) -> TensorNode:
        """Apply the layer, and add the residual, which is like x, before a ReLU; in training,
        update the running mean and variance.

        Raises:
            ValueError: x or the residual has another shape than above; in training, there is only
                one value for each channel.
        """
        raw, name = raw_array(x), type(self).__name__
        if raw.ndim not in self.dimensions or raw.shape[1] != self.num_features:
            expected = " or ".join(AXES[n] for n in self.dimensions)
            raise ValueError(
                f"{name}: x has shape {tuple(raw.shape)}, expected {expected}, where C = "
                f"{self.num_features}"
            )
        return normalization.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.w,
            self.b,
            self.training or self.running_mean is None,
            0.0 if self.running_mean is None else self.momentum,
            self.eps,
            residual=residual,
            relu=self.relu,
            batches=self.num_batches_tracked,
        )

    def __repr__(self) -> str:
        relu = ", relu=True" if self.relu else ""
        return f"{type(self).__name__}({self.num_features}, eps={self.eps}{relu})"


class BatchNorm2d(BatchNorm1d):
    """Give images x (N, C, H, W) mean 0 and variance 1 in each channel, as `BatchNorm1d` does.

    Arguments and attributes are those of `BatchNorm1d`.

    Example:
        >>> norm = nn.BatchNorm2d(3)
        >>> y = norm(gradcore.randn(8, 3, 4, 4))
        >>> print(y.shape, y.value.std(axis=(0, 2, 3)).round(3), norm.num_batches_tracked)
        (8, 3, 4, 4) [1. 1. 1.] 1
        >>> end = nn.BatchNorm2d(3, relu=True)  # as at the end of a residual block
        >>> bool((end(y, residual=y).value >= 0).all())
        True
    """

    dimensions = (4,)


class BatchNorm3d(BatchNorm1d):
    """Give volumes x (N, C, D, H, W) mean 0 and variance 1 in each channel, as `BatchNorm1d` does.

    Arguments and attributes are those of `BatchNorm1d`.

    Example:
        >>> y = nn.BatchNorm3d(3)(gradcore.randn(8, 3, 4, 4, 4))
        >>> print(y.shape, y.value.std(axis=(0, 2, 3, 4)).round(3))
        (8, 3, 4, 4, 4) [1. 1. 1.]
    """

    dimensions = (5,)


class InstanceNorm1d(BatchNorm1d):
    """Give sequences x (N, C, L) or (C, L) mean 0 and variance 1 in each channel of each instance,
    then multiply with the weight and add the bias: see `gradcore.instance_norm`. With
    `track_running_stats`, use the running mean and variance after `eval()`.

    Arguments and attributes are those of `BatchNorm1d`, but by default there are neither weight
    and bias, nor running mean and variance. With `momentum=None` these stay what they are at first,
    as in PyTorch.

    Example:
        >>> y = nn.InstanceNorm1d(3)(gradcore.randn(8, 3, 20))
        >>> print(y.shape, y.value[0].std(axis=1).round(3))
        (8, 3, 20) [1. 1. 1.]
    """

    dimensions = (3,)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        dtype: Any = "float32",
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias=bias)

    def forward(self, x: TensorNode | Array) -> TensorNode:  # type: ignore[override]
        """Apply the layer; in training, update the running mean and variance.

        Raises:
            ValueError: x has another shape than above, or one value in each channel; the number of
                channels counts if there are weights or running means.
        """
        x = node_or_array(x)
        shape, (batched,) = tuple(raw_array(x).shape), self.dimensions
        counts = self.affine or self.track_running_stats
        if len(shape) not in (batched, batched - 1) or (
            counts and shape[1 - batched] != self.num_features
        ):
            name, axes = type(self).__name__, AXES[batched]
            raise ValueError(
                f"{name}: x has shape {shape}, expected {axes} or {axes.replace('N, ', '')}, "
                f"where C = {self.num_features}"
            )
        y = normalization.instance_norm(
            x if len(shape) == batched else array_api.expand_dims(x, axis=0),
            self.running_mean,
            self.running_var,
            self.w,
            self.b,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y if len(shape) == batched else array_api.squeeze(y, axis=0)


class InstanceNorm2d(InstanceNorm1d):
    """Give images x (N, C, H, W) or (C, H, W) mean 0 and variance 1 in each channel of each
    instance, as `InstanceNorm1d` does.

    Example:
        >>> y = nn.InstanceNorm2d(3)(gradcore.randn(8, 3, 16, 16))
        >>> print(y.shape, y.value[0].std(axis=(1, 2)).round(3))
        (8, 3, 16, 16) [1. 1. 1.]
    """

    dimensions = (4,)


class InstanceNorm3d(InstanceNorm1d):
    """Give volumes x (N, C, D, H, W) or (C, D, H, W) mean 0 and variance 1 in each channel of each
    instance, as `InstanceNorm1d` does.

    Example:
        >>> y = nn.InstanceNorm3d(3)(gradcore.randn(2, 3, 8, 8, 8))
        >>> print(y.shape, y.value[0].std(axis=(1, 2, 3)).round(3))
        (2, 3, 8, 8, 8) [1. 1. 1.]
    """

    dimensions = (5,)


class LocalResponseNorm(Function):
    """
    Example:
        >>> norm = nn.LocalResponseNorm(size=2, alpha=1.0, beta=1.0)
        >>> print(norm(gradcore.ones((1, 3, 4)))[0, :, 0].round(3))
        [0.667 0.5   0.5  ]
    """

    function = staticmethod(normalization.local_response_norm)


def _full(
    shape: tuple[int, ...], value: float, dtype: Any, requires_grad: bool = True
) -> TensorNode:
    """Make a node of the default backend whose elements all are `value`."""
    backend = default()
    made = backend.xp.full(shape, value, dtype=backend.dtype(dtype), device=backend.device)
    return TensorNode(made, requires_grad=requires_grad)
