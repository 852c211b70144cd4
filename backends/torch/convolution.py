"""Convolve by one call of PyTorch's for each kernel, whose libraries (oneDNN, cuDNN, Metal) are
fast: on one CPU core in a fifth of the definitions' time.

Numbers of 16 bits are computed in float32 on the CPU. The libraries of other devices add up in
float32 anyhow, and round once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
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
    return dtype is b.dtype and dtype.is_floating_point and a.numel() > 0 and b.numel() > 0


@lru_cache(1024)
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

    def conv2d(self, x: Array, w: Array, b: Array | None, **options: Any) -> Array:
        if not _fits(x, w) or (b is not None and b.dtype is not x.dtype):
            name = f"conv{x.ndim - 2}d"
            return getattr(super(), name)(x, w, b, **options)
        if x.dtype in HALF and x.is_cpu:
            wide: Any = [a if a is None else a.float() for a in (x, w, b)]
            return self._convolve(*wide, **options).to(x.dtype)
        return self._convolve(x, w, b, **options)

    def conv2d_input_gradient(self, go: Array, w: Array, *, size: Sizes, **options: Any) -> Array:
        if not _fits(go, w):
            name = f"conv{go.ndim - 2}d_input_gradient"
            return getattr(super(), name)(go, w, size=size, **options)
        x = go.new_empty((go.shape[0], w.shape[1] * options["groups"], *size))
        return self.conv2d_gradient(x, w, go, wanted=(True, False), **options)[0]

    def conv2d_weight_gradient(
        self, x: Array, go: Array, *, kernel: Sizes, **options: Any
    ) -> Array:
        if not _fits(x, go):
            name = f"conv{go.ndim - 2}d_weight_gradient"
            return getattr(super(), name)(x, go, kernel=kernel, **options)
        w = go.new_empty((go.shape[1], x.shape[1] // options["groups"], *kernel))
        return self.conv2d_gradient(x, w, go, wanted=(False, True), **options)[0]

    # One call gives the three gradients. What is not needed for those wanted, such as x for its own
    # gradient, only has to have the right shape.

    def conv2d_gradient(
        self,
        x: Array,
        w: Array,
        go: Array,
        *,
        wanted: Sequence[bool],
        **options: Any,
    ) -> tuple[Array, ...]:
        if not (_fits(x, go) and _fits(w, go)):
            return super().conv2d_gradient(x, w, go, wanted=wanted, **options)
        dtype = go.dtype
        if dtype in HALF and go.is_cpu:
            x, w, go = x.float(), w.float(), go.float()
        both, rest = _on_both_sides(options["padding"])
        x = pad(x, rest) if rest else x
        mask = [*wanted, False][:3]
        settings = options["stride"], both, options["dilation"], False, [0] * len(both)
        found = gradients(go, x, w, w.shape[:1], *settings, options["groups"], mask)
        # Of a bias alone, oneDNN gives the gradient of w, too.
        results = [g for g, is_wanted in zip(found, mask, strict=True) if is_wanted]
        if rest and wanted[0]:
            results[0] = pad(results[0], [-n for n in rest])
        return tuple([g if g.dtype is dtype else g.to(dtype) for g in results])

    # The same functions take volumes: PyTorch counts the axes.
    conv3d = conv2d
    conv3d_gradient = conv2d_gradient
    conv3d_input_gradient = conv2d_input_gradient
    conv3d_weight_gradient = conv2d_weight_gradient
