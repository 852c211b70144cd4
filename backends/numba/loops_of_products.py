"""Loops of convolutions, compiled by numba, for `products.py`.

They call `product` and `dots` of `vectors.py` for all rows and all runs. Instances come last
in memory: images are (C, H, W, N). So a run is what neighbouring windows have at
one tap, for all instances. A tap is a number, its distance in
memory from the start of a window, so windows need not be copied into a matrix.

All arrays are contiguous, and of one dtype, float32 or float64. Sums may be reordered. Importing
this imports numba.
"""

from __future__ import annotations

import numpy as np

from ..definitions.convolution import Pair
from ..types import Array
from .compiling import compiled
from .vectors import BYTES, ROWS, ROWS_OF_DOTS, RUNS, dots, product, turn

__all__ = ["conv", "conv_weight_gradient", "instances_last"]

CHUNK = 512  # elements of a run: of so many, some channels stay in the cache next to the core
SUMS = 1 << 18  # elements: so many sums of `dots` stay in the larger cache behind that


@compiled
def in_equal_parts(n: int, most: int) -> int:
    """Give the size of parts, about equal and of at most `most` things, that n things fall into."""
    return -(-n // -(-n // most))


@compiled
def within(window: int, size: int, taps: int, stride: int, padding: int, dilation: int) -> Pair:
    """Find the first tap of a window that is not in the padding, and the one after the last."""
    before = padding - window * stride
    low = max(0, -(-before // dilation))
    return low, max(low, min(taps, (size - 1 + before) // dilation + 1))


@compiled
def offsets_of(KW: int, low: int, high: int, C: int, to: tuple[int, int, int]) -> Array:
    """List how far each tap in rows `low` to `high` of a kernel is from its window's start:
    (KW * (high - low) * C,). `to` says how far it is to the next column, row and channel."""
    offsets, k = np.empty(KW * (high - low) * C, np.int64), 0
    for kw in range(KW):
        for kh in range(low, high):
            for c in range(C):
                offsets[k] = kw * to[0] + kh * to[1] + c * to[2]
                k += 1
    return offsets


@compiled
def rows_of(w: Array, low: int, high: int) -> Array:
    """Copy rows `low` to `high` of the kernels w (O, KW, KH, C): (O, KW * (high - low) * C)."""
    O, KW, _, C = w.shape
    rows = np.empty((O, KW * (high - low) * C), w.dtype)
    for o in range(O):
        for kw in range(KW):
            run, out = w[o, kw].reshape(-1), rows[o, kw * (high - low) * C :]
            for k in range((high - low) * C):
                out[k] = run[low * C + k]
    return rows


@compiled
def conv(
    x: Array,
    w: Array,
    b: Array,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    y: Array,
    start: int,
    stop: int,
) -> None:
    """Write rows `start` to `stop` of the images y (groups, O / groups, OH, OW, N).

    Args:
        x: images (groups, C / groups, H, W, N).
        w: (O, KW, KH, C / groups), with columns first: the taps of a window that are not in the
            padding left or right are then a part of its row of weights.
        b: (O,)
        padding: above and left of the images.
    """
    groups, O, _, OW, N = y.shape
    _, C, H, W, _ = x.shape
    KW, KH = w.shape[1:3]
    images, out, biases = x.reshape(groups, -1), y.reshape(groups, O, -1), b.reshape(groups, O)
    kernels, whole = w.reshape(groups, O, KW, KH, C), w.reshape(groups, O, -1)
    to = dilation[1] * N, dilation[0] * W * N, H * W * N
    size = in_equal_parts(O, ROWS)
    # The windows of a row that see no padding are one run, if the next window is the next column.
    first, last = OW, OW
    if stride[1] == 1:
        first = min(OW, padding[1])
        last = max(first, min(OW, W - (KW - 1) * dilation[1] + padding[1]))
    for g in range(groups):
        low, high = 0, KH  # the rows of the kernel that `weights` and `offsets` are for
        weights, offsets = whole[g], offsets_of(KW, low, high, C, to)
        for i in range(start, stop):
            rows = within(i, H, KH, stride[0], padding[0], dilation[0])
            if rows != (low, high):
                low, high = rows
                weights = whole[g] if rows == (0, KH) else rows_of(kernels[g], low, high)
                offsets = offsets_of(KW, low, high, C, to)
            depth = (high - low) * C  # of a column of the kernel
            j = 0
            while j < OW:
                left, right = within(j, W, KW, stride[1], padding[1], dilation[1])
                windows = last - first if j == first < last else 1
                at = ((i * stride[0] - padding[0]) * W + j * stride[1] - padding[1]) * N
                taps, place = offsets[left * depth : right * depth], (i * OW + j) * N
                for o in range(0, O, size):
                    some = weights[o : o + size, left * depth : right * depth]
                    runs = out[g, o:, place : place + windows * N]
                    product(some, images[g], at, taps, biases[g, o:], runs)
                j += windows


@compiled
def conv_weight_gradient(
    x: Array,
    go: Array,
    offsets: Array,
    seen: Array,
    stride: Pair,
    sums: Array,
    start: int,
    stop: int,
) -> None:
    """Multiply the gradients of all windows with the elements that they see at some taps, and write
    the sums of these products.

    Args:
        x: images (groups, C / groups, H, W, N).
        go: (groups, O / groups, OH, OW, N).
        offsets: (parts, RUNS); the places in x where the first window sees these taps.
        seen: (parts, 4); the windows that see no padding at these taps: the first row of windows
            and the one after the last, and the same of columns.
        sums: (O, parts, RUNS); the parts from `start` to `stop` are computed.
    """
    groups, O, OH, OW, N = go.shape
    lanes, images = BYTES // x.itemsize, x.reshape(groups, -1)
    in_rows = go.reshape(groups, O, OH, OW * N)
    # Take so many parts at a time that their sums stay in the cache; and so many columns of windows
    # and, if these are all columns, rows of windows.
    block = min(stop - start, max(1, SUMS // (O * RUNS * lanes)))
    columns = min(OW, max(1, CHUNK // N))
    rows = max(1, CHUNK // (columns * N)) if columns == OW else 1
    for g in range(groups):
        for low in range(start, stop, block):
            high = min(low + block, stop)
            at, where = offsets[low:high], seen[low:high]
            totals = np.zeros((high - low, O, RUNS, lanes), x.dtype)
            for i in range(0, OH, rows):
                for j in range(0, OW, columns):
                    tile = i, i + rows, j, j + columns
                    add_dots(
                        images[g], go[g], in_rows[g], tile, at, where, stride, x.shape[3], totals
                    )
            for part in range(low, high):
                for o in range(O):
                    for run in range(RUNS):
                        total = x.dtype.type(0)
                        for lane in range(lanes):
                            total += totals[part - low, o, run, lane]
                        sums[g * O + o, part, run] = total


@compiled
def add_dots(
    x: Array,
    go: Array,
    rows: Array,
    tile: tuple[int, int, int, int],
    offsets: Array,
    seen: Array,
    stride: Pair,
    W: int,
    totals: Array,
) -> None:
    """Add the products of the gradients of some windows, and what they see, to vectors of sums.

    Args:
        x: images (C / groups, H, W, N), flat.
        go: (O / groups, OH, OW, N).
        rows: go as (O / groups, OH, OW * N).
        tile: the first row of windows and the one after the last, and the same of columns.
        offsets, seen: those of `conv_weight_gradient`, for some parts.
        W: the width of the images.
        totals: (parts, O / groups, RUNS, L), where L numbers fill a register.
    """
    O, N = len(go), go.shape[3]
    size = in_equal_parts(O, ROWS_OF_DOTS)
    # A run is a row of windows if the next window is the next column, and else one window.
    is_row = stride[1] == 1
    step = stride[0] * W * N if is_row else stride[1] * N
    for part in range(len(offsets)):
        top, bottom = max(tile[0], seen[part, 0]), min(tile[1], seen[part, 1])
        left, right = max(tile[2], seen[part, 2]), min(tile[3], seen[part, 3])
        if top >= bottom or left >= right:
            continue
        for row in range(top, top + 1 if is_row else bottom):
            runs = rows[:, top:bottom, left * N : right * N] if is_row else go[:, row, left:right]
            start = (row * stride[0] * W + left * stride[1]) * N
            for o in range(0, O, size):
                dots(runs[o : o + size], x, start, step, offsets[part], totals[part, o:])


@compiled
def instances_last(x: Array, top: int, left: int, y: Array, start: int, stop: int) -> None:
    """Write rows of images x (N, C, H, W), the rows (C * H) from `start` to `stop`, into
    y (C, top + H + ..., left + W + ..., N), which has zeros around them already."""
    N, C, H, W = x.shape
    side, flat, out = BYTES // x.itemsize, x.reshape(-1), y.reshape(-1)
    for row in range(start, stop):
        c, h = row // H, row % H
        to = ((c * y.shape[1] + top + h) * y.shape[2] + left) * N
        for low in range(0, N, side):
            for w in range(0, W, side):
                at = ((low * C + c) * H + h) * W + w
                if low + side <= N and w + side <= W:
                    turn(flat, at, C * H * W, out, to + w * N + low, N)
                    continue
                for n in range(low, min(low + side, N)):
                    run = x[n, c, h, w : w + side]
                    column = y[c, top + h, left + w : left + w + len(run), n]
                    for k in range(len(run)):
                        column[k] = run[k]
