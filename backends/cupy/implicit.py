"""Convolutions on CuPy as products of matrices, one of which is never in memory: implicit GEMM.

With the images' windows as columns, a convolution and its gradients are products of matrices. In
each group, `left` (M, K) is multiplied by `right` (K, N):

    conv2d                   w (O, C KH KW) times the windows (C KH KW, positions)
    conv2d_input_gradient    w (C, O KH KW) times the gradients that pixels get (O KH KW, pixels)
    conv2d_weight_gradient   the gradients (O, positions) times the windows (positions, C KH KW)

Here O and C are the channels of one group. `left` and the result are in memory. `right` is not: its
element (k, n) is in the image at a place that is the sum of two, of which k decides one and n the
other. Both are computed once for a row or a column of a tile, so no element costs a division; and
the three kernels share one text.

A block computes a tile of the result, and each of its threads ROWS times COLUMNS elements of the
tile, in steps along K. While it multiplies one step, which is in shared memory, the next is on its
way from global memory to registers. Nothing is atomic, so the same bits come out every time. Sums
of float16 are in float32, and not by tensor cores.

The images and the result are both in C order or both channels last. Taps are counted in the order
in which their pixels are in memory, so that neighboring threads read neighboring elements.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy
import numpy as np

from ..definitions.convolution import Pair, output_size
from ..types import Array
from .fastest import Plan, Way
from .kernels import WIDE, blockwise, elementwise
from .launch import BlockKernel
from .layouts import empty, in_order, packed
from .windows import GEOMETRY, geometry_of

__all__ = ["ImplicitProducts"]

THREADS, ROWS, COLUMNS = 128, 8, 4
TILE = THREADS * ROWS * COLUMNS  # elements of the result that a block computes
DEPTHS = {64: 16, 16: 8}  # of a step along K, by the height of tiles: as registers allow
# Enough blocks to keep a GPU busy. If gradients of weights are few and sums of many elements, the
# sums are split among so many blocks, but not into parts of fewer than LEAST elements.
BLOCKS, LEAST = 512, 256

NUMBERS = "int32 M, int32 N, int32 K, int32 each"  # each: how much of K one block sums
NUMBERS += f", int32 groups, int32 O, int32 C, int32 last, {GEOMETRY}"

# The places of a row or a column of `right`: `other` in `left` or in the result, or -1 if there is
# none, and the rest in the images.
PLACE = f"""
{WIDE}
struct alignas(16) Place {{ int other, offset, row, column; }};
// The group of this block, its tile, and its part of K.
const int tiles_m = (M + HEIGHT - 1) / HEIGHT, tiles_n = (N + WIDTH - 1) / WIDTH;
int block = blockIdx.x;
const int first_m = block % tiles_m * HEIGHT;
block /= tiles_m;
const int first_n = block % tiles_n * WIDTH;
block /= tiles_n;
const int group = block % groups, part = block / groups;
const int begin = part * each, end = K - begin < each ? K : begin + each;
// From one channel to the next, and from one pixel or window to the next.
const int x_channel = last ? 1 : H * W, x_pixel = last ? groups * C : 1;
const int y_channel = last ? 1 : OH * OW, y_window = last ? groups * O : 1;
"""
# A tap and a window together give a pixel, or a place in the padding.
WINDOWS = """
auto of_tap = [&](int i) {
    const int channel = last ? i % C : i / KW / KH, tap = last ? i / C : i % (KH * KW);
    const int offset = (group * C + channel) * x_channel;
    return Place{channel * KH * KW + tap, offset, tap / KW * DH, tap % KW * DW};
};
auto of_window = [&](int i) {
    const int ow = i % OW, oh = i / OW % OH, instance = i / OW / OH;
    const int other = instance * groups * O * OH * OW + (oh * OW + ow) * y_window;
    return Place{other, instance * groups * C * H * W, oh * SH - PT, ow * SW - PL};
};
auto right_at = [&](const Place& a, const Place& b) {
    const int row = a.row + b.row, column = a.column + b.column;
    const bool hits = (a.other | b.other) >= 0;
    const bool inside = hits && row >= 0 && row < H && column >= 0 && column < W;
    return inside ? A(image[a.offset + b.offset + (row * W + column) * x_pixel]) : A(0);
};
"""
FORWARD = """
const bool k_is_near = last;  // neighbors in memory: those along K (true) or along N
const int left_row = K, result_row = y_channel;
left += group * M * K;
auto of_k = of_tap;
auto of_n = of_window;
"""
WEIGHT_GRADIENT = """
const bool k_is_near = !last;
const int left_row = y_channel, result_row = N;
left += group * M * left_row;
result += part * groups * M * N;
auto of_k = of_window;
auto of_n = of_tap;
"""
# A tap and a pixel together give the window that sees the pixel at this tap, if there is one.
INPUT_GRADIENT = """
const bool k_is_near = last;
const int left_row = KH * KW, result_row = x_channel;
left += group * M * K;
auto of_k = [&](int i) {
    const int output = last ? i % O : i / KW / KH, tap = last ? i / O : i % (KH * KW);
    const int other = output * C * KH * KW + tap, offset = (group * O + output) * y_channel;
    return Place{other, offset, -(tap / KW * DH), -(tap % KW * DW)};
};
auto of_n = [&](int i) {
    const int column = i % W, row = i / W % H, instance = i / W / H;
    const int other = instance * groups * C * H * W + (row * W + column) * x_pixel;
    return Place{other, instance * groups * O * OH * OW, row + PT, column + PL};
};
auto right_at = [&](const Place& a, const Place& b) {
    const int down = a.row + b.row, across = a.column + b.column;
    int oh = down, ow = across;
    if (SH > 1 || SW > 1) oh /= SH, ow /= SW;
    const bool hits = (a.other | b.other) >= 0 && oh * SH == down && ow * SW == across;
    const bool inside = hits && down >= 0 && oh < OH && across >= 0 && ow < OW;
    return inside ? A(image[a.offset + b.offset + (oh * OW + ow) * y_window]) : A(0);
};
"""
PRODUCT = """
// 4 more in each row: threads that write along K then use different banks of shared memory.
alignas(16) __shared__ A lefts[DEPTH][HEIGHT + 4], rights[DEPTH][WIDTH + 4];
__shared__ Place steps[DEPTH], columns[WIDTH];
constexpr Place nowhere = {-1, 0, 0, 0};
constexpr int LEFTS = DEPTH * HEIGHT / THREADS, RIGHTS = DEPTH * WIDTH / THREADS;
const int thread = threadIdx.x;
const int m = thread / (WIDTH / COLUMNS) * ROWS, n = thread % (WIDTH / COLUMNS) * COLUMNS;
A next_lefts[LEFTS] = {}, next_rights[RIGHTS] = {}, sums[ROWS][COLUMNS] = {};

for (int i = thread; i < WIDTH; i += THREADS) {
    columns[i] = first_n + i < N ? of_n(first_n + i) : nowhere;
}
for (int k = begin - DEPTH; k < end; k += DEPTH) {
    const bool is_ready = k >= begin;
    if (is_ready) {
        #pragma unroll
        for (int i = 0; i < LEFTS; ++i) {
            const int at = thread + i * THREADS;
            lefts[at % DEPTH][at / DEPTH] = next_lefts[i];
        }
        #pragma unroll
        for (int i = 0; i < RIGHTS; ++i) {
            const int at = thread + i * THREADS;
            const int d = k_is_near ? at % DEPTH : at / WIDTH;
            rights[d][k_is_near ? at / DEPTH : at % WIDTH] = next_rights[i];
        }
    }
    if (thread < DEPTH) {
        const int next = k + DEPTH + thread;
        steps[thread] = next < end ? of_k(next) : nowhere;
    }
    __syncthreads();
    if (k + DEPTH < end) {
        #pragma unroll
        for (int i = 0; i < LEFTS; ++i) {
            const int at = thread + i * THREADS;
            const int row = first_m + at / DEPTH, step = steps[at % DEPTH].other;
            next_lefts[i] = row < M && step >= 0 ? A(left[row * left_row + step]) : A(0);
        }
        #pragma unroll
        for (int i = 0; i < RIGHTS; ++i) {
            const int at = thread + i * THREADS;
            const int d = k_is_near ? at % DEPTH : at / WIDTH;
            next_rights[i] = right_at(steps[d], columns[k_is_near ? at / DEPTH : at % WIDTH]);
        }
    }
    if (is_ready) {
        #pragma unroll 4
        for (int d = 0; d < DEPTH; ++d) {
            A a[ROWS], b[COLUMNS];
            #pragma unroll
            for (int i = 0; i < ROWS; ++i) a[i] = lefts[d][m + i];
            #pragma unroll
            for (int j = 0; j < COLUMNS; ++j) b[j] = rights[d][n + j];
            #pragma unroll
            for (int i = 0; i < ROWS; ++i)
                #pragma unroll
                for (int j = 0; j < COLUMNS; ++j) sums[i][j] += a[i] * b[j];
        }
    }
    __syncthreads();
    // Add what was summed to the result: at the end, and after each LONG products. So the error of
    // long sums stays small. (That of float32 sums of float16 always is.)
    constexpr int LONG = sizeof(T) < sizeof(A) ? 1 << 30 : 2048;
    const int done = k + DEPTH - begin;
    if (done < end - begin && (done == 0 || done % LONG)) continue;
    #pragma unroll
    for (int i = 0; i < ROWS; ++i) {
        const int row = first_m + m + i;
        if (row >= M) break;
        const A more = bias ? A(bias[group * M + row]) : A(0);
        #pragma unroll
        for (int j = 0; j < COLUMNS; ++j) {
            const int at = columns[n + j].other;
            if (at < 0) continue;
            auto& total = result[(group * M + row) * result_row + at];
            total = sums[i][j] + (done > LONG ? A(total) : more);
            sums[i][j] = 0;
        }
    }
}
"""


def _kernels(name: str, result: str, body: str) -> dict[int, BlockKernel]:
    """Make the kernels of a computation, by the heights of their tiles."""
    return {
        height: blockwise(
            f"{name}_{height}",
            f"T left, T image, T bias, {result} result",
            NUMBERS,
            PLACE + body + PRODUCT,
            THREADS,
            **{"HEIGHT": height, "WIDTH": TILE // height, "DEPTH": depth},
            **{"ROWS": ROWS, "COLUMNS": COLUMNS},
        )
        for height, depth in DEPTHS.items()
    }


forward = _kernels("conv2d", "T", WINDOWS + FORWARD)
input_gradient = _kernels("conv2d_input_gradient", "T", INPUT_GRADIENT)
weight_gradient = _kernels("conv2d_weight_gradient", "W", WINDOWS + WEIGHT_GRADIENT)
added = elementwise(
    "add_parts",
    "raw W parts, int32 count, int32 size",
    "V total",
    "W sum = 0; for (int k = 0; k < count; ++k) sum += parts[k * size + i]; total = V(sum);",
)


def _tiles(height: int, m: int, n: int) -> int:
    """How many tiles of this height a matrix (m, n) has."""
    return -(-m // height) * -(-n // (TILE // height))


class ImplicitProducts(Way):
    """The way to compute convolutions by implicit products.

    It takes arrays as the definitions in `ConvolutionKernels` do, but of one dtype, and of
    fewer than 2**31 elements each. Its methods make plans.
    """

    name = "implicit"

    def plan(self, method: str, *arrays: Array | None, **options: Any) -> Plan:
        return getattr(self, method)(*arrays, **options)

    def conv2d(self, x: Array, w: Array, b: Array | None, *, groups: int, **steps: Any) -> Plan:
        windows, is_last = output_size(x.shape[2:], w.shape[2:], **steps), packed(x)[1]
        shape, dtype = (len(x), len(w), *windows), x.dtype
        sizes = len(w) // groups, len(x) * prod(windows), prod(w.shape[1:])
        geometry = _numbers(x.shape, w.shape, windows, groups, is_last, **steps)
        launch = self._launch(forward, sizes, (w, x, b, x), geometry)

        def call(x: Array, w: Array, b: Array | None) -> Array:
            y, b = empty(shape, dtype, is_last), b if b is None else cupy.ascontiguousarray(b)
            launch(cupy.ascontiguousarray(w), in_order(x, is_last), b, y)
            return y

        return call

    def conv2d_input_gradient(
        self, go: Array, w: Array, *, size: Pair, groups: int, **steps: Any
    ) -> Plan:
        shape, is_last, dtype = (len(go), w.shape[1] * groups, *size), packed(go)[1], go.dtype
        sizes = w.shape[1], len(go) * prod(size), len(w) // groups * prod(w.shape[2:])
        geometry = _numbers(shape, w.shape, go.shape[2:], groups, is_last, **steps)
        launch = self._launch(input_gradient, sizes, (w, go, None, go), geometry)

        def call(go: Array, w: Array) -> Array:
            gx = empty(shape, dtype, is_last)
            launch(cupy.ascontiguousarray(w), in_order(go, is_last), None, gx)
            return gx

        return call

    def conv2d_weight_gradient(
        self, x: Array, go: Array, *, kernel: Pair, groups: int, **steps: Any
    ) -> Plan:
        shape, is_last, dtype = (go.shape[1], x.shape[1] // groups, *kernel), packed(x)[1], x.dtype
        m, n, k = go.shape[1] // groups, prod(shape[1:]), len(go) * prod(go.shape[2:])
        blocks = groups * min(_tiles(height, m, n) for height in DEPTHS)
        each = -(-k // max(1, min(BLOCKS // blocks, k // LEAST)))
        each += -each % max(DEPTHS.values())
        count, size, wide = -(-k // each), prod(shape), np.result_type(dtype, np.float32)
        parts_shape = (count, *shape) if count > 1 else shape
        geometry = _numbers(x.shape, shape, go.shape[2:], groups, is_last, **steps)
        arrays = go, x, None, cupy.empty(0, wide)
        launch = self._launch(weight_gradient, (m, n, k), arrays, geometry, each)

        def call(x: Array, go: Array) -> Array:
            parts = cupy.empty(parts_shape, wide)
            launch(in_order(go, is_last), in_order(x, is_last), None, parts)
            if count == 1:
                return parts.astype(dtype, copy=False)
            return added(parts, count, size, cupy.empty(shape, dtype))

        return call

    def _launch(
        self,
        kernels: dict[int, BlockKernel],
        sizes: tuple[int, int, int],
        arrays: tuple[Array | None, ...],
        geometry: tuple[int, ...],
        each: int = 0,
    ) -> Callable[..., None]:
        """What launches the kernel whose tiles cover the result with the fewest blocks, on left,
        image, bias and result; images all channels last, or all in C order.

        Args:
            kernels: by the heights of their tiles.
            sizes: M, N and K.
            arrays: of the same dtypes.
            geometry: the numbers that NUMBERS names from `groups` on.
            each: how much of K one block sums; 0 means all.
        """
        m, n, k = sizes
        height = min(kernels, key=lambda height: _tiles(height, m, n))
        each = each or k
        blocks = _tiles(height, m, n) * geometry[0] * -(-k // each)
        return kernels[height].planned(blocks, arrays, m, n, k, each, *geometry)


def _numbers(
    x: tuple[int, ...],
    w: tuple[int, ...],
    windows: Pair,
    groups: int,
    channels_last: bool,
    **steps: Any,
) -> tuple[int, ...]:
    """The numbers that NUMBERS names from `groups` on, of these shapes."""
    size, kernel = (x[2], x[3]), (w[2], w[3])
    channels = w[0] // groups, w[1]
    return (groups, *channels, int(channels_last), *geometry_of(size, kernel, windows, **steps))
