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
from .signatures import LateSignature

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

    __signature__ = LateSignature(
        lambda _, parameters: [*parameters[1:-2], parameters[-1], parameters[-2]]
    )  # return_indices, ceil_mode


class MaxPool1d(_MaxPool):
    """
    Example:
        >>> print(nn.MaxPool1d(2)(TensorNode([[[1.0, 5.0, 2.0, 3.0]]])))
        [[[5. 3.]]]
    """

    function = staticmethod(pooling.max_pool1d)
    check = staticmethod(partial(window_sizes, axes=1))


class MaxPool2d(_MaxPool):
    """
    Example:
        >>> x = TensorNode([[[[1.0, 5.0], [2.0, 3.0]]]])
        >>> nn.MaxPool2d(2)(x).sum().backward()
        >>> print(nn.MaxPool2d(2)(x), x.grad.tolist())
        [[[[5.]]]] [[[[0.0, 1.0], [0.0, 0.0]]]]
        >>> print(nn.MaxPool2d(2)(gradcore.ones((8, 3, 32, 32))).shape)
        (8, 3, 16, 16)
    """

    function = staticmethod(pooling.max_pool2d)
    check = staticmethod(partial(window_sizes, axes=2))


class MaxPool3d(_MaxPool):
    """
    Example:
        >>> print(nn.MaxPool3d(2)(gradcore.ones((8, 3, 4, 6, 8))).shape)
        (8, 3, 2, 3, 4)
    """

    function = staticmethod(pooling.max_pool3d)
    check = staticmethod(partial(window_sizes, axes=3))


class AvgPool1d(Function):
    """
    Example:
        >>> print(nn.AvgPool1d(2)(TensorNode([[[1.0, 5.0, 2.0, 4.0]]])))
        [[[3. 3.]]]
    """

    function = staticmethod(pooling.avg_pool1d)
    check = staticmethod(partial(window_sizes, axes=1))


class AvgPool2d(Function):
    """
    Example:
        >>> x = TensorNode([[[[1.0, 5.0], [2.0, 4.0]]]])
        >>> nn.AvgPool2d(2)(x).sum().backward()
        >>> print(nn.AvgPool2d(2)(x), x.grad.tolist())
        [[[[3.]]]] [[[[0.25, 0.25], [0.25, 0.25]]]]
    """

    function = staticmethod(pooling.avg_pool2d)
    check = staticmethod(partial(window_sizes, axes=2))


class AvgPool3d(Function):
    """
    Example:
        >>> print(nn.AvgPool3d(2)(gradcore.ones((8, 3, 4, 6, 8))).shape)
        (8, 3, 2, 3, 4)
    """

    function = staticmethod(pooling.avg_pool3d)
    check = staticmethod(partial(window_sizes, axes=3))


class LPPool1d(Function):
    """
    Example:
        >>> print(nn.LPPool1d(2, kernel_size=2)(TensorNode([[[3.0, 4.0, 6.0, 8.0]]])))
        [[[ 5. 10.]]]
    """

    function = staticmethod(pooling.lp_pool1d)
    check = staticmethod(partial(window_sizes, axes=1))


class LPPool2d(Function):
    """
    Example:
        >>> print(nn.LPPool2d(2, kernel_size=2)(TensorNode([[[[2.0, 2.0], [2.0, 2.0]]]])))
        [[[[4.]]]]
    """

    function = staticmethod(pooling.lp_pool2d)
    check = staticmethod(partial(window_sizes, axes=2))


class LPPool3d(Function):
    """
    Example:
        >>> print(nn.LPPool3d(2, kernel_size=2)(gradcore.ones((8, 3, 4, 6, 8))).shape)
        (8, 3, 2, 3, 4)
    """

    function = staticmethod(pooling.lp_pool3d)
    check = staticmethod(partial(window_sizes, axes=3))


class AdaptiveAvgPool1d(Function):
    """
    Example:
        >>> print(nn.AdaptiveAvgPool1d(2)(TensorNode([[[1.0, 3.0, 5.0, 7.0]]])))
        [[[2. 6.]]]
    """

    function = staticmethod(adaptive_pooling.adaptive_avg_pool1d)
    check = staticmethod(partial(output_sizes, axes=1))


class AdaptiveAvgPool2d(Function):
    """
    Example:
        >>> print(nn.AdaptiveAvgPool2d(1)(gradcore.ones((8, 64, 7, 7))).shape)
        (8, 64, 1, 1)
    """

    function = staticmethod(adaptive_pooling.adaptive_avg_pool2d)
    check = staticmethod(partial(output_sizes, axes=2))


class AdaptiveAvgPool3d(Function):
    """
    Example:
        >>> print(nn.AdaptiveAvgPool3d((1, 2, 2))(gradcore.ones((8, 3, 4, 6, 8))).shape)
        (8, 3, 1, 2, 2)
    """

    function = staticmethod(adaptive_pooling.adaptive_avg_pool3d)
    check = staticmethod(partial(output_sizes, axes=3))


class AdaptiveMaxPool1d(Function):
    """
    Example:
        >>> print(nn.AdaptiveMaxPool1d(2)(TensorNode([[[1.0, 3.0, 5.0, 7.0]]])))
        [[[3. 7.]]]
    """

    function = staticmethod(adaptive_pooling.adaptive_max_pool1d)
    check = staticmethod(partial(output_sizes, axes=1))


class AdaptiveMaxPool2d(Function):
    """
    Example:
        >>> print(nn.AdaptiveMaxPool2d(1)(gradcore.ones((8, 64, 7, 7))).shape)
        (8, 64, 1, 1)
    """

    function = staticmethod(adaptive_pooling.adaptive_max_pool2d)
    check = staticmethod(partial(output_sizes, axes=2))


class AdaptiveMaxPool3d(Function):
    """
    Example:
        >>> print(nn.AdaptiveMaxPool3d((1, 2, 2))(gradcore.ones((8, 3, 4, 6, 8))).shape)
        (8, 3, 1, 2, 2)
    """

    function = staticmethod(adaptive_pooling.adaptive_max_pool3d)
    check = staticmethod(partial(output_sizes, axes=3))


class MaxUnpool2d(Module):
    """Put maxima back to where they were in images, in zeros; see `gradcore.max_unpool2d`.

    Args:
        kernel_size, stride, padding: those of the `MaxPool2d(..., return_indices=True)` that gives
            the maxima and the indices.

    Raises:
        ValueError: one of the sizes is out of range.

    Example:
        >>> x = TensorNode([[[[1.0, 5.0], [2.0, 3.0]]]])
        >>> y, indices = nn.MaxPool2d(2, return_indices=True)(x)
        >>> print(nn.MaxUnpool2d(2)(y, indices).tolist())
        [[[[0.0, 5.0], [0.0, 0.0]]]]
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
    """Put maxima back to where they were in sequences; see `MaxUnpool2d`.

    Example:
        >>> x = TensorNode([[[1.0, 5.0, 2.0, 3.0]]])
        >>> y, indices = nn.MaxPool1d(2, return_indices=True)(x)
        >>> print(nn.MaxUnpool1d(2)(y, indices))
        [[[0. 5. 0. 3.]]]
    """

    axes = 1
    function = staticmethod(unpooling.max_unpool1d)


class MaxUnpool3d(MaxUnpool2d):
    """Put maxima back to where they were in volumes; see `MaxUnpool2d`.

    Example:
        >>> y, indices = nn.MaxPool3d(2, return_indices=True)(gradcore.randn(1, 1, 4, 4, 4))
        >>> print(y.shape, nn.MaxUnpool3d(2)(y, indices).shape)
        (1, 1, 2, 2, 2) (1, 1, 4, 4, 4)
    """

    axes = 3
    function = staticmethod(unpooling.max_unpool3d)
