"""The inverse of pooling: maxima put back to where they were, in zeros."""

from __future__ import annotations

from math import prod

from .. import array_api as xp
from ..array_api.common import NodeOrArray
from ..engine.arrays import namespace, node_or_array, value_of
from ..graph import TensorNode
from ..ops.convolution import AXES, check_size
from ..ops.indexing import positions
from .sizes import Size, sizes
from .windows import real_floating, window_sizes

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def max_unpool2d(
    x: NodeOrArray,
    indices: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Size | None = None,
) -> TensorNode:
    """Put maxima x (N, C, H, W) or (C, H, W) back to where they were, in zeros:
    (N, C, *output_size) or (C, *output_size).

    Where windows overlap, an index may occur several times; then one of these elements counts.

    Args:
        indices: where each element goes, as `max_pool2d` returns them.
        kernel_size, stride, padding: those of the `max_pool2d` that gave x.
        output_size: of the result, or its whole shape; by default the smallest that would give an x
            of this shape. It may differ from that by less than the stride.

    Raises:
        ValueError: the shapes do not fit, or there is no such size.
        IndexError: an index is out of range.
        TypeError: x is not real floating, or the indices are not integers.

    Example:
        >>> x = TensorNode([[[[1.0, 2.0], [4.0, 3.0]]]])  # (1, 1, 2, 2)
        >>> y, indices = gradcore.max_pool2d(x, 2, return_indices=True)
        >>> print(gradcore.max_unpool2d(y, indices, 2).value[0, 0])
        [[0. 0.]
         [4. 0.]]
    """
    return _max_unpool("max_unpool2d", 2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool1d(
    x: NodeOrArray,
    indices: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Size | None = None,
) -> TensorNode:
    """Put maxima x (N, C, L) or (C, L) back to where they were, in zeros.

    The arguments and errors are those of `max_unpool2d`, for one axis in place of two.

    Example:
        >>> x = TensorNode([[[1.0, 3.0, 7.0, 5.0]]])  # (1, 1, 4)
        >>> y, indices = gradcore.max_pool1d(x, 2, return_indices=True)
        >>> print(gradcore.max_unpool1d(y, indices, 2).value)
        [[[0. 3. 7. 0.]]]
    """
    return _max_unpool("max_unpool1d", 1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: NodeOrArray,
    indices: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Size | None = None,
) -> TensorNode:
    """Put maxima x (N, C, D, H, W) or (C, D, H, W) back to where they were, in zeros.

    The arguments and errors are those of `max_unpool2d`, for three axes in place of two.

    Example:
        >>> x = TensorNode(np.arange(64.0).reshape(1, 1, 4, 4, 4))
        >>> y, indices = gradcore.max_pool3d(x, 2, return_indices=True)
        >>> y.shape, gradcore.max_unpool3d(y, indices, 2).shape
        ((1, 1, 2, 2, 2), (1, 1, 4, 4, 4))
    """
    return _max_unpool("max_unpool3d", 3, x, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    name: str,
    axes: int,
    x: NodeOrArray,
    indices: NodeOrArray,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    output_size: Size | None,
) -> TensorNode:
    """Put maxima along so many axes back."""
    x, indices = real_floating(name, x), value_of(node_or_array(indices))
    if x.ndim not in (axes + 1, axes + 2) or tuple(indices.shape) != tuple(x.shape):
        found = f"x has shape {tuple(x.shape)} and indices {tuple(indices.shape)}"
        raise ValueError(f"{name}: {found}, expected (N, C, {AXES[axes][0]}) for both")
    kernels, strides, around, _ = window_sizes(name, kernel_size, stride, padding, axes=axes)
    parts = zip(x.shape[-axes:], kernels, strides, around, strict=True)
    size = tuple([(n - 1) * s + k - 2 * p for n, k, s, p in parts])
    if output_size is not None:
        wanted = output_size[-axes:] if isinstance(output_size, list | tuple) else output_size
        wanted = sizes(name, axes, output_size=wanted)
        if any(abs(o - n) >= s for o, n, s in zip(wanted, size, strides, strict=True)):
            expected = f"each differs by less than the stride, {strides}, from {size}"
            raise ValueError(f"{name}: output_size = {output_size}, expected that {expected}")
        size = wanted
    check_size(name, f"(x {tuple(x.shape)}, padding {padding})", size)
    near, rows, n = namespace(indices), prod(x.shape[:-axes]), prod(size)
    indices = positions(f"{name}: indices", value_of(x), indices, n)
    first = near.arange(rows, device=indices.device)
    first = near.reshape(first, (*x.shape[:-axes], *[1] * axes)) * n
    raw = value_of(x)
    zeros = namespace(raw).zeros((rows * n,), dtype=raw.dtype, device=raw.device)
    y = TensorNode(zeros, requires_grad=False)
    y[near.reshape(first + indices, (-1,))] = xp.reshape(x, (-1,))
    return xp.reshape(y, (*x.shape[:-axes], *size))
