"""Kernels whose whole CUDA text is gradcore's own, and how they are launched.

CuPy makes a loop around the body of an elementwise kernel. The two kinds here write that loop
themselves: a `MultiArrayKernel` goes through many arrays in one launch, and in a `BlockKernel` the
threads of a block share memory and wait for one another. In their bodies, as in those of
`kernels.py`, the letters of LETTERS stand for types.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import accumulate
from struct import Struct
from typing import Any

import cupy
import numpy as np

from ..types import Array, Number

__all__ = [
    "CHUNK",
    "C_TYPES",
    "FLOATS",
    "HEADERS",
    "LETTERS",
    "THREADS",
    "BlockKernel",
    "MultiArrayKernel",
    "Raw",
]

FLOATS = ("float16", "float32", "float64")
LETTERS = {
    "T": FLOATS,  # of the numbers
    "V": FLOATS,  # of parameters, where their type may be another than T
    "W": ("float32", "float64"),  # of statistics and sums: T, but float32 where T is float16
    "P": ("uint8", "int32"),  # of places in a window
    "D": ("float32", "float64"),  # of numbers that are never float16
    "U": ("uint8", "float32"),  # of pixels
}
C_TYPES = {"float16": "float16", "float32": "float", "float64": "double", "bool": "bool"}
C_TYPES |= {"int32": "int", "int64": "long long"}

CHUNK, THREADS = 1024, 256  # elements that a block takes at a time, and threads of a block
MOST_BLOCKS = 2**16  # of a launch; each goes on to further chunks until none is left
MOST_BYTES = 4096  # CUDA's limit for the arguments of a kernel

HEADERS = """\
#include <cupy/carray.cuh>
#if __has_include(<cupy/float16.cuh>)
#include <cupy/float16.cuh>
#endif
"""
MULTI_ARRAY = """\
{types}
struct Arguments {{
    void* arrays[{most}][{width}];
    long long sizes[{most}], ends[{most}], count;
    {fields}
}};
static_assert(sizeof(Arguments) == {size}, "as NumPy's dtype has them");

extern "C" __global__ void {symbol}(const Arguments all) {{
    {numbers}
    for (long long chunk = blockIdx.x; chunk < all.ends[all.count - 1]; chunk += gridDim.x) {{
        int at = 0, last = all.count - 1;  // find the chunk's set: the first that ends after it
        while (at < last) {{
            int middle = (at + last) / 2;
            if (all.ends[middle] > chunk) last = middle;
            else at = middle + 1;
        }}
        {arrays}
        const long long begin = {chunk}LL * (chunk - (at ? all.ends[at - 1] : 0));
        const long long next = begin + {chunk}, end = next < all.sizes[at] ? next : all.sizes[at];
        {before}
        for (long long i = begin + threadIdx.x; i < end; i += blockDim.x) {{
{body}
        }}
        {after}
    }}
}}
"""
BLOCK = """\
{types}
struct Arguments {{ {fields} }};
static_assert(sizeof(Arguments) == {size}, "as NumPy's dtype has them");

extern "C" __global__ void __launch_bounds__({threads}) {symbol}(const Arguments all) {{
    {unpacked}
{body}
}}
"""


class Raw(ABC):
    """A kernel whose whole text is written here.

    It takes one argument by value: a struct with the addresses of its arrays, and its numbers. So a
    launch copies nothing to the device, and can be captured in a graph.

    Args:
        name: of the kernel.
        arrays: types and names of the arrays, such as "T p, T g"; a type may be one of LETTERS.
        numbers: types and names of the numbers, such as "T lr, int32 count".
        body: CUDA, which uses these names.
    """

    def __init__(self, name: str, arrays: str, numbers: str, body: str) -> None:
        self.name, self.body = name, body
        self.arrays, self.numbers = (
            [tuple(one.split()) for one in text.split(",") if one] for text in (arrays, numbers)
        )
        self.letters = sorted({kind for kind, _ in self.arrays} & LETTERS.keys())

    def symbol(self, types: dict[str, str]) -> str:
        """The name of the compiled function, such as "gradcore_sgd__float32"."""
        return "__".join([self.name, *(types[letter] for letter in self.letters)])

    @abstractmethod
    def source(self, types: dict[str, str]) -> str:
        """CUDA of the kernel in these types."""

    def types(self, arrays: Sequence[Array | None]) -> dict[str, str]:
        """The type that each letter stands for, read from the arrays that are not `None`."""
        pairs = zip(self.arrays, arrays, strict=True)
        found = {kind: str(x.dtype) for (kind, _), x in pairs if x is not None}
        if "T" in found:
            found.setdefault("W", str(np.result_type(found["T"], np.float32)))
        return {letter: found[letter] for letter in self.letters}

    def compiled(self, types: dict[str, str]) -> cupy.RawKernel:
        """CuPy's kernel, which NVRTC compiles at its first launch."""
        return cupy.RawKernel(HEADERS + self.source(types), self.symbol(types))


class MultiArrayKernel(Raw):
    """A kernel that goes through many sets of arrays in one launch.

    Its argument has the addresses and the size of each set, and each number either by value or as
    the address of an array on the device.

    Args:
        before, after: what a thread does before and after its elements of a chunk: CHUNK elements
            of a set, or what is left of it. All threads of a block have the same chunk.
    """

    def __init__(
        self, name: str, arrays: str, numbers: str, body: str, before: str = "", after: str = ""
    ) -> None:
        super().__init__(name, arrays, numbers, body)
        self.before, self.after = before, after
        self._made: dict[Any, tuple[cupy.RawKernel, np.dtype, int]] = {}  # by the arrays' dtypes

    def __call__(self, sets: Sequence[Sequence[Array]], *numbers: Number) -> None:
        """Launch the kernel: once, or more often if its argument has no room for all sets.

        Args:
            sets: the arrays of each set, of one size, contiguous and in one order; dtypes are the
                same in all sets. The body sees `None` as a null pointer. Neither the first array of
                a set is `None`, nor are all arrays of one letter, but for W.
            numbers: Python's numbers, or arrays of one element.
        """
        sets = [arrays for arrays in sets if arrays[0].size]
        if not sets:
            return
        key = tuple([x if x is None else x.dtype for x in sets[0]])
        if key not in self._made:
            types = self.types(sets[0])
            self._made[key] = self.compiled(types), *self._layout(types)
        kernel, layout, most = self._made[key]
        arguments, kept = np.zeros((), layout), []
        for (_, name), x in zip(self.numbers, numbers, strict=True):
            if isinstance(x, cupy.ndarray):
                kept.append(x.astype(layout[name], copy=False))
                arguments[f"{name}_at"] = kept[-1].data.ptr
            else:
                arguments[name] = x
        for start in range(0, len(sets), most):
            some = sets[start : start + most]
            n, sizes = len(some), [arrays[0].size for arrays in some]
            ends = list(accumulate(-(-size // CHUNK) for size in sizes))
            arguments["arrays"][:n] = [[0 if x is None else x.data.ptr for x in s] for s in some]
            arguments["sizes"][:n], arguments["ends"][:n], arguments["count"] = sizes, ends, n
            # As plain bytes: NumPy would describe each field to CuPy, which takes time.
            plain = arguments.view(f"V{arguments.itemsize}")
            kernel((min(ends[-1], MOST_BLOCKS),), (THREADS,), (plain,))

    def source(self, types: dict[str, str]) -> str:
        layout, most = self._layout(types)
        return MULTI_ARRAY.format(
            types=_typedefs(types),
            fields=" ".join(f"const {kind}* {x}_at; {kind} {x};" for kind, x in self.numbers),
            numbers=" ".join(
                f"const {kind} {x} = all.{x}_at ? *all.{x}_at : all.{x};"
                for kind, x in self.numbers
            ),
            arrays=" ".join(
                f"{kind}* {x} = ({kind}*)all.arrays[at][{k}];"
                for k, (kind, x) in enumerate(self.arrays)
            ),
            **{"most": most, "width": len(self.arrays), "size": layout.itemsize, "chunk": CHUNK},
            **{"symbol": self.symbol(types), "body": self.body.strip("\n")},
            **{"before": self.before, "after": self.after},
        )

    def _layout(self, types: dict[str, str]) -> tuple[np.dtype, int]:
        """The dtype of the argument, and the number of sets that it has room for."""
        numbers: list[tuple[str, Any]] = []
        for kind, name in self.numbers:
            numbers += [(f"{name}_at", np.uintp), (name, types.get(kind, kind))]
        width = len(self.arrays)

        def layout(most: int) -> np.dtype:
            each = [("arrays", np.uintp, (most, width)), ("sizes", np.int64, most)]
            fields = [*each, ("ends", np.int64, most), ("count", np.int64), *numbers]
            return np.dtype(fields, align=True)  # as a C++ compiler does

        rest = layout(0).itemsize
        most = (MOST_BYTES - rest) // (layout(1).itemsize - rest)
        return layout(most), most


class BlockKernel(Raw):
    """A kernel in whose blocks the threads work together.

    Args:
        threads: of a block; THREADS in the body.
        constants: further names that the body uses, with their values.
    """

    def __init__(
        self,
        name: str,
        arrays: str,
        numbers: str,
        body: str,
        threads: int,
        constants: dict[str, int],
    ) -> None:
        super().__init__(name, arrays, numbers, body)
        self.threads, self.constants = threads, constants
        fields = [(name, np.uintp) for _, name in self.arrays]
        self.layout = np.dtype(
            [*fields, *((name, np.dtype(kind)) for kind, name in self.numbers)], align=True
        )
        kinds = "".join(self.layout[name].char for name in self.layout.names or ())
        self._packed = Struct(f"@{kinds}0P").pack  # pads as a C++ compiler does
        self._places = Struct(f"{len(self.arrays)}P")
        self._whole = np.dtype(f"V{self.layout.itemsize}")
        self._made: dict[tuple[np.dtype | None, ...], cupy.RawKernel] = {}

    def __call__(self, blocks: int, arrays: Sequence[Array | None], *numbers: float) -> None:
        """Launch the kernel.

        Args:
            blocks: how many.
            arrays: contiguous; the body sees `None` as a null pointer.
        """
        self.planned(blocks, arrays, *numbers)(*arrays)

    def planned(
        self, blocks: int, arrays: Sequence[Array | None], *numbers: float
    ) -> Callable[..., None]:
        """Prepare launches with the same numbers, on arrays of the dtypes of those given."""
        key = tuple([x if x is None else x.dtype for x in arrays])
        if key not in self._made:
            self._made[key] = self.compiled(self.types(arrays))
        kernel, grid, block = self._made[key], (blocks,), (self.threads,)
        places, whole = self._places, self._whole
        rest = self._packed(*[0] * len(arrays), *numbers)[places.size :]

        def launch(*arrays: Array | None) -> None:
            at = places.pack(*[0 if x is None else x.data.ptr for x in arrays])
            # As plain bytes: NumPy would describe each field to CuPy, which takes time.
            kernel(grid, block, (np.frombuffer(at + rest, whole),))

        return launch

    def source(self, types: dict[str, str]) -> str:
        # Types are written out: a number's name may be one of the letters.
        kinds = [(f"{C_TYPES[types.get(kind, kind)]}*", name) for kind, name in self.arrays]
        kinds += [(C_TYPES[kind], name) for kind, name in self.numbers]
        unpacked = [f"{kind} {name} = all.{name};" for kind, name in kinds]
        constants = {"THREADS": self.threads, **self.constants}
        unpacked += [f"constexpr int {name} = {value};" for name, value in constants.items()]
        return BLOCK.format(
            types=_typedefs(types),
            fields=" ".join(f"{kind} {name};" for kind, name in kinds),
            unpacked=" ".join(unpacked),
            **{"size": self.layout.itemsize, "threads": self.threads},
            **{"symbol": self.symbol(types), "body": self.body.strip("\n")},
        )


def _typedefs(types: dict[str, str]) -> str:
    return "\n".join(f"typedef {C_TYPES[t]} {letter};" for letter, t in types.items())
