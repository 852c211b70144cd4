"""Layers that put elements around x; arguments are those of torch.nn."""

from __future__ import annotations

from typing import ClassVar

from ..backends import Array
from ..engine.arrays import is_integer, node_or_array
from ..functions.padding import pad
from ..graph import TensorNode
from ..ops.convolution import AXES
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

Padding = int | tuple[int, ...]  # of all sides, or of each, the last axis first


class _Pad(Module):
    """Put more elements around x, as `gradcore.pad` does; or cut off elements, where the padding is
    negative.

    Args:
        padding: how many: one number for all sides, or before and after along the last axis, then
            before and after along the last but one, and so on.

    Raises:
        ValueError: `padding` is neither; or, in a call, x has another number of axes.
    """

    axes: ClassVar[int] = 0
    mode: ClassVar[str] = "constant"
    value: float = 0.0

    def __init__(self, padding: Padding) -> None:
        name, n = type(self).__name__, 2 * self.axes
        self.padding = tuple(padding) if isinstance(padding, list | tuple) else (padding,) * n
        if len(self.padding) != n or not all(map(is_integer, self.padding)):
            raise ValueError(f"{name}: padding = {padding!r}, expected an integer, or {n} of them")

    def forward(self, x: TensorNode | Array) -> TensorNode:
        x = node_or_array(x)
        if x.ndim < self.axes or (self.mode != "constant" and x.ndim - self.axes not in (1, 2)):
            places = AXES[self.axes][0]
            expected = f"expected (N, C, {places}) or (C, {places})"
            raise ValueError(f"{type(self).__name__}: x has shape {tuple(x.shape)}, {expected}")
        return pad(x, self.padding, self.mode, self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.padding})"


class _ConstantPad(_Pad):
    """Put a constant around x.

    Args:
        value: the constant.
    """

    def __init__(self, padding: Padding, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.padding}, {self.value})"


class ConstantPad1d(_ConstantPad):
    """Put `value` around sequences (N, C, L) or (C, L): (left, right), or one number.

    Example:
        >>> print(nn.ConstantPad1d((1, 2), 9.0)(TensorNode([[1.0, 2.0]])))
        [[9. 1. 2. 9. 9.]]
    """

    axes = 1


class ConstantPad2d(_ConstantPad):
    """Put `value` around images (N, C, H, W) or (C, H, W):
    (left, right, top, bottom), or one number.

    Example:
        >>> print(nn.ConstantPad2d((1, 0, 0, 1), 9.0)(TensorNode([[[1.0, 2.0]]])).tolist())
        [[[9.0, 1.0, 2.0], [9.0, 9.0, 9.0]]]
    """

    axes = 2


class ConstantPad3d(_ConstantPad):
    """Put `value` around volumes (N, C, D, H, W) or (C, D, H, W):
    (left, right, top, bottom, front, back), or one number.

    Example:
        >>> print(nn.ConstantPad3d(1, 9.0)(gradcore.ones((8, 3, 4, 4, 4))).shape)
        (8, 3, 6, 6, 6)
    """

    axes = 3


class ZeroPad1d(_Pad):
    """Put zeros around sequences (N, C, L) or (C, L): (left, right), or one number.

    Example:
        >>> print(nn.ZeroPad1d((1, 2))(TensorNode([[1.0, 2.0]])))
        [[0. 1. 2. 0. 0.]]
    """

    axes = 1


class ZeroPad2d(_Pad):
    """Put zeros around images (N, C, H, W) or (C, H, W):
    (left, right, top, bottom), or one number.

    Example:
        >>> print(nn.ZeroPad2d(1)(gradcore.ones((8, 3, 4, 4))).shape)
        (8, 3, 6, 6)
    """

    axes = 2


class ZeroPad3d(_Pad):
    """Put zeros around volumes (N, C, D, H, W) or (C, D, H, W):
    (left, right, top, bottom, front, back), or one number.

    Example:
        >>> print(nn.ZeroPad3d(1)(gradcore.ones((8, 3, 4, 4, 4))).shape)
        (8, 3, 6, 6, 6)
    """

    axes = 3


class CircularPad1d(_Pad):
    """Put those from the other end around sequences (N, C, L) or (C, L):
    (left, right), or one number.

    Example:
        >>> print(nn.CircularPad1d(1)(TensorNode([[1.0, 2.0, 3.0]])))
        [[3. 1. 2. 3. 1.]]
    """

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """Put those from the other end around images (N, C, H, W) or (C, H, W):
    (left, right, top, bottom), or one number.

    Example:
        >>> print(nn.CircularPad2d((1, 1, 0, 0))(TensorNode([[[1.0, 2.0, 3.0]]])))
        [[[3. 1. 2. 3. 1.]]]
    """

    axes, mode = 2, "circular"


class CircularPad3d(_Pad):
    """Put those from the other end around volumes (N, C, D, H, W) or (C, D, H, W):
    (left, right, top, bottom, front, back), or one number.

    Example:
        >>> print(nn.CircularPad3d(1)(gradcore.ones((8, 3, 4, 4, 4))).shape)
        (8, 3, 6, 6, 6)
    """

    axes, mode = 3, "circular"


class ReflectionPad1d(_Pad):
    """Put elements mirrored at the outermost one around sequences (N, C, L) or (C, L):
    (left, right), or one number.

    Example:
        >>> print(nn.ReflectionPad1d(1)(TensorNode([[1.0, 2.0, 3.0]])))
        [[2. 1. 2. 3. 2.]]
    """

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Put elements mirrored at the outermost one around images (N, C, H, W) or (C, H, W):
    (left, right, top, bottom), or one number.

    Example:
        >>> print(nn.ReflectionPad2d((1, 1, 0, 0))(TensorNode([[[1.0, 2.0, 3.0]]])))
        [[[2. 1. 2. 3. 2.]]]
    """

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Put elements mirrored at the outermost one around volumes (N, C, D, H, W) or (C, D, H, W):
    (left, right, top, bottom, front, back), or one number.

    Example:
        >>> print(nn.ReflectionPad3d(1)(gradcore.ones((8, 3, 4, 4, 4))).shape)
        (8, 3, 6, 6, 6)
    """

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Put the outermost element around sequences (N, C, L) or (C, L):
    (left, right), or one number.

    Example:
        >>> print(nn.ReplicationPad1d(1)(TensorNode([[1.0, 2.0, 3.0]])))
        [[1. 1. 2. 3. 3.]]
    """

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Put the outermost element around images (N, C, H, W) or (C, H, W):
    (left, right, top, bottom), or one number.

    Example:
        >>> print(nn.ReplicationPad2d((1, 1, 0, 0))(TensorNode([[[1.0, 2.0, 3.0]]])))
        [[[1. 1. 2. 3. 3.]]]
    """

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Put the outermost element around volumes (N, C, D, H, W) or (C, D, H, W):
    (left, right, top, bottom, front, back), or one number.

    Example:
        >>> print(nn.ReplicationPad3d(1)(gradcore.ones((8, 3, 4, 4, 4))).shape)
        (8, 3, 6, 6, 6)
    """

    axes, mode = 3, "replicate"
