"""Compute convolutions by kernels that numba compiles.

These kernels take images as (C, H, W, N), contiguous. Where BLAS is faster, and
where numba is missing, NumPy's kernels run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ..definitions.convolution import Padding, Pair, output_size, padded_shape
from ..numpy.backend import NumpyBackend
from ..numpy.convolution import UNPADDED
from ..numpy.memory import empty, solid, zeros
from ..numpy.threads import LIGHT, share, shared
from .loading import DTYPES, kernels

__all__ = ["FastProducts"]

WORK = 1 << 18  # products: compiled kernels run, and numba is imported, for so many
WIDE, FEW = 1 << 18, 1 << 12  # of so many weights and fewer windows, BLAS is faster
COPY = 1 << 16  # elements: to copy fewer into a padded array is faster than to leave padding out
RUN = 8  # elements: where fewer lie together in memory, a compiled loop does not pay


def is_worth(weights: int, windows: int, run: int, *arrays: np.ndarray | None) -> bool:
    """Say whether the compiled products can take these arrays, and are faster than BLAS.

    Args:
        weights: how many weights.
        windows: how many windows of all instances each weight is multiplied with.
        run: how many of the elements for one weight lie together in memory.
    """
    types = {x.dtype for x in arrays if x is not None}
    fit = len(types) == 1 and types <= set(DTYPES) and run >= RUN
    is_wide = weights >= WIDE and windows < FEW
    return fit and not is_wide and weights * windows >= WORK and kernels() is not None


def instances_last(x: np.ndarray, padding: Padding = UNPADDED) -> np.ndarray:
    """Pad the images (N, C, H, W) and give them as (C, H, W, N), contiguous."""
    inside_out = x.transpose(1, 2, 3, 0)
    if padding == UNPADDED and inside_out.flags.c_contiguous:
        return inside_out
    n, *shape = padded_shape(x.shape, padding)
    y = (empty if padding == UNPADDED else zeros)((*shape, n), x.dtype)
    (top, _), (left, _) = padding
    if x.flags.c_contiguous:
        share(
            kernels().instances_last, x.shape[1] * x.shape[2], x, top, left, y, alone=x.size < LIGHT
        )
    else:
        y[:, top : top + x.shape[2], left : left + x.shape[3]] = inside_out
    return y


def unpadded(x: np.ndarray, padding: Padding) -> tuple[np.ndarray, Pair]:
    """Give the images (N, C, H, W) as (C, H, W, N), contiguous, and the padding that they still
    need above and left: none if the images were copied, as the copy is padded."""
    is_last = x.transpose(1, 2, 3, 0).flags.c_contiguous
    if x.size < COPY or x.shape[1] < kernels().RUNS or not is_last:
        return instances_last(x, padding), (0, 0)
    return instances_last(x), (padding[0][0], padding[1][0])


@lru_cache(1024)
def parts(
    shape: Sequence[int],
    windows: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    runs: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divide the taps of images (C, H, W, N) into parts of `runs` taps, of which all see padding at
    the same windows.

    Returns:
        `offsets` and `seen`, as `conv_weight_gradient` takes them, and for each tap (C * KH * KW)
        its place among the taps of all parts.
    """
    c, h, w, n = shape
    axes = zip(kernel, dilation, padding, strict=True)
    rows, columns = (np.arange(k) * d - p for k, d, p in axes)
    places = ((np.arange(c)[:, None, None] * h + rows[:, None]) * w + columns) * n
    ranges = []
    for seen_at, size, step, count in zip((rows, columns), (h, w), stride, windows, strict=True):
        low = np.clip(-(seen_at // step), 0, count)
        ranges.append(
            list(zip(low, np.clip((size - 1 - seen_at) // step + 1, low, count), strict=True))
        )
    taps = np.arange(places.size).reshape(places.shape)
    together = [(taps[:, i, j], (*ranges[0][i], *ranges[1][j])) for i, j in np.ndindex(*kernel)]
    if len({seen for _, seen in together}) == 1:
        together = [(taps.ravel(), together[0][1])]
    order, seen = [], []
    for some, windows_of_some in together:
        order.append(np.pad(some, (0, -some.size % runs), "edge"))
        seen += [windows_of_some] * (order[-1].size // runs)
    flat = np.concatenate(order)
    where = np.empty(places.size, np.int64)
    where[flat[::-1]] = np.arange(flat.size)[::-1]
    return places.ravel()[flat].reshape(-1, runs), np.array(seen), where


def strided(
    size: int, windows: int, taps: int, stride: int, before: int
) -> list[tuple[slice, slice, Pair]]:
    """Divide a gradient of this stride, along one axis, into convolutions of stride 1.

    Returns:
        For each of these convolutions the places in x that it computes, the taps that it has, and
        its padding.
    """
    found = []
    for place in range(min(stride, size)):
        low, first = divmod(place + before, stride)
        some = slice(first, None, stride)
        k = len(range(first, taps, stride))
        n = min(len(range(place, size, stride)), windows + k - 1 - low)
        at = slice(place, place + stride * max(n, 0), stride)
        found.append((at, some, (low, windows + k - 1 - n - low)))
    return found


class FastProducts(NumpyBackend):
    """Wrap NumPy, with compiled convolutions."""

    products_for_sums = 4.0

    def conv2d(
        self,
        x: np.ndarray,
        w: np.ndarray,
        b: np.ndarray | None,
        *,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> np.ndarray:
        options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
        o, c = w.shape[:2]
        windows = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
        positions, run = len(x) * prod(windows), len(x) * (windows[1] if stride[1] == 1 else 1)
        if not is_worth(w.size, positions, run, x, w, b):
            return super().conv2d(x, w, b, groups=groups, **options)
        images, padded = unpadded(x, padding)
        images = images.reshape(groups, c, *images.shape[1:])
        weights = solid(w.transpose(0, 3, 2, 1))
        y = empty((groups, o // groups, *windows, len(x)), x.dtype)
        b = zeros((o,), x.dtype) if b is None else solid(b)
        arguments = images, weights, b, stride, padded, dilation, y
        shared(w.size * positions, kernels().conv, windows[0], *arguments)
        return y.reshape(o, *windows, len(x)).transpose(3, 0, 1, 2)

    def conv2d_input_gradient(
        self,
        go: np.ndarray,
        w: np.ndarray,
        *,
        size: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> np.ndarray:
        # With stride s, each s-th row of x meets only each s-th tap, and so it is with columns. The
        # gradient is then s * s convolutions of stride 1. BLAS would be faster for one tap, but
        # its second thread then waits in a loop, for the rest of the step, on the core that other
        # kernels' second thread needs: `resnet20-64` took 1.4 times as long.
        options: dict[str, Any] = {"padding": padding, "dilation": dilation, "groups": groups}
        n, c, run = len(go), w.shape[1], len(go) * (size[1] // stride[1])
        overlap = any(s > 1 and (k > s or k == 1) for k, s in zip(w.shape[2:], stride, strict=True))
        positions = n * prod(go.shape[2:])
        if dilation != (1, 1) or not overlap or not is_worth(w.size, positions, run, go, w):
            return super().conv2d_input_gradient(go, w, size=size, stride=stride, **options)
        axes = [
            strided(n, count, k, s, low)
            for n, count, k, s, (low, _) in zip(
                size, go.shape[2:], w.shape[2:], stride, padding, strict=True
            )
        ]
        go = instances_last(go).transpose(3, 0, 1, 2)
        gx = zeros((c * groups, *size, n), go.dtype).transpose(3, 0, 1, 2)
        for (rows, taps, above), (columns, others, left) in product(*axes):
            part, phase = w[:, :, taps, others], gx[:, :, rows, columns]
            if part.size and phase.size:
                phase[...] = self.conv2d_input_gradient(
                    go,
                    part,
                    size=phase.shape[2:],
                    stride=(1, 1),
                    padding=(above, left),
                    dilation=(1, 1),
                    groups=groups,
                )
        return gx

    def conv2d_weight_gradient(
        self,
        x: np.ndarray,
        go: np.ndarray,
        *,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> np.ndarray:
        options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
        (n, o), c, windows = go.shape[:2], x.shape[1] // groups, go.shape[2:]
        positions, run = n * prod(windows), n * (windows[1] if stride[1] == 1 else 1)
        if not is_worth(o * c * prod(kernel), positions, run, x, go):
            return super().conv2d_weight_gradient(x, go, kernel=kernel, groups=groups, **options)
        loops = kernels()
        images, padded = unpadded(x, padding)
        images = images.reshape(groups, c, *images.shape[1:])
        offsets, seen, where = parts(
            images.shape[1:], windows, kernel, stride, padded, dilation, loops.RUNS
        )
        gradients = instances_last(go).reshape(groups, o // groups, *windows, n)
        sums = empty((o, *offsets.shape), x.dtype)
        arguments = images, gradients, offsets, seen, stride, sums
        work = go.size * c * prod(kernel)
        shared(work, loops.conv_weight_gradient, len(offsets), *arguments)
        return sums.reshape(o, -1).take(where, axis=1).reshape(o, c, *kernel)
