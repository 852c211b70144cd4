"""Batch and layer normalization, and their gradients."""

from __future__ import annotations

import math

from ..types import Array
from .common import Definitions

__all__ = ["NormalizationKernels"]


class NormalizationKernels(Definitions):
    # Batch normalization. The channels are axis 1 of x (N, C, ...); what is per channel is (C,).
    # Where x is of 16 bits, statistics and sums are in float32.

    def batch_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> tuple[Array, Array, Array]:
        """(x - mean) / sqrt(variance + eps) * w + b, like x; and the mean and the variance of each
        channel, the latter not corrected."""
        xp, each = self.xp, (-1, *[1] * (x.ndim - 2))
        z, axes = self._wide(x), (0, *range(2, x.ndim))
        mean = xp.mean(z, axis=axes)
        z = z - xp.reshape(mean, each)
        variance = xp.mean(z * z, axis=axes)
        scale = xp.astype(w, z.dtype, copy=False) / xp.sqrt(variance + eps)
        y = z * xp.reshape(scale, each) + xp.reshape(xp.astype(b, z.dtype, copy=False), each)
        return xp.astype(y, x.dtype, copy=False), mean, variance

    def batch_norm_gradient(
        self,
        x: Array,
        w: Array,
        mean: Array,
        variance: Array,
        go: Array,
        go_mean: Array,
        go_variance: Array,
        *,
        eps: float,
    ) -> tuple[Array, Array, Array]:
        """The gradients of x, w and b, where those of what `batch_norm` gives are go, go_mean and
        go_variance (https://arxiv.org/abs/1502.03167, section 3, put together)."""
        xp, each = self.xp, (-1, *[1] * (x.ndim - 2))
        g, z, axes = self._wide(go), self._wide(x) - xp.reshape(mean, each), (0, *range(2, x.ndim))
        n = x.shape[0] * math.prod(x.shape[2:])
        r = 1.0 / xp.sqrt(variance + eps)
        gb = xp.sum(g, axis=axes)
        gw = xp.sum(g * z, axis=axes) * r
        # gx = scale * go + slope * (x - mean) + level
        scale = xp.astype(w, z.dtype, copy=False) * r
        slope = (2.0 * go_variance - scale * r * gw) / n
        level = (go_mean - scale * gb) / n
        scale, slope, level = (xp.reshape(c, each) for c in (scale, slope, level))
        gx = xp.astype(g * scale + z * slope + level, x.dtype, copy=False)
        return gx, xp.astype(gw, w.dtype, copy=False), xp.astype(gb, w.dtype, copy=False)

    # Layer normalization of each row of x (N, M); w and b are (M,). Sums of 16 bits are in float32.

    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        """(x - mean) / sqrt(variance + eps) * w + b, like x."""
        xp, w, b = self.xp, self._wide(w), self._wide(b)
        y, _ = self._standardized(x, eps)
        return xp.astype(y * w + b, x.dtype, copy=False)

    def layer_norm_gradient(
        self, x: Array, w: Array, go: Array, *, eps: float
    ) -> tuple[Array, Array, Array]:
        """The gradients of x, w and b, where that of what `layer_norm` gives is go
        (https://arxiv.org/abs/1502.03167, section 3, put together)."""
        xp, (y, r), g = self.xp, self._standardized(x, eps), self._wide(go)
        gy = g * self._wide(w)
        level, slope = (xp.mean(z, axis=1, keepdims=True) for z in (gy, gy * y))
        results = r * (gy - level - slope * y), xp.sum(g * y, axis=0), xp.sum(g, axis=0)
        dtypes = x.dtype, w.dtype, w.dtype
        gx, gw, gb = (xp.astype(z, t, copy=False) for z, t in zip(results, dtypes, strict=True))
        return gx, gw, gb

    def _standardized(self, x: Array, eps: float) -> tuple[Array, Array]:
        """The rows with mean 0 and variance 1, and what they were multiplied by for that."""
        xp, z = self.xp, self._wide(x)
        z = z - xp.mean(z, axis=1, keepdims=True)
        r = 1.0 / xp.sqrt(xp.mean(z * z, axis=1, keepdims=True) + eps)
        return z * r, r
