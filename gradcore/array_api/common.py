"""TODO"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends import backend_of
from ..engine.arrays import namespace, value_of
from ..engine.inputs import explained
from ..engine.operators import Operators
from ..graph import Op

__all__ = [
    "Axis",
    "axis_from_front",
    "axis_tuple",
    "check_matrices",
    "documented",
    "is_complex",
    "of_library",
    "of_one",
    "of_two",
    "on_device",
]

Axis = int | tuple[int, ...] | None


def documented(function: Any, name: str, of: str) -> Any:
    function.__name__ = function.__qualname__ = name
    page = f"https://data-apis.org/array-api/2024.12/API_specification/generated/array_api.{name}"
    function.__doc__ = f"The standard's {name}, {of}.\n\n{page}.html"
    return function


def on_device(name: str, x: Any, device: Any) -> Any:
    if device is not None and device != x.device:
        raise ValueError(f"{name}: an array on {x.device} can't be moved to {device} in a graph")
    return x


def axis_from_front(name: str, axis: int, ndim: int) -> int:
    """The axis, counted from the front."""
    if not -ndim <= axis < ndim:
        raise IndexError(f"{name}: axis {axis} is out of range for {ndim} dimensions")
    return axis % ndim


def axis_tuple(axis: int | tuple[int, ...]) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def check_matrices(name: str, x: Any) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: x has shape {tuple(x.shape)}, expected matrices (..., M, N)")


def of_library(name: str, raw: list[Any], **constants: Any) -> Any:
    """The function of that name of the arrays' own library; errors name it and the arrays."""
    try:
        return getattr(namespace(*raw), name)(*raw, **constants)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise explained(error, name, raw) from error


def is_complex(x: Any) -> bool:
    return backend_of(value_of(x)).xp.isdtype(x.dtype, "complex floating")


def of_one(op: type[Op], name: str) -> Callable[..., Any]:
    """The op as a function with the standard's signature: nodes in, nodes out; else arrays."""

    def function(x: Any, /) -> Any:
        return op.do_forward(x) if isinstance(x, Operators) else op.forward({}, x)

    return documented(function, name, f"by the op {op.__name__}")


def of_two(op: type[Op], name: str) -> Callable[..., Any]:

    def function(x1: Any, x2: Any, /) -> Any:
        if isinstance(x1, Operators) or isinstance(x2, Operators):
            return op.do_forward(x1, x2)
        return op.forward({}, x1, x2)

    return documented(function, name, f"by the op {op.__name__}")
