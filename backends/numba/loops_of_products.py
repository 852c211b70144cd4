"""Matrix products and convolutions, compiled by numba: the loops behind
`products.py`.

Both are made of two things, which keep their sums in the processor's vector registers while they
go through what is summed over. `product` has a few rows of weights, and for each a run of results:
each weight is multiplied with a run of x. `dots` has a few rows and a few runs of x, and for each
pair one result. numba's own loops would write sums to memory and read them again at each step, so
LLVM's instructions for vectors are written here as they are. Importing this imports numba.

Instances come last in memory: images are (C, H, W, N), vectors (I, N). A run is then what
neighbouring windows have at one tap, for all instances, or one feature of all instances; and the
place of a tap in memory is a number, so that windows need not be copied into a matrix.

All arrays are contiguous, and of one dtype, float32 or float64. Sums may be reordered.
"""

from __future__ import annotations

import numpy as np

from ..definitions.convolution import Pair
from ..types import Array
from .compiling import compiled
from .vectors import BYTES, ROWS, ROWS_OF_DOTS, RUNS, dots, product

CHUNK = 512  # elements of a run: those of some channels stay in the cache next to the core
SUMS = 1 << 18  # elements: of so many, the vectors of `dots` stay in the cache behind that


@compiled
def in_equal_parts(n: int, most: int) -> int:
    """The size of parts of n things, of which each has about as many and none more than `most`."""
    return -(-n // -(-n // most))


@compiled
def linear(xt: Array, w: Array, transposed: bool, b: Array, yt: Array) -> None:
    """w (O, I) times xt (I, N), plus b (O,): yt (O, N).

    Args:
        w: (I, O) if it is `transposed`.
    """
    (I, N), O = xt.shape, len(yt)
    panel = 2 * BYTES // xt.itemsize
    x, y, weights = np.empty(I * N, xt.dtype), yt.reshape(-1), w.reshape(-1)
    for n in range(0, N, panel):  # a panel is contiguous here, or its rows compete for the cache
        width = min(panel, N - n)
        for i in range(I):
            for m in range(width):
                x[n * I + i * width + m] = xt[i, n + m]
    whole, rest = np.arange(I) * panel, np.arange(I) * (N % panel)
    block = 8 * ROWS
    to_row, to_weight = (1, block) if transposed else (I, 1)
    columns = np.empty(I * block if transposed else 0, w.dtype)
    for first in range(0, O, block):
        last = min(first + block, O)
        if transposed:
            for i in range(I):
                for o in range(first, last):
                    columns[i * block + o - first] = w[i, o]
        size = in_equal_parts(last - first, ROWS)
        for n in range(0, N, panel):
            width = min(panel, N - n)
            for o in range(first, last, size):
                product(
                    min(size, last - o),
                    columns[o - first :] if transposed else weights[o * I :],
                    to_row,
                    to_weight,
                    x,
                    n * I,
                    whole if width == panel else rest,
                    b[o:],
                    y[o * N + n :],
                    N,
                    I,
                    width,
                )


@compiled
def within(window: int, size: int, taps: int, stride: int, padding: int, dilation: int) -> Pair:
    """The first tap of a window that is not in the padding, and the one after the last."""
    before = padding - window * stride
    low = max(0, -(-before // dilation))
    return low, max(low, min(taps, (size - 1 + before) // dilation + 1))


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
    """Rows `start` to `stop` of the images y (groups, O / groups, OH, OW, N).

    Args:
        x: images (groups, C / groups, H, W, N).
        w: (O, KW, KH, C / groups): what is not in the padding left or right is a part of it.
        b: (O,)
        padding: above and left of the images.
    """
    groups, O, OH, OW, N = y.shape
    _, C, H, W, _ = x.shape
    KW, KH = w.shape[1:3]
    images, out = x.reshape(groups, -1), y.reshape(-1)
    size = in_equal_parts(O, ROWS)
    # The windows of a row that see no padding are one run, if the next window is the next column.
    first, last = OW, OW
    if stride[1] == 1:
        first = min(OW, padding[1])
        last = max(first, min(OW, W - (KW - 1) * dilation[1] + padding[1]))
    taps = KW * KH * C
    all_weights, some, offsets = (
        w.reshape(-1),
        np.empty(O * taps, w.dtype),
        np.empty(taps, np.int64),
    )
    for g in range(groups):
        before = (-1, -1)  # the rows of the kernel that `some` and `offsets` are for
        for i in range(start, stop):
            low, high = within(i, H, KH, stride[0], padding[0], dilation[0])
            depth = KW * (high - low) * C
            is_whole = depth == taps
            if (low, high) != before:
                before, k = (low, high), 0
                for kw in range(KW):
                    for kh in range(low, high):
                        for c in range(C):
                            offsets[k] = ((c * H + kh * dilation[0]) * W + kw * dilation[1]) * N
                            k += 1
                if not is_whole:
                    for o in range(O):
                        for kw in range(KW):
                            for k in range((high - low) * C):
                                to = (o * KW + kw) * (high - low) * C + k
                                some[to] = all_weights[
                                    ((g * O + o) * KW + kw) * KH * C + low * C + k
                                ]
            weights = all_weights[g * O * taps :] if is_whole else some
            j = 0
            while j < OW:
                left, right = within(j, W, KW, stride[1], padding[1], dilation[1])
                windows = last - first if j == first < last else 1
                k = left * (high - low) * C
                for o in range(0, O, size):
                    row = g * O + o
                    product(
                        min(size, O - o),
                        weights[o * depth + k :],
                        depth,
                        1,
                        images[g],
                        ((i * stride[0] - padding[0]) * W + j * stride[1] - padding[1]) * N,
                        offsets[k:],
                        b[row:],
                        out[((row * OH + i) * OW + j) * N :],
                        OH * OW * N,
                        (right - left) * (high - low) * C,
                        windows * N,
                    )
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
    """The products of the gradients of all windows and what they see at some taps, added up.

    Args:
        x: images (groups, C / groups, H, W, N).
        go: (groups, O / groups, OH, OW, N).
        offsets: (parts, RUNS); where in x the first window sees these taps.
        seen: (parts, 4); the windows that see no padding there: the first row and the one after
            the last, and so of columns.
        sums: (O, parts, RUNS); the parts from `start` to `stop` are computed.
    """
    groups, O, OH, OW, N = go.shape
    W, size, lanes = x.shape[3], in_equal_parts(O, ROWS_OF_DOTS), BYTES // x.itemsize
    images, given = x.reshape(groups, -1), go.reshape(groups, -1)
    # At a time, so many parts, whose sums stay in the cache; and so many columns, and if that is
    # all of them, so many rows.
    block = min(stop - start, max(1, SUMS // (O * RUNS * lanes)))
    runs = block * RUNS
    vectors = np.empty(O * runs * lanes, x.dtype)
    columns = min(OW, max(1, CHUNK // N))
    rows = max(1, CHUNK // (columns * N)) if columns == OW else 1
    together = stride[1] == 1
    for g in range(groups):
        for low in range(start, stop, block):
            high = min(low + block, stop)
            vectors[:] = 0
            for i in range(0, OH, rows):
                for j in range(0, OW, columns):
                    for part in range(low, high):
                        top, bottom = max(i, seen[part, 0]), min(i + rows, seen[part, 1])
                        left, right = max(j, seen[part, 2]), min(j + columns, seen[part, 3])
                        if top >= bottom or left >= right:
                            continue
                        # A run is a row's windows, or where the next is not the next column, one.
                        width, count = (right - left) * N, bottom - top
                        to_next, to_next_seen, steps = OW * N, stride[0] * W * N, 1
                        if not together:
                            steps, width, count = count, N, right - left
                            to_next, to_next_seen = N, stride[1] * N
                        for row in range(top, top + steps):
                            at = (row * stride[0] * W + left * stride[1]) * N
                            for o in range(0, O, size):
                                dots(
                                    min(size, O - o),
                                    given[g, ((o * OH + row) * OW + left) * N :],
                                    OH * OW * N,
                                    images[g],
                                    at,
                                    offsets[part],
                                    vectors[(o * runs + (part - low) * RUNS) * lanes :],
                                    runs * lanes,
                                    width,
                                    count,
                                    to_next,
                                    to_next_seen,
                                )
            totals = vectors.reshape(O, runs, lanes)
            for o in range(O):
                for r in range((high - low) * RUNS):
                    sums[g * O + o, low + r // RUNS, r % RUNS] = totals[o, r].sum()


@compiled
def instances_last(x: Array, top: int, left: int, y: Array) -> None:
    """Images x (N, C, H, W) into y (C, top + H + ..., left + W + ..., N), with 0 around them."""
    N, C, H, W = x.shape
    side = 16  # of a square: what is read of a line of the cache is all of it
    for c in range(C):
        for h in range(H):
            for low in range(0, N, side):
                for left_most in range(0, W, side):
                    for w in range(left_most, min(left_most + side, W)):
                        out = y[c, top + h, left + w]
                        for n in range(low, min(low + side, N)):
                            out[n] = x[n, c, h, w]
