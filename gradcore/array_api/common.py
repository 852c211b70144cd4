"""What the other files of this folder share: types, checks, and functions made from ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from textwrap import indent
from typing import Any

from ..backends import Array, Backend, default
from ..engine.arrays import (
    NUMBER_TYPES,
    integers,
    is_complex,
    is_discrete,
    is_floating,
    is_integer,
    namespace,
    value_of,
)
from ..engine.inputs import explained
from ..engine.operators import Operators
from ..graph import Op, TensorNode
from .docstrings import DOCSTRINGS

__all__ = [
    "Axis",
    "Device",
    "NodeOrArray",
    "Shape",
    "axes_from_front",
    "axis_from_front",
    "binary",
    "call_library",
    "check_device",
    "check_matrices",
    "device_of_new",
    "documented",
    "floating",
    "is_complex",
    "unary",
]

NodeOrArray = TensorNode | Array  # given nodes, functions give nodes; given arrays, arrays
Axis = int | tuple[int, ...] | None  # of a reduction; `None` is all axes
Shape = tuple[int, ...]
Device = Any  # a device of the array's library


# -- Functions made from ops ----------------------------------------------------------------------


def unary(op: type[Op], name: str) -> Callable[[NodeOrArray], NodeOrArray]:
    """Make the standard's function `name(x)` from an op: a node gives a node, an array an array."""

    def function(x: NodeOrArray, /) -> NodeOrArray:
        return op.do_forward(x) if isinstance(x, Operators) else op.forward({}, x)

    return documented(function, name, f"by the op {op.__name__}")


def binary(op: type[Op], name: str) -> Callable[[NodeOrArray, NodeOrArray], NodeOrArray]:
    """Make the standard's function `name(x1, x2)` from an op. If x1 or x2 is a node, the result
    is a node; otherwise it is an array."""

    def function(x1: NodeOrArray, x2: NodeOrArray, /) -> NodeOrArray:
        if isinstance(x1, Operators) or isinstance(x2, Operators):
            return op.do_forward(x1, x2)
        return op.forward({}, x1, x2)

    return documented(function, name, f"by the op {op.__name__}")


def documented(function: Any, name: str, how: str) -> Any:
    """Give a function its name, and a docstring: what it does, the standard's page, an example."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = "gradcore.array_api"  # where pickle finds it
    page = f"https://data-apis.org/array-api/2025.12/API_specification/generated/array_api.{name}"
    sentence, example = DOCSTRINGS[name]
    said = f"{sentence}\n\nThis is the standard's {name}, {how}: {page}.html"
    function.__doc__ = f"{said}\n\nExample:\n{indent(example, '    ')}\n"
    return function


def call_library(name: str, raw: Sequence[Array], **constants: Any) -> Any:
    """Call the function `name` of the arrays' own library. Errors name the function and describe
    the arrays."""
    try:
        return getattr(namespace(*raw), name)(*raw, **constants)
    except (ValueError, TypeError, IndexError, OverflowError, RuntimeError) as error:
        raise explained(error, name, [*raw]) from error
    except AttributeError as error:  # of `reshape` without a copy, before array-api-compat 1.16
        raise explained(ValueError(str(error)), name, [*raw]) from error


# -- Axes, shapes, devices and dtypes -------------------------------------------------------------


def axis_from_front(name: str, axis: int, ndim: int) -> int:
    """Count an axis from the front: of 3 dimensions, -1 is 2.

    Raises:
        IndexError: there is no such axis; the message begins with `name`.
        TypeError: the axis is not an integer.
    """
    if not is_integer(axis):
        raise TypeError(f"{name}: axis is {axis!r}, expected an integer")
    if not -ndim <= axis < ndim:
        raise IndexError(f"{name}: axis {axis} is out of range for {ndim} dimensions")
    return index(axis) % ndim


def axes_from_front(name: str, axis: int | Sequence[int], ndim: int) -> list[int]:
    """Count one axis or several from the front: of 3 dimensions, (0, -1) are [0, 2].

    Raises:
        IndexError: there is no such axis.
        ValueError: two of them are one axis.
    """
    axes = [axis_from_front(name, a, ndim) for a in integers(axis)]
    if len({*axes}) < len(axes):
        raise ValueError(f"{name}: axis {axis} names one axis twice (of {ndim} dimensions)")
    return axes


def check_matrices(name: str, x: NodeOrArray) -> None:
    """Raise ValueError unless x has at least two dimensions."""
    if x.ndim < 2:
        raise ValueError(f"{name}: x has shape {tuple(x.shape)}, expected matrices (..., M, N)")


def check_device(name: str, x: NodeOrArray, device: Device | None) -> None:
    """Raise ValueError unless x is on the device, or the device is `None`."""
    if device is not None and device != x.device:
        raise ValueError(f"{name}: an array on {x.device} can't be moved to {device} in a graph")


def device_of_new(backend: Backend, device: Device | None) -> Device | None:
    """Choose the device of new arrays: the one given; else the default backend's, if that is of the
    same library; else the library's own choice, `None`."""
    chosen = default()
    return chosen.device if device is None and chosen.name == backend.name else device


def floating(x: NodeOrArray) -> NodeOrArray:
    """Give x, or if x has integers or booleans, x in float32: for functions whose results are no
    integers."""
    if isinstance(x, Operators) and x._requires_grad:  # as most do, and is known at once
        return x
    value = value_of(x)
    if type(value) in NUMBER_TYPES or is_floating(value) or not is_discrete(value):
        return x
    xp = namespace(x)
    return xp.astype(x, xp.float32)
