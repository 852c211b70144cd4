"""What the kernels of convolutions and pooling share: how images lie in memory, and how windows and
pixels find each other.

Images (N, C, H, W) lie in memory in C order, or channels last: in the order N H W C.

The texts here are parts of kernels' bodies. Sizes have a letter for rows and one for columns: the
images are H by W, the kernel KH by KW, and there are OH by OW windows.
"""

from __future__ import annotations

from typing import Any

from ..definitions.convolution import Padding, Pair, Sizes, output_size
from ..types import Array
from .kernels import WIDE
from .layouts import empty, in_order, is_channels_last

__all__ = [
    "GEOMETRY",
    "INPUT",
    "OUTPUT",
    "PIXEL",
    "SEEN",
    "SEES",
    "SUM",
    "TAPS",
    "WINDOW",
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
# The window, or the pixel, of element i. NEAR channels lie next to each other: all of them if they
# are last, or 1 in C order. So an image is an instance, or one channel of one.
OUTPUT = """
int at = i, near = at % NEAR;
at /= NEAR;
int ow = at % OW, oh = at / OW % OH;
long long image = at / OW / OH;
"""
INPUT = """
int at = i, near = at % NEAR;
at /= NEAR;
int column = at % W, row = at / W % H;
long long image = at / W / H;
"""
PIXEL = "((image * H + row) * W + column) * NEAR + near"
WINDOW = "((image * OH + oh) * OW + ow) * NEAR + near"
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
