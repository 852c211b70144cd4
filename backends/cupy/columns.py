"""Convolutions on CuPy as windows gathered into columns, and one product of two matrices.

The gradient of the images collects what each pixel gets back from the windows that have seen it. So
it needs no atomic operations, and gives the same bits every time.

Of images that are channels last, each window is a row: rows (positions, KH KW C) times weights
(KH KW C, O) are the result, channels last, with nothing to rearrange. In C order each window is a
column, as the windows of one pixel row then are next to each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import cupy
import numpy as np

from ..definitions.convolution import Pair, output_size
from ..types import Array
from .blas import matmul
from .fastest import Way
from .kernels import elementwise
from .layouts import BACK, LAST, empty, in_order, packed
from .windows import GEOMETRY, INPUT, SEEN, SEES, SUM, TAPS, geometry_of

__all__ = ["ColumnProducts"]

COLUMNS = 1 << 23  # elements of the columns at a time: 32 MB of float32, to stay in the L2 cache

# In C order there is no float16, which always lies channels last.
gathered = elementwise(
    "columns",
    f"raw D x, int32 N, int32 C, {GEOMETRY}",
    "D columns",  # (C, KH, KW, N, OH, OW)
    f"""
int at = i, ow = at % OW, oh = at / OW % OH;
at = at / OW / OH;
long long instance = at % N;
at = at / N;
int kw = at % KW, kh = at / KW % KH, channel = at / KW / KH;
{SEEN}
columns = inside ? x[((instance * C + channel) * H + row) * W + column] : D(0);
""",
)
fold = elementwise(
    "fold",
    f"raw D columns, int32 N, int32 C, {GEOMETRY}",
    "D gx",  # (N, C, H, W)
    f"""
constexpr int NEAR = 1;
{INPUT}
D sum = 0;
long long instance = image / C, channel = image % C;
{TAPS} {{
    {SEES}
    sum += columns[((((channel * KH + kh) * KW + kw) * N + instance) * OH + oh) * OW + ow];
}}
gx = sum;
""",
)

# C are the channels of one group.
gathered_last = elementwise(
    "columns_last",
    f"raw T x, int32 N, int32 C, int32 groups, {GEOMETRY}",
    "T rows",  # (groups, N, OH, OW, KH, KW, C)
    f"""
int at = i, channel = at % C;
at /= C;
int kw = at % KW, kh = at / KW % KH;
at = at / KW / KH;
int ow = at % OW, oh = at / OW % OH;
at = at / OW / OH;
long long instance = at % N, group = at / N;
{SEEN}
rows = inside ? x[(((instance * H + row) * W + column) * groups + group) * C + channel] : T(0);
""",
)
fold_last = elementwise(
    "fold_last",
    f"raw T rows, int32 N, int32 C, int32 groups, {GEOMETRY}",
    "T gx",  # (N, H, W, groups, C)
    f"""
const int NEAR = groups * C;
{INPUT} {SUM}
long long group = near / C, channel = near % C;
{TAPS} {{
    {SEES}
    long long window = ((group * N + image) * OH + oh) * OW + ow;
    sum += rows[((window * KH + kh) * KW + kw) * C + channel];
}}
gx = sum;
""",
)


class ColumnProducts(Way):
    """The way to compute convolutions by products of columns.

    Its methods take arrays as the definitions in `ConvolutionKernels` do, but of one dtype.
    """

    name = "windows"

    def conv2d(self, x: Array, w: Array, b: Array | None, *, groups: int, **steps: Any) -> Array:
        size, kernel, n, o = x.shape[2:], w.shape[2:], len(x), len(w)
        windows = output_size(size, kernel, **steps)
        geometry = geometry_of(size, kernel, windows, **steps)
        x, is_last = packed(x)
        weights, y = _weights(w, groups, is_last), empty((n, o, *windows), x.dtype, is_last)
        for part, columns in _columns(x, is_last, kernel, windows, geometry, groups):
            if is_last:
                new = _product(columns, weights.swapaxes(1, 2))  # (groups, positions, O / groups)
                if groups == 1 and new.size == y.size:  # all at once, and where it is to lie
                    new = new if b is None else cupy.add(new, b, out=new)
                    return new.reshape(n, *windows, o).transpose(BACK)
                new, bias = new.swapaxes(0, 1), b if b is None else b.reshape(groups, -1)
                target = y[part].transpose(LAST).reshape(new.shape)
            else:
                new = _product(weights, columns).reshape(o, -1, *windows).transpose(1, 0, 2, 3)
                target, bias = y[part], b if b is None else b.reshape(o, 1, 1)
            if bias is None:
                target[...] = new
            else:
                cupy.add(new, bias, out=target)
        return y

    def conv2d_input_gradient(
        self, go: Array, w: Array, *, size: Pair, groups: int, **steps: Any
    ) -> Array:
        kernel, windows = w.shape[2:], go.shape[2:]
        n, c = len(go), w.shape[1] * groups
        geometry = geometry_of(size, kernel, windows, **steps)
        go, is_last = packed(go)
        weights, gx = _weights(w, groups, is_last), empty((n, c, *size), go.dtype, is_last)
        if is_last and _are_pixels(geometry):
            new = _product(_by_group(go, is_last, groups), weights).swapaxes(0, 1)
            return new.reshape(n, *size, c).transpose(BACK)
        for part in _parts(n, c * prod(kernel) * prod(windows)):
            count, matrices = part.stop - part.start, _by_group(go[part], is_last, groups)
            if is_last:
                rows = _product(matrices, weights)
                fold_last(rows, count, c // groups, groups, *geometry, gx[part].transpose(LAST))
            else:
                columns = _product(weights.swapaxes(1, 2), matrices)
                fold(columns, count, c, *geometry, gx[part])
        return gx

    def conv2d_weight_gradient(
        self, x: Array, go: Array, *, kernel: Pair, groups: int, **steps: Any
    ) -> Array:
        windows, o, c = go.shape[2:], go.shape[1], x.shape[1]
        geometry = geometry_of(x.shape[2:], kernel, windows, **steps)
        x, is_last = packed(x)
        go = in_order(go, is_last)
        gw: Any = None
        for part, columns in _columns(x, is_last, kernel, windows, geometry, groups):
            matrices = _by_group(go[part], is_last, groups)
            if is_last:
                new = _product(matrices.swapaxes(1, 2), columns)
            else:
                new = _product(matrices, columns.swapaxes(1, 2))
            # Sums of float16 in float32: each part's is rounded once.
            gw = new if gw is None else cupy.add(gw, new, dtype=np.result_type(x, np.float32))
        if is_last:
            gw = gw.reshape(o, *kernel, c // groups).transpose(BACK)
            return gw.astype(x.dtype, order="C", copy=not gw.flags.c_contiguous)
        return gw.astype(x.dtype, copy=False).reshape(o, c // groups, *kernel)


def _parts(n: int, each: int) -> list[slice]:
    """Cut n instances, with `each` elements of columns per instance, into parts of about COLUMNS
    elements."""
    step = max(1, COLUMNS // each)
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


def _columns(
    x: Array,
    channels_last: bool,
    kernel: Pair,
    windows: Pair,
    geometry: tuple[int, ...],
    groups: int,
) -> Iterator[tuple[slice, Array]]:
    """Go through x (N, C, H, W) in parts: yield which instances are in a part, and their windows as
    columns (groups, C / groups * KH * KW, positions); if channels are last, as rows (groups,
    positions, KH * KW * C / groups)."""
    if channels_last and _are_pixels(geometry):
        yield slice(0, len(x)), _by_group(x, channels_last, groups)
        return
    c, depth = x.shape[1], x.shape[1] * prod(kernel)
    for part in _parts(len(x), depth * prod(windows)):
        n = part.stop - part.start
        if channels_last:
            rows = cupy.empty((groups, n * prod(windows), depth // groups), x.dtype)
            gathered_last(x[part].transpose(LAST), n, c // groups, groups, *geometry, rows)
            yield part, rows
        else:
            columns = cupy.empty((depth, n * prod(windows)), x.dtype)
            gathered(x[part], n, c, *geometry, columns)
            yield part, columns.reshape(groups, depth // groups, n * prod(windows))


def _are_pixels(geometry: tuple[int, ...]) -> bool:
    """Whether each pixel is a window, as where convolutions with a kernel of 1 x 1 are."""
    height, width, *rest = geometry
    return rest[:6] == [1, 1, height, width, 1, 1]


def _weights(w: Array, groups: int, channels_last: bool) -> Array:
    """Rearrange w (O, C / groups, KH, KW) as (groups, O / groups, C / groups * KH * KW), or with
    KH * KW * C / groups if channels are last."""
    w = w.transpose(LAST) if channels_last else w
    return w.reshape(groups, len(w) // groups, -1)


def _by_group(go: Array, channels_last: bool, groups: int) -> Array:
    """Rearrange go (N, O, OH, OW) as (groups, O / groups, positions), or if channels are last as
    (groups, positions, O / groups), which is a view."""
    n, o, oh, ow = go.shape
    if channels_last:
        return go.transpose(LAST).reshape(n * oh * ow, groups, o // groups).swapaxes(0, 1)
    go = cupy.ascontiguousarray(go.transpose(1, 0, 2, 3))
    return go.reshape(groups, o // groups, n * oh * ow)


def _product(a: Array, b: Array) -> Array:
    """Compute a @ b for each group. Only for two matrices, not stacks, CuPy calls cuBLAS
    directly."""
    return matmul(a, b) if len(a) > 1 else matmul(a[0], b[0])[None]
