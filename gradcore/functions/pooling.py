"""Pooling of sequences, images and volumes: the maximum or the mean of each window.

The arguments are those of torch.nn.functional. Each function takes nodes, and arrays as constants.
x is (N, C, L), (N, C, H, W) or (N, C, D, H, W), or one without a batch, and so is the result. A
size along several axes is one number, or one for each axis: (depth,) rows, columns.

All of them pool images, in one or two steps. A maximum or a mean over a volume is that over its
depth, of those over its rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import inf, prod
from types import MappingProxyType
from typing import Any

from .. import array_api as xp
from .. import ops
from ..array_api.common import NodeOrArray, Shape
from ..backends import Array, backend_of
from ..engine.arrays import (
    check_floating,
    describe,
    is_integer,
    namespace,
    node_or_array,
    value_of,
)
from ..graph import TensorNode
from ..ops.convolution import AXES, check_size, check_windows
from ..ops.indexing import positions
from .activations import relu
from .sizes import Size, cached, sizes

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]

OutputSize = int | tuple[int | None, ...] | None
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
    """
    given = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool2d", 2, x, return_indices, *given)


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
    """
    given = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool1d", 1, x, return_indices, *given)


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
    """
    given = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool3d", 3, x, return_indices, *given)


def _max_pool(name: str, axes: int, x: NodeOrArray, with_indices: bool, *given: Any) -> Any:
    """Find maxima along so many axes, and where they are."""
    x, is_one = _batch(name, axes, x)
    options = cached(_windows, name, axes, x.shape, *given)
    if not with_indices:
        y = _by_planes(ops.MaxPool2d.do_forward, axes, x, options)
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
        _, places = backend_of(raw).max_pool2d(raw, **given)
        found.append(_in_planes(places, tuple(x.shape[2:]), **given))
        return ops.MaxPool2dChosen.do_forward(x, places=places, **given)

    y = _by_planes(pool, axes, x, options)
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


def _in_planes(
    places: Array,
    size: Shape,
    *,
    kernel: Shape,
    stride: Shape,
    padding: Any,
    dilation: Shape,
) -> Array:
    """Find the index in a plane of this size, made flat, of the element at each window's tap."""
    near = namespace(places)
    taps = near.astype(places, near.int64)
    parts = []
    for axis, tap in enumerate((taps // kernel[1], taps % kernel[1])):
        start = near.arange(places.shape[2 + axis], device=places.device) * stride[axis]
        start = near.reshape(start - padding[axis][0], (-1, 1) if axis == 0 else (1, -1))
        parts.append(start + tap * dilation[axis])
    return parts[0] * size[1] + parts[1]


# -- Maxima put back ------------------------------------------------------------------------------


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
    x, indices = _floating(name, x), value_of(node_or_array(indices))
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
    x, is_one = _batch(name, axes, x)
    *sizes_given, ceil_mode = windows
    found = cached(_windows, name, axes, x.shape, *sizes_given, 1, ceil_mode, divisor)
    options = {key: given for key, given in found.items() if key != "dilation"}

    def pool(x: NodeOrArray, **given: Any) -> TensorNode:
        y = ops.AvgPool2d.do_forward(x, **given)
        return y if divisor is not None else _counted(x, y, given, count_include_pad)

    y = _by_planes(pool, axes, x, options)
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
    x = _floating(name, x)
    if not isinstance(norm_type, int | float) or norm_type == 0:
        raise ValueError(f"{name}: norm_type = {norm_type!r}, expected a number other than 0")
    if abs(norm_type) == inf:
        sign = 1.0 if norm_type > 0 else -1.0
        return sign * _max_pool(
            name, axes, sign * xp.abs(x), False, kernel_size, stride, 0, 1, ceil_mode
        )
    y = _avg_pool(name, axes, x**norm_type, (kernel_size, stride, 0, ceil_mode), True)
    # sign(y) * relu(abs(y)) is y; relu stops the infinite gradient of the root of 0.
    y = xp.sign(y) * relu(xp.abs(y))
    return (y * prod(sizes(name, axes, kernel_size=kernel_size))) ** (1.0 / norm_type)


# -- Windows chosen by the size of the result -----------------------------------------------------


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
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool1d(x: NodeOrArray, output_size: OutputSize) -> TensorNode:
    """Compute means of windows of sequences x (N, C, L) or (C, L), with windows chosen so that the
    result is (N, C, output_size) or (C, output_size).

    The arguments and errors are those of `adaptive_avg_pool2d`, for one axis in place of two.
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool3d(x: NodeOrArray, output_size: OutputSize) -> TensorNode:
    """Compute means of windows of volumes x (N, C, D, H, W) or (C, D, H, W), with windows chosen so
    that the result is (N, C, *output_size) or (C, *output_size).

    The arguments and errors are those of `adaptive_avg_pool2d`, for three axes in place of two.
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
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, x, output_size, return_indices)


def adaptive_max_pool1d(
    x: NodeOrArray, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Find maxima of windows of sequences x (N, C, L) or (C, L), with windows chosen so that the
    result is (N, C, output_size) or (C, output_size).

    The arguments and errors are those of `adaptive_max_pool2d`, for one axis in place of two.
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, x, output_size, return_indices)


def adaptive_max_pool3d(
    x: NodeOrArray, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Find maxima of windows of volumes x (N, C, D, H, W) or (C, D, H, W), with windows chosen so
    that the result is (N, C, *output_size) or (C, *output_size).

    The arguments and errors are those of `adaptive_max_pool2d`, for three axes in place of two.
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
        return _max_pool(name, axes, x, False, *given)
    y, indices = _max_pool(name, axes, x, True, *given)
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
    x = _floating(name, x)
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


# -- What they share ------------------------------------------------------------------------------


def _floating(name: str, x: NodeOrArray) -> NodeOrArray:
    """Convert x to a node or an array, and check that it is real floating."""
    x = node_or_array(x)
    check_floating(name, value_of(x))
    return x


def _batch(name: str, axes: int, x: NodeOrArray) -> tuple[NodeOrArray, bool]:
    """Check x, and make one x without a batch a batch of one; say whether that was so."""
    x = _floating(name, x)
    is_one = len(x.shape) == axes + 1
    return (ops.Unsqueeze.do_forward(x, dim=0) if is_one else x), is_one


def _by_planes(
    pool: Callable[..., TensorNode], axes: int, x: NodeOrArray, options: Mapping[str, Any]
) -> TensorNode:
    """Pool along so many axes by a function that pools images: sequences are images of one row; of
    volumes first the slices are pooled, and then these along the depth, in images of one column for
    each place of a slice."""
    if axes == 2:
        return pool(x, **options)
    one = {"kernel": 1, "stride": 1, "padding": (0, 0), "dilation": 1}
    if axes == 1:
        x = ops.Unsqueeze.do_forward(x, dim=2)
        y = pool(x, **{name: (one[name], *given) for name, given in options.items()})
        return ops.Squeeze.do_forward(y, dim=2)
    n, c, d, h, w = x.shape
    # In the order in memory that convolutions give, (C, H, W, D, N), this copies nothing.
    x = ops.Transpose.do_forward(x, axes=(2, 0, 1, 3, 4))
    x = ops.Reshape.do_forward(x, shape=(d * n, c, h, w))
    x = pool(x, **{name: given[1:] for name, given in options.items()})
    oh, ow = x.shape[2:]
    x = ops.Reshape.do_forward(x, shape=(d, n, c, oh * ow))
    x = ops.Transpose.do_forward(x, axes=(1, 2, 0, 3))
    y = pool(x, **{name: (given[0], one[name]) for name, given in options.items()})
    return ops.Reshape.do_forward(y, shape=(n, c, y.shape[2], oh, ow))


def window_sizes(
    name: str,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    divisor_override: int | None = None,
    *,
    axes: int = 2,
    ceil_mode: bool = False,  # noqa: ARG001 (layers give all arguments; there is nothing to check)
    count_include_pad: bool = True,  # noqa: ARG001
    return_indices: bool = False,  # noqa: ARG001
    norm_type: float = 1,  # noqa: ARG001
) -> tuple[Shape, Shape, Shape, Shape]:
    """Check the arguments of a pooling function, and give kernel, stride, padding and dilation with
    an entry for each axis.

    Raises:
        ValueError: one of the sizes, or the divisor, is out of range.
    """
    kernels = sizes(name, axes, kernel_size=kernel_size)
    strides = kernels if stride is None else sizes(name, axes, stride=stride)
    dilations = sizes(name, axes, dilation=dilation)
    around = sizes(name, axes, padding=padding, least=0)
    if any(p > k // 2 for p, k in zip(around, kernels, strict=True)):
        raise ValueError(f"{name}: padding = {padding}, expected at most half of the kernel")
    if divisor_override is not None and not (is_integer(divisor_override) and divisor_override):
        found = f"divisor_override = {divisor_override!r}"
        raise ValueError(f"{name}: {found}, expected an integer other than 0")
    return kernels, strides, around, dilations


@lru_cache(1024, typed=True)
def _windows(
    name: str,
    axes: int,
    shape: Shape,
    kernel: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
    divisor: int | None = None,
) -> Mapping[str, Any]:
    """Check the options of a pooling function for x of this shape, and give those of the op."""
    if len(shape) != 2 + axes:
        expected = f"(N, C, {AXES[axes][0]}) or (C, {AXES[axes][0]})"
        raise ValueError(f"{name}: x has shape {tuple(shape)}, expected {expected}")
    kernels, strides, around, dilations = window_sizes(
        name, kernel, stride, padding, dilation, divisor, axes=axes
    )
    pads = []
    for n, k, s, p, d in zip(shape[2:], kernels, strides, around, dilations, strict=True):
        span, end = d * (k - 1) + 1, p
        if ceil_mode:
            last = -(-(n + 2 * p - span) // s) * s  # where the last window begins
            last -= s if last >= n + p else 0
            end = max(p, last + span - n - p)
        pads.append((p, end))
    options: dict[str, Any] = {
        "kernel": kernels,
        "stride": strides,
        "padding": tuple(pads),
        "dilation": dilations,
    }
    check_windows(name, f"(x {tuple(shape)})", shape[2:], **options)
    return MappingProxyType(options)
