"""Pooling of sequences, images and volumes: the maximum or the mean of each window.

The arguments are those of torch.nn.functional. Each function takes nodes, and arrays as constants.
x is (N, C, L), (N, C, H, W) or (N, C, D, H, W), or one without a batch, and so is the result. A
size along several axes is one number, or one for each axis: (depth,) rows, columns.

All of them pool images, in one or two steps. A maximum or a mean over a volume is that over its
depth, of those over its rows and columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, prod
from typing import Any

from .. import array_api as xp
from .. import ops
from ..array_api.common import NodeOrArray
from ..backends import Array, backend_of
from ..engine.arrays import (
    namespace,
    value_of,
)
from ..graph import TensorNode
from .activations import relu
from .sizes import Size, cached, sizes
from .windows import as_batch, by_planes, real_floating, window_options

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

Maxima = TensorNode | tuple[TensorNode, TensorNode]  # with indices, two nodes


# -- Maxima ---------------------------------------------------------------------------------------


def max_pool2d(
    x: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Find the maximum of each window of images x (N, C, H, W) or (C, H, W): (N, C, OH, OW) or
    (C, OH, OW).

    The first of equal elements gets the gradient. NaN counts as the largest.

    Args:
        kernel_size: the size of a window.
        stride: the distance from one window to the next; `None` is `kernel_size`.
        padding: how many elements -inf to put around x on each side, at most half the kernel.
        dilation: the distance from one element of a window to the next.
        ceil_mode: let windows reach beyond the padded x at the bottom and on the right, if they
            begin in x or in the padding before it.
        return_indices: whether to return the places of the maxima, too: integers of the shape of
            the result, the index of each in its channel of x made flat; see `max_unpool2d`.

    Raises:
        ValueError: x is not of that shape, the kernel is larger than the padded x, or an option is
            out of range.
        TypeError: x is not real floating.

    Example:
        >>> x = TensorNode([[[[1.0, 2.0], [4.0, 3.0]]]])  # (1, 1, 2, 2)
        >>> y = gradcore.max_pool2d(x, 2)
        >>> y.sum().backward()
        >>> print(y.value)
        [[[[4.]]]]
        >>> print(x.grad[0, 0])
        [[0. 0.]
         [1. 0.]]
    """
    given = kernel_size, stride, padding, dilation, ceil_mode
    return max_pool("max_pool2d", 2, x, return_indices, *given)


def max_pool1d(
    x: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Find the maximum of each window of sequences x (N, C, L) or (C, L): (N, C, OL) or (C, OL).

    The arguments and errors are those of `max_pool2d`, for one axis in place of two.

    Example:
        >>> print(gradcore.max_pool1d(TensorNode([[[1.0, 3.0, 7.0, 5.0]]]), 2).value)
        [[[3. 7.]]]
    """
    given = kernel_size, stride, padding, dilation, ceil_mode
    return max_pool("max_pool1d", 1, x, return_indices, *given)


def max_pool3d(
    x: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Find the maximum of each window of volumes x (N, C, D, H, W) or (C, D, H, W):
    (N, C, OD, OH, OW) or (C, OD, OH, OW).

    The arguments and errors are those of `max_pool2d`, for three axes in place of two.

    Example:
        >>> gradcore.max_pool3d(TensorNode(np.ones((2, 3, 4, 6, 6))), 2).shape
        (2, 3, 2, 3, 3)
    """
    given = kernel_size, stride, padding, dilation, ceil_mode
    return max_pool("max_pool3d", 3, x, return_indices, *given)


def max_pool(name: str, axes: int, x: NodeOrArray, with_indices: bool, *given: Any) -> Any:
    """Find maxima along so many axes, and where they are."""
    x, is_one = as_batch(name, axes, x)
    options = cached(window_options, name, axes, x.shape, *given)
    if not with_indices:
        y = by_planes(ops.MaxPool2d.do_forward, axes, x, options)
        return ops.Squeeze.do_forward(y, dim=0) if is_one else y
    y, indices = _with_indices(axes, x, options)
    if is_one:
        return tuple([ops.Squeeze.do_forward(part, dim=0) for part in (y, indices)])
    return y, indices


def _with_indices(axes: int, x: NodeOrArray, options: Mapping[str, Any]) -> Maxima:
    """Find maxima along so many axes, and the index of each in its channel made flat."""
    found: list[Array] = []  # of each step, the indices in its planes

    def pool(x: NodeOrArray, **given: Any) -> TensorNode:
        raw = value_of(x)
        backend, size = backend_of(raw), tuple(x.shape[2:])
        _, places = backend.max_pool2d(raw, **given)
        found.append(backend.max_pool2d_indices(places, size=size, **given))
        return ops.MaxPool2dChosen.do_forward(x, places=places, **given)

    y = by_planes(pool, axes, x, options)
    if axes < 3:
        indices = namespace(found[0]).reshape(found[0], y.shape)
    else:  # of each volume, where its maximum is along the depth, and where in that slice
        (n, c, d, h, w), (slices, depths) = x.shape, found
        near = namespace(slices)
        size, places = prod(slices.shape[2:]), depths.shape[3]
        slices = near.permute_dims(near.reshape(slices, (d, n, c, size)), (1, 2, 0, 3))
        depths = depths // places  # the index was that in a plane of slices and places
        row = near.reshape(near.arange(n * c, device=slices.device), (n, c, 1, 1)) * d
        at = (row + depths) * size + near.arange(size, device=slices.device)
        chosen = near.take(near.reshape(slices, (-1,)), near.reshape(at, (-1,)))
        indices = near.reshape(depths * (h * w) + near.reshape(chosen, at.shape), y.shape)
    return y, TensorNode(indices)


# -- Means ----------------------------------------------------------------------------------------


def avg_pool2d(
    x: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> TensorNode:
    """Compute the mean of each window of images x (N, C, H, W) or (C, H, W): (N, C, OH, OW) or
    (C, OH, OW).

    Args:
        kernel_size, stride, ceil_mode: as for `max_pool2d`.
        padding: how many zeros to put around x on each side, at most half the kernel.
        count_include_pad: whether the zeros around x count as elements in the mean.
        divisor_override: a number to divide the sums by, in place of the number of elements.

    Raises:
        ValueError, TypeError: as `max_pool2d`.

    Example:
        >>> x = TensorNode([[[[1.0, 2.0], [3.0, 4.0]]]])  # (1, 1, 2, 2)
        >>> print(gradcore.avg_pool2d(x, 2).value)
        [[[[2.5]]]]
    """
    windows = kernel_size, stride, padding, ceil_mode
    return _avg_pool("avg_pool2d", 2, x, windows, count_include_pad, divisor_override)


def avg_pool1d(
    x: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> TensorNode:
    """Compute the mean of each window of sequences x (N, C, L) or (C, L): (N, C, OL) or (C, OL).

    The arguments and errors are those of `avg_pool2d`, for one axis in place of two.

    Example:
        >>> print(gradcore.avg_pool1d(TensorNode([[[1.0, 3.0, 5.0, 7.0]]]), 2).value)
        [[[2. 6.]]]
    """
    windows = kernel_size, stride, padding, ceil_mode
    return _avg_pool("avg_pool1d", 1, x, windows, count_include_pad)


def avg_pool3d(
    x: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> TensorNode:
    """Compute the mean of each window of volumes x (N, C, D, H, W) or (C, D, H, W):
    (N, C, OD, OH, OW) or (C, OD, OH, OW).

    The arguments and errors are those of `avg_pool2d`, for three axes in place of two.

    Example:
        >>> gradcore.avg_pool3d(TensorNode(np.ones((2, 3, 4, 6, 6))), 2).shape
        (2, 3, 2, 3, 3)
    """
    windows = kernel_size, stride, padding, ceil_mode
    return _avg_pool("avg_pool3d", 3, x, windows, count_include_pad, divisor_override)


def _avg_pool(
    name: str,
    axes: int,
    x: NodeOrArray,
    windows: tuple[Any, ...],
    count_include_pad: bool,
    divisor: int | None = None,
) -> TensorNode:
    """Compute means along so many axes."""
    x, is_one = as_batch(name, axes, x)
    *sizes_given, ceil_mode = windows
    found = cached(window_options, name, axes, x.shape, *sizes_given, 1, ceil_mode, divisor)
    options = {key: given for key, given in found.items() if key != "dilation"}

    def pool(x: NodeOrArray, **given: Any) -> TensorNode:
        y = ops.AvgPool2d.do_forward(x, **given)
        return y if divisor is not None else _counted(x, y, given, count_include_pad)

    y = by_planes(pool, axes, x, options)
    if divisor is not None:
        y = y * (prod(options["kernel"]) / divisor)
    return ops.Squeeze.do_forward(y, dim=0) if is_one else y


def _counted(
    x: NodeOrArray, y: TensorNode, options: dict[str, Any], count_include_pad: bool
) -> TensorNode:
    """Make of y, the sums of windows of images x divided by the size of the kernel, the means of
    the elements that count."""
    # Where a window reaches beyond the elements that count, divide by their share of the kernel:
    # the mean of a window of ones.
    beyond = options["padding"]
    counted = [0, 0]
    if count_include_pad:
        counted = [p for p, _ in beyond]
        beyond = tuple([(0, end - p) for p, end in beyond])
    if not any(map(any, beyond)):
        return y
    raw = value_of(x)
    size = [n + 2 * p for n, p in zip(raw.shape[2:], counted, strict=True)]
    ones = namespace(raw).ones((1, 1, *size), dtype=raw.dtype, device=raw.device)
    return y / ops.AvgPool2d.apply(ones, **{**options, "padding": beyond})


# -- Norms ----------------------------------------------------------------------------------------


def lp_pool2d(
    x: NodeOrArray,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> TensorNode:
    """Compute the p-norm of each window of images x (N, C, H, W) or (C, H, W), where p is
    `norm_type`: the p-th root of the sum of the p-th powers.

    The powers are those of x and not of abs(x), as in PyTorch: for an odd p a sum may be negative,
    and its root is NaN, but for p = 1, where the result is the sum. Where a sum is 0 the gradient
    is 0. For infinite p the result is the maximum of abs(x), or for -inf the minimum.

    The other arguments and the errors are those of `avg_pool2d`.

    Example:
        >>> gradcore.lp_pool2d(TensorNode(np.ones((2, 3, 6, 6))), norm_type=2, kernel_size=2).shape
        (2, 3, 3, 3)
    """
    return _lp_pool("lp_pool2d", 2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool1d(
    x: NodeOrArray,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> TensorNode:
    """Compute the p-norm of each window of sequences x (N, C, L) or (C, L).

    The arguments and errors are those of `lp_pool2d`, for one axis in place of two.

    Example:
        >>> print(gradcore.lp_pool1d(TensorNode([[[3.0, 4.0, 6.0, 8.0]]]), 2, 2).value)
        [[[ 5. 10.]]]
    """
    return _lp_pool("lp_pool1d", 1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: NodeOrArray,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> TensorNode:
    """Compute the p-norm of each window of volumes x (N, C, D, H, W) or (C, D, H, W).

    The arguments and errors are those of `lp_pool2d`, for three axes in place of two.

    Example:
        >>> gradcore.lp_pool3d(TensorNode(np.ones((2, 3, 4, 6, 6))), 2, kernel_size=2).shape
        (2, 3, 2, 3, 3)
    """
    return _lp_pool("lp_pool3d", 3, x, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    name: str,
    axes: int,
    x: NodeOrArray,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None,
    ceil_mode: bool,
) -> TensorNode:
    """Compute norms along so many axes."""
    x = real_floating(name, x)
    if not isinstance(norm_type, int | float) or norm_type == 0:
        raise ValueError(f"{name}: norm_type = {norm_type!r}, expected a number other than 0")
    if abs(norm_type) == inf:
        sign = 1.0 if norm_type > 0 else -1.0
        return sign * max_pool(
            name, axes, sign * xp.abs(x), False, kernel_size, stride, 0, 1, ceil_mode
        )
    y = _avg_pool(name, axes, x**norm_type, (kernel_size, stride, 0, ceil_mode), True)
    # sign(y) * relu(abs(y)) is y; relu stops the infinite gradient of the root of 0.
    y = xp.sign(y) * relu(xp.abs(y))
    return (y * prod(sizes(name, axes, kernel_size=kernel_size))) ** (1.0 / norm_type)
