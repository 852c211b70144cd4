"""Convolutions on CuPy: each is computed by the fastest of three ways.

Results of gradcore's own ways are contiguous in the order N C H W, whatever the order of what they
are given, as those of CuPy's own functions are.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..definitions.convolution import ConvolutionKernels, Pair, output_size
from ..types import Array
from .columns import ColumnProducts
from .cudnn import Cudnn
from .fastest import Fastest
from .implicit import ImplicitProducts
from .windows import fits

__all__ = ["CupyConvolutions", "convolutions"]

# The results of the others are compared with those of the first.
convolutions = Fastest("GRADCORE_CONV", [ColumnProducts(), ImplicitProducts(), Cudnn()])


class CupyConvolutions(ConvolutionKernels):
    # `steps` are stride, padding and dilation.

    def conv2d(self, x: Array, w: Array, b: Array | None, *, groups: int, **steps: Any) -> Array:
        windows = output_size(x.shape[2:], w.shape[2:], **steps)
        each = x.shape[1] * prod(w.shape[2:]) * prod(windows)
        if x.dtype != w.dtype or not fits(x, w.size, each, len(x) * len(w) * prod(windows)):
            return super().conv2d(x, w, b, groups=groups, **steps)
        return convolutions("conv2d", x, w, b, groups=groups, **steps)

    def conv2d_input_gradient(
        self, go: Array, w: Array, *, size: Pair, groups: int, **steps: Any
    ) -> Array:
        options, c = {"size": size, "groups": groups, **steps}, w.shape[1] * groups
        each = c * prod(w.shape[2:]) * prod(go.shape[2:])
        if go.dtype != w.dtype or not fits(go, w.size, each, len(go) * c * prod(size)):
            return super().conv2d_input_gradient(go, w, **options)
        return convolutions("conv2d_input_gradient", go, w, **options)

    def conv2d_weight_gradient(self, x: Array, go: Array, *, kernel: Pair, **options: Any) -> Array:
        options = {"kernel": kernel, **options}
        each = x.shape[1] * prod(kernel) * prod(go.shape[2:])
        if x.dtype != go.dtype or not fits(x, each, go.size):
            return super().conv2d_weight_gradient(x, go, **options)
        return convolutions("conv2d_weight_gradient", x, go, **options)
