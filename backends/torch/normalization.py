"""Batch and layer normalization by PyTorch's own functions.

Where squares overflow, the inverse root is 0, and PyTorch's results would be finite numbers that
are wrong; those of the definitions are NaN. A host that has the roots looks at them.
"""

from __future__ import annotations

from typing import Any

import torch

from ..base import Backend
from ..types import Array, Number
from .tracing import is_readable

__all__ = ["TorchNorms"]

batch_norm_gradient = torch.ops.aten.native_batch_norm_backward.default
layer_norm_gradient = torch.ops.aten.native_layer_norm_backward.default


class TorchNorms(Backend):
    """Normalization of channels and of rows."""

    def batch_norm(
        self,
        x: Array,
        w: Array,
        b: Array,
        residual: Array | None = None,
        *running: Array | None,
        eps: float,
        momentum: Number | None = 0.0,
        relu: bool = False,
    ) -> tuple[Array | None, ...]:
        definition = super().batch_norm
        if not (is_readable(x) and x.numel() and x.dtype is w.dtype is b.dtype):
            return definition(x, w, b, residual, *running, eps=eps, momentum=momentum, relu=relu)
        z = self._wide(x)
        v, c = self._wide(w), self._wide(b)
        y, mean, root = torch.native_batch_norm(z, v, c, None, None, True, 0.0, eps)
        variance = (root**-2).sub_(eps).clamp_(min=0.0)
        # PyTorch computes x * scale + level, which loses digits of large means.
        # Neither is this true where the mean is NaN or the variance infinite.
        is_exact = mean * mean + 0.0 * variance <= 100.0 * (variance + eps)
        if not is_exact.all():
            return definition(x, w, b, residual, *running, eps=eps, momentum=momentum, relu=relu)
        before: Any = running or (None, None, None)
        averages = self._averaged(x, mean, variance, *before, momentum=momentum)
        return self._finished(y, residual, relu, x), mean, variance, *averages

    def _finished(self, z: Array, residual: Array | None, relu: bool, x: Array) -> Array:
        # In place: nobody else has z.
        if residual is not None:
            z += residual
        if relu:
            z.clamp_min_(0.0)
        return z.to(x.dtype)

    def batch_norm_gradient(
        self,
        x: Array,
        w: Array,
        mean: Array,
        variance: Array,
        go: Array,
        *some: Array,
        eps: float,
        given: tuple[bool, bool, bool] = (False, False, False),
        residual: bool = False,
        training: bool = True,
        parameters: bool = True,
    ) -> tuple[Array, ...]:
        y, others = (some[0], some[1:]) if given[0] else (None, some)
        root = torch.rsqrt(variance + eps) if is_readable(x) and x.numel() else None
        is_plain = root is not None and x.dtype is w.dtype is go.dtype and root.all()
        if not (is_plain and training) or any(g.any() for g in others):
            options = {"residual": residual, "training": training, "parameters": parameters}
            return super().batch_norm_gradient(
                x, w, mean, variance, go, *some, eps=eps, given=given, **options
            )
        go = go if y is None else self.relu_gradient(y, go)
        z, g, v = self._wide(x), self._wide(go), self._wide(w)
        settings = True, eps, [True, parameters, parameters]
        of = batch_norm_gradient(g, z, v, None, None, mean, root, *settings)
        found = [part if z is x else part.to(x.dtype) for part in of[: 3 if parameters else 1]]
        return *found, *([go] if residual else [])

    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        z = self._wide(x)
        y, _, root = torch.native_layer_norm(z, w.shape, w.to(z.dtype), b.to(z.dtype), eps)
        if not is_readable(z):
            y += 0.0 / root
        elif not root.all():
            return super().layer_norm(x, w, b, eps=eps)
        return y if z is x else y.to(x.dtype)

    def layer_norm_gradient(
        self, x: Array, w: Array, go: Array, *, eps: float, parameters: bool = True
    ) -> tuple[Array, ...]:
        z, shape = self._wide(x), w.shape
        g, v = go.to(z.dtype), w.to(z.dtype)
        _, mean, root = torch.native_layer_norm(z, shape, None, None, eps)
        if not is_readable(z):
            root = root + 0.0 / root
        elif not root.all():
            return super().layer_norm_gradient(x, w, go, eps=eps, parameters=parameters)
        wanted = [True, parameters, parameters]
        gx, *sums = layer_norm_gradient(g, z, shape, mean, root, v, v, wanted)
        return gx.to(x.dtype), *[p.to(w.dtype) for p in sums if parameters]
