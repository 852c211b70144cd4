"""Sums in the processor's vector registers, in LLVM's instructions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["BYTES", "ROWS", "ROWS_OF_DOTS", "RUNS", "dots", "product"]

FEATURES = binding.get_host_cpu_features()
BYTES = 64 if FEATURES.get("avx512f") else 32 if FEATURES.get("avx") else 16  # of a register
REGISTERS = 32 if FEATURES.get("avx512f") or not FEATURES.get("sse2") else 16
ROWS = 8 if REGISTERS == 32 else 6  # of `product`, at most: a register for each of two vectors
ROWS_OF_DOTS = REGISTERS // 8  # at most
RUNS = 4  # of `dots`

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
