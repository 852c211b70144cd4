"""Go through the channels of x (N, C, ...) on CuPy, and add them up.

CuPy's own reductions start one block for each result: 16 blocks for 16 channels, where a GPU wants
a thousand. Here a block takes a part of a channel's elements, and writes its sum to memory. What
needs the sum of a channel is always another kernel, the next one: each of its blocks first adds up
the parts of its own channels, in the same fixed order. So no block waits for another, nothing is
atomic, no memory must be zero before, and kernels in several streams or graphs share nothing. The
number of parts depends on the shape only, not on the GPU: the same bits come out every time,
everywhere.

Both orders in memory are one to the kernels, which see (A, C, B):

    C order         A instances, B pixels; a block has one channel, and neighboring threads have
                    neighboring pixels
    channels last   A pixels of all instances, B = 1; a block has `width` channels, and neighboring
                    threads have neighboring channels

A thread reads BATCH elements before it uses the first, so enough of them are on their way.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import cupy
import numpy as np

from ..base import Backend
from ..types import Array
from .implicit import added
from .kernels import blockwise
from .launch import BlockKernel
from .windows import fits, in_order, is_channels_last

__all__ = ["THREADS", "Channels", "CupyChannels", "channelwise", "each_element", "sums"]

THREADS, BATCH = 512, 8
BLOCKS = 512  # about so many a launch: four for each multiprocessor of an H100
MOST = 128  # parts of a channel: the next kernel reads them in each of its blocks

# What a block needs to know where it is. `each`: how many elements of a channel a block takes.
NUMBERS = "int32 A, int32 B, int32 C, int32 width, int32 each, int32 parts"
PLACE = """
const int thread = threadIdx.x, block = blockIdx.x;
const int tiles = (C + width - 1) / width, step = THREADS / width;
const int part = block / tiles, c = block % tiles * width + thread % width;
const int begin = part * each, size = A * B - begin < each ? A * B - begin : each;
const bool is_first = thread < width && c < C;  // of the threads of its channel
// This thread's first element, and how many there are from there to the end of the part.
const int start = begin + thread / width, room = c < C ? begin + size - start : 0;
"""
# The sum over all threads of the same channel, in each of them. Threads that are `width` apart have
# the same channel; width is a power of 2.
ADDED = """
__shared__ W shared[THREADS];
auto added = [&](W value) {
    __syncthreads();  // all have read what is in `shared`
    shared[thread] = value;
    for (int half = THREADS / 2; half >= width; half /= 2) {
        __syncthreads();
        if (thread < half) shared[thread] += shared[thread + half];
    }
    __syncthreads();
    return shared[thread % width];
};
"""


def each_element(loads: Mapping[str, str], body: str) -> str:
    """Write a loop over the elements of this thread.

    Args:
        loads: names of numbers of type W, and how they are read; `at` is the element's place.
        body: uses these names, and `at`.
    """
    arrays = ", ".join(f"all_{name}[BATCH]" for name in loads)
    reads = " ".join(f"all_{name}[u] = is_there ? {code} : W(0);" for name, code in loads.items())
    names = " ".join(f"const W {name} = all_{name}[u];" for name in loads)
    return f"""
if (room > 0) {{
    // No division for each element: a step is `down` instances and `on` pixels.
    const int down = step / B, on = step % B;
    int pixel = start % B;
    unsigned place = ((unsigned)(start / B) * C + c) * B + pixel;
    for (int left = room; left > 0; left -= BATCH * step) {{
        W {arrays};
        unsigned places[BATCH];
        #pragma unroll
        for (int u = 0; u < BATCH; ++u) {{
            const bool is_there = u * step < left;
            const unsigned at = places[u] = place;
            {reads}
            place += (unsigned)down * C * B + on;
            pixel += on;
            if (pixel >= B) pixel -= B, place += (unsigned)(C - 1) * B;
        }}
        #pragma unroll
        for (int u = 0; u < BATCH; ++u) {{
            if (u * step >= left) break;
            const unsigned at = places[u];
            {names}
            {body}
        }}
    }}
}}
"""


def channelwise(name: str, arrays: str, numbers: str, body: str) -> BlockKernel:
    """Make a kernel whose blocks each have a part of some channels; see PLACE."""
    text = PLACE + (ADDED if "added(" in body else "") + body
    numbers = f"{NUMBERS}, {numbers}" if numbers else NUMBERS
    return blockwise(name, arrays, numbers, text, THREADS, BATCH=BATCH)


# The sums of go, and of (x - mean) * go. Where a ReLU has made y, of go where y > 0; `masked` gets
# that.
sums = channelwise(
    "channel_sums",
    "T go, T y, T x, W mean, T masked, W totals, W products, T result",
    "",
    f"""
W total = 0, product = 0;
const W center = x && c < C ? mean[c] : W(0);
{
        each_element(
            {
                "g": "W(go[at])",
                "made": "y ? W(y[at]) : W(1)",
                "z": "x ? W(x[at]) - center : W(0)",
            },
            "const W passed = made > 0 ? g : made;"
            "if (masked) masked[at] = T(passed);"
            "total += passed, product += z * passed;",
        )
    }
total = added(total);
if (result) {{
    if (is_first) result[c] = T(total);
}} else if (is_first) {{
    totals[part * C + c] = total;
}}
if (x) {{
    product = added(product);
    if (is_first) products[part * C + c] = product;
}}
""",
)


class Channels:
    """How kernels go through the channels of x, which is not empty.

    Attributes:
        x: as given, or if it lies in memory in neither order, a copy in C order.
        blocks: how many there are.
        numbers: those that NUMBERS names.
        shape: (parts, C), of sums in parts.
        wide: the dtype of sums.
    """

    def __init__(self, x: Array) -> None:
        self.last = x.ndim == 4 and is_channels_last(x)
        self.x = self.like(x)
        C = x.shape[1]
        B = 1 if self.last else prod(x.shape[2:])
        count = x.size // C
        width = min(32, 1 << (C - 1).bit_length()) if B == 1 else 1
        tiles, step = -(-C // width), THREADS // width
        parts = max(1, min(BLOCKS // tiles, MOST, -(-count // (step * BATCH))))
        each = -(-count // parts)
        each += -each % 32  # so that in C order, parts begin where lines of memory do
        parts = -(-count // each)
        self.blocks, self.shape = tiles * parts, (parts, C)
        self.numbers = count // B, B, C, width, each, parts
        self.wide = np.result_type(x.dtype, np.float32)

    def like(self, y: Array | None) -> Array | None:
        """Give y in the order in which x lies; `None` passes through."""
        if y is None:
            return None
        return in_order(y, self.last) if y.ndim == 4 else cupy.ascontiguousarray(y)

    def empty(self) -> Array:
        """Make an array for sums in parts."""
        return cupy.empty(self.shape, self.wide)

    def run(self, kernel: BlockKernel, arrays: tuple[Array | None, ...], *numbers: float) -> None:
        """Launch a kernel made by `channelwise`."""
        kernel(self.blocks, arrays, *self.numbers, *numbers)


class CupyChannels(Backend):
    def channel_sums(self, x: Array) -> Array:
        if x.ndim < 2 or not fits(x, len(x)):
            return super().channel_sums(x)
        channels = Channels(x)
        y = cupy.empty(x.shape[1], x.dtype)
        if channels.shape[0] == 1:
            channels.run(sums, (channels.x, *[None] * 6, y))
            return y
        totals = channels.empty()
        channels.run(sums, (channels.x, *[None] * 4, totals, None, None))
        return added(totals, *channels.shape, y)
