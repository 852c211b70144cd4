"""Modules that change the shape of their input, and one that changes nothing."""

from __future__ import annotations

from typing import Any

from .. import functions
from ..array_api.common import NodeOrArray
from ..backends import Array
from ..engine.arrays import node_or_array
from ..functions.comparison import as_node
from ..graph import TensorNode
from .module import Module

__all__ = ["Flatten", "Identity", "Unflatten"]


class Identity(Module):
    """Give x as it is. Arguments, of any kind, are without effect.

    Example:
        >>> print(nn.Identity()(TensorNode([1.0, 2.0])))
        [1. 2.]
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        del args, options

    def forward(self, x: Any) -> Any:
        return x


class Flatten(Module):
    """Put the axes of x from `start_axis` to `end_axis` into one; by default, make each instance of
    x (N, ...) a row: (N, M).

    Raises:
        IndexError: x has no such axis.
        ValueError: `start_axis` comes after `end_axis`.

    Example:
        >>> print(nn.Flatten()(gradcore.ones((4, 3, 8, 8))).shape)
        (4, 192)
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: TensorNode | Array) -> NodeOrArray:
        x = as_node(node_or_array(x))
        if x.ndim == 1 and (self.start_axis, self.end_axis) == (1, -1):
            return functions.unsqueeze(x, axis=1)  # numbers, one in each row
        return functions.flatten(x, self.start_axis, self.end_axis)

    def __repr__(self) -> str:
        given = (self.start_axis, self.end_axis)
        return f"Flatten{given if given != (1, -1) else '()'}"


class Unflatten(Module):
    """Replace an axis of x by axes of these sizes, of which one may be -1: the rest.

    Args:
        axis: the axis.
        unflattened_size: the sizes.

    Raises:
        IndexError: x has no such axis.
        ValueError: the sizes do not fit.

    Example:
        >>> print(nn.Unflatten(1, (3, 8, -1))(gradcore.ones((4, 192))).shape)
        (4, 3, 8, 8)
    """

    def __init__(self, axis: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        self.axis, self.unflattened_size = axis, tuple(unflattened_size)

    def forward(self, x: TensorNode | Array) -> NodeOrArray:
        return functions.unflatten(as_node(node_or_array(x)), self.axis, self.unflattened_size)

    def __repr__(self) -> str:
        return f"Unflatten({self.axis}, {self.unflattened_size})"
