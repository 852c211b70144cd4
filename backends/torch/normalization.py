"""Batch and layer normalization by PyTorch's own functions.

Where squares overflow, the inverse root is 0, and PyTorch's results would be finite numbers that
are wrong; those of the definitions are NaN. A host that has the roots looks at them.
"""

from __future__ import annotations

from typing import Any

import torch

from ..base import Backend
from ..types import Array

__all__ = ["TorchNorms"]

batch_norm_gradient = torch.ops.aten.native_batch_norm_backward.default
layer_norm_gradient = torch.ops.aten.native_layer_norm_backward.default


class TorchNorms(Backend):
    """Normalization of channels and of rows."""

    def batch_norm(
        self, x: Array, w: Array, b: Array, *others: Any, eps: float, **options: Any
    ) -> tuple[Array, ...]:
        if others or options or not (x.is_cpu and x.numel() and x.dtype is w.dtype is b.dtype):
            return super().batch_norm(x, w, b, *others, eps=eps, **options)
        z = self._wide(x)
        v, c = self._wide(w), self._wide(b)
        y, mean, root = torch.native_batch_norm(z, v, c, None, None, True, 0.0, eps)
        variance = (root**-2).sub_(eps).clamp_(min=0.0)
        # PyTorch computes x * scale + level, which loses digits of large means.
        # Neither is this true where the mean is NaN or the variance infinite.
        is_exact = mean * mean + 0.0 * variance <= 100.0 * (variance + eps)
        if not is_exact.all():
            return super().batch_norm(x, w, b, eps=eps)
        return (y if z is x else y.to(x.dtype)), mean, variance

    def batch_norm_gradient(
        self,
        x: Array,
        w: Array,
        mean: Array,
        variance: Array,
        go: Array,
        *others: Any,
        eps: float,
        **options: Any,
    ) -> tuple[Array, ...]:
        is_plain = not options and x.is_cpu and x.numel() and x.dtype is w.dtype is go.dtype
        if not is_plain or len(others) != 2 or any(g.any() for g in others):
            return super().batch_norm_gradient(
                x, w, mean, variance, go, *others, eps=eps, **options
            )
        z, g, v = self._wide(x), self._wide(go), self._wide(w)
        root = torch.rsqrt(variance + eps)
        if not root.all():
            return super().batch_norm_gradient(x, w, mean, variance, go, *others, eps=eps)
        settings = True, eps, [True, True, True]
        of = batch_norm_gradient(g, z, v, None, None, mean, root, *settings)
        return tuple(of) if z is x else tuple([part.to(x.dtype) for part in of])

    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        z = self._wide(x)
        y, _, root = torch.native_layer_norm(z, w.shape, w.to(z.dtype), b.to(z.dtype), eps)
        if not z.is_cpu:
            y += 0.0 / root
        elif not root.all():
            return super().layer_norm(x, w, b, eps=eps)
        return y if z is x else y.to(x.dtype)

    def layer_norm_gradient(
        self, x: Array, w: Array, go: Array, *, eps: float
    ) -> tuple[Array, Array, Array]:
        z, shape = self._wide(x), w.shape
        g, v = go.to(z.dtype), w.to(z.dtype)
        _, mean, root = torch.native_layer_norm(z, shape, None, None, eps)
        if not z.is_cpu:
            root = root + 0.0 / root
        elif not root.all():
            return super().layer_norm_gradient(x, w, go, eps=eps)
        gx, gw, gb = layer_norm_gradient(g, z, shape, mean, root, v, v, [True, True, True])
        return gx.to(x.dtype), gw.to(w.dtype), gb.to(w.dtype)
