"""Define convolutions, pooling, and the windows of images.

Images and results have the shape (N, C, H, W), whatever their order in memory. `kernel`, `stride`
and `dilation` are pairs, for rows and columns; `padding` is ((top, bottom), (left, right)). A tap
is a place in the kernel. Taps are counted along the kernel's rows: in a kernel of 2 rows and 3
columns, tap 4 is in the middle of the second row.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from itertools import product
from math import inf, prod
from operator import add
from typing import Any

from ..types import Array
from .indexing import IndexingKernels

__all__ = [
    "ConvolutionKernels",
    "Padding",
    "Pair",
    "Sizes",
    "first_taps",
    "inner",
    "output_size",
    "padded_shape",
    "taps",
]

Pair = tuple[int, int]
Sizes = tuple[int, ...]
Padding = tuple[Pair, Pair]


@lru_cache(1024)
def output_size(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[Pair],
    dilation: Sequence[int],
) -> Any:
    """Count the windows along each axis of an image of this size; less than 1 where the kernel is
    larger than the padded image."""
    axes = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple([(n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes])


@lru_cache(1024)
def taps(windows: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> list[Any]:
    """List for each tap the index of the elements that it meets in padded images (N, C, H, W), one
    for each window."""

    def along(axis: int, k: int) -> slice:
        start, step = k * dilation[axis], stride[axis]
        return slice(start, start + step * (windows[axis] - 1) + 1, step)

    every, places = slice(None), product(range(kernel[0]), range(kernel[1]))
    return [(every, every, along(0, i), along(1, j)) for i, j in places]


def depth_taps(windows: int, kernel: int, stride: int, dilation: int) -> list[Any]:
    """List for each tap along the depth the index of its elements in volumes (C, H, W, D, N)."""
    every, reach = slice(None), stride * (windows - 1) + 1
    starts = range(0, kernel * dilation, dilation)
    return [(every, every, every, slice(i, i + reach, stride), every) for i in starts]


def inner(size: Pair, padding: Padding) -> tuple[slice, ...]:
    """Give the index of the images inside padded images."""
    rows, columns = (slice(p, p + n) for n, (p, _) in zip(size, padding, strict=True))
    return slice(None), slice(None), rows, columns


@lru_cache(1024)
def first_taps(
    windows: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> tuple[list[int], list[int]]:
    """Find the first tap of each window that is not in the padding before the image. That of window
    (i, j) is the sum of entry i of the first list and entry j of the second."""

    def along(axis: int) -> list[int]:
        before, k, d = padding[axis][0], kernel[axis], dilation[axis]
        starts = [i * stride[axis] - before for i in range(windows[axis])]
        return [min(max(-(start // d), 0), k - 1) for start in starts]

    return [row * kernel[1] for row in along(0)], along(1)


def padded_shape(shape: Sequence[int], padding: Padding) -> tuple[int, int, int, int]:
    """Give the shape of images (N, C, H, W) with padding around them."""
    (top, bottom), (left, right) = padding
    return shape[0], shape[1], shape[2] + top + bottom, shape[3] + left + right


def of_images(
    stride: Sizes, padding: tuple[Pair, ...], dilation: Sizes, groups: int
) -> dict[str, Any]:
    """Give the options of `conv2d` for the slices of volumes."""
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    return {**{name: option[1:] for name, option in options.items()}, "groups": groups}


class ConvolutionKernels(IndexingKernels):
    """Convolve and pool images, tap by tap; those of 16 bits in float32."""

    def _padded(self, x: Array, padding: Padding, value: float = 0) -> Array:
        """Put x into a larger array, with `value` in the padding."""
        if not any(map(any, padding)):
            return x
        shape = padded_shape(x.shape, padding)
        y = self.xp.full(shape, value, dtype=x.dtype, device=x.device)
        return self.setitem(y, inner(x.shape[2:], padding), x)

    # Convolutions, with w (O, C / groups, KH, KW). The channels of x and those of the result are
    # in `groups` equal parts; each part of the result is computed from one part of x.

    def conv2d(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        *,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> Array:
        """Multiply w with each window of x, add up, and add b (O,): (N, O, OH, OW)."""
        xp, kernel = self.xp, w.shape[2:]
        windows = output_size(x.shape[2:], kernel, stride, padding, dilation)
        n, o, k = x.shape[0], w.shape[0], kernel[0] * kernel[1]
        dtype, x, w = xp.result_type(x.dtype, w.dtype), self._wide(x), self._wide(w)
        weights = xp.reshape(xp.permute_dims(w, (2, 3, 0, 1)), (k, groups, o // groups, w.shape[1]))
        seen = (n, groups, w.shape[1], windows[0] * windows[1])
        x = self._padded(x, padding)
        y = xp.zeros((n, groups, o // groups, seen[3]), dtype=x.dtype, device=x.device)
        for i, tap in enumerate(taps(windows, kernel, stride, dilation)):
            y = y + xp.matmul(weights[i, ...], xp.reshape(x[tap], seen))
        y = xp.reshape(y, (n, o, *windows))
        y = y if b is None else y + xp.reshape(b, (o, 1, 1))
        return xp.astype(y, dtype, copy=False)

    def conv2d_input_gradient(
        self,
        go: Array,
        w: Array,
        *,
        size: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> Array:
        """Compute the gradient of x (N, C, *size) from that of `conv2d`, go (N, O, OH, OW).

        Each window gets w times the gradient of its output; where windows overlap, the sum.
        """
        xp, kernel, windows = self.xp, w.shape[2:], go.shape[2:]
        n, o, c, k = go.shape[0], w.shape[0], w.shape[1] * groups, kernel[0] * kernel[1]
        dtype, go, w = xp.result_type(go.dtype, w.dtype), self._wide(go), self._wide(w)
        weights = xp.reshape(xp.permute_dims(w, (2, 3, 1, 0)), (k, w.shape[1], groups, o // groups))
        weights = xp.permute_dims(weights, (0, 2, 1, 3))
        go = xp.reshape(go, (n, groups, o // groups, windows[0] * windows[1]))
        shape = padded_shape((n, c, *size), padding)
        gx = xp.zeros(shape, dtype=go.dtype, device=go.device)
        for i, tap in enumerate(taps(windows, kernel, stride, dilation)):
            part = xp.matmul(weights[i, ...], go)
            gx = self.additem(gx, tap, xp.reshape(part, (n, c, *windows)))
        return xp.astype(gx[inner(size, padding)], dtype, copy=False)

    def conv2d_weight_gradient(
        self,
        x: Array,
        go: Array,
        *,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> Array:
        """Compute the gradient of w (O, C / groups, *kernel) from that of `conv2d`, which is go."""
        xp, windows = self.xp, go.shape[2:]
        c, o, positions = x.shape[1], go.shape[1], go.shape[0] * windows[0] * windows[1]
        dtype, x, go = xp.result_type(x.dtype, go.dtype), self._wide(x), self._wide(go)
        x, seen = self._padded(x, padding), (groups, c // groups, positions)
        go = xp.reshape(xp.permute_dims(go, (1, 0, 2, 3)), (groups, o // groups, positions))
        parts = []
        for tap in taps(windows, kernel, stride, dilation):
            part = xp.reshape(xp.permute_dims(x[tap], (1, 0, 2, 3)), seen)
            parts.append(xp.matmul(go, xp.matrix_transpose(part)))
        gw = xp.reshape(xp.stack(parts, axis=-1), (o, c // groups, *kernel))
        return xp.astype(gw, dtype, copy=False)

    def conv2d_gradient(
        self, x: Array, w: Array, go: Array, *, wanted: Sequence[bool], **options: Any
    ) -> tuple[Array, ...]:
        """Compute the gradients of x, of w and of b that are `wanted`, which has two entries where
        there is no b, from that of `conv2d`, which is go."""
        name, found = f"conv{x.ndim - 2}d", list[Array]()
        if wanted[0]:
            gradient = getattr(self, f"{name}_input_gradient")
            found.append(gradient(go, w, size=tuple(x.shape[2:]), **options))
        if wanted[1]:
            gradient = getattr(self, f"{name}_weight_gradient")
            found.append(gradient(x, go, kernel=tuple(w.shape[2:]), **options))
        if any(wanted[2:]):
            found.append(self.channel_sums(go))
        return tuple(found)

    def channel_sums(self, x: Array) -> Array:
        """Add up each channel of x (N, C, ...): (C,), in the dtype of x."""
        sums = self.xp.sum(self._wide(x), axis=(0, *range(2, x.ndim)))
        return self.xp.astype(sums, x.dtype, copy=False)

    # Convolutions of volumes (N, C, D, H, W), whose options have an entry for the depth in front. A
    # volume becomes OD images, one for each window along its depth, with the KD slices of the
    # window as channels: these are convolved with w (O, C / groups * KD, KH, KW). The windows of
    # all volumes are images of one batch, (OD * N), in the order in memory that NumPy's kernels of
    # images have.

    def conv3d(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        *,
        stride: Sizes,
        padding: tuple[Pair, ...],
        dilation: Sizes,
        groups: int,
    ) -> Array:
        """Multiply w with each window of x, add up, and add b (O,): (N, O, OD, OH, OW)."""
        options = of_images(stride, padding, dilation, groups)
        windows = self._windows_as_images(x, w.shape[2], stride[0], padding[0], dilation[0])
        y = self.conv2d(windows, self._slices_as_channels(w), b, **options)
        (od,) = output_size(x.shape[2:3], w.shape[2:3], stride[:1], padding[:1], dilation[:1])
        return self._volumes(y, x.shape[0], od)

    def conv3d_input_gradient(
        self,
        go: Array,
        w: Array,
        *,
        size: Sizes,
        stride: Sizes,
        padding: tuple[Pair, ...],
        dilation: Sizes,
        groups: int,
    ) -> Array:
        """Compute the gradient of x (N, C, *size) from that of `conv3d`, go (N, O, OD, OH, OW)."""
        xp, options = self.xp, of_images(stride, padding, dilation, groups)
        dtype, go, w = xp.result_type(go.dtype, w.dtype), self._wide(go), self._wide(w)
        n, c, kd, od = go.shape[0], w.shape[1] * groups, w.shape[2], go.shape[2]
        w, (front, back) = self._slices_as_channels(w), padding[0]
        images, slice_size = self._images(go), (size[1], size[2])
        g = self.conv2d_input_gradient(images, w, size=slice_size, **options)
        g = xp.reshape(xp.permute_dims(g, (1, 2, 3, 0)), (c, kd, *slice_size, od, n))
        shape = (c, *slice_size, size[0] + front + back, n)
        gx = xp.zeros(shape, dtype=g.dtype, device=g.device)
        for k, tap in enumerate(depth_taps(od, kd, stride[0], dilation[0])):
            gx = self.additem(gx, tap, g[:, k, ...])
        gx = gx[:, :, :, front : front + size[0], :]
        return xp.astype(xp.permute_dims(gx, (4, 0, 3, 1, 2)), dtype, copy=False)

    def conv3d_weight_gradient(
        self,
        x: Array,
        go: Array,
        *,
        kernel: Sizes,
        stride: Sizes,
        padding: tuple[Pair, ...],
        dilation: Sizes,
        groups: int,
    ) -> Array:
        """Compute the gradient of w (O, C / groups, *kernel) from that of `conv3d`, which is go."""
        options = of_images(stride, padding, dilation, groups)
        windows = self._windows_as_images(x, kernel[0], stride[0], padding[0], dilation[0])
        images, tap = self._images(go), (kernel[1], kernel[2])
        gw = self.conv2d_weight_gradient(windows, images, kernel=tap, **options)
        return self.xp.reshape(gw, (go.shape[1], x.shape[1] // groups, *kernel))

    conv3d_gradient = conv2d_gradient

    def _windows_as_images(
        self, x: Array, kernel: int, stride: int, padding: Pair, dilation: int
    ) -> Array:
        """Give the windows along the depth of x (N, C, D, H, W): (OD * N, C * KD, H, W)."""
        xp, (n, c, d, h, w) = self.xp, x.shape
        (od,) = output_size((d,), (kernel,), (stride,), (padding,), (dilation,))
        x = xp.permute_dims(x, (1, 3, 4, 2, 0))
        if any(padding):
            y = xp.zeros((c, h, w, d + sum(padding), n), dtype=x.dtype, device=x.device)
            inside = (..., slice(padding[0], padding[0] + d), slice(None))
            x = self.setitem(y, inside, x)
        x = xp.stack([x[tap] for tap in depth_taps(od, kernel, stride, dilation)], axis=1)
        return xp.permute_dims(xp.reshape(x, (c * kernel, h, w, od * n)), (3, 0, 1, 2))

    def _slices_as_channels(self, w: Array) -> Array:
        o, c, kd, kh, kw = w.shape
        return self.xp.reshape(w, (o, c * kd, kh, kw))

    def _images(self, go: Array) -> Array:
        """Give the slices of go (N, O, OD, OH, OW) as images (OD * N, O, OH, OW)."""
        n, o, od, oh, ow = go.shape
        go = self.xp.permute_dims(go, (1, 3, 4, 2, 0))
        return self.xp.permute_dims(self.xp.reshape(go, (o, oh, ow, od * n)), (3, 0, 1, 2))

    def _volumes(self, y: Array, n: int, od: int) -> Array:
        """Make of images (OD * N, O, OH, OW) the slices of n volumes (N, O, OD, OH, OW)."""
        y = self.xp.permute_dims(y, (1, 2, 3, 0))
        y = self.xp.reshape(y, (*y.shape[:3], od, n))
        return self.xp.permute_dims(y, (4, 0, 3, 1, 2))

    # The windows of images, each channel by itself.

    def unfold(
        self, x: Array, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
    ) -> Array:
        """Copy the windows of x, with zeros in the padding: (N, C * KH * KW, OH * OW)."""
        n, c = x.shape[:2]
        windows = output_size(x.shape[2:], kernel, stride, padding, dilation)
        x = self._padded(x, padding)
        seen = self.xp.stack([x[tap] for tap in taps(windows, kernel, stride, dilation)], axis=2)
        return self.xp.reshape(seen, (n, c * prod(kernel), prod(windows)))

    def fold(
        self,
        x: Array,
        *,
        size: Pair,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
    ) -> Array:
        """Add up windows x (N, C * KH * KW, OH * OW) where they are in images: (N, C, *size)."""
        xp, dtype, x = self.xp, x.dtype, self._wide(x)
        n, c = x.shape[0], x.shape[1] // prod(kernel)
        windows = output_size(size, kernel, stride, padding, dilation)
        x = xp.reshape(x, (n, c, prod(kernel), *windows))
        y = xp.zeros(padded_shape((n, c, *size), padding), dtype=x.dtype, device=x.device)
        for i, tap in enumerate(taps(windows, kernel, stride, dilation)):
            y = self.additem(y, tap, x[:, :, i, ...])
        return xp.astype(y[inner(size, padding)], dtype, copy=False)

    # Pooling, of each channel alone. A backend may count the places of maxima in another way, which
    # its own kernels know.

    def max_pool2d(
        self, x: Array, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
    ) -> tuple[Array, Array]:
        """Find the maximum of each window of x, with -inf in the padding.

        Returns:
            The maxima (N, C, OH, OW), and for each the tap where it is, as an integer: the first
            one of x with that maximum, which may be -inf, or the last with a NaN, as in PyTorch.
        """
        xp = self.xp
        windows = output_size(x.shape[2:], kernel, stride, padding, dilation)
        dtype = xp.uint8 if kernel[0] * kernel[1] <= 256 else xp.int32
        rows, columns = (
            xp.asarray(part, dtype=dtype, device=x.device)
            for part in first_taps(windows, kernel, stride, padding, dilation)
        )
        places = xp.broadcast_to(xp.expand_dims(rows, axis=1) + columns, (*x.shape[:2], *windows))
        x = self._padded(x, padding, -inf)
        first, *others = taps(windows, kernel, stride, dilation)
        y = x[first]
        for i, tap in enumerate(others, 1):
            better = (x[tap] > y) | (x[tap] != x[tap])
            y = xp.where(better, x[tap], y)
            places = xp.where(better, xp.asarray(i, dtype=dtype, device=x.device), places)
        return y, places

    def max_pool2d_gradient(
        self,
        go: Array,
        places: Array,
        *,
        size: Pair,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
    ) -> Array:
        """Compute the gradient of x (N, C, *size) from that of the maxima, which is go."""
        xp, dtype, go = self.xp, go.dtype, self._wide(go)
        shape = padded_shape((*go.shape[:2], *size), padding)
        gx = xp.zeros(shape, dtype=go.dtype, device=go.device)
        for i, tap in enumerate(taps(go.shape[2:], kernel, stride, dilation)):
            gx = self.additem(gx, tap, xp.where(places == i, go, 0.0))
        return xp.astype(gx[inner(size, padding)], dtype, copy=False)

    def max_pool2d_chosen(
        self,
        x: Array,
        places: Array,
        *,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
    ) -> Array:
        """Choose from each window of x the element at the tap in `places`; 0 in the padding."""
        xp = self.xp
        x = self._padded(x, padding)
        y = xp.zeros(places.shape, dtype=x.dtype, device=x.device)
        for i, tap in enumerate(taps(places.shape[2:], kernel, stride, dilation)):
            y = xp.where(places == i, x[tap], y)
        return y

    def max_pool2d_indices(
        self,
        places: Array,
        *,
        size: Pair,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
    ) -> Array:
        """Compute from the places that `max_pool2d` found the index of each maximum in its image of
        this size, made flat: int64 (N, C, OH, OW)."""
        xp, at = self.xp, self.xp.astype(places, self.xp.int64)
        parts = []
        for axis, tap in enumerate((at // kernel[1], at % kernel[1])):
            start = xp.arange(places.shape[2 + axis], device=places.device) * stride[axis]
            start = xp.reshape(start - padding[axis][0], (-1, 1) if axis == 0 else (1, -1))
            parts.append(start + tap * dilation[axis])
        return parts[0] * size[1] + parts[1]

    def avg_pool2d(self, x: Array, *, kernel: Pair, stride: Pair, padding: Padding) -> Array:
        """Compute the mean of each window of x, with zeros in the padding."""
        windows = output_size(x.shape[2:], kernel, stride, padding, (1, 1))
        wide = self._wide(self._padded(x, padding))
        total = reduce(add, [wide[tap] for tap in taps(windows, kernel, stride, (1, 1))])
        return self.xp.astype(total / (kernel[0] * kernel[1]), x.dtype, copy=False)

    def avg_pool2d_gradient(
        self, go: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Padding
    ) -> Array:
        """Compute the gradient of x (N, C, *size) from that of the means, which is go."""
        xp, dtype, go = self.xp, go.dtype, self._wide(go)
        shape = padded_shape((*go.shape[:2], *size), padding)
        gx = xp.zeros(shape, dtype=go.dtype, device=go.device)
        share = go / (kernel[0] * kernel[1])
        for tap in taps(go.shape[2:], kernel, stride, (1, 1)):
            gx = self.additem(gx, tap, share)
        return xp.astype(gx[inner(size, padding)], dtype, copy=False)
