"""Images moved, mirrored, cut and normalized on NumPy: one after the other, by slices."""

from __future__ import annotations

import numpy as np

from ..definitions.images import ImageKernels
from ..types import Array, DType

__all__ = ["NumpyImages"]


class NumpyImages(ImageKernels):
    def augment(
        self,
        x: Array,
        views: Array | None,
        mean: Array,
        std: Array,
        *,
        padding: int,
        reflects: bool,
        cut: int,
        dtype: DType,
    ) -> Array:
        _, c, h, w = x.shape
        if views is not None and len(x):
            around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
            wide = np.pad(x, around, "reflect" if reflects else "constant") if padding else x
            x = np.empty(x.shape, x.dtype)
            for image, y, (top, left, mirrored, row, column) in zip(
                wide, x, views.tolist(), strict=True
            ):
                view = image[:, top : top + h, left : left + w]
                y[...] = view[:, :, ::-1] if mirrored else view
                y[:, max(row, 0) : max(row + cut, 0), max(column, 0) : max(column + cut, 0)] = 0
        y = x.astype(mean.dtype)
        y -= mean.reshape(c, 1, 1)
        y /= std.reshape(c, 1, 1)
        return y.astype(dtype, copy=False)
