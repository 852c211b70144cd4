"""CUDA kernels: every one is made here, so that the tests find it, compile it and run it.

A kernel's body computes element i of what it gives; it is CUDA and C++ alike. In it, the letters
stand for types:
"""

from __future__ import annotations

from typing import Any

import cupy

FLOATS = ("float16", "float32", "float64")
LETTERS = {
    "T": FLOATS,  # of the numbers
    "V": FLOATS,  # of parameters, where these may be of another
    "W": ("float32", "float64"),  # of statistics and sums: T's, but float32 of float16
    "P": ("uint8", "int32"),  # of places in a window
}
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
