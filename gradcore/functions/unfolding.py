"""Images as columns of windows and back, and channels as pixels and back.

The arguments are those of torch.nn.functional. Each function takes nodes, and arrays as constants.
"""

from __future__ import annotations

from typing import Any

from .. import ops
from ..array_api.common import NodeOrArray
from ..engine.arrays import node_or_array
from ..graph import TensorNode
from .sizes import Size, sizes

__all__ = ["channel_shuffle", "fold", "pixel_shuffle", "pixel_unshuffle", "unfold"]


def unfold(
    x: NodeOrArray,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> TensorNode:
    """Make each window of images x a column: of (N, C, H, W) or (C, H, W),
    (N, C * KH * KW, L) or (C * KH * KW, L), where L is the number of windows.

    Args:
        kernel_size: the size of a window.
        dilation: the distance from one element of a window to the next.
        padding: how many zeros to put around x on each side.
        stride: the distance from one window to the next.

    Raises:
        ValueError: x is not of that shape, the kernel is larger than the padded x, or an option is
            out of range.

    Example:
        >>> gradcore.unfold(TensorNode(np.ones((8, 3, 10, 10))), kernel_size=5).shape  # 36 windows
        (8, 75, 36)
    """
    x, options = node_or_array(x), _windows("unfold", kernel_size, dilation, padding, stride)
    if x.ndim not in (3, 4):
        raise ValueError(f"unfold: x has shape {tuple(x.shape)}, expected (N, C, H, W)")
    if x.ndim == 3:
        y = ops.Unfold.do_forward(ops.Unsqueeze.do_forward(x, dim=0), **options)
        return ops.Squeeze.do_forward(y, dim=0)
    return ops.Unfold.do_forward(x, **options)


def fold(
    x: NodeOrArray,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> TensorNode:
    """Add up windows, columns of x, where they are in images: of (N, C * KH * KW, L) or
    (C * KH * KW, L), (N, C, *output_size) or (C, *output_size).

    `unfold` with the same arguments makes such columns of images; an element that is in several
    windows comes back as many times as large.

    Args:
        output_size: the size of the images.
        kernel_size, dilation, padding, stride: as for `unfold`.

    Raises:
        ValueError: x is not of that shape, for that size of images and windows; or an option is
            out of range.

    Example:
        >>> x = TensorNode(np.ones((1, 4, 4)))  # 4 windows of 2 x 2
        >>> print(gradcore.fold(x, (3, 3), kernel_size=2).value[0, 0])
        [[1. 2. 1.]
         [2. 4. 2.]
         [1. 2. 1.]]
    """
    x, options = node_or_array(x), _windows("fold", kernel_size, dilation, padding, stride)
    size = sizes("fold", 2, output_size=output_size)
    if x.ndim not in (2, 3):
        raise ValueError(f"fold: x has shape {tuple(x.shape)}, expected (N, C * KH * KW, L)")
    if x.ndim == 2:
        y = ops.Fold.do_forward(ops.Unsqueeze.do_forward(x, dim=0), size=size, **options)
        return ops.Squeeze.do_forward(y, dim=0)
    return ops.Fold.do_forward(x, size=size, **options)


def _windows(
    name: str, kernel_size: Size, dilation: Size, padding: Size, stride: Size
) -> dict[str, Any]:
    """Check the options, and give those of the op."""
    return {
        "kernel": sizes(name, 2, kernel_size=kernel_size),
        "stride": sizes(name, 2, stride=stride),
        "padding": tuple([(p, p) for p in sizes(name, 2, padding=padding, least=0)]),
        "dilation": sizes(name, 2, dilation=dilation),
    }


def pixel_shuffle(x: NodeOrArray, upscale_factor: int) -> TensorNode:
    """Make of each r * r channels of x, for an upscale factor r, one that is r times as high and
    wide: (..., C * r * r, H, W) gives (..., C, H * r, W * r). From
    https://arxiv.org/abs/1609.05158.

    Raises:
        ValueError: x has fewer than 3 axes, r is not positive, or the channels are not a multiple
            of r * r.

    Example:
        >>> gradcore.pixel_shuffle(TensorNode(np.ones((8, 12, 16, 16))), 2).shape
        (8, 3, 32, 32)
    """
    (r,) = sizes("pixel_shuffle", 1, upscale_factor=upscale_factor)
    x = node_or_array(x)
    if x.ndim < 3 or x.shape[-3] % (r * r):
        expected = f"(..., C * {r * r}, H, W) for upscale_factor = {r}"
        raise ValueError(f"pixel_shuffle: x has shape {tuple(x.shape)}, expected {expected}")
    *batch, c, h, w = x.shape
    c //= r * r
    return _mixed(x, (*batch, c, r, r, h, w), (2, 0, 3, 1), (*batch, c, h * r, w * r))


def pixel_unshuffle(x: NodeOrArray, downscale_factor: int) -> TensorNode:
    """Make of each channel of x, for a downscale factor r, r * r channels, of every r-th row and
    column: (..., C, H * r, W * r) gives (..., C * r * r, H, W). Undoes `pixel_shuffle`.

    Raises:
        ValueError: x has fewer than 3 axes, r is not positive, or the sides are not multiples of r.

    Example:
        >>> gradcore.pixel_unshuffle(TensorNode(np.ones((8, 3, 32, 32))), 2).shape
        (8, 12, 16, 16)
    """
    (r,) = sizes("pixel_unshuffle", 1, downscale_factor=downscale_factor)
    x = node_or_array(x)
    if x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
        expected = f"(..., C, H * {r}, W * {r}) for downscale_factor = {r}"
        raise ValueError(f"pixel_unshuffle: x has shape {tuple(x.shape)}, expected {expected}")
    *batch, c, h, w = x.shape
    h, w = h // r, w // r
    return _mixed(x, (*batch, c, h, r, w, r), (1, 3, 0, 2), (*batch, c * r * r, h, w))


def channel_shuffle(x: NodeOrArray, groups: int) -> TensorNode:
    """Divide the channels of x (N, C, ...) into groups, and put the first channels of all groups
    first, then the second ones, and so on. From https://arxiv.org/abs/1707.01083.

    Raises:
        ValueError: x has fewer than 3 axes, or the groups do not divide the channels.

    Example:
        >>> x = TensorNode(np.arange(6.0).reshape(1, 6, 1))  # 2 groups: 0 1 2, and 3 4 5
        >>> print(gradcore.channel_shuffle(x, 2).value.ravel())
        [0. 3. 1. 4. 2. 5.]
    """
    (groups,) = sizes("channel_shuffle", 1, groups=groups)
    x = node_or_array(x)
    if x.ndim < 3 or x.shape[1] % groups:
        expected = f"(N, C, ...) with C a multiple of groups = {groups}"
        raise ValueError(f"channel_shuffle: x has shape {tuple(x.shape)}, expected {expected}")
    n, c, *size = x.shape
    y = ops.Reshape.do_forward(x, shape=(n, groups, c // groups, *size))
    y = ops.Transpose.do_forward(y, axes=(0, 2, 1, *range(3, y.ndim)))
    return ops.Reshape.do_forward(y, shape=(n, c, *size))


def _mixed(
    x: NodeOrArray, parts: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]
) -> TensorNode:
    """Divide the axes of x into these parts, put the last four in another order, and give the
    result that shape."""
    y, first = ops.Reshape.do_forward(x, shape=parts), len(parts) - 4
    y = ops.Transpose.do_forward(y, axes=(*range(first), *[first + k for k in order]))
    return ops.Reshape.do_forward(y, shape=shape)
