"""Images moved, mirrored, cut and normalized on CuPy, in one launch."""

from __future__ import annotations

from math import prod
from typing import Any

import cupy
import numpy as np

from ..definitions.images import ImageKernels
from ..types import Array, DType
from .kernels import elementwise
from .layouts import as_in_memory, empty, packed
from .windows import LARGEST

__all__ = ["CupyImages"]

PIXELS = np.dtype("uint8"), np.dtype("float32")  # of images, as the kernel takes them

augment = elementwise(
    "augment",
    "raw U x, raw int32 views, raw W mean, raw W std, int32 C, int32 height, int32 width, "
    "int32 padding, bool is_moved, bool reflects, int32 cut, int32 NEAR, bool x_is_last",
    "T y",
    """
int at = i, near = at % NEAR;  // NEAR as in windows.py
at /= NEAR;
int column = at % width, row = at / width % height, image = at / width / height * NEAR + near;
int channel = image % C, instance = image / C;
bool inside = true;
if (is_moved) {
    int top = views[5 * instance], left = views[5 * instance + 1];
    int down = row - views[5 * instance + 3], right = column - views[5 * instance + 4];
    bool is_cut = down >= 0 && down < cut && right >= 0 && right < cut;
    row += top - padding;
    column = (views[5 * instance + 2] == 1 ? width - 1 - column : column) + left - padding;
    if (reflects) {
        row = height - 1 - abs(height - 1 - abs(row));
        column = width - 1 - abs(width - 1 - abs(column));
    }
    inside = row >= 0 && row < height && column >= 0 && column < width && !is_cut;
}
int place = x_is_last ? ((instance * height + row) * width + column) * C + channel
                      : ((instance * C + channel) * height + row) * width + column;
W pixel = inside ? (W)x[place] : W(0);
y = (pixel - mean[channel]) / std[channel];
""",
)


class CupyImages(ImageKernels):
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
        options: dict[str, Any] = {"padding": padding, "reflects": reflects, "cut": cut}
        dtype, size = np.dtype(dtype), prod(x.shape)
        if x.dtype not in PIXELS or dtype.kind != "f" or not 0 < size < LARGEST:
            return super().augment(x, views, mean, std, **options, dtype=dtype)
        x, x_is_last = packed(x)
        is_last = x_is_last or dtype == np.float16  # as convolutions in float16 want it
        y, (_, c, h, w) = empty(x.shape, dtype, is_last), x.shape
        moves = cupy.empty(5, np.int32) if views is None else views.astype(np.int32, copy=False)
        arrays = as_in_memory(x, x_is_last), cupy.ascontiguousarray(moves), mean, std
        near = c if is_last else 1
        numbers = c, h, w, padding, views is not None, reflects, cut, near, x_is_last
        augment(*arrays, *numbers, as_in_memory(y, is_last))
        return y
