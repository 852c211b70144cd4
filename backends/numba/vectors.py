"""Multiply and add up in the processor's vector registers, by LLVM's own instructions.

Loops that numba compiles write their sums to memory, and read them again, at each step. The
functions `product` and `dots` keep their sums in registers while they go through what is summed
over, and `turn` keeps a square that it transposes. The first two work on a few rows at a time, and
have a piece of code for each number of rows. Compiled loops call them; their arguments are views of
arrays of one dtype, float32 or float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["BYTES", "ROWS", "ROWS_OF_DOTS", "RUNS", "dots", "product", "turn"]

FEATURES = binding.get_host_cpu_features()
BYTES = 64 if FEATURES.get("avx512f") else 32 if FEATURES.get("avx") else 16  # of a register
REGISTERS = 32 if FEATURES.get("avx512f") or not FEATURES.get("sse2") else 16
ROWS = 8 if REGISTERS == 32 else 6  # at most, of `product`: each needs two registers or more
RUNS = 4  # of x in `dots`
ROWS_OF_DOTS = (REGISTERS - RUNS - 1) // RUNS  # at most, of `dots`: all sums are in registers

INT32, INT64 = ir.IntType(32), ir.IntType(64)


def integer(n: int) -> ir.Constant:
    """Make a constant of LLVM's."""
    return ir.Constant(INT64, n)


class Elements:
    """Hold an array argument: where its elements are, its shape, and its steps in elements."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        self.data = array.data
        self.shape = cgutils.unpack_tuple(builder, array.shape)
        strides = cgutils.unpack_tuple(builder, array.strides)
        self.steps = [builder.sdiv(s, array.itemsize, flags=["exact"]) for s in strides]


class Vectors:
    """Build instructions for vectors: as many numbers as fill a register."""

    def __init__(self, builder: Any, number: Any) -> None:
        self.builder = builder
        self.size = 4 if isinstance(number, ir.FloatType) else 8
        self.lanes = BYTES // self.size
        self.type = ir.VectorType(number, self.lanes)

    def same(self, x: Any) -> Any:
        """Make a vector in which each number is x."""
        empty = ir.Constant(ir.VectorType(x.type, self.lanes), ir.Undefined)
        first = ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes)
        one = self.builder.insert_element(empty, x, ir.Constant(INT32, 0))
        return self.builder.shuffle_vector(one, empty, first)

    def mask(self, count: Any) -> Any:
        """Make a mask that is true for the first `count` numbers."""
        places = ir.Constant(ir.VectorType(INT64, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", places, self.same(count))

    def load(self, pointer: Any, mask: Any) -> Any:
        """Read a vector, with 0 where the mask is false; `None` stands for a mask of all."""
        pointer = self.builder.bitcast(pointer, self.type.as_pointer())
        if mask is None:
            vector = self.builder.load(pointer)
            vector.align = self.size
            return vector
        zeros = ir.Constant(self.type, [0.0] * self.lanes)
        align = ir.Constant(INT32, self.size)
        return self._call("masked.load", self.type, pointer, align, mask, zeros)

    def store(self, vector: Any, pointer: Any, mask: Any) -> None:
        """Write a vector where the mask is true; `None` stands for a mask of all."""
        pointer = self.builder.bitcast(pointer, self.type.as_pointer())
        if mask is None:
            self.builder.store(vector, pointer).align = self.size
        else:
            align = ir.Constant(INT32, self.size)
            self._call("masked.store", ir.VoidType(), vector, pointer, align, mask)

    def variable(self, vector: Any) -> Any:
        """Make a variable that starts as this vector; LLVM keeps it in a register."""
        place = cgutils.alloca_once(self.builder, self.type)
        self.builder.store(vector, place)
        return place

    def add_product(self, x: Any, y: Any, place: Any) -> None:
        """Add x * y to a variable: by one instruction, where the processor has one."""
        product = self.builder.fmul(x, y, flags=["contract"])
        total = self.builder.fadd(product, self.builder.load(place), flags=["contract"])
        self.builder.store(total, place)

    def swapped(self, x: Any, y: Any, side: int) -> tuple[Any, Any]:
        """Swap each second run of `side` numbers of x with the run of y before it."""
        masks = [
            [k + n if not k & side else k + n - side + self.lanes for k in range(self.lanes)]
            for n in (0, side)
        ]
        kind = ir.VectorType(INT32, self.lanes)
        a, b = (self.builder.shuffle_vector(x, y, ir.Constant(kind, mask)) for mask in masks)
        return a, b

    def _call(self, name: str, result: Any, *arguments: Any) -> Any:
        """Call an instruction that LLVM has as a function."""
        name = f"llvm.{name}.v{self.lanes}f{8 * self.size}.p0"
        kind = ir.FunctionType(result, [x.type for x in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, arguments)


def cases(builder: Any, rows: Any, most: int) -> Iterator[int]:
    """Yield each number from 1 to `most`; what is built for a number runs if `rows` equals it."""
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
def product(_: Any, w: Any, x: Any, start: Any, offsets: Any, b: Any, y: Any) -> Any:
    """Compute y[r, i] = b[r] + the sum over k of w[r, k] * x[start + offsets[k] + i].

    Each weight is multiplied with a run of x.

    Args:
        w: (R, K), where R is from 1 to ROWS.
        x: (...,), contiguous.
        start: an integer, which may be negative.
        offsets: (K,), contiguous, of int64.
        b: (R,), contiguous; or (1, I), contiguous, for b[0, i] in place of b[r]; or `None`, for
            y[r, i], so that the sums are added to y.
        y: (R, I); its rows are contiguous.
    """
    signature = types.void(w, x, types.intp, offsets, b, y)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds, start = signature.args, arguments[2]
        w, x, offsets, y = (
            Elements(context, builder, kinds[i], arguments[i]) for i in (0, 1, 3, 5)
        )
        b = None
        if not isinstance(kinds[4], types.NoneType):
            b = Elements(context, builder, kinds[4], arguments[4])
        vectors = Vectors(builder, context.get_value_type(kinds[0].dtype))
        at, lanes, width = builder.gep, vectors.lanes, y.shape[1]

        def tile(R: int, V: int, i: Any, mask: Any) -> None:
            """Compute R rows of y, of V vectors each, from i on."""
            outs = [
                at(y.data, [builder.add(i, builder.mul(y.steps[0], integer(r)))]) for r in range(R)
            ]
            places = [at(out, [integer(v * lanes)]) for out in outs for v in range(V)]
            if b is None:
                starts = [vectors.load(place, mask) for place in places]
            elif kinds[4].ndim == 2:
                columns = [at(b.data, [builder.add(i, integer(v * lanes))]) for v in range(V)]
                starts = [vectors.load(column, mask) for column in columns] * R
            else:
                levels = [builder.load(at(b.data, [integer(r)])) for r in range(R)]
                starts = [vectors.same(level) for level in levels for _ in range(V)]
            sums = [vectors.variable(start) for start in starts]
            weights = [at(w.data, [builder.mul(w.steps[0], integer(r))]) for r in range(R)]
            run = at(x.data, [builder.add(start, i)])
            with cgutils.for_range(builder, w.shape[1]) as loop:
                seen = at(run, [builder.load(at(offsets.data, [loop.index]))])
                parts = [vectors.load(at(seen, [integer(v * lanes)]), mask) for v in range(V)]
                k = builder.mul(loop.index, w.steps[1])
                for r in range(R):
                    weight = vectors.same(builder.load(at(weights[r], [k])))
                    for v in range(V):
                        vectors.add_product(weight, parts[v], sums[r * V + v])
            for total, place in zip(sums, places, strict=True):
                vectors.store(builder.load(total), place, mask)

        for R in cases(builder, w.shape[0], ROWS):
            V = 4 if 4 * R + 5 <= REGISTERS else 2  # fewer sums would wait for one another
            whole = builder.sdiv(width, integer(V * lanes))
            with cgutils.for_range(builder, whole) as loop:
                tile(R, V, builder.mul(loop.index, integer(V * lanes)), None)
            rest = builder.mul(whole, integer(V * lanes)), width, integer(lanes)
            with cgutils.for_range_slice(builder, *rest, inc=True) as (i, _):
                tile(R, 1, i, vectors.mask(builder.sub(width, i)))
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def dots(_: Any, g: Any, x: Any, start: Any, step: Any, offsets: Any, sums: Any) -> Any:
    """Add to sums[r, s], over all m, the products of the runs g[r, m] and x[at : at + I], where
    at = start + m * step + offsets[s].

    The products of a run's numbers go round among the numbers of sums[r, s]: their total is left
    to the caller.

    Args:
        g: (R, M, I), where R is from 1 to ROWS_OF_DOTS; its runs of I are contiguous.
        x: (...,), contiguous.
        start, step: integers, which may be negative.
        offsets: (RUNS,), contiguous, of int64.
        sums: (R, RUNS, L), where L numbers fill a register; sums[r] is contiguous.
    """
    signature = types.void(g, x, types.intp, types.intp, offsets, sums)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds, (start, step) = signature.args, arguments[2:4]
        g, x, offsets, sums = (
            Elements(context, builder, kinds[i], arguments[i]) for i in (0, 1, 4, 5)
        )
        vectors = Vectors(builder, context.get_value_type(kinds[0].dtype))
        at, lanes, width = builder.gep, vectors.lanes, g.shape[2]
        first = at(x.data, [start])
        runs = [at(first, [builder.load(at(offsets.data, [integer(s)]))]) for s in range(RUNS)]
        whole = builder.sdiv(width, integer(lanes))
        done = builder.mul(whole, integer(lanes))

        for R in cases(builder, g.shape[0], ROWS_OF_DOTS):
            rows = [at(g.data, [builder.mul(g.steps[0], integer(r))]) for r in range(R)]
            places = [
                at(sums.data, [builder.add(builder.mul(sums.steps[0], integer(r)), integer(s))])
                for r in range(R)
                for s in range(0, RUNS * lanes, lanes)
            ]
            totals = [vectors.variable(vectors.load(place, None)) for place in places]

            def add(given: Any, seen: Any, mask: Any, rows: Any, totals: Any) -> None:
                """Add the products of one vector of each run."""
                parts = [vectors.load(at(run, [seen]), mask) for run in runs]
                for r, row in enumerate(rows):
                    gradient = vectors.load(at(row, [given]), mask)
                    for s in range(RUNS):
                        vectors.add_product(gradient, parts[s], totals[r * RUNS + s])

            with cgutils.for_range(builder, g.shape[1]) as outer:
                given = builder.mul(outer.index, g.steps[1])
                seen = builder.mul(outer.index, step)
                with cgutils.for_range(builder, whole) as loop:
                    i = builder.mul(loop.index, integer(lanes))
                    add(builder.add(given, i), builder.add(seen, i), None, rows, totals)
                with builder.if_then(builder.icmp_signed("<", done, width)):
                    mask = vectors.mask(builder.sub(width, done))
                    add(builder.add(given, done), builder.add(seen, done), mask, rows, totals)
            for place, total in zip(places, totals, strict=True):
                vectors.store(builder.load(total), place, None)
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def turn(_: Any, x: Any, start: Any, step: Any, y: Any, out: Any, row: Any) -> Any:
    """Write the number x[start + i * step + j] into y[out + j * row + i], for all i and j below L,
    where L numbers fill a register; x and y are contiguous."""
    signature = types.void(x, types.intp, types.intp, y, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, to = (
            Elements(context, builder, signature.args[i], arguments[i]).data for i in (0, 3)
        )
        vectors = Vectors(builder, context.get_value_type(signature.args[0].dtype))

        def places(data: Any, start: Any, step: Any) -> list[Any]:
            steps = [builder.mul(step, integer(i)) for i in range(vectors.lanes)]
            return [builder.gep(data, [builder.add(start, n)]) for n in steps]

        square = [vectors.load(place, None) for place in places(source, *arguments[1:3])]
        side = 1
        while side < vectors.lanes:  # swap the two squares off the diagonal of each larger square
            for i in (i for i in range(vectors.lanes) if not i & side):
                square[i], square[i + side] = vectors.swapped(square[i], square[i + side], side)
            side *= 2
        for vector, place in zip(square, places(to, *arguments[4:6]), strict=True):
            vectors.store(vector, place, None)
        return context.get_dummy_value()

    return signature, generate
