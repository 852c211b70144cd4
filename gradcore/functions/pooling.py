"""Pooling of images: the maximum or the mean of each window.

The arguments are those of torch.nn.functional. Each function takes nodes, and arrays as constants.
A size along both axes of images is one number, or a pair: for rows, and for columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from types import MappingProxyType
from typing import Any

from .. import ops
from ..array_api.common import NodeOrArray, Shape
from ..backends import Array
from ..engine.arrays import check_floating, describe, namespace, node_or_array, value_of
from ..graph import TensorNode
from ..ops.convolution import check_windows
from .sizes import Size, cached, sizes

__all__ = ["adaptive_avg_pool2d", "avg_pool2d", "max_pool2d"]

OutputSize = int | tuple[int | None, ...] | None


def max_pool2d(
    x: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> TensorNode:
    """Find the maximum of each window of images x (N, C, H, W): (N, C, OH, OW).

    The first of equal elements gets the gradient. NaN counts as the largest.

    Args:
        kernel_size: the size of a window.
        stride: the distance from one window to the next; `None` is `kernel_size`.
        padding: how many elements -inf to put around x on each side, at most half the kernel.
        dilation: the distance from one element of a window to the next.
        ceil_mode: let windows reach beyond the padded x at the bottom and on the right, if they
            begin in x or in the padding before it.

    Raises:
        ValueError: x is not of that shape, the kernel is larger than the padded x, or an option is
            out of range.
        TypeError: x is not real floating.
    """
    x = _images("max_pool2d", x)
    given = kernel_size, stride, padding, dilation, ceil_mode
    options = cached(_windows, "max_pool2d", x.shape, *given)
    return ops.MaxPool2d.do_forward(x, **options)


def avg_pool2d(
    x: NodeOrArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> TensorNode:
    """Compute the mean of each window of images x (N, C, H, W): (N, C, OH, OW).

    Args:
        kernel_size, stride, ceil_mode: as for `max_pool2d`.
        padding: how many zeros to put around x on each side, at most half the kernel.
        count_include_pad: whether the zeros around x count as elements in the mean.
        divisor_override: a number to divide the sums by, in place of the number of elements.

    Raises:
        ValueError, TypeError: as `max_pool2d`.
    """
    name, x = "avg_pool2d", _images("avg_pool2d", x)
    given = kernel_size, stride, padding, 1, ceil_mode, divisor_override
    found = cached(_windows, name, x.shape, *given)
    options = {key: size for key, size in found.items() if key != "dilation"}
    y = ops.AvgPool2d.do_forward(x, **options)
    if divisor_override is not None:
        (divisor,) = sizes(name, 1, divisor_override=divisor_override)
        return y * (prod(options["kernel"]) / divisor)
    # y is the sum of a window divided by the size of the kernel. Where a window reaches beyond the
    # elements that count, divide by their share of the kernel: the mean of a window of ones.
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


def adaptive_avg_pool2d(x: NodeOrArray, output_size: OutputSize) -> TensorNode:
    """Compute means of windows of images x (N, C, H, W), with windows chosen so that the result is
    (N, C, *output_size). Size 1 gives the mean of each channel ("global" pooling).

    Windows overlap where the size of x is not a multiple of the size of the result.

    Args:
        output_size: one number, or a pair. `None` keeps the size of x, also in a pair.

    Raises:
        ValueError: x is not of that shape, or is empty; or the size is not positive.
        TypeError: x is not real floating.
    """
    name, x = "adaptive_avg_pool2d", _images("adaptive_avg_pool2d", x)
    raw = value_of(x)
    if raw.ndim != 4 or min(raw.shape[2:]) < 1:
        raise ValueError(f"{name}: x is {describe(raw)}, expected (N, C, H, W), of size 1 or more")
    size = tuple(raw.shape[2:])
    pair = output_sizes(name, output_size, size)
    if pair == (1, 1):
        return ops.Mean.do_forward(x, axis=(2, 3), keepdims=True)
    if not [n for n, o in zip(size, pair, strict=True) if n % o]:
        kernel = tuple([n // o for n, o in zip(size, pair, strict=True)])
        return ops.AvgPool2d.do_forward(x, kernel=kernel, stride=kernel)
    rows, columns = (_averages(raw, n, o) for n, o in zip(size, pair, strict=True))
    y = ops.MatrixMultiply.do_forward(x, namespace(raw).matrix_transpose(columns))
    return ops.MatrixMultiply.do_forward(rows, y)


def output_sizes(name: str, output_size: OutputSize, size: Shape = (1, 1)) -> Shape:
    """Make a pair of the output size, with the entries of `size` in place of `None`.

    Raises:
        ValueError: the output size is not positive, or not a number or a pair.
    """
    if output_size is None:
        output_size = size
    elif isinstance(output_size, list | tuple) and len(output_size) == 2:
        pairs = zip(output_size, size, strict=True)
        output_size = tuple([n if o is None else o for o, n in pairs])
    return sizes(name, 2, output_size=output_size)


def _images(name: str, x: NodeOrArray) -> NodeOrArray:
    """Convert x to a node or an array, and check that it is real floating."""
    x = node_or_array(x)
    check_floating(name, value_of(x))
    return x


def _averages(like: Array, n: int, parts: int) -> Array:
    """Make the matrix (parts, n) that takes n elements to the means of so many parts of them, in
    the dtype and on the device of `like`."""
    xp = namespace(like)
    i = xp.expand_dims(xp.arange(parts, device=like.device), axis=1)
    starts, ends = i * n // parts, ((i + 1) * n + parts - 1) // parts
    j = xp.arange(n, device=like.device)
    within = xp.astype((j >= starts) & (j < ends), like.dtype)
    return within / xp.astype(ends - starts, like.dtype)


def window_sizes(
    name: str,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    divisor_override: int | None = None,
    ceil_mode: bool = False,  # noqa: ARG001 (layers give all arguments; there is nothing to check)
    count_include_pad: bool = True,  # noqa: ARG001
) -> tuple[Shape, Shape, Shape, Shape]:
    """Check the arguments of a pooling function, and give kernel, stride, padding and dilation as
    pairs.

    Raises:
        ValueError: one of the sizes, or the divisor, is out of range.
    """
    kernels = sizes(name, 2, kernel_size=kernel_size)
    strides = kernels if stride is None else sizes(name, 2, stride=stride)
    dilations, around = sizes(name, 2, dilation=dilation), sizes(name, 2, padding=padding, least=0)
    if any(p > k // 2 for p, k in zip(around, kernels, strict=True)):
        raise ValueError(f"{name}: padding = {padding}, expected at most half of the kernel")
    if divisor_override is not None:
        sizes(name, 1, divisor_override=divisor_override)
    return kernels, strides, around, dilations


@lru_cache(1024, typed=True)
def _windows(
    name: str,
    shape: Shape,
    kernel: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
    divisor: int | None = None,
) -> Mapping[str, Any]:
    """Check the options of a pooling function for x of this shape, and give those of the op."""
    if len(shape) != 4:
        raise ValueError(f"{name}: x has shape {tuple(shape)}, expected (N, C, H, W)")
    kernels, strides, around, dilations = window_sizes(
        name, kernel, stride, padding, dilation, divisor_override=divisor
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
