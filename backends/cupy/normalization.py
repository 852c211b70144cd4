"""Batch and layer norm on CuPy, and their gradients: sums over each channel or row, then one kernel
for all elements."""

from __future__ import annotations

from math import prod

import cupy
import numpy as np

from ..base import Backend
from ..types import Array
from .kernels import elementwise, summing

__all__ = ["CupyNorms"]

# Where squares were infinite this is NaN, for numbers divided by it not to be 0.
ROOT = "sqrt(variance + 0 * variance + eps)"
squares = summing("squares", "T x, W mean", "((W)x - mean) * ((W)x - mean)")
products = summing("products", "T x, W mean, T go", "((W)x - mean) * (W)go")
standardized_products = summing(
    "standardized_products",
    "T x, W mean, W variance, T go, W eps",
    f"((W)x - mean) / {ROOT} * (W)go",
)
weighted_products = summing(
    "weighted_products", "T x, W mean, T go, V w", "((W)x - mean) * (W)go * (W)w"
)
normalized = elementwise(
    "batch_norm",
    "T x, V w, V b, W mean, W variance, W eps",
    "T y",
    f"y = ((W)x - mean) * ((W)w / {ROOT}) + (W)b;",
)
gradient = elementwise(
    "batch_norm_gradient",
    "T x, V w, W mean, W variance, T go, W go_mean, W go_variance, W products, W gb, W count, "
    "W eps",
    "T gx",
    f"""
W r = 1 / {ROOT}, scale = (W)w * r;
W slope = (2 * go_variance - scale * r * r * products) / count;
W level = (go_mean - scale * gb) / count;
gx = (W)go * scale + ((W)x - mean) * slope + level;
""",
)
layer_gradient = elementwise(
    "layer_norm_gradient",
    "T x, V w, W mean, W variance, T go, W products, W total, W count, W eps",
    "T gx",
    f"""
W r = 1 / {ROOT};
gx = r * ((W)go * (W)w - total / count - ((W)x - mean) * (r * r * products / count));
""",
)


class CupyNorms(Backend):
    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        if x.dtype.kind != "f" or not x.size or w.dtype != b.dtype:
            return super().layer_norm(x, w, b, eps=eps)
        return normalized(x, w, b, *_statistics(x), eps)

    def layer_norm_gradient(
        self, x: Array, w: Array, go: Array, *, eps: float
    ) -> tuple[Array, Array, Array]:
        if x.dtype.kind != "f" or not x.size or x.dtype != go.dtype:
            return super().layer_norm_gradient(x, w, go, eps=eps)
        mean, variance = _statistics(x)
        dots = weighted_products(x, mean, go, w, axis=1)[:, None]
        totals = cupy.multiply(go, w, dtype=mean.dtype).sum(axis=1, keepdims=True)
        gx = layer_gradient(x, w, mean, variance, go, dots, totals, x.shape[1], eps)
        gw = standardized_products(x, mean, variance, go, eps, axis=0)
        gb = cupy.sum(go, axis=0, dtype=mean.dtype)
        return gx, gw.astype(w.dtype, copy=False), gb.astype(w.dtype, copy=False)

    def batch_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> tuple[Array, Array, Array]:
        if x.dtype.kind != "f" or not x.size or w.dtype != b.dtype:
            return super().batch_norm(x, w, b, eps=eps)
        axes, each = (0, *range(2, x.ndim)), (-1, *[1] * (x.ndim - 2))
        count = len(x) * prod(x.shape[2:])
        mean = cupy.mean(x, axis=axes, dtype=np.result_type(x.dtype, np.float32))
        variance = squares(x, mean.reshape(each), axis=axes) / count
        channels = [p.reshape(each) for p in (w, b, mean, variance)]
        return normalized(x, *channels, eps), mean, variance

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
        statistics, wide = (mean, variance, go_mean, go_variance), np.result_type(x, np.float32)
        as_usual = x.dtype == go.dtype and all(s.dtype == wide for s in statistics)
        if x.dtype.kind != "f" or not x.size or not as_usual:
            return super().batch_norm_gradient(x, w, mean, variance, go, *statistics[2:], eps=eps)
        axes, each = (0, *range(2, x.ndim)), (-1, *[1] * (x.ndim - 2))
        count = len(x) * prod(x.shape[2:])
        gb = cupy.sum(go, axis=axes, dtype=wide)
        dots = products(x, mean.reshape(each), go, axis=axes)
        mean, variance, *gos = (p.reshape(each) for p in statistics)
        sums = dots.reshape(each), gb.reshape(each)
        weights = w.reshape(each), mean, variance
        gx = gradient(x, *weights, go, *gos, *sums, count, eps)
        gw = dots / cupy.sqrt(statistics[1] + 0 * statistics[1] + eps)
        return gx, gw.astype(w.dtype, copy=False), gb.astype(w.dtype, copy=False)


def _statistics(x: Array) -> tuple[Array, Array]:
    """The mean and the variance of each row of x (N, M), both (N, 1)."""
    mean = cupy.mean(x, axis=1, keepdims=True, dtype=np.result_type(x.dtype, np.float32))
    return mean, squares(x, mean, axis=1)[:, None] / x.shape[1]
