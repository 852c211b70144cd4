"""Convolutions of sequences, images and volumes.

The arguments are those of torch.nn.functional
(https://docs.pytorch.org/docs/stable/nn.functional.html), which calls x, w and b input, weight and
bias. Each function takes nodes, and arrays as constants. A size along both axes of images is one
number, or a pair: for rows, and for columns; of volumes there are three: the depth is first. One x
without a batch, such as (C, H, W), gives one result without a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from .. import array_api, ops
from ..array_api.common import NodeOrArray, Shape
from ..engine.arrays import check_floating, describe, is_complex, node_or_array, value_of
from ..graph import TensorNode
from ..ops.convolution import AXES, FAMILY, check_convolution, check_size
from .adaptive_pooling import adaptive_avg_pool2d  # noqa: F401 (was here)
from .pooling import avg_pool2d, max_pool2d  # noqa: F401 (were here)
from .sizes import Size, cached, is_named, sizes

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]


def conv2d(
    x: NodeOrArray,
    w: NodeOrArray,
    b: NodeOrArray | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> TensorNode:
    """Convolve images with a kernel: sum the products of each window of x and w, and add b. (To be
    exact, this is a cross-correlation: the kernel is not flipped.)

    Args:
        x: images (N, C, H, W), or one (C, H, W).
        w: the kernel (O, C / groups, KH, KW).
        b: the bias (O,), or `None`.
        stride: the distance from one window to the next.
        padding: how many zeros to put around x on each side; "same" puts as many as keep the size
            of x, and needs stride 1; "valid" puts none.
        dilation: the distance in x from one element of the kernel to the next.
        groups: the number of parts that the channels of x, and those of the result, are divided
            into. Each part of the result depends on one part of x.

    Returns:
        (N, O, OH, OW), or (O, OH, OW).

    Raises:
        ValueError: the shapes do not fit, x has a side of 0, the kernel is larger than the padded
            x, or an option is out of range.
        TypeError: x, w and b differ in dtype, or are not floating.

    Example:
        >>> images, w = TensorNode(np.ones((2, 3, 8, 8))), TensorNode(np.ones((16, 3, 5, 5)))
        >>> gradcore.conv2d(images, w).shape, gradcore.conv2d(images, w, padding="same").shape
        ((2, 16, 4, 4), (2, 16, 8, 8))
    """
    return _convolve("conv2d", 2, x, w, b, stride, padding, dilation, groups)


def conv1d(
    x: NodeOrArray,
    w: NodeOrArray,
    b: NodeOrArray | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> TensorNode:
    """Convolve sequences x (N, C, L) or (C, L) with w (O, C / groups, K), and add b (O,):
    (N, O, OL) or (O, OL).

    The arguments and errors are those of `conv2d`, for one axis in place of two.

    Example:
        >>> x, w = TensorNode([[[1.0, 2.0, 4.0, 8.0]]]), TensorNode([[[-1.0, 1.0]]])
        >>> print(gradcore.conv1d(x, w).value)  # each element minus the one before
        [[[1. 2. 4.]]]
    """
    return _convolve("conv1d", 1, x, w, b, stride, padding, dilation, groups)


def conv3d(
    x: NodeOrArray,
    w: NodeOrArray,
    b: NodeOrArray | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> TensorNode:
    """Convolve volumes x (N, C, D, H, W) or (C, D, H, W) with w (O, C / groups, KD, KH, KW), and
    add b (O,): (N, O, OD, OH, OW) or (O, OD, OH, OW).

    The arguments and errors are those of `conv2d`, for three axes in place of two.

    Example:
        >>> volumes, w = TensorNode(np.ones((2, 1, 8, 8, 8))), TensorNode(np.ones((4, 1, 3, 3, 3)))
        >>> gradcore.conv3d(volumes, w).shape
        (2, 4, 6, 6, 6)
    """
    return _convolve("conv3d", 3, x, w, b, stride, padding, dilation, groups)


def conv_transpose2d(
    x: NodeOrArray,
    w: NodeOrArray,
    b: NodeOrArray | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> TensorNode:
    """Convolve images transposed: add up copies of the kernel w, one for each element of x, times
    the element; and add b. `conv2d` computes the gradient of its input from the gradient of its
    result in this way.

    Args:
        x: images (N, C, H, W), or one (C, H, W).
        w: the kernel (C, O / groups, KH, KW).
        b: the bias (O,), or `None`.
        stride: the distance in the result from one copy of the kernel to the next.
        padding: how many elements to cut off the result on each side.
        output_padding: how many elements fewer to cut off at the bottom and on the right. With a
            stride, `conv2d` gives one size for inputs of several sizes; this number chooses among
            them. It must be less than the stride or less than the dilation.
        groups: as for `conv2d`.
        dilation: as for `conv2d`.

    Returns:
        (N, O, OH, OW) or (O, OH, OW), where OH = (H - 1) * stride - 2 * padding +
        dilation * (KH - 1) + output_padding + 1.

    Raises:
        ValueError: the shapes do not fit, x has a side of 0, nothing is left of the result, or an
            option is out of range.
        TypeError: x, w and b differ in dtype, or are not floating.

    Example:
        >>> x, w = TensorNode(np.ones((8, 16, 7, 7))), TensorNode(np.ones((16, 3, 2, 2)))
        >>> gradcore.conv_transpose2d(x, w, stride=2).shape  # twice as high and wide
        (8, 3, 14, 14)
    """
    options = stride, padding, output_padding, groups, dilation
    return _convolve_transposed("conv_transpose2d", 2, x, w, b, *options)


def conv_transpose1d(
    x: NodeOrArray,
    w: NodeOrArray,
    b: NodeOrArray | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> TensorNode:
    """Convolve sequences x (N, C, L) or (C, L) transposed, with w (C, O / groups, K), and add
    b (O,): (N, O, OL) or (O, OL).

    The arguments and errors are those of `conv_transpose2d`, for one axis in place of two.

    Example:
        >>> x, w = TensorNode([[[1.0, 2.0]]]), TensorNode([[[1.0, 1.0, 1.0]]])
        >>> print(gradcore.conv_transpose1d(x, w, stride=2).value)
        [[[1. 1. 3. 2. 2.]]]
    """
    options = stride, padding, output_padding, groups, dilation
    return _convolve_transposed("conv_transpose1d", 1, x, w, b, *options)


def conv_transpose3d(
    x: NodeOrArray,
    w: NodeOrArray,
    b: NodeOrArray | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> TensorNode:
    """Convolve volumes x (N, C, D, H, W) or (C, D, H, W) transposed, with
    w (C, O / groups, KD, KH, KW), and add b (O,): (N, O, OD, OH, OW) or (O, OD, OH, OW).

    The arguments and errors are those of `conv_transpose2d`, for three axes in place of two.

    Example:
        >>> x, w = TensorNode(np.ones((2, 4, 3, 3, 3))), TensorNode(np.ones((4, 1, 2, 2, 2)))
        >>> gradcore.conv_transpose3d(x, w, stride=2).shape
        (2, 1, 6, 6, 6)
    """
    options = stride, padding, output_padding, groups, dilation
    return _convolve_transposed("conv_transpose3d", 3, x, w, b, *options)


def _convolve(
    name: str, axes: int, x: NodeOrArray, w: NodeOrArray, b: NodeOrArray | None, *options: Any
) -> TensorNode:
    """Convolve along so many axes."""
    inputs = _of_one_dtype(name, x, w, b)
    is_one = _as_batch(axes, inputs)
    found = cached(_options, name, axes, tuple([x.shape for x in inputs]), *options)
    if axes == 1:
        found = _as_rows(inputs, found)
    y = FAMILY[max(axes, 2)][0].do_forward(*inputs, **found)
    return _without_rows(y, axes, is_one)


def _convolve_transposed(
    name: str,
    axes: int,
    x: NodeOrArray,
    w: NodeOrArray,
    b: NodeOrArray | None,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> TensorNode:
    """Convolve transposed, along so many axes."""
    inputs = _of_one_dtype(name, x, w, b)
    shapes = f"(x {tuple(inputs[0].shape)}, w {tuple(inputs[1].shape)})"
    is_one = _as_batch(axes, inputs)
    x, w = inputs[:2]
    if not len(x.shape) == len(w.shape) == 2 + axes:
        places, kernel = AXES[axes]
        expected = f"x (N, C, {places}) and w (C, O / groups, {kernel})"
        raise ValueError(f"{name}: expected {expected} {shapes}")
    check_size(name, shapes, x.shape[2:])
    strides, dilations = sizes(name, axes, stride=stride), sizes(name, axes, dilation=dilation)
    (groups,) = sizes(name, 1, groups=groups)
    if x.shape[1] != w.shape[0]:
        found = f"x has {x.shape[1]} channels but w expects {w.shape[0]}"
        raise ValueError(f"{name}: {found} {shapes}")
    if x.shape[1] % groups:
        expected = "a divisor of the channels of x"
        raise ValueError(f"{name}: groups = {groups}, expected {expected} {shapes}")
    if b is not None and tuple(inputs[2].shape) != (o := (w.shape[1] * groups,)):
        raise ValueError(f"{name}: b has shape {tuple(inputs[2].shape)}, expected {o} {shapes}")
    cuts = sizes(name, axes, padding=padding, least=0)
    more = sizes(name, axes, output_padding=output_padding, least=0)
    if any(q >= max(s, d) for q, s, d in zip(more, strides, dilations, strict=True)):
        expected = f"less than the stride, {stride}, or the dilation, {dilation}"
        raise ValueError(f"{name}: output_padding = {output_padding}, expected {expected}")
    # If output_padding is less than the stride, a convolution of a result that much larger has no
    # more windows, so its input gradient may be of this size. Otherwise cut less off the end of the
    # result; where output_padding is more than what would be cut off, append zeros.
    ends = [
        (p, 0) if q < s else (max(p - q, 0), max(q - p, 0))
        for p, q, s in zip(cuts, more, strides, strict=True)
    ]
    pads = tuple([(p, cut) for p, (cut, _) in zip(cuts, ends, strict=True)])
    larger = [q if q < s else 0 for q, s in zip(more, strides, strict=True)]
    parts = zip(x.shape[2:], w.shape[2:], strides, pads, dilations, larger, strict=True)
    size = tuple([(n - 1) * s + d * (k - 1) + 1 - sum(p) + q for n, k, s, p, d, q in parts])
    if min(size) < 1:
        raise ValueError(f"{name}: padding = {padding} leaves nothing of the result {shapes}")
    options = {"stride": strides, "padding": pads, "dilation": dilations, "groups": groups}
    if axes == 1:
        size, options = (1, *size), _as_rows(inputs, options)
    y = FAMILY[max(axes, 2)][1].do_forward(*inputs[:2], size=size, **options)
    y = _without_rows(y, axes, False)
    if any(zeros for _, zeros in ends):
        whole = [n + zeros for n, (_, zeros) in zip(y.shape[2:], ends, strict=True)]
        key = tuple([slice(n) for n in y.shape])
        y = ops.PutItem.do_forward(y, key=key, shape=(*y.shape[:2], *whole))
    y = y if b is None else y + array_api.reshape(inputs[2], (-1, *[1] * axes))
    return ops.Squeeze.do_forward(y, dim=0) if is_one else y


def _as_batch(axes: int, inputs: list[NodeOrArray]) -> bool:
    """Make of one x without a batch a batch of one, in `inputs`; say whether that was so."""
    is_one = len(inputs[0].shape) == axes + 1
    if is_one:
        inputs[0] = ops.Unsqueeze.do_forward(inputs[0], dim=0)
    return is_one


def _as_rows(inputs: list[NodeOrArray], options: Mapping[str, Any]) -> dict[str, Any]:
    """Make of sequences, and of their kernel, images of one row, in `inputs`; and give the options
    for these."""
    inputs[:2] = [ops.Unsqueeze.do_forward(part, dim=2) for part in inputs[:2]]
    rows = {"stride": 1, "padding": (0, 0), "dilation": 1}
    both = {name: (row, *options[name]) for name, row in rows.items()}
    return {**both, "groups": options["groups"]}


def _without_rows(y: TensorNode, axes: int, is_one: bool) -> TensorNode:
    """Undo what `_as_rows` and `_as_batch` did."""
    y = ops.Squeeze.do_forward(y, dim=2) if axes == 1 else y
    return ops.Squeeze.do_forward(y, dim=0) if is_one else y


@lru_cache(1024, typed=True)
def _options(
    name: str,
    axes: int,
    shapes: tuple[Shape, ...],
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
) -> Mapping[str, Any]:
    """Check the options against the shapes of x, w and b, and give them as the op wants them."""
    options: dict[str, Any] = {
        "stride": sizes(name, axes, stride=stride),
        "dilation": sizes(name, axes, dilation=dilation),
        "groups": sizes(name, 1, groups=groups)[0],
    }
    if is_named(padding) and padding == "same" and len(shapes[1]) == 2 + axes:
        if max(options["stride"]) > 1:
            raise ValueError(f"{name}: padding = 'same' needs stride = 1, not {stride}")
        spans = [d * (k - 1) for d, k in zip(options["dilation"], shapes[1][2:], strict=True)]
        options["padding"] = tuple([(n // 2, n - n // 2) for n in spans])
    else:
        pads = sizes(name, axes, padding=0 if is_named(padding) else padding, least=0)
        options["padding"] = tuple([(p, p) for p in pads])
    check_convolution(name, *shapes, **options)
    return MappingProxyType(options)


def _of_one_dtype(
    name: str, x: NodeOrArray, w: NodeOrArray, b: NodeOrArray | None
) -> list[NodeOrArray]:
    """Give x, w and b (unless it is `None`) as nodes or arrays.

    Raises:
        TypeError: the inputs differ in dtype, or are not floating.
    """
    inputs = [node_or_array(part) for part in ((x, w) if b is None else (x, w, b))]
    first, *others = kinds = [value_of(part) for part in inputs]
    if any(type(k) is type(first) and k.dtype != first.dtype for k in others):
        found = ", ".join(f"{n} is {describe(k)}" for n, k in zip("xwb", kinds, strict=False))
        raise TypeError(f"{name}: {found}; give all one dtype, as in x.astype('float32')")
    if not is_complex(first):
        check_floating(name, first)
    return inputs
