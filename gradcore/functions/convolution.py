"""Convolutions and pooling.

Arguments are those of torch.nn.functional
(https://docs.pytorch.org/docs/stable/nn.functional.html), where x, w and b are input, weight and
bias. Each function takes nodes, or arrays as constants. A size along both axes of images is a
number, or a pair, for rows and columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from numbers import Integral
from types import MappingProxyType
from typing import Any

from .. import array_api, ops
from ..engine.arrays import check_floating, describe, node_or_array, value_of
from ..graph import TensorNode
from ..ops.convolution import check_convolution, check_size
from .padding import pad

__all__ = ["conv1d", "conv2d", "conv_transpose2d"]


Size = int | tuple[int, ...]


def conv2d(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> TensorNode:
    """The convolution (cross-correlation, to be exact) of images with a kernel: the sum of products
    of each window of x with w, plus b.

    Args:
        x: (N, C, H, W).
        w: (O, C / groups, KH, KW).
        b: (O,), or `None`.
        stride: from one window to the next.
        padding: how many zeros are put around x; "same": as many as keep its size, which needs
            stride 1; "valid": none.
        dilation: from one element of the kernel to the next.
        groups: into how many parts the channels of x, and those of the result, are divided; each
            part of the result sees one part of x.

    Returns:
        (N, O, OH, OW).

    Raises:
        ValueError: the shapes do not fit, x has a side of 0, the kernel is larger than the padded
            x, or an option is out of range.
        TypeError: x, w and b are not of one dtype, or that is not real floating.
    """
    inputs, options = _prepared("conv2d", 2, x, w, b, stride, padding, dilation, groups)
    return ops.Conv2d.do_forward(*inputs, **options)


def conv1d(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> TensorNode:
    """The convolution of sequences x (N, C, L) with w (O, C / groups, K), plus b (O,): (N, O, OL).

    Arguments and errors are as those of `conv2d`, but for the number of axes.
    """
    inputs, options = _prepared("conv1d", 1, x, w, b, stride, padding, dilation, groups)
    # Images of one row.
    inputs[:2] = [ops.Unsqueeze.do_forward(part, dim=2) for part in inputs[:2]]
    rows = {"stride": 1, "padding": (0, 0), "dilation": 1}
    both = {name: (row, *options[name]) for name, row in rows.items()}
    y = ops.Conv2d.do_forward(*inputs, **both, groups=options["groups"])
    return ops.Squeeze.do_forward(y, dim=2)


def conv_transpose2d(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> TensorNode:
    """The transposed convolution of images: what `conv2d` makes of the gradient of its result to
    get that of its input, plus b.

    Args:
        x: (N, C, H, W).
        w: (C, O / groups, KH, KW).
        b: (O,), or `None`.
        stride: from one window of the result to the next.
        padding: how much is cut off around the result.
        output_padding: how much less of it at the bottom and on the right, as several sizes become
            one under a `conv2d` with a stride; less than the stride or the dilation.
        groups: as for `conv2d`.
        dilation: as for `conv2d`.

    Returns:
        (N, O, OH, OW), where OH = (H - 1) * stride - 2 * padding + dilation * (KH - 1) +
        output_padding + 1.

    Raises:
        ValueError: the shapes do not fit, x has a side of 0, nothing is left of the result, or an
            option is out of range.
        TypeError: x, w and b are not of one dtype, or that is not real floating.
    """
    name, axes = "conv_transpose2d", 2
    inputs, shapes = _of_one_dtype(name, x, w, b)
    x, w = inputs[:2]
    if not len(x.shape) == len(w.shape) == 4:
        expected = "x (N, C, H, W) and w (C, O / groups, KH, KW)"
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
    # Below a stride, conv2d would take no more windows, and so the result may be larger. Else less
    # is cut off at its end; and where that is not enough, zeros are added.
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
    y = ops.Conv2dInputGradient.do_forward(x, w, size=size, **options)
    if any(zeros for _, zeros in ends):
        y = pad(y, [(0, 0), (0, 0), *[(0, zeros) for _, zeros in ends]])
    return y if b is None else y + array_api.reshape(inputs[2], (-1, 1, 1))


def _prepared(
    name: str, axes: int, x: Any, w: Any, b: Any, *options: Any
) -> tuple[list[Any], Mapping[str, Any]]:
    """The inputs and options of a convolution along so many axes, once they are seen to fit."""
    inputs, _ = _of_one_dtype(name, x, w, b)
    return inputs, _cached(_options, name, axes, tuple([x.shape for x in inputs]), *options)


def _cached(function: Any, *arguments: Any) -> Any:
    """What a function with a cache gives; lists among the arguments become tuples."""
    arguments = tuple([tuple(x) if isinstance(x, list) else x for x in arguments])
    try:
        return function(*arguments)
    except TypeError:  # one can be no key of the cache; the function itself says what is expected
        return function.__wrapped__(*arguments)


@lru_cache(1024, typed=True)
def _options(
    name: str, axes: int, shapes: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Mapping[str, Any]:
    """The options for inputs of these shapes, as the op wants them."""
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


def _of_one_dtype(name: str, x: Any, w: Any, b: Any) -> tuple[list[Any], str]:
    """The inputs that there are, as nodes or arrays; and the shapes of two, for messages.

    Raises:
        TypeError: they differ in dtype, or are not real floating.
    """
    inputs = [node_or_array(part) for part in ((x, w) if b is None else (x, w, b))]
    kinds = [value_of(part) for part in inputs]
    if any(type(k) is type(kinds[0]) and k.dtype != kinds[0].dtype for k in kinds):
        found = ", ".join(f"{n} is {describe(k)}" for n, k in zip("xwb", kinds, strict=False))
        raise TypeError(f"{name}: {found}; give all one dtype, as in x.astype('float32')")
    check_floating(name, kinds[0])
    return inputs, f"(x {tuple(kinds[0].shape)}, w {tuple(kinds[1].shape)})"


def is_named(padding: Any) -> bool:
    return isinstance(padding, str) and padding in ("same", "valid")


def sizes(name: str, axes: int, least: int = 1, **arguments: Any) -> tuple[int, ...]:
    """The argument, a number for all axes or one for each, as a tuple.

    Raises:
        ValueError: it is something else, or less than `least`.
    """
    ((argument, size),) = arguments.items()
    sizes = tuple(size) if isinstance(size, list | tuple) else (size,) * axes
    if len(sizes) != axes or [n for n in sizes if not isinstance(n, Integral) or n < least]:
        what = "a positive integer" if least else "0 or a positive integer"
        several = "" if axes == 1 else ", or a pair"
        raise ValueError(f"{name}: {argument} = {size!r}, expected {what}{several}")
    return tuple(map(int, sizes))
