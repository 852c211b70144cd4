"""Convolution layers: the functions of `gradcore`, with weights and settings."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

from ..backends import Array
from ..functions import convolution
from ..functions.sizes import Size, is_named, sizes
from ..graph import TensorNode
from .init import initial
from .module import Weighted

__all__ = ["Conv1d", "Conv2d", "ConvTranspose2d"]


class Conv2d(Weighted):
    """Convolve images x (N, in_channels, H, W) with the weights and add the bias:
    (N, out_channels, OH, OW), see `gradcore.conv2d`.

    Args:
        kernel_size, stride, dilation: a number, or a pair for rows and columns.
        padding: a number, a pair, "same" or "valid".
        bias: whether there is a bias.
        init: how to draw the weights, see `gradcore.nn.init`; by default as PyTorch draws them.
            The fans of "glorot" and "he" are those of a group, to which an output is confined
            (PyTorch counts the outputs of all groups, and takes one fan for the other where the
            convolution is transposed); a stride changes no fan. The bias starts as zeros; with
            "kaiming_uniform" it is drawn from the same distribution as the weights.
        dtype: of the weights and the bias; x must have the same.

    Attributes:
        w: the weights, (out_channels, in_channels / groups, KH, KW).
        b: the bias, (out_channels,), or `None`.

    Raises:
        ValueError: a size is not positive, the groups do not divide the channels, or there is no
            such `init`.
        TypeError: the dtype is not real floating.
    """

    axes: ClassVar[int] = 2
    function: ClassVar[Callable[..., TensorNode]] = staticmethod(convolution.conv2d)
    is_transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        init: str = "kaiming_uniform",
        dtype: Any = "float32",
    ) -> None:
        name = type(self).__name__
        kernel = sizes(name, self.axes, kernel_size=kernel_size)
        (in_channels,) = sizes(name, 1, in_channels=in_channels)
        (out_channels,) = sizes(name, 1, out_channels=out_channels)
        (groups,) = sizes(name, 1, groups=groups)
        sizes(name, self.axes, stride=stride)
        sizes(name, self.axes, dilation=dilation)
        if self.is_transposed or not is_named(padding):
            sizes(name, self.axes, padding=padding, least=0)
        if in_channels % groups or out_channels % groups:
            expected = f"a divisor of the channels, {in_channels} and {out_channels}"
            raise ValueError(f"{name}: groups = {groups}, expected {expected}")
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.padding: Any = padding  # a name only where a subclass allows one
        self.groups = groups
        inputs, outputs = in_channels // groups, out_channels // groups  # of one group
        fans = inputs * prod(kernel), outputs * prod(kernel)
        channels = (in_channels, outputs) if self.is_transposed else (out_channels, inputs)
        if init == "kaiming_uniform" and self.is_transposed:
            fans = fans[::-1]  # as in PyTorch, which reads the fans off the shape of the weights
        self.w = TensorNode(initial(init, (*channels, *kernel), *fans, dtype))
        self.b = None
        if bias:
            init = init if init == "kaiming_uniform" else "zeros"
            self.b = TensorNode(initial(init, (out_channels,), *fans, dtype))

    def forward(self, x: TensorNode | Array) -> TensorNode:
        options = {"dilation": self.dilation, "groups": self.groups}
        return type(self).function(x, self.w, self.b, self.stride, self.padding, **options)

    def __repr__(self) -> str:
        first, second = self.w.shape[0], self.w.shape[1] * self.groups
        channels = (first, second) if self.is_transposed else (second, first)
        defaults = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
        options = [
            f", {name}={x!r}"
            for name, usual in defaults.items()
            if (x := getattr(self, name, usual)) != usual
        ]
        bias = ", bias=False" if self.b is None else ""
        sizes = f"{channels[0]}, {channels[1]}, {self.kernel_size}"
        return f"{type(self).__name__}({sizes}{''.join(options)}{bias})"


class Conv1d(Conv2d):
    """Convolve sequences x (N, in_channels, L) with the weights and add the bias:
    (N, out_channels, OL), see `gradcore.conv1d`.

    Arguments and errors are those of `Conv2d`, with numbers in place of pairs.

    Attributes:
        w: the weights, (out_channels, in_channels / groups, K).
        b: the bias, (out_channels,), or `None`.
    """

    axes = 1
    function = staticmethod(convolution.conv1d)


class ConvTranspose2d(Conv2d):
    """Apply the transposed convolution to images x (N, in_channels, H, W) and add the bias:
    (N, out_channels, OH, OW), see `gradcore.conv_transpose2d`.

    Arguments and errors are those of `Conv2d`.

    Attributes:
        w: the weights, (in_channels, out_channels / groups, KH, KW).
        b: the bias, (out_channels,), or `None`.
    """

    function = staticmethod(convolution.conv_transpose2d)
    is_transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        init: str = "kaiming_uniform",
        dtype: Any = "float32",
    ) -> None:
        channels = in_channels, out_channels
        super().__init__(
            *channels, kernel_size, stride, padding, dilation, groups, bias, init, dtype
        )
        self.output_padding = output_padding

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return convolution.conv_transpose2d(
            x,
            self.w,
            self.b,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )
