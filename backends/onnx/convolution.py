"""Convolutions and pooling, as the operators of ONNX."""

from __future__ import annotations

from itertools import chain
from typing import Any

import spox.opset.ai.onnx.v21 as op

from ..base import Backend
from ..definitions.convolution import Padding, Pair, Sizes, output_size
from ..types import Array
from . import namespace as xp
from .elementwise import is_double

__all__ = ["OnnxConvolutions"]


def pads(padding: tuple[Pair, ...]) -> list[int]:
    """Give the padding in ONNX's order: before each axis, then after each axis."""
    return list(chain.from_iterable(zip(*padding, strict=True)))


class OnnxConvolutions(Backend):
    """Convolve and pool images and volumes."""

    def conv2d(self, x: Array, w: Array, b: Array | None, **options: Any) -> Array:
        return super().conv2d(x, w, b, **options) if is_double(x) else _conv(x, w, b, **options)

    def conv3d(self, x: Array, w: Array, b: Array | None, **options: Any) -> Array:
        return super().conv3d(x, w, b, **options) if is_double(x) else _conv(x, w, b, **options)

    def conv2d_input_gradient(self, go: Array, w: Array, *, size: Pair, **options: Any) -> Array:
        y = None if is_double(go) else _transposed(go, w, size=size, **options)
        return super().conv2d_input_gradient(go, w, size=size, **options) if y is None else y

    def conv3d_input_gradient(self, go: Array, w: Array, *, size: Sizes, **options: Any) -> Array:
        y = None if is_double(go) else _transposed(go, w, size=size, **options)
        return super().conv3d_input_gradient(go, w, size=size, **options) if y is None else y

    def max_pool2d(
        self, x: Array, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
    ) -> tuple[Array, Array]:
        if _is_wide(kernel, padding):
            raise ValueError(
                f"max_pool2d: padding {padding} with the kernel {kernel}; ONNX Runtime takes less "
                "padding than the kernel has rows and columns"
            )
        y, places = op.max_pool(
            x.unwrap_spox(),
            kernel_shape=kernel,
            pads=pads(padding),
            strides=stride,
            dilations=dilation,
        )
        return xp.of(y), xp.of(places)

    # ONNX counts the places of maxima through all images of a batch.

    def max_pool2d_indices(self, places: Array, *, size: Pair, **_: Any) -> Array:
        return places % (size[0] * size[1])

    def max_pool2d_chosen(self, x: Array, places: Array, **_: Any) -> Array:
        n, c, h, w = x.shape
        chosen = xp.reshape(places % (h * w), (n, c, places.shape[2] * places.shape[3]))
        y = xp.take_along_axis(xp.reshape(x, (n, c, h * w)), chosen, axis=2)
        return xp.reshape(y, places.shape)

    def max_pool2d_gradient(self, *_: Array, **__: Any) -> Array:
        raise ValueError("the gradient of max pooling has no place in a file of ONNX")

    def avg_pool2d(self, x: Array, *, kernel: Pair, stride: Pair, padding: Padding) -> Array:
        if is_double(x) or _is_wide(kernel, padding):
            return super().avg_pool2d(x, kernel=kernel, stride=stride, padding=padding)
        if kernel == tuple(x.shape[2:]) and not any(pads(padding)):
            return xp.of(op.global_average_pool(x.unwrap_spox()))
        return xp.of(
            op.average_pool(
                x.unwrap_spox(),
                kernel_shape=kernel,
                pads=pads(padding),
                strides=stride,
                count_include_pad=1,
            )
        )


def _is_wide(kernel: Pair, padding: Padding) -> bool:
    """Say whether a window may lie in the padding alone, which ONNX Runtime refuses."""
    return any(max(p) >= k for p, k in zip(padding, kernel, strict=True))


def _conv(
    x: Array,
    w: Array,
    b: Array | None,
    *,
    stride: Sizes,
    padding: tuple[Pair, ...],
    dilation: Sizes,
    groups: int,
) -> Array:
    inputs = (a if a is None else a.unwrap_spox() for a in (x, w, b))
    return xp.of(
        op.conv(*inputs, pads=pads(padding), strides=stride, dilations=dilation, group=groups)
    )


def _transposed(
    go: Array,
    w: Array,
    *,
    size: Sizes,
    stride: Sizes,
    padding: tuple[Pair, ...],
    dilation: Sizes,
    groups: int,
) -> Array | None:
    """Convolve in the other direction, to images of this size; `None` where ONNX can't."""
    windows = output_size(size, w.shape[2:], stride, padding, dilation)
    axes = zip(size, w.shape[2:], stride, padding, dilation, windows, strict=True)
    least = [(n - 1) * s - sum(p) + d * (k - 1) + 1 for _, k, s, p, d, n in axes]
    beyond = [n - m for n, m in zip(size, least, strict=True)]
    if windows != tuple(go.shape[2:]) or min(beyond) < 0:
        return None
    return xp.of(
        op.conv_transpose(
            go.unwrap_spox(),
            w.unwrap_spox(),
            pads=pads(padding),
            strides=stride,
            dilations=dilation,
            group=groups,
            output_padding=beyond,
        )
    )
