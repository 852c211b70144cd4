"""Layer normalization by PyTorch's own functions."""

from __future__ import annotations

import torch

from ..base import Backend
from ..types import Array

__all__ = ["TorchNorms"]

layer_norm_gradient = torch.ops.aten.native_layer_norm_backward.default


class TorchNorms(Backend):
    """Normalization of rows."""

    # Where squares overflow, the inverse root is 0, and PyTorch's results would be finite numbers
    # that are wrong; those of the definitions are NaN. A host that has the roots looks at them.

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
