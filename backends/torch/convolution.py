"""Convolve by one call of PyTorch's for each kernel, whose libraries (oneDNN, cuDNN, Metal) are
fast: on one CPU core in a fifth of the definitions' time.

Numbers of 16 bits are computed in float32 on the CPU. The libraries of other devices add up in
float32 anyhow, and round once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import pad

from ..base import Backend
from ..definitions.convolution import Pair, Sizes
from ..types import Array

__all__ = ["TorchConvolutions"]

gradients = torch.ops.aten.convolution_backward.default
HALF = torch.float16, torch.bfloat16


def _fits(a: Array, b: Array) -> bool:
    """Say whether PyTorch convolves such arrays: none is empty, and both are of one real floating
    dtype."""
    dtype = a.dtype
    return dtype is b.dtype and dtype.is_floating_point and 0 not in a.shape and 0 not in b.shape


def _on_both_sides(padding: tuple[Pair, ...]) -> tuple[list[int], list[int]]:
    """Split padding into that on both sides, which PyTorch's convolutions take, and the rest, in
    the order of `pad`: the last axis comes first."""
    both = [min(p) for p in padding]
    rest = [n - b for p, b in zip(padding[::-1], both[::-1], strict=True) for n in p]
    return both, rest if any(rest) else []


class TorchConvolutions(Backend):
    """Convolutions of images and volumes, and their gradients, of PyTorch."""

    def _convolve(
        self, x: Array, w: Array, b: Array | None, stride: Sizes, padding: Any, **options: Any
    ) -> Array:
        both, rest = _on_both_sides(padding)
        x = pad(x, rest) if rest else x
        dilation, groups = options["dilation"], options["groups"]
        return torch.convolution(x, w, b, stride, both, dilation, False, [0] * len(both), groups)

    def _gradients(
        self, go: Array, x: Array, w: Array, stride: Sizes, padding: Any, which: int, **options: Any
    ) -> Array:
        """Compute the gradient of x, or of w if `which` is 1; of x, its shape counts then."""
        mask = [k == which for k in range(3)]
        dilation, groups = options["dilation"], options["groups"]
        settings = [0], stride, padding, dilation, False, [0] * len(padding), groups, mask
        return gradients(go, x, w, *settings)[which]

    def conv2d(self, x: Array, w: Array, b: Array | None, **options: Any) -> Array:
        name = "conv2d" if x.ndim == 4 else "conv3d"
        if not _fits(x, w) or (b is not None and b.dtype is not x.dtype):
            return getattr(super(), name)(x, w, b, **options)
        if x.dtype in HALF and x.is_cpu:
            wide = (a if a is None else a.float() for a in (x, w, b))
            return self._convolve(*wide, **options).to(x.dtype)
        return self._convolve(x, w, b, **options)

    def conv2d_input_gradient(
        self, go: Array, w: Array, *, size: Sizes, padding: Any, **options: Any
    ) -> Array:
        name = "conv2d_input_gradient" if go.ndim == 4 else "conv3d_input_gradient"
        if not _fits(go, w):
            return getattr(super(), name)(go, w, size=size, padding=padding, **options)
        if go.dtype in HALF and go.is_cpu:
            wide = {"size": size, "padding": padding, **options}
            return self.conv2d_input_gradient(go.float(), w.float(), **wide).to(go.dtype)
        both, rest = _on_both_sides(padding)
        more = [a + b for a, b in zip(rest[::2], rest[1::2], strict=True)][::-1]
        padded = [n + m for n, m in zip(size, more or [0] * len(size), strict=True)]
        x = go.new_empty((go.shape[0], w.shape[1] * options["groups"], *padded))
        gx = self._gradients(go, x, w, padding=both, which=0, **options)
        return pad(gx, [-n for n in rest]) if rest else gx

    def conv2d_weight_gradient(
        self, x: Array, go: Array, *, kernel: Sizes, padding: Any, **options: Any
    ) -> Array:
        name = "conv2d_weight_gradient" if go.ndim == 4 else "conv3d_weight_gradient"
        if not _fits(x, go):
            return getattr(super(), name)(x, go, kernel=kernel, padding=padding, **options)
        if go.dtype in HALF and go.is_cpu:
            wide = {"kernel": kernel, "padding": padding, **options}
            return self.conv2d_weight_gradient(x.float(), go.float(), **wide).to(go.dtype)
        both, rest = _on_both_sides(padding)
        x = pad(x, rest) if rest else x
        w = go.new_empty((go.shape[1], x.shape[1] // options["groups"], *kernel))
        return self._gradients(go, x, w, padding=both, which=1, **options)

    # The same functions take volumes: PyTorch counts the axes.
    conv3d = conv2d
    conv3d_input_gradient = conv2d_input_gradient
    conv3d_weight_gradient = conv2d_weight_gradient
