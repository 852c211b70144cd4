"""Pool by one call of PyTorch's. It takes the same padding on both sides, of at most half the
kernel; other padding is the definitions'.

PyTorch counts the place of a maximum in its image, the definitions count it in its window. Places
in images are given as uint64 here, by which the kernels tell them from places in windows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import avg_pool2d

from ..base import Backend
from ..definitions.convolution import Padding, Pair
from ..types import Array

__all__ = ["TorchPooling"]

max_pool = torch._C._nn.max_pool2d_with_indices
avg_gradient = torch.ops.aten.avg_pool2d_backward.default
max_gradient = torch.ops.aten.max_pool2d_with_indices_backward.default


def _both_sides(x: Array, kernel: Pair, padding: Padding) -> Pair | None:
    """Give the padding of both sides; `None` where PyTorch's pooling has no such padding or no such
    arrays."""
    (top, bottom), (left, right) = padding
    is_even = top == bottom <= kernel[0] // 2 and left == right <= kernel[1] // 2
    return (top, left) if is_even and x.dtype.is_floating_point and x.numel() else None


class TorchPooling(Backend):
    """Pooling of images, and its gradients, of PyTorch."""

    def max_pool2d(
        self, x: Array, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
    ) -> tuple[Array, Array]:
        both = _both_sides(x, kernel, padding)
        if both is None:
            options: Any = {"stride": stride, "padding": padding, "dilation": dilation}
            return super().max_pool2d(x, kernel=kernel, **options)
        y, places = max_pool(x, kernel, stride, both, dilation)
        return y, places.view(torch.uint64)

    def max_pool2d_gradient(
        self,
        go: Array,
        places: Array,
        *,
        size: Pair,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
    ) -> Array:
        if places.dtype is not torch.uint64:
            options: Any = {"stride": stride, "padding": padding, "dilation": dilation}
            return super().max_pool2d_gradient(go, places, size=size, kernel=kernel, **options)
        g = self._wide(go)
        x = g.new_empty((*go.shape[:2], *size))  # only its shape counts
        both = padding[0][0], padding[1][0]
        gx = max_gradient(g, x, kernel, stride, both, dilation, False, places.view(torch.int64))
        return gx if g is go else gx.to(go.dtype)

    def max_pool2d_chosen(self, x: Array, places: Array, **options: Any) -> Array:
        if places.dtype is not torch.uint64:
            return super().max_pool2d_chosen(x, places, **options)
        return x.flatten(2).gather(2, places.view(torch.int64).flatten(2)).reshape(places.shape)

    def max_pool2d_indices(self, places: Array, **options: Any) -> Array:
        if places.dtype is not torch.uint64:
            return super().max_pool2d_indices(places, **options)
        return places.view(torch.int64)

    def avg_pool2d(self, x: Array, *, kernel: Pair, stride: Pair, padding: Padding) -> Array:
        both = _both_sides(x, kernel, padding)
        if both is None:
            return super().avg_pool2d(x, kernel=kernel, stride=stride, padding=padding)
        z = self._wide(x)
        y = avg_pool2d(z, kernel, stride, both)
        return y if z is x else y.to(x.dtype)

    def avg_pool2d_gradient(
        self, go: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Padding
    ) -> Array:
        both = _both_sides(go, kernel, padding)
        if both is None:
            options: Any = {"stride": stride, "padding": padding}
            return super().avg_pool2d_gradient(go, size=size, kernel=kernel, **options)
        g = self._wide(go)
        x = g.new_empty((*go.shape[:2], *size))
        gx = avg_gradient(g, x, kernel, stride, both, False, True, None)
        return gx if g is go else gx.to(go.dtype)
