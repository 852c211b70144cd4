"""Matrix products and convolutions, compiled by numba: the loops behind
`numpy_fast_products.py`.

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

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

Array = Any
Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Pair = tuple[int, int]

OPTIONS: Any = {"cache": True, "nogil": True, "error_model": "numpy"}


def compiled(function: Kernel) -> Kernel:
    return numba.njit(fastmath={"contract", "reassoc"}, **OPTIONS)(function)


def exact(function: Kernel) -> Kernel:
    """Every operation rounded as written, so that an update is that of NumPy to the last bit."""
    return numba.njit(**OPTIONS)(function)


FEATURES = binding.get_host_cpu_features()
BYTES = 64 if FEATURES.get("avx512f") else 32 if FEATURES.get("avx") else 16  # of a register
REGISTERS = 32 if FEATURES.get("avx512f") or not FEATURES.get("sse2") else 16
ROWS = 8 if REGISTERS == 32 else 6  # of `product`, at most: a register for each of two vectors
ROWS_OF_DOTS = REGISTERS // 8  # at most
RUNS = 4  # of `dots`
CHUNK = 512  # elements of a run: those of some channels stay in the cache next to the core
SUMS = 1 << 18  # elements: of so many, the vectors of `dots` stay in the cache behind that

INT32, INT64 = ir.IntType(32), ir.IntType(64)


def integer(n: int) -> Any:
    return ir.Constant(INT64, n)


class Vectors:
    """Instructions for as many numbers as fill a register."""

    def __init__(self, builder: Any, number: Any) -> None:
        self.builder = builder
        self.size = 4 if isinstance(number, ir.FloatType) else 8
        self.lanes = BYTES // self.size
        self.type = ir.VectorType(number, self.lanes)

    def same(self, x: Any) -> Any:
        """A vector of nothing but x."""
        empty = ir.Constant(ir.VectorType(x.type, self.lanes), ir.Undefined)
        first = ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes)
        one = self.builder.insert_element(empty, x, ir.Constant(INT32, 0))
        return self.builder.shuffle_vector(one, empty, first)

    def mask(self, count: Any) -> Any:
        """That of the first `count` numbers."""
        places = ir.Constant(ir.VectorType(INT64, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", places, self.same(count))

    def load(self, pointer: Any, mask: Any) -> Any:
        """What is there, and 0 where a mask, if there is one, doesn't hold."""
        pointer = self.builder.bitcast(pointer, self.type.as_pointer())
        if mask is None:
            vector = self.builder.load(pointer)
            vector.align = self.size
            return vector
        zeros = ir.Constant(self.type, [0.0] * self.lanes)
        align = ir.Constant(INT32, self.size)
        return self._call("masked.load", self.type, pointer, align, mask, zeros)

    def store(self, vector: Any, pointer: Any, mask: Any) -> None:
        pointer = self.builder.bitcast(pointer, self.type.as_pointer())
        if mask is None:
            self.builder.store(vector, pointer).align = self.size
        else:
            align = ir.Constant(INT32, self.size)
            self._call("masked.store", ir.VoidType(), vector, pointer, align, mask)

    def variable(self, vector: Any) -> Any:
        """A place for a vector that changes; LLVM makes it a register."""
        place = cgutils.alloca_once(self.builder, self.type)
        self.builder.store(vector, place)
        return place

    def add_product(self, x: Any, y: Any, place: Any) -> None:
        """To what is at a place, add x * y: in one instruction, where the processor has one."""
        product = self.builder.fmul(x, y, flags=["contract"])
        total = self.builder.fadd(product, self.builder.load(place), flags=["contract"])
        self.builder.store(total, place)

    def _call(self, name: str, result: Any, *arguments: Any) -> Any:
        name = f"llvm.{name}.v{self.lanes}f{8 * self.size}.p0"
        kind = ir.FunctionType(result, [x.type for x in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, arguments)


def pointers(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The arguments, and of arrays where their elements are."""
    for kind, x in zip(signature.args, arguments, strict=True):
        is_array = isinstance(kind, types.Array)
        yield context.make_array(kind)(context, builder, x).data if is_array else x


def cases(builder: Any, rows: Any, most: int) -> Iterator[int]:
    """Each number from 1 to `most`; what is built then runs if `rows` is that number."""
    end = builder.append_basic_block()
    switch = builder.switch(rows, end)
    for R in range(1, most + 1):
        block = builder.append_basic_block()
        switch.add_case(integer(R), block)
        builder.position_at_end(block)
        yield R
        builder.branch(end)
    builder.position_at_end(end)


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def product(
    _: Any,
    rows: Any,
    w: Any,
    to_row: Any,
    to_weight: Any,
    x: Any,
    start: Any,
    offsets: Any,
    b: Any,
    y: Any,
    to_output: Any,
    depth: Any,
    width: Any,
) -> Any:
    """y[r, i] = b[r] + the sum over k of w[r, k] * x[start + offsets[k] + i].

    Args:
        rows: how many, from 1 to ROWS.
        w, y: at their first row; `to_row` and `to_output` elements on is the next, and in w
            `to_weight` on is the next k.
        b: (rows,)
        depth: how many k.
        width: how many i.
    """
    n = types.intp
    signature = types.void(n, w, n, n, x, n, offsets, b, y, n, n, n)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (rows, w, to_row, to_weight, x, start, offsets, b, y, to_output, depth, width) = pointers(
            context, builder, signature, arguments
        )
        vectors = Vectors(builder, context.get_value_type(signature.args[1].dtype))
        at, lanes = builder.gep, vectors.lanes

        def tile(R: int, V: int, i: Any, mask: Any) -> None:
            """R rows and V vectors, of i and those after it."""
            sums = [
                vectors.variable(vectors.same(builder.load(at(b, [integer(r)]))))
                for r in range(R)
                for _ in range(V)
            ]
            weights = [at(w, [builder.mul(to_row, integer(r))]) for r in range(R)]
            run = at(x, [builder.add(start, i)])
            with cgutils.for_range(builder, depth) as loop:
                seen = at(run, [builder.load(at(offsets, [loop.index]))])
                parts = [vectors.load(at(seen, [integer(v * lanes)]), mask) for v in range(V)]
                k = builder.mul(loop.index, to_weight)
                for r in range(R):
                    weight = vectors.same(builder.load(at(weights[r], [k])))
                    for v in range(V):
                        vectors.add_product(weight, parts[v], sums[r * V + v])
            for r in range(R):
                out = at(y, [builder.add(i, builder.mul(to_output, integer(r)))])
                for v in range(V):
                    total = builder.load(sums[r * V + v])
                    vectors.store(total, at(out, [integer(v * lanes)]), mask)

        for R in cases(builder, rows, ROWS):
            V = 4 if 4 * R <= REGISTERS // 2 else 2  # fewer sums would wait for one another
            whole = builder.sdiv(width, integer(V * lanes))
            with cgutils.for_range(builder, whole) as loop:
                tile(R, V, builder.mul(loop.index, integer(V * lanes)), None)
            rest = builder.mul(whole, integer(V * lanes)), width, integer(lanes)
            with cgutils.for_range_slice(builder, *rest, inc=True) as (i, _):
                tile(R, 1, i, vectors.mask(builder.sub(width, i)))
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def dots(
    _: Any,
    rows: Any,
    g: Any,
    to_row: Any,
    x: Any,
    start: Any,
    offsets: Any,
    sums: Any,
    to_sums: Any,
    width: Any,
    count: Any,
    to_next: Any,
    to_next_seen: Any,
) -> Any:
    """Add to sums[r, s], a vector, the products of g[r] and x[start + offsets[s] :], number by
    number.

    Args:
        rows: how many, from 1 to ROWS_OF_DOTS.
        g, sums: at their first row; `to_row` and `to_sums` elements on is the next.
        offsets: (RUNS,)
        width: of a run.
        count: how many runs of g and x; `to_next` and `to_next_seen` elements on is the next.
    """
    n = types.intp
    signature = types.void(n, g, n, x, n, offsets, sums, n, n, n, n, n)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (rows, g, to_row, x, start, offsets, sums, to_sums, width, count, to_next, to_next_seen) = (
            pointers(context, builder, signature, arguments)
        )
        vectors = Vectors(builder, context.get_value_type(signature.args[1].dtype))
        at, lanes = builder.gep, vectors.lanes
        x = at(x, [start])
        runs = [at(x, [builder.load(at(offsets, [integer(s)]))]) for s in range(RUNS)]
        whole = builder.sdiv(width, integer(lanes))
        done = builder.mul(whole, integer(lanes))

        for R in cases(builder, rows, ROWS_OF_DOTS):
            starts = [at(g, [builder.mul(to_row, integer(r))]) for r in range(R)]
            places = [
                at(sums, [builder.add(builder.mul(to_sums, integer(r)), integer(s * lanes))])
                for r in range(R)
                for s in range(RUNS)
            ]
            totals = [vectors.variable(vectors.load(place, None)) for place in places]

            def step(given: Any, seen: Any, mask: Any, starts: Any, totals: Any) -> None:
                parts = [vectors.load(at(run, [seen]), mask) for run in runs]
                for r, start in enumerate(starts):
                    gradient = vectors.load(at(start, [given]), mask)
                    for s in range(RUNS):
                        vectors.add_product(gradient, parts[s], totals[r * RUNS + s])

            with cgutils.for_range(builder, count) as outer:
                given = builder.mul(outer.index, to_next)
                seen = builder.mul(outer.index, to_next_seen)
                with cgutils.for_range(builder, whole) as loop:
                    i = builder.mul(loop.index, integer(lanes))
                    step(builder.add(given, i), builder.add(seen, i), None, starts, totals)
                with builder.if_then(builder.icmp_signed("<", done, width)):
                    mask = vectors.mask(builder.sub(width, done))
                    step(builder.add(given, done), builder.add(seen, done), mask, starts, totals)
            for place, total in zip(places, totals, strict=True):
                vectors.store(builder.load(total), place, None)
        return context.get_dummy_value()

    return signature, generate


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
