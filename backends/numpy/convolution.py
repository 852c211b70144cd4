"""Convolve and pool images on NumPy.

In memory, images are (C, H, W, N), and results are views of such arrays. So the elements that
neighbouring windows have at one tap lie next to each other, for all instances. Windows become the
columns of a matrix by copying long runs, and the product of w with this matrix is the result,
already in the same order. NumPy's functions keep this order in memory, so only the first layer has
to make it.

Times are of float32 on one core of an Intel Xeon (Sapphire Rapids), "in place of" those of the
definitions. Those of convolutions are first for x (128, 3, 32, 32) and w (6, 3, 5, 5), where
`conv2d` and the gradients of x and w take PyTorch 2.2, 10.5 and 2.1 ms on that core; and then for
x (64, 64, 32, 32) and w (64, 64, 3, 3), where they take it 67, 40 and 43 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from itertools import product
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..definitions.common import is_half
from ..definitions.convolution import (
    ConvolutionKernels,
    Padding,
    Pair,
    first_taps,
    inner,
    output_size,
    padded_shape,
    taps,
)

__all__ = ["UNPADDED", "NumpyConvolutions"]

COLUMNS = 1 << 17  # elements of the matrix at a time: half a megabyte of float32
UNPADDED = ((0, 0), (0, 0))


def _in_float32(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Make a kernel compute float16 in float32, as BLAS has no float16, and leave empty arrays to
    the definition."""

    @wraps(kernel)
    def compute(self: Any, *arrays: Any, **options: Any) -> Any:
        if not all(x is None or x.size for x in arrays):
            return getattr(super(NumpyConvolutions, self), kernel.__name__)(*arrays, **options)
        if not is_half(arrays[0]):
            return kernel(self, *arrays, **options)
        wide = [None if x is None else x.astype(np.float32) for x in arrays]
        return kernel(self, *wide, **options).astype(np.float16)

    return compute


def _inside_out(x: np.ndarray, padding: Padding = UNPADDED) -> np.ndarray:
    """Pad the images (N, C, H, W) and give them as (C, H, W, N), contiguous."""
    x = x.transpose(1, 2, 3, 0)
    if padding == UNPADDED:
        return np.ascontiguousarray(x)
    c, h, w, n = x.shape
    (top, bottom), (left, right) = padding
    y = np.zeros((c, top + h + bottom, left + w + right, n), x.dtype)
    y[:, top : top + h, left : left + w] = x
    return y


class Block(NamedTuple):
    """Describe a part of the windows (OH, OW, N)."""

    rows: slice
    columns: slice
    part: slice  # the places of its windows among all windows, counted along the rows
    windows: Pair  # how many rows and columns of windows it has


@lru_cache(1024)
def _blocks(depth: int, windows: Pair, n: int, limit: int) -> list[Block]:
    """Divide all windows into parts of at most `limit` elements, but at least of one window for
    each instance. Each window has `depth` elements. No part is larger than the first."""
    oh, ow = windows
    rows = min(max(1, limit // (depth * ow * n)), oh)
    columns = ow if rows > 1 else min(max(1, limit // (depth * n)), ow)
    blocks = []
    for i, j in product(range(0, oh, rows), range(0, ow, columns)):
        size = min(rows, oh - i), min(columns, ow - j)
        start = (i * ow + j) * n
        part = slice(start, start + size[0] * size[1] * n)
        blocks.append(Block(slice(i, i + size[0]), slice(j, j + size[1]), part, size))
    return blocks


def _matrices(
    x: np.ndarray, kernel: Pair, windows: Pair, stride: Pair, dilation: Pair, groups: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Copy the windows of x (C, H, W, N) into the columns of matrices, one part after the other.

    Yields:
        The places of a part's windows among all (OH, OW, N), and its matrices (groups,
        C / groups * KH * KW, windows of all instances). The next part takes the same memory.
    """
    c, h, w, n = x.shape
    if prod(kernel) == prod(stride) == 1:
        yield slice(None), x.reshape(groups, c // groups, h * w * n)
        return
    # A view with an axis for each of (C, KH, KW, OH, OW, N).
    to_channel, to_row, to_column, to_instance = x.strides
    to_tap = dilation[0] * to_row, dilation[1] * to_column
    to_window = stride[0] * to_row, stride[1] * to_column
    strides = (to_channel, *to_tap, *to_window, to_instance)
    views: np.ndarray = np.ndarray((c, *kernel, *windows, n), x.dtype, x, 0, strides)
    depth = c * prod(kernel)
    blocks = _blocks(depth, windows, n, COLUMNS)
    memory = np.empty(depth * blocks[0].part.stop, x.dtype)
    for rows, columns, part, _ in blocks:
        seen = views[:, :, :, rows, columns]
        matrix = memory[: seen.size]
        np.copyto(matrix.reshape(seen.shape), seen)
        yield part, matrix.reshape(groups, depth // groups, -1)


class NumpyConvolutions(ConvolutionKernels):
    """Convolve by matrix products, and pool by whole arrays."""

    # `conv2d_input_gradient` convolves if that takes at most so many times the products of its
    # other way, which has to add up the parts of all taps besides.
    products_for_sums = 1.5

    def _padded(self, x: np.ndarray, padding: Padding, value: float = 0) -> np.ndarray:
        """Pad x, and keep its order in memory."""
        if padding == UNPADDED:
            return x
        y = np.full_like(x, value, shape=padded_shape(x.shape, padding))
        y[inner(x.shape[2:], padding)] = x
        return y

    @_in_float32
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
        # 2.7 ms in place of 15.7 ms, and 61 ms in place of 134 ms.
        o, kernel = len(w), w.shape[2:]
        windows = output_size(x.shape[2:], kernel, stride, padding, dilation)
        y = np.empty((o, *windows, len(x)), np.result_type(x, w))
        rows, weights = (part.reshape(groups, o // groups, -1) for part in (y, w))
        x = _inside_out(x, padding)
        for part, matrix in _matrices(x, kernel, windows, stride, dilation, groups):
            np.matmul(weights, matrix, out=rows[:, :, part])
            if b is not None:
                rows[:, :, part] += b.reshape(groups, -1, 1)
        return y.transpose(3, 0, 1, 2)

    @_in_float32
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
        # 6.4 ms in place of 14.5 ms, and 57 ms in place of 159 ms.
        (n, o), (_, c), windows, kernel = go.shape[:2], w.shape[:2], go.shape[2:], w.shape[2:]
        spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        around = tuple([(s - p, s - q) for s, (p, q) in zip(spans, padding, strict=True)])
        if (
            stride == (1, 1)
            and min(map(min, around)) >= 0
            and prod(size) <= (self.products_for_sums * prod(windows))
        ):  # convolve go with the flipped w
            flipped = w.reshape(groups, o // groups, c, *kernel)[..., ::-1, ::-1].swapaxes(1, 2)
            flipped = flipped.reshape(groups * c, o // groups, *kernel)
            options = {"padding": around, "dilation": dilation, "groups": groups}
            return self.conv2d(go, flipped, None, stride=stride, **options)
        # Compute the gradients of all elements of windows by one product; add them up tap by tap.
        rows = _inside_out(go).reshape(groups, o // groups, -1)
        weights = w.reshape(groups, o // groups, -1).swapaxes(1, 2)
        n, c, height, width = padded_shape((n, c * groups, *size), padding)
        gx = np.zeros((c, height, width, n), np.result_type(go, w))
        depth = c * prod(kernel)
        blocks = _blocks(depth, windows, n, COLUMNS)
        memory = np.empty(depth * blocks[0].part.stop, gx.dtype)
        for block in blocks:
            given = memory[: depth * prod(block.windows) * n]
            out = given.reshape(groups, depth // groups, -1)
            np.matmul(weights, rows[:, :, block.part], out=out)
            given = given.reshape(c, prod(kernel), *block.windows, n)
            start = block.rows.start * stride[0], block.columns.start * stride[1]
            below = gx[:, start[0] :, start[1] :]
            for i, tap in enumerate(taps(block.windows, kernel, stride, dilation)):
                below[tap[1:]] += given[:, i]
        return gx.transpose(3, 0, 1, 2)[inner(size, padding)]

    @_in_float32
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
        # 2.6 ms in place of 21 ms, and 70 ms in place of 133 ms.
        o, c, windows = go.shape[1], x.shape[1], go.shape[2:]
        gw = np.zeros((o, c // groups, *kernel), np.result_type(x, go))
        sums = gw.reshape(groups, o // groups, -1)
        rows = _inside_out(go).reshape(groups, o // groups, -1)
        x = _inside_out(x, padding)
        for part, matrix in _matrices(x, kernel, windows, stride, dilation, groups):
            sums += np.matmul(rows[:, :, part], matrix.swapaxes(1, 2))
        return gw

    # Elements are selected by multiplying integers with 0 and 1, as branches that depend on random
    # numbers take several times as long. For (64, 64, 32, 32) and 2x2 windows, maxima take 5 ms in
    # place of 49 ms, their gradient 5 ms in place of 29 ms, and that of means 5 ms in place of
    # 11 ms.

    def max_pool2d(
        self, x: np.ndarray, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
    ) -> tuple[np.ndarray, np.ndarray]:
        options: dict[str, Any] = {"kernel": kernel, "stride": stride, "dilation": dilation}
        if not x.size or not 1 < prod(kernel) <= 256:
            return super().max_pool2d(x, padding=padding, **options)
        windows = output_size(x.shape[2:], kernel, stride, padding, dilation)
        wide = self._padded(x, padding, -inf)
        first, second, *others = [wide[tap] for tap in taps(windows, kernel, stride, dilation)]
        y, places = np.maximum(first, second), (second > first).view(np.uint8)
        if padding != UNPADDED:
            rows, columns = first_taps(windows, kernel, stride, padding, dilation)
            start = np.add.outer(np.array(rows, np.uint8), np.array(columns, np.uint8))
            places += start * (1 - places)
        for i, part in enumerate(others, 2):
            better = (part > y).view(np.uint8)
            np.maximum(y, part, out=y)
            better *= i - places
            places += better
        if np.isnan(y.max()):
            return super().max_pool2d(x, padding=padding, **options)
        return y, places

    def max_pool2d_gradient(
        self,
        go: np.ndarray,
        places: np.ndarray,
        *,
        size: Pair,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
    ) -> np.ndarray:
        options: dict[str, Any] = {"kernel": kernel, "stride": stride, "dilation": dilation}
        if go.itemsize > 8 or is_half(go):  # no integers are so large
            return super().max_pool2d_gradient(go, places, size=size, padding=padding, **options)
        integers = np.dtype(f"i{go.itemsize}")
        g = np.empty_like(places, go.dtype)  # `places` has the order in memory that x has
        g[...] = go
        g = g.view(integers)
        gx = np.zeros_like(places, go.dtype, shape=padded_shape((*go.shape[:2], *size), padding))
        spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        overlap = spans[0] > stride[0] or spans[1] > stride[1]
        for i, tap in enumerate(taps(go.shape[2:], kernel, stride, dilation)):
            if overlap:
                gx[tap] += np.multiply(g, places == i).view(go.dtype)
            else:
                np.multiply(g, places == i, out=gx.view(integers)[tap])
        return gx[inner(size, padding)]

    @_in_float32
    def avg_pool2d_gradient(
        self, go: np.ndarray, *, size: Pair, kernel: Pair, stride: Pair, padding: Padding
    ) -> np.ndarray:
        gx = np.zeros_like(go, shape=padded_shape((*go.shape[:2], *size), padding))
        share = go / prod(kernel)
        if kernel == stride and padding == UNPADDED:
            # Write all taps of a window at once, as windows don't overlap: for (32, 32, 28, 28) and
            # 4x4 windows, 1.0 ms in place of 2.2 ms tap by tap.
            n, c, oh, ow = go.shape
            to_row, to_column = gx.strides[2:]
            strides = (kernel[0] * to_row, to_row, kernel[1] * to_column, to_column)
            shape = (n, c, oh, kernel[0], ow, kernel[1])
            as_strided(gx, shape, (*gx.strides[:2], *strides))[...] = share[:, :, :, None, :, None]
            return gx
        for tap in taps(go.shape[2:], kernel, stride, (1, 1)):
            gx[tap] += share
        return gx[inner(size, padding)]
