"""Define how images are moved, mirrored, cut and normalized in one pass."""

from __future__ import annotations

from ..types import Array, DType
from .common import Definitions

__all__ = ["ImageKernels"]


class ImageKernels(Definitions):
    """Change batches of images; those of 16 bits are computed in float32."""

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
        """Take a view of each image of x (N, C, H, W), and compute (view - mean) / std in `dtype`.

        Args:
            views: for each image five integers (N, 5): the row and the column where its view
                begins, counted from the corner of the padding; 1 if the view is mirrored, left to
                right, or 0; and the first row and column, in the view, of a square of zeros.
                `None`: the views are the images.
            mean, std: of each channel (C,), float32, or float64 for results of float64.
            padding: how many pixels are around the images, less than H and W.
            reflects: whether they are the images mirrored at their outermost pixels; else zeros.
            cut: the side of the squares of zeros.
        """
        xp, (n, c, h, w) = self.xp, x.shape
        if views is not None:
            views = xp.astype(views, xp.int64)
            top, left, is_mirrored, cut_row, cut_column = (views[:, k : k + 1] for k in range(5))
            rows, columns = (xp.expand_dims(xp.arange(k, device=x.device), axis=0) for k in (h, w))
            is_cut_row = (rows >= cut_row) & (rows < cut_row + cut)  # (N, H)
            is_cut_column = (columns >= cut_column) & (columns < cut_column + cut)  # (N, W)
            columns = xp.where(is_mirrored == 1, w - 1 - columns, columns)
            rows, columns = rows + top - padding, columns + left - padding
            if reflects:
                rows = h - 1 - xp.abs(h - 1 - xp.abs(rows))
                columns = w - 1 - xp.abs(w - 1 - xp.abs(columns))
            is_row, is_column = (rows >= 0) & (rows < h), (columns >= 0) & (columns < w)
            is_seen = is_row[:, :, None] & is_column[:, None, :]
            is_seen = is_seen & ~(is_cut_row[:, :, None] & is_cut_column[:, None, :])
            rows, columns = xp.where(is_row, rows, 0), xp.where(is_column, columns, 0)
            places = rows[:, :, None] * w + columns[:, None, :]
            images = xp.reshape(xp.arange(n * c, device=x.device), (n, c, 1, 1)) * (h * w)
            places = xp.reshape(images + places[:, None, :, :], (-1,))
            x = xp.reshape(xp.take(xp.reshape(x, (-1,)), places), x.shape)
            x = xp.where(is_seen[:, None, :, :], x, xp.zeros_like(x))
        x = xp.astype(x, mean.dtype, copy=False)
        y = (x - xp.reshape(mean, (c, 1, 1))) / xp.reshape(std, (c, 1, 1))
        return xp.astype(y, dtype, copy=False)
