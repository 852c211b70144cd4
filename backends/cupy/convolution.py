"""Convolutions and pooling on CuPy.

There are several ways to convolve, of which `fastest` takes the fastest. The one here: windows
gathered as columns, and one product of two matrices. The kernels for gradients collect what each
element gets back from the windows that have seen it, so they need no atomic operations, and give
the same bits every time. All leave (N, C, H, W) contiguous, as CuPy's own functions do whatever the
order of what they are given.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, prod
from typing import Any

import cupy
import numpy as np

from ..definitions.convolution import ConvolutionKernels, Padding, Pair, output_size
from ..types import Array
from .blas import matmul
from .cudnn import Cudnn
from .fastest import Choice, Way
from .implicit import ImplicitProducts
from .kernels import WIDE, elementwise

COLUMNS = 1 << 23  # elements of the columns at a time: 32 MB of float32, to stay in the L2 cache
# Of what is counted in 32-bit integers, with which GPUs divide much faster; kernels may count a
# tile further.
LARGEST = (1 << 31) - 1024

# For rows and columns: of the images, the kernel, the windows, the stride, the padding before, and
# the dilation.
GEOMETRY = "int32 H, int32 W, int32 KH, int32 KW, int32 OH, int32 OW, int32 SH, int32 SW"
GEOMETRY += ", int32 PT, int32 PL, int32 DH, int32 DW"

# From a window (oh, ow) to what it sees at each tap: `inside` is false in the padding.
SEEN = """
    int row = oh * SH + kh * DH - PT, column = ow * SW + kw * DW - PL;
    bool inside = row >= 0 && row < H && column >= 0 && column < W;
"""
# From an element (row, column) to the window that sees it at that tap, if there is one.
SEES = """
    int down = row + PT - kh * DH, right = column + PL - kw * DW;
    int oh = down / SH, ow = right / SW;
    if (down < 0 || right < 0 || down % SH || right % SW || oh >= OH || ow >= OW) continue;
"""
TAPS = "for (int kh = 0; kh < KH; ++kh) for (int kw = 0; kw < KW; ++kw)"
# An image is a channel of an instance.
OUTPUT = "int at = i, ow = at % OW, oh = at / OW % OH; long long image = at / OW / OH;"
INPUT = "int at = i, column = at % W, row = at / W % H; long long image = at / W / H;"
SUM = f"{WIDE} A sum = 0;"

gathered = elementwise(
    "columns",
    f"raw T x, int32 N, int32 C, {GEOMETRY}",
    "T columns",  # (C, KH, KW, N, OH, OW)
    f"""
int at = i, ow = at % OW, oh = at / OW % OH;
at = at / OW / OH;
long long instance = at % N;
at = at / N;
int kw = at % KW, kh = at / KW % KH, channel = at / KW / KH;
{SEEN}
columns = inside ? x[((instance * C + channel) * H + row) * W + column] : T(0);
""",
)
fold = elementwise(
    "fold",
    f"raw T columns, int32 N, int32 C, {GEOMETRY}",
    "T gx",  # (N, C, H, W)
    f"""
{INPUT} {SUM}
long long instance = image / C, channel = image % C;
{TAPS} {{
    {SEES}
    sum += columns[((((channel * KH + kh) * KW + kw) * N + instance) * OH + oh) * OW + ow];
}}
gx = sum;
""",
)
max_pool = elementwise(
    "max_pool2d",
    f"raw T x, T outside, {GEOMETRY}",
    "T y, P place",
    f"""
{OUTPUT}
T best = outside;
int found = 0;
{TAPS} {{
    {SEEN}
    T value = inside ? x[(image * H + row) * W + column] : outside;
    if (value > best || value != value || (kh == 0 && kw == 0)) {{
        best = value;
        found = kh * KW + kw;
    }}
}}
y = best;
place = found;
""",
)
max_pool_gradient = elementwise(
    "max_pool2d_gradient",
    f"raw T go, raw P places, {GEOMETRY}",
    "T gx",
    f"""
{INPUT} {SUM}
{TAPS} {{
    {SEES}
    long long window = (image * OH + oh) * OW + ow;
    if (places[window] == kh * KW + kw) sum += go[window];
}}
gx = sum;
""",
)
max_pool_chosen = elementwise(
    "max_pool2d_chosen",
    f"raw T x, P place, {GEOMETRY}",
    "T y",
    f"""
{OUTPUT}
int kh = place / KW, kw = place % KW;
{SEEN}
y = inside ? x[(image * H + row) * W + column] : T(0);
""",
)
avg_pool = elementwise(
    "avg_pool2d",
    f"raw T x, {GEOMETRY}",
    "T y",
    f"""
{OUTPUT} {SUM}
{TAPS} {{
    {SEEN}
    if (inside) sum += x[(image * H + row) * W + column];
}}
y = sum / (KH * KW);
""",
)
avg_pool_gradient = elementwise(
    "avg_pool2d_gradient",
    f"raw T go, {GEOMETRY}",
    "T gx",
    f"""
{INPUT} {SUM}
{TAPS} {{
    {SEES}
    sum += go[(image * OH + oh) * OW + ow];
}}
gx = sum / (KH * KW);
""",
)


def _geometry(
    size: Pair, kernel: Pair, windows: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> tuple[int, ...]:
    """The numbers that GEOMETRY names."""
    (top, _), (left, _) = padding
    return (*size, *kernel, *windows, *stride, top, left, *dilation)


def _fits(x: Array, *sizes: int) -> bool:
    """Whether the kernels are for x, and for so many elements; else the definition is."""
    return x.dtype.kind == "f" and min(x.size, *sizes) > 0 and max(x.size, *sizes) < LARGEST


def _places(places: Array) -> Array:
    """The places of maxima as the kernels take them."""
    return places if places.dtype == np.uint8 else places.astype(np.int32, copy=False)


def _parts(n: int, each: int) -> list[slice]:
    """The instances, in parts that have about COLUMNS elements, if each has so many."""
    step = max(1, COLUMNS // each)
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


def _columns(
    x: Array, kernel: Pair, windows: Pair, geometry: tuple[int, ...], groups: int
) -> Iterator[tuple[slice, Array]]:
    """Some instances, and their windows as columns: (groups, C / groups * KH * KW, positions)."""
    x, c, depth = cupy.ascontiguousarray(x), x.shape[1], x.shape[1] * prod(kernel)
    for part in _parts(len(x), depth * prod(windows)):
        n = part.stop - part.start
        columns = cupy.empty((depth, n * prod(windows)), x.dtype)
        gathered(x[part], n, c, *geometry, columns)
        yield part, columns.reshape(groups, depth // groups, n * prod(windows))


def _by_channel(go: Array, groups: int) -> Array:
    """go (N, O, OH, OW) as (groups, O / groups, positions)."""
    n, o, oh, ow = go.shape
    go = cupy.ascontiguousarray(go.transpose(1, 0, 2, 3))
    return go.reshape(groups, o // groups, n * oh * ow)


def _product(a: Array, b: Array) -> Array:
    """a @ b, of each group. For two matrices, and only for two, CuPy calls cuBLAS directly."""
    return matmul(a, b) if len(a) > 1 else matmul(a[0], b[0])[None]


class ColumnProducts(Way):
    """Arrays are as the definitions of `ConvolutionKernels` have them, and of one dtype."""

    name = "windows"

    def conv2d(self, x: Array, w: Array, b: Array | None, *, groups: int, **steps: Any) -> Array:
        size, kernel, n, o = x.shape[2:], w.shape[2:], len(x), len(w)
        windows = output_size(size, kernel, **steps)
        geometry = _geometry(size, kernel, windows, **steps)
        weights = w.reshape(groups, o // groups, -1)
        y = cupy.empty((n, o, *windows), x.dtype)
        for part, columns in _columns(x, kernel, windows, geometry, groups):
            new = _product(weights, columns).reshape(o, -1, *windows).transpose(1, 0, 2, 3)
            if b is None:
                y[part] = new
            else:
                cupy.add(new, b.reshape(o, 1, 1), out=y[part])
        return y

    def conv2d_input_gradient(
        self, go: Array, w: Array, *, size: Pair, groups: int, **steps: Any
    ) -> Array:
        kernel, windows = w.shape[2:], go.shape[2:]
        n, o, c = len(go), len(w), w.shape[1] * groups
        geometry = _geometry(size, kernel, windows, **steps)
        weights = w.reshape(groups, o // groups, -1).swapaxes(1, 2)
        gx = cupy.empty((n, c, *size), go.dtype)
        for part in _parts(n, c * prod(kernel) * prod(windows)):
            columns = _product(weights, _by_channel(go[part], groups))
            fold(columns, part.stop - part.start, c, *geometry, gx[part])
        return gx

    def conv2d_weight_gradient(
        self, x: Array, go: Array, *, kernel: Pair, groups: int, **steps: Any
    ) -> Array:
        windows, o, c = go.shape[2:], go.shape[1], x.shape[1]
        geometry = _geometry(x.shape[2:], kernel, windows, **steps)
        gw = cupy.zeros(
            (groups, o // groups, c // groups * prod(kernel)), np.result_type(x.dtype, np.float32)
        )
        for part, columns in _columns(x, kernel, windows, geometry, groups):
            gw += _product(_by_channel(go[part], groups), columns.swapaxes(1, 2))
        return gw.astype(x.dtype, copy=False).reshape(o, c // groups, *kernel)


# The first is what the others are compared with.
convolutions = Choice("GRADCORE_CONV", [ColumnProducts(), ImplicitProducts(), Cudnn()])


class CupyConvolutions(ConvolutionKernels):
    # `steps` are stride, padding and, but for means, dilation.

    def conv2d(self, x: Array, w: Array, b: Array | None, *, groups: int, **steps: Any) -> Array:
        windows = output_size(x.shape[2:], w.shape[2:], **steps)
        each = x.shape[1] * prod(w.shape[2:]) * prod(windows)
        if x.dtype != w.dtype or not _fits(x, w.size, each, len(x) * len(w) * prod(windows)):
            return super().conv2d(x, w, b, groups=groups, **steps)
        return convolutions("conv2d", x, w, b, groups=groups, **steps)

    def conv2d_input_gradient(
        self, go: Array, w: Array, *, size: Pair, groups: int, **steps: Any
    ) -> Array:
        options, c = {"size": size, "groups": groups, **steps}, w.shape[1] * groups
        each = c * prod(w.shape[2:]) * prod(go.shape[2:])
        if go.dtype != w.dtype or not _fits(go, w.size, each, len(go) * c * prod(size)):
            return super().conv2d_input_gradient(go, w, **options)
        return convolutions("conv2d_input_gradient", go, w, **options)

    def conv2d_weight_gradient(self, x: Array, go: Array, *, kernel: Pair, **options: Any) -> Array:
        options = {"kernel": kernel, **options}
        each = x.shape[1] * prod(kernel) * prod(go.shape[2:])
        if x.dtype != go.dtype or not _fits(x, each, go.size):
            return super().conv2d_weight_gradient(x, go, **options)
        return convolutions("conv2d_weight_gradient", x, go, **options)

    def max_pool2d(self, x: Array, *, kernel: Pair, **steps: Any) -> tuple[Array, Array]:
        windows = output_size(x.shape[2:], kernel, **steps)
        shape = (*x.shape[:2], *windows)
        if not _fits(x, prod(shape)):
            return super().max_pool2d(x, kernel=kernel, **steps)
        geometry = _geometry(x.shape[2:], kernel, windows, **steps)
        y = cupy.empty(shape, x.dtype)
        places = cupy.empty(shape, np.uint8 if prod(kernel) <= 256 else np.int32)
        max_pool(cupy.ascontiguousarray(x), -inf, *geometry, y, places)
        return y, places

    def max_pool2d_gradient(
        self, go: Array, places: Array, *, size: Pair, kernel: Pair, **steps: Any
    ) -> Array:
        shape = (*go.shape[:2], *size)
        if not _fits(go, prod(shape)):
            return super().max_pool2d_gradient(go, places, size=size, kernel=kernel, **steps)
        geometry = _geometry(size, kernel, go.shape[2:], **steps)
        gx = cupy.empty(shape, go.dtype)
        arrays = cupy.ascontiguousarray(go), cupy.ascontiguousarray(_places(places))
        max_pool_gradient(*arrays, *geometry, gx)
        return gx

    def max_pool2d_chosen(self, x: Array, places: Array, *, kernel: Pair, **steps: Any) -> Array:
        if not _fits(x, places.size):
            return super().max_pool2d_chosen(x, places, kernel=kernel, **steps)
        geometry = _geometry(x.shape[2:], kernel, places.shape[2:], **steps)
        return max_pool_chosen(cupy.ascontiguousarray(x), _places(places), *geometry)

    def avg_pool2d(self, x: Array, *, kernel: Pair, **steps: Any) -> Array:
        windows = output_size(x.shape[2:], kernel, **steps, dilation=(1, 1))
        shape = (*x.shape[:2], *windows)
        if not _fits(x, prod(shape)):
            return super().avg_pool2d(x, kernel=kernel, **steps)
        y = cupy.empty(shape, x.dtype)
        geometry = _geometry(x.shape[2:], kernel, windows, **steps)
        avg_pool(cupy.ascontiguousarray(x), *geometry, y)
        return y

    def avg_pool2d_gradient(self, go: Array, *, size: Pair, kernel: Pair, **steps: Any) -> Array:
        shape = (*go.shape[:2], *size)
        if not _fits(go, prod(shape)):
            return super().avg_pool2d_gradient(go, size=size, kernel=kernel, **steps)
        gx = cupy.empty(shape, go.dtype)
        geometry = _geometry(size, kernel, go.shape[2:], **steps)
        avg_pool_gradient(cupy.ascontiguousarray(go), *geometry, gx)
        return gx
