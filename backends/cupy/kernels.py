"""Makers of CUDA kernels: every kernel is made here, so that tests find, compile and run them all.

A kernel's body computes element i of its output. It is valid CUDA and valid C++, so that a C++
compiler can run it on the CPU. In it, the letters of `launch.LETTERS` stand for types: T for that
of the numbers, for instance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy

from ..types import Array
from .launch import BlockKernel, MultiArrayKernel
from .layouts import in_memory_order

__all__ = ["KERNELS", "WIDE", "blockwise", "elementwise", "multi_array", "summing"]

WIDE = "typedef decltype(T() + T()) A;"  # the type of arithmetic: T, but float32 where T is float16

KERNELS: dict[str, Any] = {}  # all that were made, by name


def elementwise(
    name: str, inputs: str, outputs: str, body: str, preamble: str = ""
) -> Callable[..., Array]:
    """Make a kernel that computes each element of its outputs.

    It is called with arrays, numbers and, if outputs are to be written into existing arrays, these.
    Arrays are broadcast against each other, except for those that are declared `raw`. A kernel
    without these goes through images in the order of their memory, and its results lie as they do.

    >>> double = elementwise("double", "T x", "T y", "y = x + x;")
    >>> y = double(x)
    """
    KERNELS[name] = cupy.ElementwiseKernel(
        inputs, outputs, body, f"gradcore_{name}", preamble=preamble
    )
    is_of_elements = "raw " not in inputs + outputs
    return in_memory_order(KERNELS[name]) if is_of_elements else KERNELS[name]


def summing(name: str, inputs: str, term: str) -> Callable[..., Array]:
    """Make a kernel that sums a term, in type W, along one axis or several.

    >>> squares = summing("squares", "T x", "(W)x * (W)x")
    >>> y = squares(x, axis=0)
    """
    KERNELS[name] = cupy.ReductionKernel(
        inputs, "W total", term, "a + b", "total = a", "0", f"gradcore_{name}"
    )
    return KERNELS[name]


def multi_array(name: str, arrays: str, numbers: str, body: str, **around: str) -> MultiArrayKernel:
    """Make a kernel that goes through the elements of many sets of arrays in one launch.

    It is called with a list of these sets, and with numbers that all sets share. In the body, x[i]
    is element i of array x. The texts `before` and `after` are done around each chunk of elements.
    """
    KERNELS[name] = kernel = MultiArrayKernel(f"gradcore_{name}", arrays, numbers, body, **around)
    return kernel


def blockwise(
    name: str, arrays: str, numbers: str, body: str, threads: int, **constants: int
) -> BlockKernel:
    """Make a kernel in whose blocks `threads` threads share memory and wait for one another.

    It is called with a number of blocks, arrays and numbers. Its body is all that a thread does.
    """
    kernel = BlockKernel(f"gradcore_{name}", arrays, numbers, body, threads, constants)
    KERNELS[name] = kernel
    return kernel
