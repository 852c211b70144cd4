"""Pooling layers; arguments are those of torch.nn."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ..backends import Array
from ..functions import adaptive_pooling, pooling, unpooling
from ..functions.adaptive_pooling import output_sizes
from ..functions.sizes import Size
from ..functions.windows import window_sizes
from ..graph import TensorNode
from .activations import Function
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPool(Function):
    """Layers whose arguments end in another order than those of the function, as in PyTorch."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        parameters = list(cls.__signature__.parameters.values())
        parameters[-2:] = reversed(parameters[-2:])  # return_indices, ceil_mode
        cls.__signature__ = cls.__signature__.replace(parameters=parameters)


class MaxPool1d(_MaxPool):
    function = staticmethod(pooling.max_pool1d)
    check = staticmethod(partial(window_sizes, axes=1))


class MaxPool2d(_MaxPool):
    function = staticmethod(pooling.max_pool2d)
    check = staticmethod(partial(window_sizes, axes=2))


class MaxPool3d(_MaxPool):
    function = staticmethod(pooling.max_pool3d)
    check = staticmethod(partial(window_sizes, axes=3))


class AvgPool1d(Function):
    function = staticmethod(pooling.avg_pool1d)
    check = staticmethod(partial(window_sizes, axes=1))


class AvgPool2d(Function):
    function = staticmethod(pooling.avg_pool2d)
    check = staticmethod(partial(window_sizes, axes=2))


class AvgPool3d(Function):
    function = staticmethod(pooling.avg_pool3d)
    check = staticmethod(partial(window_sizes, axes=3))


class LPPool1d(Function):
    function = staticmethod(pooling.lp_pool1d)
    check = staticmethod(partial(window_sizes, axes=1))


class LPPool2d(Function):
    function = staticmethod(pooling.lp_pool2d)
    check = staticmethod(partial(window_sizes, axes=2))


class LPPool3d(Function):
    function = staticmethod(pooling.lp_pool3d)
    check = staticmethod(partial(window_sizes, axes=3))


class AdaptiveAvgPool1d(Function):
    function = staticmethod(adaptive_pooling.adaptive_avg_pool1d)
    check = staticmethod(partial(output_sizes, axes=1))


class AdaptiveAvgPool2d(Function):
    function = staticmethod(adaptive_pooling.adaptive_avg_pool2d)
    check = staticmethod(partial(output_sizes, axes=2))


class AdaptiveAvgPool3d(Function):
    function = staticmethod(adaptive_pooling.adaptive_avg_pool3d)
    check = staticmethod(partial(output_sizes, axes=3))


class AdaptiveMaxPool1d(Function):
    function = staticmethod(adaptive_pooling.adaptive_max_pool1d)
    check = staticmethod(partial(output_sizes, axes=1))


class AdaptiveMaxPool2d(Function):
    function = staticmethod(adaptive_pooling.adaptive_max_pool2d)
    check = staticmethod(partial(output_sizes, axes=2))


class AdaptiveMaxPool3d(Function):
    function = staticmethod(adaptive_pooling.adaptive_max_pool3d)
    check = staticmethod(partial(output_sizes, axes=3))


class MaxUnpool2d(Module):
    """Put maxima back to where they were in images, in zeros; see `gradcore.max_unpool2d`.

    Args:
        kernel_size, stride, padding: those of the `MaxPool2d(..., return_indices=True)` that gives
            the maxima and the indices.

    Raises:
        ValueError: one of the sizes is out of range.
    """

    axes: ClassVar[int] = 2
    function: ClassVar[Any] = staticmethod(unpooling.max_unpool2d)

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        window_sizes(type(self).__name__, kernel_size, stride, padding, axes=self.axes)
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(
        self,
        x: TensorNode | Array,
        indices: TensorNode | Array,
        output_size: Size | None = None,
    ) -> TensorNode:
        windows = self.kernel_size, self.stride, self.padding
        return type(self).function(x, indices, *windows, output_size)

    def __repr__(self) -> str:
        stride = "" if self.stride is None else f", stride={self.stride}"
        padding = f", padding={self.padding}" if self.padding else ""
        return f"{type(self).__name__}({self.kernel_size}{stride}{padding})"


class MaxUnpool1d(MaxUnpool2d):
    """Put maxima back to where they were in sequences; see `MaxUnpool2d`."""

    axes = 1
    function = staticmethod(unpooling.max_unpool1d)


class MaxUnpool3d(MaxUnpool2d):
    """Put maxima back to where they were in volumes; see `MaxUnpool2d`."""

    axes = 3
    function = staticmethod(unpooling.max_unpool3d)
