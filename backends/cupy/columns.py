"""Convolutions on CuPy as windows gathered into columns, and one product of two matrices.

The gradient of the images collects what each pixel gets back from the windows that have seen it. So
it needs no atomic operations, and gives the same bits every time.
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
from .windows import GEOMETRY, INPUT, SEEN, SEES, SUM, TAPS, geometry_of

__all__ = ["ColumnProducts"]

COLUMNS = 1 << 23  # elements of the columns at a time: 32 MB of float32, to stay in the L2 cache

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


class ColumnProducts(Way):
    """The way to compute convolutions by products of columns.

    Its methods take arrays as the definitions in `ConvolutionKernels` do, but of one dtype.
    """

    name = "windows"

    def conv2d(self, x: Array, w: Array, b: Array | None, *, groups: int, **steps: Any) -> Array:
        size, kernel, n, o = x.shape[2:], w.shape[2:], len(x), len(w)
        windows = output_size(size, kernel, **steps)
        geometry = geometry_of(size, kernel, windows, **steps)
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
        geometry = geometry_of(size, kernel, windows, **steps)
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
        geometry = geometry_of(x.shape[2:], kernel, windows, **steps)
        gw = cupy.zeros(
            (groups, o // groups, c // groups * prod(kernel)), np.result_type(x.dtype, np.float32)
        )
        for part, columns in _columns(x, kernel, windows, geometry, groups):
            gw += _product(_by_channel(go[part], groups), columns.swapaxes(1, 2))
        return gw.astype(x.dtype, copy=False).reshape(o, c // groups, *kernel)


def _parts(n: int, each: int) -> list[slice]:
    """Cut n instances, with `each` elements of columns per instance, into parts of about COLUMNS
    elements."""
    step = max(1, COLUMNS // each)
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


def _columns(
    x: Array, kernel: Pair, windows: Pair, geometry: tuple[int, ...], groups: int
) -> Iterator[tuple[slice, Array]]:
    """Go through x (N, C, H, W) in parts: yield which instances are in a part, and their windows as
    columns (groups, C / groups * KH * KW, positions)."""
    x, c, depth = cupy.ascontiguousarray(x), x.shape[1], x.shape[1] * prod(kernel)
    for part in _parts(len(x), depth * prod(windows)):
        n = part.stop - part.start
        columns = cupy.empty((depth, n * prod(windows)), x.dtype)
        gathered(x[part], n, c, *geometry, columns)
        yield part, columns.reshape(groups, depth // groups, n * prod(windows))


def _by_channel(go: Array, groups: int) -> Array:
    """Rearrange go (N, O, OH, OW) as (groups, O / groups, positions)."""
    n, o, oh, ow = go.shape
    go = cupy.ascontiguousarray(go.transpose(1, 0, 2, 3))
    return go.reshape(groups, o // groups, n * oh * ow)


def _product(a: Array, b: Array) -> Array:
    """Compute a @ b for each group. Only for two matrices, not stacks, CuPy calls cuBLAS
    directly."""
    return matmul(a, b) if len(a) > 1 else matmul(a[0], b[0])[None]
