"""Modules that change the shape of their input, and one that changes nothing."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import ops
from ..backends import Array
from ..engine.arrays import raw_array
from ..graph import TensorNode
from .module import Module

__all__ = ["Flatten", "Identity", "Unflatten"]


class Identity(Module):
    """Give x as it is. Arguments, of any kind, are without effect."""

    def __init__(self, *args: Any, **options: Any) -> None:
        del args, options

    def forward(self, x: Any) -> Any:
        return x


class Flatten(Module):
    """Put the axes of x from `start_dim` to `end_dim` into one; by default, make each instance of
    x (N, ...) a row: (N, M).

    Raises:
        IndexError: x has no such axis.
        ValueError: `start_dim` comes after `end_dim`.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: TensorNode | Array) -> TensorNode:
        shape = tuple(raw_array(x).shape)
        is_default = (self.start_dim, self.end_dim) == (1, -1)
        if not shape and is_default:
            return ops.Reshape.do_forward(x, shape=(1,))
        if not shape or (len(shape) == 1 and is_default):
            shape = (*shape, 1)  # numbers, one in each row
        start, end = (_axis(self, i, shape) for i in (self.start_dim, self.end_dim))
        if start > end:
            raise ValueError(f"{self!r}: for x {shape}, the first axis comes after the last")
        middle = prod(shape[start : end + 1])
        return ops.Reshape.do_forward(x, shape=(*shape[:start], middle, *shape[end + 1 :]))

    def __repr__(self) -> str:
        given = (self.start_dim, self.end_dim)
        return f"Flatten{given if given != (1, -1) else '()'}"


class Unflatten(Module):
    """Replace an axis of x by axes of these sizes, of which one may be -1: the rest.

    Args:
        axis: the axis.
        unflattened_size: the sizes.

    Raises:
        IndexError: x has no such axis.
        ValueError: the sizes do not fit.
    """

    def __init__(self, axis: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        self.axis, self.unflattened_size = axis, tuple(unflattened_size)

    def forward(self, x: TensorNode | Array) -> TensorNode:
        shape = tuple(raw_array(x).shape)
        axis, sizes = _axis(self, self.axis, shape), list(self.unflattened_size)
        known = prod([n for n in sizes if n != -1])
        if sizes.count(-1) == 1 and known:
            sizes[sizes.index(-1)] = shape[axis] // known
        if prod(sizes) != shape[axis] or min(sizes, default=0) < 0:
            several = -1 in self.unflattened_size
            raise ValueError(
                f"{self!r}: axis {axis} of x {shape} has {shape[axis]} elements, expected "
                f"{'a multiple of ' if several else ''}{known}"
            )
        return ops.Reshape.do_forward(x, shape=(*shape[:axis], *sizes, *shape[axis + 1 :]))

    def __repr__(self) -> str:
        return f"Unflatten({self.axis}, {self.unflattened_size})"


def _axis(module: Module, i: int, shape: tuple[int, ...]) -> int:
    """Count an axis from the front."""
    if not -len(shape) <= i < len(shape):
        raise IndexError(f"{module!r}: x {shape} has no axis {i}")
    return i % len(shape)
