"""Convolution layers: the functions of `gradcore`, with weights and settings."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

from ..backends import Array
from ..engine.arrays import node_or_array
from ..functions import convolution
from ..functions.padding import pad
from ..functions.sizes import Size, is_named, sizes
from ..graph import TensorNode
from .init import initial
from .module import Weighted

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Conv2d(Weighted):
    """Convolve images x (N, in_channels, H, W) or (in_channels, H, W) with the weights and add the
    bias: (N, out_channels, OH, OW) or (out_channels, OH, OW), see `gradcore.conv2d`.

    Args:
        kernel_size, stride, dilation: a number, or a pair for rows and columns.
        padding: a number, a pair, "same" or "valid".
        bias: whether there is a bias.
        padding_mode: what to put around x: "zeros", or what `gradcore.pad` puts with its modes
            "reflect", "replicate" or "circular".
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
            such `init` or `padding_mode`.
        TypeError: the dtype is not real floating.

    Example:
        >>> layer = nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1)
        >>> print(layer(gradcore.ones((4, 3, 32, 32))).shape, layer.w.shape)
        (4, 8, 16, 16) (8, 3, 3, 3)
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
        padding_mode: str = "zeros",
        init: str = "kaiming_uniform",
        dtype: Any = "float32",
    ) -> None:
        name = type(self).__name__
        kernel = sizes(name, self.axes, kernel_size=kernel_size)
        (in_channels,) = sizes(name, 1, in_channels=in_channels)
        (out_channels,) = sizes(name, 1, out_channels=out_channels)
        (groups,) = sizes(name, 1, groups=groups)
        strides = sizes(name, self.axes, stride=stride)
        sizes(name, self.axes, dilation=dilation)
        if self.is_transposed or not is_named(padding):
            sizes(name, self.axes, padding=padding, least=0)
        if padding == "same" and any(n != 1 for n in strides):
            raise ValueError(f"{name}: padding = 'same' needs stride = 1, not {stride}")
        if in_channels % groups or out_channels % groups:
            expected = f"a divisor of the channels, {in_channels} and {out_channels}"
            raise ValueError(f"{name}: groups = {groups}, expected {expected}")
        if padding_mode not in (PADDING_MODES[:1] if self.is_transposed else PADDING_MODES):
            expected = "zeros" if self.is_transposed else "one of " + ", ".join(PADDING_MODES)
            raise ValueError(f"{name}: padding_mode = {padding_mode!r}, expected {expected}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.padding: Any = padding  # a name only where a subclass allows one
        self.groups, self.padding_mode = groups, padding_mode
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
        padding = self.padding
        if self.padding_mode != "zeros":
            x, padding = pad(x, self._around(), self.padding_mode), 0
        return type(self).function(x, self.w, self.b, self.stride, padding, **options)

    def _around(self) -> list[int]:
        """Give the padding of each axis, the last one first, in one list."""
        name, axes = type(self).__name__, self.axes
        if self.padding == "same":
            dilations = sizes(name, axes, dilation=self.dilation)
            spans = [d * (k - 1) for d, k in zip(dilations, self.w.shape[2:], strict=True)]
            pairs = [(n // 2, n - n // 2) for n in spans]
        else:
            padding = 0 if self.padding == "valid" else self.padding
            pairs = [(p, p) for p in sizes(name, axes, padding=padding, least=0)]
        return [p for pair in reversed(pairs) for p in pair]

    def __repr__(self) -> str:
        first, second = self.w.shape[0], self.w.shape[1] * self.groups
        channels = (first, second) if self.is_transposed else (second, first)
        names = ("stride", "padding", "output_padding", "dilation", "groups", "padding_mode")
        defaults = dict(zip(names, (1, 0, 0, 1, 1, "zeros"), strict=True))
        options = [
            f", {name}={x!r}"
            for name, usual in defaults.items()
            if (x := getattr(self, name, usual)) != usual
        ]
        bias = ", bias=False" if self.b is None else ""
        sizes = f"{channels[0]}, {channels[1]}, {self.kernel_size}"
        return f"{type(self).__name__}({sizes}{''.join(options)}{bias})"


class Conv1d(Conv2d):
    """Convolve sequences x (N, in_channels, L) or (in_channels, L) with the weights and add the
    bias: (N, out_channels, OL) or (out_channels, OL), see `gradcore.conv1d`.

    Arguments and errors are those of `Conv2d`, with numbers in place of pairs.

    Attributes:
        w: the weights, (out_channels, in_channels / groups, K).
        b: the bias, (out_channels,), or `None`.

    Example:
        >>> print(nn.Conv1d(3, 8, kernel_size=5, padding=2)(gradcore.ones((4, 3, 20))).shape)
        (4, 8, 20)
    """

    axes = 1
    function = staticmethod(convolution.conv1d)


class Conv3d(Conv2d):
    """Convolve volumes x (N, in_channels, D, H, W) or (in_channels, D, H, W) with the weights and
    add the bias: (N, out_channels, OD, OH, OW) or (out_channels, OD, OH, OW), see
    `gradcore.conv3d`.

    Arguments and errors are those of `Conv2d`, with triples in place of pairs.

    Attributes:
        w: the weights, (out_channels, in_channels / groups, KD, KH, KW).
        b: the bias, (out_channels,), or `None`.

    Example:
        >>> print(nn.Conv3d(1, 4, kernel_size=3)(gradcore.ones((2, 1, 8, 8, 8))).shape)
        (2, 4, 6, 6, 6)
    """

    axes = 3
    function = staticmethod(convolution.conv3d)


class ConvTranspose2d(Conv2d):
    """Apply the transposed convolution to images x (N, in_channels, H, W) or (in_channels, H, W)
    and add the bias: (N, out_channels, OH, OW) or (out_channels, OH, OW), see
    `gradcore.conv_transpose2d`.

    Arguments and errors are those of `Conv2d`; the only `padding_mode` is "zeros".

    Attributes:
        w: the weights, (in_channels, out_channels / groups, KH, KW).
        b: the bias, (out_channels,), or `None`.

    Raises:
        ValueError: as `Conv2d`; or, in a call, `output_size` is out of range.

    Example:
        >>> layer = nn.ConvTranspose2d(8, 3, kernel_size=2, stride=2)  # twice as large
        >>> print(layer(gradcore.ones((4, 8, 16, 16))).shape, layer.w.shape)
        (4, 3, 32, 32) (8, 3, 2, 2)
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
        padding_mode: str = "zeros",
        init: str = "kaiming_uniform",
        dtype: Any = "float32",
    ) -> None:
        steps = kernel_size, stride, padding, dilation
        super().__init__(in_channels, out_channels, *steps, groups, bias, padding_mode, init, dtype)
        self.output_padding = output_padding

    def forward(self, x: TensorNode | Array, output_size: Size | None = None) -> TensorNode:
        """Apply the layer.

        Args:
            output_size: the size of the result, or its whole shape: it says what `output_padding`
                otherwise does, so it is at least that without `output_padding`, and by less than
                the stride more.

        Raises:
            ValueError: x is not of that shape, or there is no result of that size.
        """
        more = self.output_padding
        if output_size is not None:
            more = self._more(node_or_array(x).shape, output_size)
        windows = self.stride, self.padding, more, self.groups, self.dilation
        return type(self).function(x, self.w, self.b, *windows)

    def _more(self, shape: tuple[int, ...], output_size: Size) -> tuple[int, ...]:
        """Find the `output_padding` that gives a result of that size."""
        name, axes = type(self).__name__, self.axes
        if isinstance(output_size, list | tuple) and len(output_size) == len(shape):
            output_size = tuple(output_size[-axes:])
        strides = sizes(name, axes, stride=self.stride)
        wanted = sizes(name, axes, output_size=output_size)
        pads = sizes(name, axes, padding=self.padding, least=0)
        dilations = sizes(name, axes, dilation=self.dilation)
        parts = zip(shape[-axes:], strides, pads, dilations, self.w.shape[2:], strict=True)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in parts]
        more = tuple([o - n for o, n in zip(wanted, least, strict=True)])
        if any(not 0 <= m < s for m, s in zip(more, strides, strict=True)):
            most = [n + s - 1 for n, s in zip(least, strides, strict=True)]
            expected = f"from {least} to {most} for x {tuple(shape)}"
            raise ValueError(f"{name}: output_size = {output_size}, expected {expected}")
        return more


class ConvTranspose1d(ConvTranspose2d):
    """Apply the transposed convolution to sequences x (N, in_channels, L) or (in_channels, L) and
    add the bias, see `gradcore.conv_transpose1d`.

    Arguments and errors are those of `ConvTranspose2d`, with numbers in place of pairs.

    Attributes:
        w: the weights, (in_channels, out_channels / groups, K).
        b: the bias, (out_channels,), or `None`.

    Example:
        >>> layer = nn.ConvTranspose1d(3, 8, kernel_size=2, stride=2)
        >>> print(layer(gradcore.ones((4, 3, 10))).shape)
        (4, 8, 20)
    """

    axes = 1
    function = staticmethod(convolution.conv_transpose1d)


class ConvTranspose3d(ConvTranspose2d):
    """Apply the transposed convolution to volumes x (N, in_channels, D, H, W) or
    (in_channels, D, H, W) and add the bias, see `gradcore.conv_transpose3d`.

    Arguments and errors are those of `ConvTranspose2d`, with triples in place of pairs.

    Attributes:
        w: the weights, (in_channels, out_channels / groups, KD, KH, KW).
        b: the bias, (out_channels,), or `None`.

    Example:
        >>> layer = nn.ConvTranspose3d(4, 1, kernel_size=2, stride=2)
        >>> print(layer(gradcore.ones((2, 4, 3, 3, 3))).shape)
        (2, 1, 6, 6, 6)
    """

    axes = 3
    function = staticmethod(convolution.conv_transpose3d)
