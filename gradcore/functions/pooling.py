"""TODO"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from types import MappingProxyType
from typing import Any

from .. import ops
from ..engine.arrays import check_floating, describe, namespace, node_or_array, value_of
from ..graph import TensorNode
from ..ops.convolution import check_windows
from .convolution import Size, _cached, sizes

__all__ = ["adaptive_avg_pool2d", "avg_pool2d", "max_pool2d"]

# -- Pooling ----------------------------------------------------------------------------------


def max_pool2d(
    x: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> TensorNode:
    """The maximum of each window of images x (N, C, H, W): (N, C, OH, OW).

    Of equal elements the first gets the gradient; NaN counts as the largest.

    Args:
        stride: from one window to the next; `None`: the kernel's size.
        padding: how much of -inf is around x; at most half the kernel.
        dilation: from one element of a window to the next.
        ceil_mode: whether windows may go beyond the padded x at the bottom and on the right, if
            they begin before.

    Raises:
        ValueError: x is not of that shape, the kernel is larger than the padded x, or an option is
            out of range.
        TypeError: x is not real floating.
    """
    x = _images("max_pool2d", x)
    given = kernel_size, stride, padding, dilation, ceil_mode
    options = _cached(_windows, "max_pool2d", x.shape, *given)
    return ops.MaxPool2d.do_forward(x, **options)


def avg_pool2d(
    x: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> TensorNode:
    """The mean of each window of images x (N, C, H, W): (N, C, OH, OW).

    Args:
        stride, padding, ceil_mode: as for `max_pool2d`, but zeros are around x.
        count_include_pad: whether these zeros count in the mean.
        divisor_override: what to divide the sums by, in place of the number of elements.

    Raises:
        ValueError, TypeError: as `max_pool2d`.
    """
    name, x = "avg_pool2d", _images("avg_pool2d", x)
    given = kernel_size, stride, padding, 1, ceil_mode, divisor_override
    found = _cached(_windows, name, x.shape, *given)
    options = {key: size for key, size in found.items() if key != "dilation"}
    y = ops.AvgPool2d.do_forward(x, **options)
    if divisor_override is not None:
        (divisor,) = sizes(name, 1, divisor_override=divisor_override)
        return y * (prod(options["kernel"]) / divisor)
    # Where windows go beyond what counts, y is too small: what it is for ones says by how much.
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


def adaptive_avg_pool2d(x: Any, output_size: Any) -> TensorNode:
    """The means of windows of images x (N, C, H, W), so many as to give (N, C, *output_size);
    of size 1, the mean of each channel ("global" pooling).

    Windows overlap where the size of x is no multiple of that of the result.

    Args:
        output_size: a number, or a pair; in it, `None` keeps the size of x.

    Raises:
        ValueError: x is not of that shape, or empty; the size is not positive.
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


def output_sizes(name: str, output_size: Any, size: tuple[int, ...] = (1, 1)) -> tuple[int, ...]:
    """The output size as a pair, where `None` is what it is in `size`.

    Raises:
        ValueError: it is not positive.
    """
    if output_size is None:
        output_size = size
    elif isinstance(output_size, list | tuple) and len(output_size) == 2:
        pairs = zip(output_size, size, strict=True)
        output_size = tuple([n if o is None else o for o, n in pairs])
    return sizes(name, 2, output_size=output_size)


def _images(name: str, x: Any) -> Any:
    """x as a node or array, once it is seen to be real floating."""
    x = node_or_array(x)
    check_floating(name, value_of(x))
    return x


def _averages(like: Any, n: int, parts: int) -> Any:
    """The matrix (parts, n) that takes n elements to the means of that many parts of them."""
    xp = namespace(like)
    i = xp.expand_dims(xp.arange(parts, device=like.device), axis=1)
    starts, ends = i * n // parts, ((i + 1) * n + parts - 1) // parts
    j = xp.arange(n, device=like.device)
    within = xp.astype((j >= starts) & (j < ends), like.dtype)
    return within / xp.astype(ends - starts, like.dtype)


def window_sizes(
    name: str,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    divisor_override: Any = None,
    ceil_mode: bool = False,  # noqa: ARG001 (any will do, and so with the next)
    count_include_pad: bool = True,  # noqa: ARG001
) -> tuple[Any, Any, Any, Any]:
    """Kernel, stride, padding and dilation of a pooling function, as pairs.

    Raises:
        ValueError: one of them, or the divisor, is out of range.
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
    shape: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    divisor: Any = None,
) -> Mapping[str, Any]:
    """The options of a pooling op for x of this shape, once they are seen to fit."""
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
    options = {"kernel": kernels, "stride": strides, "padding": tuple(pads), "dilation": dilations}
    check_windows(name, f"(x {tuple(shape)})", shape[2:], **options)
    return MappingProxyType(options)
