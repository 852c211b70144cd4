"""Pooling with windows chosen by the size of the result.

The arguments are those of torch.nn.functional. Each function takes nodes, and arrays as constants.
x is (N, C, L), (N, C, H, W) or (N, C, D, H, W), or one without a batch, and so is the result.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .. import ops
from ..array_api.common import NodeOrArray, Shape
from ..backends import Array
from ..engine.arrays import describe, namespace, value_of
from ..graph import TensorNode
from ..ops.convolution import AXES
from .pooling import Maxima, avg_pool2d, max_pool
from .sizes import sizes
from .windows import real_floating

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]

OutputSize = int | tuple[int | None, ...] | None


def adaptive_avg_pool2d(x: NodeOrArray, output_size: OutputSize) -> TensorNode:
    """Compute means of windows of images x (N, C, H, W) or (C, H, W), with windows chosen so that
    the result is (N, C, *output_size) or (C, *output_size). Size 1 gives the mean of each channel
    ("global" pooling).

    Windows overlap where the size of x is not a multiple of the size of the result.

    Args:
        output_size: one number, or a pair. `None` keeps the size of x, also in a pair.

    Raises:
        ValueError: x is not of that shape, or is empty; or the size is not positive.
        TypeError: x is not real floating.

    Example:
        >>> images = TensorNode(np.ones((8, 16, 7, 5)))
        >>> gradcore.adaptive_avg_pool2d(images, 1).shape  # a mean of each channel
        (8, 16, 1, 1)
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool1d(x: NodeOrArray, output_size: OutputSize) -> TensorNode:
    """Compute means of windows of sequences x (N, C, L) or (C, L), with windows chosen so that the
    result is (N, C, output_size) or (C, output_size).

    The arguments and errors are those of `adaptive_avg_pool2d`, for one axis in place of two.

    Example:
        >>> x = TensorNode([[[1.0, 2.0, 3.0, 4.0]]])  # (1, 1, 4)
        >>> print(gradcore.adaptive_avg_pool1d(x, 2).value)
        [[[1.5 3.5]]]
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool3d(x: NodeOrArray, output_size: OutputSize) -> TensorNode:
    """Compute means of windows of volumes x (N, C, D, H, W) or (C, D, H, W), with windows chosen so
    that the result is (N, C, *output_size) or (C, *output_size).

    The arguments and errors are those of `adaptive_avg_pool2d`, for three axes in place of two.

    Example:
        >>> volumes = TensorNode(np.ones((2, 3, 4, 6, 6)))
        >>> gradcore.adaptive_avg_pool3d(volumes, (2, 3, 3)).shape
        (2, 3, 2, 3, 3)
    """
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, x, output_size)


def adaptive_max_pool2d(
    x: NodeOrArray, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Find maxima of windows of images x (N, C, H, W) or (C, H, W), with windows chosen so that the
    result is (N, C, *output_size) or (C, *output_size).

    Args:
        output_size: as for `adaptive_avg_pool2d`.
        return_indices: as for `max_pool2d`.

    Raises:
        ValueError, TypeError: as `adaptive_avg_pool2d`.

    Example:
        >>> images = TensorNode(np.ones((8, 16, 7, 5)))
        >>> gradcore.adaptive_max_pool2d(images, (3, 2)).shape
        (8, 16, 3, 2)
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, x, output_size, return_indices)


def adaptive_max_pool1d(
    x: NodeOrArray, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Find maxima of windows of sequences x (N, C, L) or (C, L), with windows chosen so that the
    result is (N, C, output_size) or (C, output_size).

    The arguments and errors are those of `adaptive_max_pool2d`, for one axis in place of two.

    Example:
        >>> x = TensorNode([[[1.0, 3.0, 2.0, 4.0]]])  # (1, 1, 4)
        >>> print(gradcore.adaptive_max_pool1d(x, 2).value)
        [[[3. 4.]]]
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, x, output_size, return_indices)


def adaptive_max_pool3d(
    x: NodeOrArray, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Find maxima of windows of volumes x (N, C, D, H, W) or (C, D, H, W), with windows chosen so
    that the result is (N, C, *output_size) or (C, *output_size).

    The arguments and errors are those of `adaptive_max_pool2d`, for three axes in place of two.

    Example:
        >>> volumes = TensorNode(np.ones((2, 3, 4, 6, 6)))
        >>> gradcore.adaptive_max_pool3d(volumes, 2).shape
        (2, 3, 2, 2, 2)
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, x, output_size, return_indices)


def _adaptive_avg_pool(name: str, axes: int, x: NodeOrArray, output_size: OutputSize) -> TensorNode:
    """Compute means of so many windows along each axis."""
    x, wanted = _adaptive(name, axes, x, output_size)
    raw = value_of(x)
    size, places = raw.shape[-axes:], range(raw.ndim - axes, raw.ndim)
    if max(wanted) == 1:
        return ops.Mean.do_forward(x, axis=tuple(places), keepdims=True)
    if axes == 2 and not [n for n, o in zip(size, wanted, strict=True) if n % o]:
        kernel = tuple([n // o for n, o in zip(size, wanted, strict=True)])
        return avg_pool2d(x, kernel)
    for axis, n, o in zip(reversed(places), reversed(size), reversed(wanted), strict=True):
        if n != o:
            x = along(_averages(raw, n, o), x, axis)
    return x if isinstance(x, TensorNode) else TensorNode(x, requires_grad=False)


def _adaptive_max_pool(
    name: str, axes: int, x: NodeOrArray, output_size: OutputSize, with_indices: bool
) -> Maxima:
    """Find maxima of so many windows along each axis."""
    x, wanted = _adaptive(name, axes, x, output_size)
    raw = value_of(x)
    size, first, near = tuple(raw.shape[-axes:]), raw.ndim - axes, namespace(raw)
    kernel, taken = [], []  # the longest window along each axis, and the elements of all windows
    for axis, (n, o) in enumerate(zip(size, wanted, strict=True), first):
        starts, ends = _bounds(raw, n, o)
        longest = n // o if n % o == 0 else (n - 1) // o + 2
        elements = near.minimum(starts + near.arange(longest, device=raw.device), ends - 1)
        elements = near.reshape(elements, (-1,))  # a shorter window has its last element again
        if n % o:
            x = ops.Take.do_forward(x, indices=elements, axis=axis, check=False)
        kernel.append(longest)
        taken.append(elements)
    given = tuple(kernel), None, 0, 1, False
    if not with_indices:
        return max_pool(name, axes, x, False, *given)
    y, indices = max_pool(name, axes, x, True, *given)
    found, left, scale = near.zeros_like(indices.value), indices.value, 1
    for n, elements in zip(reversed(size), reversed(taken), strict=True):
        here = near.take(elements, near.reshape(left % elements.shape[0], (-1,)))
        found = found + scale * near.reshape(here, found.shape)
        left, scale = left // elements.shape[0], scale * n
    return y, TensorNode(found)


def _adaptive(
    name: str, axes: int, x: NodeOrArray, output_size: OutputSize
) -> tuple[NodeOrArray, Shape]:
    """Check x, and find the size of the result."""
    x = real_floating(name, x)
    raw = value_of(x)
    if raw.ndim not in (axes + 1, axes + 2) or min(raw.shape[-axes:]) < 1:
        expected = f"(N, C, {AXES[axes][0]}), or without N, of size 1 or more"
        raise ValueError(f"{name}: x is {describe(raw)}, expected {expected}")
    return x, output_sizes(name, output_size, tuple(raw.shape[-axes:]), axes=axes)


def output_sizes(
    name: str,
    output_size: OutputSize,
    size: Shape | None = None,
    return_indices: bool = False,  # noqa: ARG001 (layers give all arguments)
    *,
    axes: int = 2,
) -> Shape:
    """Make a tuple of the output size, with the entries of `size` in place of `None`.

    Raises:
        ValueError: the output size is not positive, or not a number or one for each axis.
    """
    size = size or (1,) * axes
    if output_size is None:
        output_size = size
    elif isinstance(output_size, list | tuple) and len(output_size) == axes:
        pairs = zip(output_size, size, strict=True)
        output_size = tuple([n if o is None else o for o, n in pairs])
    return sizes(name, axes, output_size=output_size)


def _bounds(like: Array, n: int, parts: int) -> tuple[Array, Array]:
    """Find where so many windows of n elements start, and where they end: (parts, 1) each."""
    near = namespace(like)
    i = near.expand_dims(near.arange(parts, device=like.device), axis=1)
    return i * n // parts, ((i + 1) * n + parts - 1) // parts


def _averages(like: Array, n: int, parts: int) -> Array:
    """Make the matrix (parts, n) that takes n elements to the means of so many windows of them, in
    the dtype and on the device of `like`."""
    near = namespace(like)
    starts, ends = _bounds(like, n, parts)
    j = near.arange(n, device=like.device)
    within = near.astype((j >= starts) & (j < ends), like.dtype)
    return within / near.astype(ends - starts, like.dtype)


def along(matrix: Array, x: NodeOrArray, axis: int) -> TensorNode:
    """Multiply a matrix (M, N) with x along `axis`, of size N."""
    near, last = namespace(matrix), len(x.shape) - 1
    if axis == last:
        return ops.MatrixMultiply.do_forward(x, near.matrix_transpose(matrix))
    if axis == last - 1:
        return ops.MatrixMultiply.do_forward(matrix, x)
    flat = ops.Reshape.do_forward(x, shape=(*x.shape[: axis + 1], prod(x.shape[axis + 1 :])))
    y = ops.MatrixMultiply.do_forward(matrix, flat)
    return ops.Reshape.do_forward(y, shape=(*y.shape[:-1], *x.shape[axis + 1 :]))
