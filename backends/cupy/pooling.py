"""Pooling on CuPy, and its gradients.

A gradient collects what each pixel gets back from the windows that have seen it. So it needs no
atomic operations, and gives the same bits every time.

Results lie in memory as what they are computed from: in C order or channels last.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import Any

import numpy as np

from ..definitions.convolution import ConvolutionKernels, Pair, output_size
from ..types import Array
from .kernels import elementwise
from .layouts import as_in_memory, empty, in_order, is_channels_last, packed
from .windows import (
    GEOMETRY,
    INPUT,
    OUTPUT,
    PIXEL,
    SEEN,
    SEES,
    SUM,
    TAPS,
    WINDOW,
    fits,
    geometry_of,
)

__all__ = ["CupyPooling"]

max_pool = elementwise(
    "max_pool2d",
    f"raw T x, T outside, int32 NEAR, {GEOMETRY}",
    "T y, P place",
    f"""
{OUTPUT}
T best = outside;
int above = PT - oh * SH, before = PL - ow * SW;  // the first tap that is not in the padding
int kh0 = above > 0 ? (above + DH - 1) / DH : 0, kw0 = before > 0 ? (before + DW - 1) / DW : 0;
int found = (kh0 < KH ? kh0 : KH - 1) * KW + (kw0 < KW ? kw0 : KW - 1);
{TAPS} {{
    {SEEN}
    T value = inside ? x[{PIXEL}] : outside;
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
    f"raw T go, raw P places, int32 NEAR, {GEOMETRY}",
    "T gx",
    f"""
{INPUT} {SUM}
{TAPS} {{
    {SEES}
    long long window = {WINDOW};
    if (places[window] == kh * KW + kw) sum += go[window];
}}
gx = sum;
""",
)
max_pool_chosen = elementwise(
    "max_pool2d_chosen",
    f"raw T x, P place, int32 NEAR, {GEOMETRY}",
    "T y",
    f"""
{OUTPUT}
int kh = place / KW, kw = place % KW;
{SEEN}
y = inside ? x[{PIXEL}] : T(0);
""",
)
avg_pool = elementwise(
    "avg_pool2d",
    f"raw T x, int32 NEAR, {GEOMETRY}",
    "T y",
    f"""
{OUTPUT} {SUM}
{TAPS} {{
    {SEEN}
    if (inside) sum += x[{PIXEL}];
}}
y = sum / (KH * KW);
""",
)
avg_pool_gradient = elementwise(
    "avg_pool2d_gradient",
    f"raw T go, int32 NEAR, {GEOMETRY}",
    "T gx",
    f"""
{INPUT} {SUM}
{TAPS} {{
    {SEES}
    sum += go[{WINDOW}];
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
        x, is_last = packed(x)
        y = empty(shape, x.dtype, is_last)
        places = empty(shape, np.dtype(np.uint8 if prod(kernel) <= 256 else np.int32), is_last)
        geometry = geometry_of(x.shape[2:], kernel, windows, **steps)
        _run(max_pool, is_last, [x], (-inf,), geometry, [y, places])
        return y, places

    def max_pool2d_gradient(
        self, go: Array, places: Array, *, size: Pair, kernel: Pair, **steps: Any
    ) -> Array:
        shape = (*go.shape[:2], *size)
        if not fits(go, prod(shape)):
            return super().max_pool2d_gradient(go, places, size=size, kernel=kernel, **steps)
        # As the images do, for which `places` were found. (A flat layer gives `go` in C order.)
        is_last = is_channels_last(places) or is_channels_last(go)
        gx = empty(shape, go.dtype, is_last)
        arrays = [in_order(x, is_last) for x in (go, _places(places))]
        _run(
            max_pool_gradient,
            is_last,
            arrays,
            (),
            geometry_of(size, kernel, go.shape[2:], **steps),
            [gx],
        )
        return gx

    def max_pool2d_chosen(self, x: Array, places: Array, *, kernel: Pair, **steps: Any) -> Array:
        if not fits(x, places.size):
            return super().max_pool2d_chosen(x, places, kernel=kernel, **steps)
        x, is_last = packed(x)
        y = empty(places.shape, x.dtype, is_last)
        geometry = geometry_of(x.shape[2:], kernel, places.shape[2:], **steps)
        _run(max_pool_chosen, is_last, [x, in_order(_places(places), is_last)], (), geometry, [y])
        return y

    def avg_pool2d(self, x: Array, *, kernel: Pair, **steps: Any) -> Array:
        windows = output_size(x.shape[2:], kernel, **steps, dilation=(1, 1))
        shape = (*x.shape[:2], *windows)
        if not fits(x, prod(shape)):
            return super().avg_pool2d(x, kernel=kernel, **steps)
        x, is_last = packed(x)
        y = empty(shape, x.dtype, is_last)
        _run(avg_pool, is_last, [x], (), geometry_of(x.shape[2:], kernel, windows, **steps), [y])
        return y

    def avg_pool2d_gradient(self, go: Array, *, size: Pair, kernel: Pair, **steps: Any) -> Array:
        shape = (*go.shape[:2], *size)
        if not fits(go, prod(shape)):
            return super().avg_pool2d_gradient(go, size=size, kernel=kernel, **steps)
        go, is_last = packed(go)
        gx = empty(shape, go.dtype, is_last)
        geometry = geometry_of(size, kernel, go.shape[2:], **steps)
        _run(avg_pool_gradient, is_last, [go], (), geometry, [gx])
        return gx


def _run(
    kernel: Callable[..., Any],
    channels_last: bool,
    arrays: list[Array],
    numbers: tuple[float, ...],
    geometry: tuple[int, ...],
    results: list[Array],
) -> None:
    """Launch a kernel of images that all lie so in memory."""
    near = results[0].shape[1] if channels_last else 1
    views = [as_in_memory(x, channels_last) for x in (*arrays, *results)]
    n = len(arrays)
    kernel(*views[:n], *numbers, near, *geometry, *views[n:])


def _places(places: Array) -> Array:
    """Give the places of maxima in a dtype that the kernels take."""
    return places if places.dtype == np.uint8 else places.astype(np.int32, copy=False)
