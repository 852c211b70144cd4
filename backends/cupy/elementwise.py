"""Functions of single elements on CuPy, each in one launch, and random bits."""

from __future__ import annotations

import math
from typing import Any

import cupy
import numpy as np

from ..base import Backend
from ..definitions.elementwise import least_for_sigmoid
from ..definitions.random_bits import PHILOX, PHILOX_KEY
from ..types import Array, Number
from .kernels import WIDE, elementwise

__all__ = ["CupyElementwise"]

masked = elementwise("masked", "T x, bool mask", "T y", "y = mask ? x : T(0);")
sigmoid = elementwise(  # a NaN is not less than anything, so it stays NaN
    "sigmoid",
    "T x, T least",
    "T y",
    f"{WIDE} A z = x; y = x < least ? A(0) : A(1) / (A(1) + exp(-z));",
)
TINY = f"(sizeof(A) > 4 ? {np.finfo(np.float64).tiny!s} : {np.finfo(np.float32).tiny!s})"
sigmoid_gradient = elementwise(
    "sigmoid_gradient",
    "T y, T go",
    "T gx",
    f"{WIDE} A z = y, g = (A(1) - z) * z * A(go); gx = fabs(g) < A{TINY} ? A(0) : g;",
)
relu_gradient = elementwise("relu_gradient", "T y, T go", "T gx", "gx = y > T(0) ? go : y;")
erf = elementwise("erf", "T x", "T y", f"{WIDE} y = erf(A(x));")
erfc = elementwise("erfc", "T x", "T y", f"{WIDE} y = erfc(A(x));")
lgamma = elementwise("lgamma", "T x", "T y", f"{WIDE} y = lgamma(A(x));")
gelu = elementwise(
    "gelu", "T x", "T y", f"{WIDE} A z = x; y = A(0.5) * z * (A(1) + erf(A({math.sqrt(0.5)}) * z));"
)
gelu_gradient = elementwise(
    "gelu_gradient",
    "T x, T go",
    "T gx",
    f"""
{WIDE}
A z = x, density = exp(A(-0.5) * z * z) * A({1 / math.sqrt(2 * math.pi)});
gx = A(go) * (A(0.5) + A(0.5) * erf(A({math.sqrt(0.5)}) * z) + z * density);
""",
)
philox = elementwise(  # element i is block i of `random_bits`, whose counter is i + 1
    "philox",
    "uint64 key0, uint64 key1",
    # CuPy takes the number of blocks from `first`, the first words of the blocks; `words` are all.
    "uint64 first, raw uint64 words",
    f"""
unsigned long long a = i + 1, b = 0, c = 0, d = 0, k = key0, l = key1;
for (int round = 0; round < 10; ++round) {{
    unsigned long long high0 = __umul64hi({PHILOX[0]}ULL, a), low0 = {PHILOX[0]}ULL * a;
    unsigned long long high1 = __umul64hi({PHILOX[1]}ULL, c), low1 = {PHILOX[1]}ULL * c;
    a = high1 ^ b ^ k, b = low1, c = high0 ^ d ^ l, d = low0;
    k += {PHILOX_KEY[0]}ULL, l += {PHILOX_KEY[1]}ULL;
}}
first = a, words[4 * i + 1] = b, words[4 * i + 2] = c, words[4 * i + 3] = d;
""",
)


class CupyElementwise(Backend):
    def masked(self, x: Array, mask: Array) -> Array:
        return masked(x, mask) if x.dtype.kind == "f" else super().masked(x, mask)

    def sigmoid(self, x: Array) -> Array:
        if x.dtype.kind != "f":
            return super().sigmoid(x)
        return sigmoid(x, least_for_sigmoid(np.finfo(np.result_type(x.dtype, np.float32))))

    def sigmoid_gradient(self, y: Array, go: Array) -> Array:
        if y.dtype.kind != "f" or go.dtype != y.dtype:
            return super().sigmoid_gradient(y, go)
        return sigmoid_gradient(y, go)

    def relu_gradient(self, y: Array, go: Array) -> Array:
        if y.dtype.kind != "f" or go.dtype != y.dtype:
            return super().relu_gradient(y, go)
        return relu_gradient(y, go)

    def gelu(self, x: Array) -> Array:
        return gelu(x) if x.dtype.kind == "f" else super().gelu(x)

    def gelu_gradient(self, x: Array, go: Array) -> Array:
        if x.dtype.kind != "f" or go.dtype != x.dtype:
            return super().gelu_gradient(x, go)
        return gelu_gradient(x, go)

    def erf(self, x: Array) -> Array:
        return erf(x) if x.dtype.kind == "f" else super().erf(x)

    def erfc(self, x: Array) -> Array:
        return erfc(x) if x.dtype.kind == "f" else super().erfc(x)

    def lgamma(self, x: Array) -> Array:
        return lgamma(x) if x.dtype.kind == "f" else super().lgamma(x)

    # digamma and polygamma are the definitions: those of cupyx give float64 for float16, and take
    # |x| steps for negative x.

    def random_bits(self, key: Number, n: int, device: Any = None) -> Array:
        is_number = isinstance(key, int)
        halves = (np.uint64(key % 2**64), np.uint64(key >> 64)) if is_number else (key, np.uint64())
        with cupy.cuda.Device(device):
            blocks = -(-n // 8)
            words = cupy.empty(4 * blocks, np.uint64)
            if n:
                philox(*halves, words[::4], words)
            return words.view(np.uint32)[:n]
