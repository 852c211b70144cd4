"""CUDA kernels: every one is made here, so that the tests find it, compile it and run it.

A kernel's body computes element i of what it gives; it is CUDA and C++ alike. In it, the letters
stand for types:
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import cupy
import numpy as np

from ..types import Number

FLOATS = ("float16", "float32", "float64")
LETTERS = {
    "T": FLOATS,  # of the numbers
    "V": FLOATS,  # of parameters, where these may be of another
    "W": ("float32", "float64"),  # of statistics and sums: T's, but float32 of float16
    "P": ("uint8", "int32"),  # of places in a window
}
C_TYPES = {"float16": "float16", "float32": "float", "float64": "double", "bool": "bool"}
C_TYPES |= {"int32": "int"}
WIDE = "typedef decltype(T() + T()) A;"  # what arithmetic is in: float32 of float16

KERNELS: dict[str, Any] = {}


def elementwise(name: str, inputs: str, outputs: str, body: str, preamble: str = "") -> Any:
    """A kernel that is called with arrays, which are broadcast but where they are `raw`, and
    numbers; outputs are new unless they are given, too."""
    KERNELS[name] = cupy.ElementwiseKernel(
        inputs, outputs, body, f"gradcore_{name}", preamble=preamble
    )
    return KERNELS[name]


def summing(name: str, inputs: str, term: str) -> Any:
    """A kernel that gives the sums, in W, of the terms along an axis or several."""
    KERNELS[name] = cupy.ReductionKernel(
        inputs, "W total", term, "a + b", "total = a", "0", f"gradcore_{name}"
    )
    return KERNELS[name]


def several(name: str, arrays: str, numbers: str, body: str) -> Several:
    """A kernel that is called with several sets of arrays, and numbers for all of them, and goes
    through the elements of all sets in one launch. In the body, `x[i]` is element i of array x."""
    KERNELS[name] = kernel = Several(f"gradcore_{name}", arrays, numbers, body)
    return kernel


def together(
    name: str, arrays: str, numbers: str, body: str, threads: int, **constants: int
) -> Together:
    """A kernel that is called with a number of blocks, arrays and numbers, and in whose blocks so
    many threads share memory and wait for one another. Its body is all that a thread does."""
    kernel = Together(f"gradcore_{name}", arrays, numbers, body, threads, constants)
    KERNELS[name] = kernel
    return kernel


CHUNK, THREADS = 1024, 256  # elements that a block takes at a time, and threads of a block
MOST_BLOCKS = 2**16  # of a launch; these go on from chunk to chunk
MOST_BYTES = 4096  # of a kernel's arguments

HEADERS = """\
#include <cupy/carray.cuh>
#if __has_include(<cupy/float16.cuh>)
#include <cupy/float16.cuh>
#endif
"""
SEVERAL = """\
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
        int at = 0, last = all.count - 1;  // whose chunk is it? that of the first which ends later
        while (at < last) {{
            int middle = (at + last) / 2;
            if (all.ends[middle] > chunk) last = middle;
            else at = middle + 1;
        }}
        {arrays}
        const long long begin = {chunk}LL * (chunk - (at ? all.ends[at - 1] : 0));
        const long long next = begin + {chunk}, end = next < all.sizes[at] ? next : all.sizes[at];
        for (long long i = begin + threadIdx.x; i < end; i += blockDim.x) {{
{body}
        }}
    }}
}}
"""


class Raw(ABC):
    """A kernel all of whose text is written here.

    It takes one argument by value: where the arrays are, and the numbers. So nothing is copied to
    the device, and it can be captured.
    """

    def __init__(self, name: str, arrays: str, numbers: str, body: str) -> None:
        self.name, self.body = name, body
        self.arrays, self.numbers = (
            [tuple(one.split()) for one in text.split(",") if one] for text in (arrays, numbers)
        )
        self.letters = sorted({kind for kind, _ in self.arrays} & LETTERS.keys())

    def symbol(self, types: dict[str, str]) -> str:
        return "__".join([self.name, *(types[letter] for letter in self.letters)])

    @abstractmethod
    def source(self, types: dict[str, str]) -> str:
        """CUDA of the kernel in these types."""

    def types(self, arrays: Sequence[Any]) -> dict[str, str]:
        """The type that each letter stands for, by the arrays that are there."""
        pairs = zip(self.arrays, arrays, strict=True)
        found = {kind: str(x.dtype) for (kind, _), x in pairs if x is not None}
        return {letter: found[letter] for letter in self.letters}

    def compiled(self, types: dict[str, str]) -> Any:
        return cupy.RawKernel(HEADERS + self.source(types), self.symbol(types))


def _launch(kernel: Any, blocks: int, threads: int, arguments: np.ndarray) -> None:
    # As mere bytes: of a structure, NumPy would describe each field to CuPy.
    kernel((blocks,), (threads,), (arguments.view(f"V{arguments.itemsize}"),))


def _typedefs(types: dict[str, str]) -> str:
    return "\n".join(f"typedef {C_TYPES[t]} {letter};" for letter, t in types.items())


class Several(Raw):
    """A kernel of several sets of arrays: of these its argument has the sizes, too, and of a number
    that is on the device, where it is there."""

    def __init__(self, name: str, arrays: str, numbers: str, body: str) -> None:
        super().__init__(name, arrays, numbers, body)
        self._made: dict[tuple[str, ...], tuple[Any, np.dtype, int]] = {}

    def __call__(self, sets: Sequence[Sequence[Any]], *numbers: Number) -> None:
        """Launch it, once for as many sets as there is room for in its argument.

        Args:
            sets: the arrays of each, of one size, contiguous and in one order; dtypes are the same
                in all sets. An array may be `None`, in the body a null pointer, but the first of
                its letter.
            numbers: Python's, or arrays of one element.
        """
        sets = [arrays for arrays in sets if arrays[0].size]
        if not sets:
            return
        types = self.types(sets[0])
        key = tuple(types.values())
        if key not in self._made:
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
            _launch(kernel, min(ends[-1], MOST_BLOCKS), THREADS, arguments)

    def source(self, types: dict[str, str]) -> str:
        layout, most = self._layout(types)
        return SEVERAL.format(
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
        )

    def _layout(self, types: dict[str, str]) -> tuple[np.dtype, int]:
        """The dtype of its argument, and for how many sets that has room."""
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


TOGETHER = """\
{types}
struct Arguments {{ {fields} }};
static_assert(sizeof(Arguments) == {size}, "as NumPy's dtype has them");

extern "C" __global__ void __launch_bounds__({threads}) {symbol}(const Arguments all) {{
    {unpacked}
{body}
}}
"""


class Together(Raw):
    """A kernel in whose blocks the threads work together."""

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
        self._made: dict[tuple[str, ...], Any] = {}

    def __call__(self, blocks: int, arrays: Sequence[Any], *numbers: int) -> None:
        """Launch it.

        Args:
            arrays: contiguous; in the place of one may be `None`, in the body a null pointer.
        """
        types = self.types(arrays)
        key = tuple(types.values())
        if key not in self._made:
            self._made[key] = self.compiled(types)
        places = [0 if x is None else x.data.ptr for x in arrays]
        arguments = np.array((*places, *numbers), self.layout)
        _launch(self._made[key], blocks, self.threads, arguments)

    def source(self, types: dict[str, str]) -> str:
        # Not by their letters, as which numbers may be called.
        kinds = [(f"{C_TYPES[types[kind]]}*", name) for kind, name in self.arrays]
        kinds += [(C_TYPES[kind], name) for kind, name in self.numbers]
        unpacked = [f"{kind} {name} = all.{name};" for kind, name in kinds]
        constants = {"THREADS": self.threads, **self.constants}
        unpacked += [f"constexpr int {name} = {value};" for name, value in constants.items()]
        return TOGETHER.format(
            types=_typedefs(types),
            fields=" ".join(f"{kind} {name};" for kind, name in kinds),
            unpacked=" ".join(unpacked),
            **{"size": self.layout.itemsize, "threads": self.threads},
            **{"symbol": self.symbol(types), "body": self.body.strip("\n")},
        )
