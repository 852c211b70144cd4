"""Windows of sequences, images and volumes: what functions of pooling share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from .. import ops
from ..array_api.common import NodeOrArray, Shape
from ..engine.arrays import check_floating, is_integer, node_or_array, value_of
from ..graph import TensorNode
from ..ops.convolution import AXES, check_windows
from .sizes import Size, sizes

__all__ = ["as_batch", "by_planes", "real_floating", "window_options", "window_sizes"]


def real_floating(name: str, x: NodeOrArray) -> NodeOrArray:
    """Convert x to a node or an array, and check that it is real floating."""
    x = node_or_array(x)
    check_floating(name, value_of(x))
    return x


def as_batch(name: str, axes: int, x: NodeOrArray) -> tuple[NodeOrArray, bool]:
    """Check x, and make one x without a batch a batch of one; say whether that was so."""
    x = real_floating(name, x)
    is_one = len(x.shape) == axes + 1
    return (ops.Unsqueeze.do_forward(x, dim=0) if is_one else x), is_one


def by_planes(
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
def window_options(
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
