"""Define softmax cross-entropy and its gradient."""

from __future__ import annotations

from ..types import Array
from .indexing import IndexingKernels

__all__ = ["LossKernels"]


class LossKernels(IndexingKernels):
    """Compute softmax cross-entropy and its gradient.

    The classes are axis 1 of x (N, C, ...); the integer targets (N, ...) are in range. Loss and
    gradient are 0 where the boolean `ignored` (N, ...) is true, whatever numbers x has there, NaN
    too; if it is `None`, nowhere. Where x has 16 bits, all is computed in float32.
    """

    def cross_entropy(self, x: Array, targets: Array, ignored: Array | None) -> Array:
        """Compute -log(softmax(x)) at the targets: (N, ...)."""
        xp, z = self.xp, self._wide(x)
        z = z - xp.max(z, axis=1, keepdims=True)
        sums = xp.sum(xp.exp(z), axis=1)
        losses = xp.astype(xp.log(sums) - self.select(z, targets), x.dtype, copy=False)
        return losses if ignored is None else xp.where(ignored, 0.0, losses)

    def cross_entropy_gradient(
        self, x: Array, go: Array, targets: Array, ignored: Array | None
    ) -> Array:
        """Compute the gradient of x from that of `cross_entropy`, which is go (N, ...)."""
        xp, z, go = self.xp, self._wide(x), self._wide(go)
        z = xp.exp(z - xp.max(z, axis=1, keepdims=True))
        p = z / xp.sum(z, axis=1, keepdims=True)
        classes = xp.arange(x.shape[1], device=targets.device)
        classes = xp.reshape(classes, (-1, *[1] * (x.ndim - 2)))
        is_target = xp.expand_dims(targets, axis=1) == classes
        gx = xp.where(is_target, p - 1.0, p) * xp.expand_dims(go, axis=1)
        gx = gx if ignored is None else xp.where(xp.expand_dims(ignored, axis=1), 0.0, gx)
        return xp.astype(gx, x.dtype, copy=False)
