"""Pooling on CuPy, and its gradients.

A gradient collects what each pixel gets back from the windows that have seen it. So it needs no
atomic operations, and gives the same bits every time.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

import cupy
import numpy as np

from ..definitions.convolution import ConvolutionKernels, Pair, output_size
from ..types import Array
from .kernels import elementwise
from .windows import GEOMETRY, INPUT, OUTPUT, SEEN, SEES, SUM, TAPS, fits, geometry_of

__all__ = ["CupyPooling"]

max_pool = elementwise(
    "max_pool2d",
    f"raw T x, T outside, {GEOMETRY}",
    "T y, P place",
    f"""
{OUTPUT}
T best = outside;
int above = PT - oh * SH, before = PL - ow * SW;  // the first tap that is not in the padding
int kh0 = above > 0 ? (above + DH - 1) / DH : 0, kw0 = before > 0 ? (before + DW - 1) / DW : 0;
int found = (kh0 < KH ? kh0 : KH - 1) * KW + (kw0 < KW ? kw0 : KW - 1);
{TAPS} {{
    {SEEN}
    T value = inside ? x[(image * H + row) * W + column] : outside;
    if (value > best || value != value) {{
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


class CupyPooling(ConvolutionKernels):
    # `steps` are stride and padding, and for maxima also dilation.

    def max_pool2d(self, x: Array, *, kernel: Pair, **steps: Any) -> tuple[Array, Array]:
        windows = output_size(x.shape[2:], kernel, **steps)
        shape = (*x.shape[:2], *windows)
        if not fits(x, prod(shape)):
            return super().max_pool2d(x, kernel=kernel, **steps)
        geometry = geometry_of(x.shape[2:], kernel, windows, **steps)
        y = cupy.empty(shape, x.dtype)
        places = cupy.empty(shape, np.uint8 if prod(kernel) <= 256 else np.int32)
        max_pool(cupy.ascontiguousarray(x), -inf, *geometry, y, places)
        return y, places

    def max_pool2d_gradient(
        self, go: Array, places: Array, *, size: Pair, kernel: Pair, **steps: Any
    ) -> Array:
        shape = (*go.shape[:2], *size)
        if not fits(go, prod(shape)):
            return super().max_pool2d_gradient(go, places, size=size, kernel=kernel, **steps)
        geometry = geometry_of(size, kernel, go.shape[2:], **steps)
        gx = cupy.empty(shape, go.dtype)
        arrays = cupy.ascontiguousarray(go), cupy.ascontiguousarray(_places(places))
        max_pool_gradient(*arrays, *geometry, gx)
        return gx

    def max_pool2d_chosen(self, x: Array, places: Array, *, kernel: Pair, **steps: Any) -> Array:
        if not fits(x, places.size):
            return super().max_pool2d_chosen(x, places, kernel=kernel, **steps)
        geometry = geometry_of(x.shape[2:], kernel, places.shape[2:], **steps)
        return max_pool_chosen(cupy.ascontiguousarray(x), _places(places), *geometry)

    def avg_pool2d(self, x: Array, *, kernel: Pair, **steps: Any) -> Array:
        windows = output_size(x.shape[2:], kernel, **steps, dilation=(1, 1))
        shape = (*x.shape[:2], *windows)
        if not fits(x, prod(shape)):
            return super().avg_pool2d(x, kernel=kernel, **steps)
        y = cupy.empty(shape, x.dtype)
        geometry = geometry_of(x.shape[2:], kernel, windows, **steps)
        avg_pool(cupy.ascontiguousarray(x), *geometry, y)
        return y

    def avg_pool2d_gradient(self, go: Array, *, size: Pair, kernel: Pair, **steps: Any) -> Array:
        shape = (*go.shape[:2], *size)
        if not fits(go, prod(shape)):
            return super().avg_pool2d_gradient(go, size=size, kernel=kernel, **steps)
        gx = cupy.empty(shape, go.dtype)
        geometry = geometry_of(size, kernel, go.shape[2:], **steps)
        avg_pool_gradient(cupy.ascontiguousarray(go), *geometry, gx)
        return gx


def _places(places: Array) -> Array:
    """Give the places of maxima in a dtype that the kernels take."""
    return places if places.dtype == np.uint8 else places.astype(np.int32, copy=False)
