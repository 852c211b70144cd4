"""Define batch and layer normalization, and their gradients.

The gradients are the formulas of https://arxiv.org/abs/1502.03167, section 3, put together.
"""

from __future__ import annotations

import math

from ..types import Array
from .common import Definitions

__all__ = ["NormalizationKernels"]


class NormalizationKernels(Definitions):
    """Normalize channels (batch norm) or rows (layer norm)."""

    # Batch normalization. The channels are axis 1 of x (N, C, ...); w, b, mean and variance are
    # (C,). Where x has 16 bits, mean, variance and sums are in float32.

    def batch_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> tuple[Array, Array, Array]:
        """Compute y = (x - mean) / sqrt(variance + eps) * w + b for each channel.

        Returns:
            y, of the shape and dtype of x; the mean, and the biased variance, of each channel.
        """
        xp, each = self.xp, (-1, *[1] * (x.ndim - 2))
        z, axes = self._wide(x), (0, *range(2, x.ndim))
        mean = xp.mean(z, axis=axes)
        z = z - xp.reshape(mean, each)
        # Of large numbers, the mean is rounded. What is left must not look like variance.
        rest = xp.mean(z, axis=axes)
        variance = xp.maximum(xp.mean(z * z, axis=axes) - rest * rest, 0.0)
        scale = xp.astype(w, z.dtype, copy=False) * self._inverse_root(variance + eps)
        z *= xp.reshape(scale, each)
        z += xp.reshape(xp.astype(b, z.dtype, copy=False) - rest * scale, each)
        return xp.astype(z, x.dtype, copy=False), mean + rest, variance

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
        """Compute the gradients of x, w and b from those of the results of `batch_norm`, which are
        go (N, C, ...), go_mean and go_variance (C,)."""
        xp, each = self.xp, (-1, *[1] * (x.ndim - 2))
        g, z, axes = self._wide(go), self._wide(x) - xp.reshape(mean, each), (0, *range(2, x.ndim))
        n = x.shape[0] * math.prod(x.shape[2:])
        r = self._inverse_root(variance + eps)
        gb = xp.sum(g, axis=axes)
        gw = xp.sum(g * z, axis=axes) * r
        # gx = scale * go + slope * (x - mean) + level
        scale = xp.astype(w, z.dtype, copy=False) * r
        slope = (2.0 * go_variance - scale * r * gw) / n
        level = (go_mean - scale * gb) / n
        scale, slope, level = (xp.reshape(c, each) for c in (scale, slope, level))
        gx = xp.astype(g * scale + z * slope + level, x.dtype, copy=False)
        return gx, xp.astype(gw, w.dtype, copy=False), xp.astype(gb, w.dtype, copy=False)

    # Layer normalization of each row of x (N, M); w and b are (M,). Where x has 16 bits, sums are
    # in float32.

    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        """Compute (x - mean) / sqrt(variance + eps) * w + b for each row, in the dtype of x."""
        xp, w, b = self.xp, self._wide(w), self._wide(b)
        y, _ = self._standardized(x, eps)
        return xp.astype(y * w + b, x.dtype, copy=False)

    def layer_norm_gradient(
        self, x: Array, w: Array, go: Array, *, eps: float
    ) -> tuple[Array, Array, Array]:
        """Compute the gradients of x, w and b from that of `layer_norm`, which is go (N, M)."""
        xp, (y, r), g = self.xp, self._standardized(x, eps), self._wide(go)
        gy = g * self._wide(w)
        level, slope = (xp.mean(z, axis=1, keepdims=True) for z in (gy, gy * y))
        results = r * (gy - level - slope * y), xp.sum(g * y, axis=0), xp.sum(g, axis=0)
        dtypes = x.dtype, w.dtype, w.dtype
        gx, gw, gb = (xp.astype(z, t, copy=False) for z, t in zip(results, dtypes, strict=True))
        return gx, gw, gb

    def _standardized(self, x: Array, eps: float) -> tuple[Array, Array]:
        """Give the rows with mean 0 and variance 1, and the factor of each row for that: (N, 1)."""
        xp, z = self.xp, self._wide(x)
        # The mean of the distances from an element is exact also where large numbers are alike.
        some = z[:, :1]
        z = z - (some + xp.mean(z - some, axis=1, keepdims=True))
        r = self._inverse_root(xp.expand_dims(xp.vecdot(z, z), axis=1) / x.shape[1] + eps)
        return z * r, r

    def _inverse_root(self, square: Array) -> Array:
        """Compute 1 / sqrt(square): NaN, not 0, where squares were infinite."""
        return 1.0 / self.xp.sqrt(square + 0.0 * square)
