"""What the kernels of convolutions and pooling share: how images lie in memory, and how windows and
pixels find each other.

Images (N, C, H, W) lie in memory in C order, or channels last: in the order N H W C.

The texts here are parts of kernels' bodies. Sizes have a letter for rows and one for columns: the
images are H by W, the kernel KH by KW, and there are OH by OW windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy
import numpy as np

from ..definitions.convolution import Padding, Pair, Sizes, output_size
from ..types import Array
from .kernels import WIDE

__all__ = [
    "GEOMETRY",
    "INPUT",
    "OUTPUT",
    "SEEN",
    "SEES",
    "SUM",
    "TAPS",
    "empty",
    "fits",
    "geometry_of",
    "in_order",
    "is_channels_last",
    "shapes_of",
]

# Sizes are counted in 32-bit integers, with which GPUs divide much faster than with 64-bit ones.
# Kernels may count a tile beyond the size.
LARGEST = (1 << 31) - 1024

# For rows and columns each: the sizes of the images, the kernel and the windows, the stride (S),
# the padding before (PT: top, PL: left), and the dilation (D).
GEOMETRY = "int32 H, int32 W, int32 KH, int32 KW, int32 OH, int32 OW, int32 SH, int32 SW"
GEOMETRY += ", int32 PT, int32 PL, int32 DH, int32 DW"

# The pixel that window (oh, ow) sees at tap (kh, kw); `inside` is false if it is in the padding.
SEEN = """
    int row = oh * SH + kh * DH - PT, column = ow * SW + kw * DW - PL;
    bool inside = row >= 0 && row < H && column >= 0 && column < W;
"""
# The window that sees pixel (row, column) at tap (kh, kw); if none does, go on to the next tap.
SEES = """
    int down = row + PT - kh * DH, right = column + PL - kw * DW;
    int oh = down / SH, ow = right / SW;
    if (down < 0 || right < 0 || down % SH || right % SW || oh >= OH || ow >= OW) continue;
"""
TAPS = "for (int kh = 0; kh < KH; ++kh) for (int kw = 0; kw < KW; ++kw)"
# The window, or the pixel, of element i. An image is one channel of one instance.
OUTPUT = "int at = i, ow = at % OW, oh = at / OW % OH; long long image = at / OW / OH;"
INPUT = "int at = i, column = at % W, row = at / W % H; long long image = at / W / H;"
SUM = f"{WIDE} A sum = 0;"


def geometry_of(
    size: Pair, kernel: Pair, windows: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> tuple[int, ...]:
    """The numbers that GEOMETRY names."""
    (top, _), (left, _) = padding
    return (*size, *kernel, *windows, *stride, top, left, *dilation)


def shapes_of(
    method: str, first: Sizes, second: Sizes, *, groups: int, **options: Any
) -> tuple[Sizes, Sizes, Sizes]:
    """The shapes of the images, the weights and the results of a convolution, from those of the
    two arrays that `conv2d` or one of its gradients is given."""
    if method == "conv2d":
        windows = output_size(first[2:], second[2:], **options)
        return first, second, (first[0], second[0], *windows)
    if method == "conv2d_input_gradient":
        return (first[0], second[1] * groups, *options["size"]), second, first
    return first, (second[1], first[1] // groups, *options["kernel"]), second


def fits(x: Array, *sizes: int) -> bool:
    """Whether the kernels can take x, and these numbers of elements; if not, the definitions do."""
    return x.dtype.kind == "f" and min(x.size, *sizes) > 0 and max(x.size, *sizes) < LARGEST


def is_channels_last(x: Array) -> bool:
    """Whether images x (N, C, H, W) lie in memory in the order N H W C, without gaps.

    Images of one channel or of one pixel lie in both orders. In float16 they count as channels
    last, as networks in float16 run so; else they count as in C order.
    """
    if x.flags.c_contiguous:
        return x.dtype == np.float16 and (x.shape[1] == 1 or x.shape[2] * x.shape[3] == 1)
    return x.transpose(0, 2, 3, 1).flags.c_contiguous


def empty(shape: Sequence[int], dtype: np.dtype, channels_last: bool) -> Array:
    """Make images of this shape (N, C, H, W), without values, channels last or in C order."""
    if not channels_last:
        return cupy.empty(shape, dtype)
    n, c, h, w = shape
    return cupy.empty((n, h, w, c), dtype).transpose(0, 3, 1, 2)


def in_order(x: Array, channels_last: bool) -> Array:
    """Give images x (N, C, H, W) channels last or in C order: x itself if it lies so, or a copy."""
    if not channels_last:
        return cupy.ascontiguousarray(x)
    return cupy.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
