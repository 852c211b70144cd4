"""Softmax cross-entropy on CuPy: two numbers of each row of classes, then one kernel for each way.

Of few classes, one thread goes through a row, in one launch; of many, the rows are reduced by all
threads, in two. x is (N, C, ...), and `inner` elements lie from a class to the next.
"""

from __future__ import annotations

from math import prod

import cupy
import numpy as np

from ..base import Backend
from ..types import Array
from .kernels import elementwise, summing

FEW = 128  # classes

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
if (target < 0 || target >= C) result = nan("");  // check_indices has it
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
gx = p * (ignored ? (W)0 : (W)go);
""",
)


def _sums(x: Array) -> tuple[Array, Array]:
    """The highest of each row, and the sum of exp(x - highest), both (N, ...)."""
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
