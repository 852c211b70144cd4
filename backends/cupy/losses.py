"""Softmax cross-entropy and log-softmax on CuPy.

Each row of classes is first reduced to two numbers: its highest, and the sum of exp(x - highest).
One more kernel computes the loss from them, and one the gradient. With few classes, one thread goes
through each row, in one launch; with many, all threads reduce the rows, in two launches. x is
(N, C, ...), and it is `inner` elements from one class to the next.
"""

from __future__ import annotations

from math import prod
from typing import Any

import cupy
import numpy as np

from ..base import Backend
from ..types import Array
from .kernels import WIDE, elementwise, summing

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


log_softmax = elementwise(
    "log_softmax",
    "raw T x, int32 C, int64 inner",
    "T first, raw T y",  # `first` are the logarithms of the first class, a part of y
    f"""
{WIDE}
long long at = i / inner * C * inner + i % inner;
A highest = x[at], total = 0;
for (int c = 1; c < C; ++c) {{
    A value = x[at + c * inner];
    if (value > highest) highest = value;
}}
for (int c = 0; c < C; ++c) total += exp(A(x[at + c * inner]) - highest);
total = log(total);
first = A(x[at]) - highest - total;
for (int c = 1; c < C; ++c) y[at + c * inner] = A(x[at + c * inner]) - highest - total;
""",
)
log_softmax_gradient = elementwise(
    "log_softmax_gradient",
    "raw T y, raw T go, int32 C, int64 inner",
    "T first, raw T gx",
    f"""
{WIDE}
long long at = i / inner * C * inner + i % inner;
A total = 0;
for (int c = 0; c < C; ++c) total += A(go[at + c * inner]);
first = A(go[at]) - exp(A(y[at])) * total;
for (int c = 1; c < C; ++c) {{
    long long k = at + c * inner;
    gx[k] = A(go[k]) - exp(A(y[k])) * total;
}}
""",
)


def _has_few(x: Array, axis: int | None) -> bool:
    """Whether one thread is to compute each row of x along the axis."""
    if x.dtype.kind != "f" or not x.size or axis is None or not -x.ndim <= axis < x.ndim:
        return False
    return bool(x.shape[axis] <= FEW)


def _by_row(kernel: Any, x: Array, *others: Array, axis: Any) -> Array:
    """Call a kernel that computes a row of classes, along the axis, in each thread."""
    axis %= x.ndim
    y, (C, inner) = cupy.empty(x.shape, x.dtype), (x.shape[axis], prod(x.shape[axis + 1 :]))
    given = [cupy.ascontiguousarray(each) for each in (x, *others)]
    kernel(*given, C, inner, y.reshape(-1, C, inner)[:, 0], y)
    return y


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
    def log_softmax(self, x: Array, axis: int | None) -> Array:
        if not _has_few(x, axis):
            return super().log_softmax(x, axis)
        return _by_row(log_softmax, x, axis=axis)

    def log_softmax_gradient(self, y: Array, go: Array, axis: int | None) -> Array:
        if y.dtype != go.dtype or not _has_few(y, axis):
            return super().log_softmax_gradient(y, go, axis)
        return _by_row(log_softmax_gradient, y, go, axis=axis)

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
