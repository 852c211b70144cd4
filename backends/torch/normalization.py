"""Layer normalization by PyTorch's own functions."""

from __future__ import annotations

import torch

from ..base import Backend
from ..types import Array

__all__ = ["TorchNorms"]

layer_norm_gradient = torch.ops.aten.native_layer_norm_backward.default


class TorchNorms(Backend):
    """Normalization of rows."""

    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        z = self._wide(x)
        y = torch.layer_norm(z, w.shape, w.to(z.dtype), b.to(z.dtype), eps)
        return y if z is x else y.to(x.dtype)

    def layer_norm_gradient(
        self, x: Array, w: Array, go: Array, *, eps: float
    ) -> tuple[Array, Array, Array]:
        z, v, shape = self._wide(x), w.to(self._wide(x).dtype), w.shape
        _, mean, root = torch.native_layer_norm(z, shape, None, None, eps)
        of = layer_norm_gradient(go.to(z.dtype), z, shape, mean, root, v, v, [True, True, True])
        gx, gw, gb = (g.to(t.dtype) for g, t in zip(of, (x, w, w), strict=True))
        return gx, gw, gb
