"""Factor matrices with NumPy, some columns at a time."""

from __future__ import annotations

import math

import numpy as np

from ..definitions import LinalgKernels
from ..definitions.common import is_half

__all__ = ["NumpyLinalg"]

BLOCK = 32  # columns: what they take away from those to their right is one product


class NumpyLinalg(LinalgKernels):
    """Override the definitions."""

    def lu(self, a: np.ndarray, pivot: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if is_half(a):
            return super().lu(a, pivot)
        *stack, m, n = a.shape
        count, size = math.prod(stack), min(m, n)
        matrices, lu = np.arange(count), np.array(a, order="C").reshape(count, m, n)
        order = np.tile(np.arange(m, dtype=np.int64), (count, 1))
        pivots = np.tile(np.arange(size, dtype=np.int64), (count, 1))
        for start in range(0, size, BLOCK):
            stop = min(start + BLOCK, size)
            for k in range(start, stop):
                if pivot:
                    pivots[:, k] = p = k + np.argmax(np.abs(lu[:, k:, k]), axis=1)
                    for x in (lu, order):
                        x[:, k], x[matrices, p] = x[matrices, p], x[:, k].copy()
                first, below = lu[:, k, k, None], lu[:, k + 1 :, k]
                below[first[:, 0] == 0] = 0.0
                below /= np.where(first == 0, 1.0, first)
                lu[:, k + 1 :, k + 1 : stop] -= below[:, :, None] * lu[:, k, None, k + 1 : stop]
            right = lu[:, start:, stop:]
            for k in range(1, stop - start if stop < n else 0):
                before = lu[:, start + k, None, start : start + k]
                right[:, k, None] -= np.matmul(before, right[:, :k])
            below, right = lu[:, stop:, start:stop], lu[:, start:stop, stop:]
            lu[:, stop:, stop:] -= np.matmul(below, right)
        shapes = (m, n), (m,), (size,)
        lu, order, pivots = (
            x.reshape(*stack, *shape) for x, shape in zip((lu, order, pivots), shapes, strict=True)
        )
        return lu, order, pivots
