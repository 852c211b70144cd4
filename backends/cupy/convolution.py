"""Convolutions on CuPy: each is computed by the fastest of three ways.

Images and results lie in memory in C order or channels last, and a result lies as the first images
given do. In float16 they are made channels last, which is how tensor cores read them: a network in
float16 copies its images at its first convolution, and from there on all lie so.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..definitions.convolution import ConvolutionKernels, Pair
from ..types import Array
from .columns import ColumnProducts
from .cudnn import Cudnn
from .fastest import Fastest
from .implicit import ImplicitProducts
from .layouts import in_order
from .windows import fits, shapes_of

__all__ = ["CupyConvolutions", "convolutions"]


def takes(method: str, first: Array, second: Array, *_: Array | None, **options: Any) -> bool:
    """Whether gradcore's kernels can take a case; if not, the definition does."""
    x, w, y = shapes_of(method, first.shape, second.shape, **options)
    columns = x[1] * prod(w[2:]) * prod(y[2:])  # of one instance
    return first.dtype == second.dtype and fits(first, *map(prod, (x, w, y)), columns)


convolutions = Fastest("GRADCORE_CONV", [ColumnProducts(), ImplicitProducts(), Cudnn()], takes)


class CupyConvolutions(ConvolutionKernels):
    # The options are groups, stride, padding and dilation.

    def conv2d(self, x: Array, w: Array, b: Array | None, **options: Any) -> Array:
        return convolutions(super().conv2d, _ordered(x), w, b, **options)

    def conv2d_input_gradient(self, go: Array, w: Array, *, size: Pair, **options: Any) -> Array:
        return convolutions(super().conv2d_input_gradient, _ordered(go), w, size=size, **options)

    def conv2d_weight_gradient(self, x: Array, go: Array, *, kernel: Pair, **options: Any) -> Array:
        definition = super().conv2d_weight_gradient
        return convolutions(definition, _ordered(x), _ordered(go), kernel=kernel, **options)


def _ordered(x: Array) -> Array:
    """Give images channels last if they are in float16, else as they are."""
    return in_order(x, channels_last=True) if x.dtype.char == "e" else x
