"""Softmax cross-entropy and its gradient by PyTorch's own functions."""

from __future__ import annotations

import torch

from ..base import Backend
from ..types import Array

__all__ = ["TorchLosses"]

cross_entropy = torch._C._nn.cross_entropy_loss
NO_MEAN, NONE_IGNORED = 0, -100


class TorchLosses(Backend):
    """Softmax cross-entropy."""

    def cross_entropy(self, x: Array, targets: Array, ignored: Array | None) -> Array:
        if not x.numel():
            return super().cross_entropy(x, targets, ignored)
        z = self._wide(x)
        losses = cross_entropy(z, targets.long(), None, NO_MEAN, NONE_IGNORED, 0.0)
        losses = losses if ignored is None else losses.masked_fill_(ignored, 0.0)
        return losses if z is x else losses.to(x.dtype)

    def cross_entropy_gradient(
        self, x: Array, go: Array, targets: Array, ignored: Array | None
    ) -> Array:
        z = self._wide(x)
        gx = torch.softmax(z, 1)
        gx.scatter_(1, targets.long().unsqueeze(1), -1.0, reduce="add")
        gx *= self._wide(go).unsqueeze(1)
        gx = gx if ignored is None else gx.masked_fill_(ignored.unsqueeze(1), 0.0)
        return gx if z is x else gx.to(x.dtype)
