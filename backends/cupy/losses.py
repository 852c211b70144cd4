"""Softmax cross-entropy on CuPy.

Each row of classes is first reduced to two numbers: its highest, and the sum of exp(x - highest).
One more kernel computes the loss from them, and one the gradient. With few classes, one thread goes
through each row, in one launch; with many, all threads reduce the rows, in two launches. x is
(N, C, ...), and it is `inner` elements from one class to the next.
"""

from __future__ import annotations

from math import prod

import cupy
import numpy as np

from ..base import Backend
from ..types import Array
from .kernels import elementwise, summing

__all__ = ["CupyCrossEntropy"]

FEW = 128  # so many classes, or fewer, are reduced by one thread

softmax_sums = elementwise(
    "softmax_sums",
    "raw T x, int32 C, int64 inner",
    "W highest, W total",
    """
long long first = i / inner * C * inner + i % inner;
highest = x[first];
for (int c = 1; c < C; ++c) {
    W value = x[first + c * inner];
    if (value > highest) highest = value;
}
total = 0;
for (int c = 0; c < C; ++c) total += exp((W)x[first + c * inner] - highest);
""",
)
exponentials = summing("exponentials", "T x, W highest", "exp((W)x - highest)")
losses = elementwise(
    "cross_entropy",
    "raw T x, int64 target, bool ignored, W highest, W total, int32 C, int64 inner",
    "T loss",
    """
W result = 0;
if (target < 0 || target >= C) result = nan("");  // check_indices reports it
else if (!ignored)
    result = log(total) - ((W)x[(i / inner * C + target) * inner + i % inner] - highest);
loss = result;
""",
)
gradient = elementwise(
    "cross_entropy_gradient",
    "T x, int64 target, bool ignored, W highest, W total, T go, int32 C, int64 inner",
    "T gx",
    """
W p = exp((W)x - highest) / total;
if (i / inner % C == target) p -= 1;
gx = ignored ? (W)0 : p * (W)go;
""",
)


def _sums(x: Array) -> tuple[Array, Array]:
    """Reduce each row of x (N, C, ...) to its highest number and the sum of exp(x - highest), both
    (N, ...)."""
    wide = np.result_type(x.dtype, np.float32)
    if x.shape[1] > FEW:
        highest = x.max(axis=1).astype(wide, copy=False)
        return highest, exponentials(x, cupy.expand_dims(highest, 1), axis=1)
    shape = (x.shape[0], *x.shape[2:])
    sums = cupy.empty(shape, wide), cupy.empty(shape, wide)
    softmax_sums(cupy.ascontiguousarray(x), x.shape[1], prod(x.shape[2:]), *sums)
    return sums


class CupyCrossEntropy(Backend):
    def cross_entropy(self, x: Array, targets: Array, ignored: Array | None) -> Array:
        if x.dtype.kind != "f" or not x.size:
            return super().cross_entropy(x, targets, ignored)
        x, targets = cupy.ascontiguousarray(x), targets.astype(np.int64, copy=False)
        is_ignored = False if ignored is None else ignored
        return losses(x, targets, is_ignored, *_sums(x), x.shape[1], prod(x.shape[2:]))

    def cross_entropy_gradient(
        self, x: Array, go: Array, targets: Array, ignored: Array | None
    ) -> Array:
        if x.dtype.kind != "f" or go.dtype != x.dtype or not x.size:
            return super().cross_entropy_gradient(x, go, targets, ignored)
        rows = (targets.astype(np.int64, copy=False), *_sums(x), go)
        targets, *sums, go = (cupy.expand_dims(row, 1) for row in rows)
        is_ignored = False if ignored is None else cupy.expand_dims(ignored, 1)
        return gradient(x, targets, is_ignored, *sums, go, x.shape[1], prod(x.shape[2:]))
