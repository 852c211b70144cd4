"""Make arrays, on the default backend or like a given one; dtypes and constants."""

from __future__ import annotations

from math import e, inf, nan, pi
from operator import index
from typing import Any

import numpy as np
from numpy import (
    bool_,
    complex64,
    complex128,
    dtype,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)

from .. import array_api as xp
from ..backends import BACKEND_OF_TYPE
from ..engine.arrays import integers, value_of
from ..engine.operators import Operators
from .common import Place, as_node_or_array, cast, dtype_there, place_of

__all__ = [
    "arange",
    "array",
    "asarray",
    "bool_",
    "complex64",
    "complex128",
    "dtype",
    "e",
    "empty",
    "empty_like",
    "eye",
    "float16",
    "float32",
    "float64",
    "full",
    "full_like",
    "identity",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "linspace",
    "nan",
    "ndarray",
    "newaxis",
    "ones",
    "ones_like",
    "pi",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "zeros",
    "zeros_like",
]

newaxis = None


class _Arrays(type):
    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Operators) or type(x) in BACKEND_OF_TYPE


class ndarray(metaclass=_Arrays):  # noqa: N801 (NumPy's name)
    """What nodes, and arrays of all backends, are instances of. Make arrays by `array`, `zeros`."""


def array(
    object: Any, dtype: Any = None, *, copy: bool | None = True, order: str = "K",  # noqa: A002
    subok: bool = False, ndmin: int = 0, like: Any = None,
) -> Any:  # fmt: skip
    """Make an array of numbers, in NumPy's dtype: floats in float64. If there are nodes among them,
    the result is a node, and has their gradients."""
    x = as_node_or_array(object, dtype)
    x = xp.astype(x, x.dtype, copy=True) if copy and x is object else x
    return xp.reshape(x, (1,) * (ndmin - x.ndim) + tuple(x.shape)) if x.ndim < ndmin else x


def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: bool | None = None,
    like: Any = None,
) -> Any:  # fmt: skip
    """Make an array of numbers, as `array` does; nodes and arrays stay."""
    return array(a, dtype, copy=bool(copy))


def _new(name: str, *inputs: Any, dtype: Any, place: Place | None = None) -> Any:
    """Call the creating function `name` of the library at a place."""
    backend, device = place or place_of()
    there = dtype_there(dtype, backend, device)
    return getattr(backend.xp, name)(*inputs, dtype=there, device=device)


def zeros(
    shape: Any, dtype: Any = np.float64, order: str = "C", *, device: Any = None, like: Any = None
) -> Any:
    """Make an array of zeros."""
    return _new("zeros", integers(shape), dtype=dtype)


def ones(
    shape: Any, dtype: Any = np.float64, order: str = "C", *, device: Any = None, like: Any = None
) -> Any:
    """Make an array of ones."""
    return _new("ones", integers(shape), dtype=dtype)


def empty(
    shape: Any, dtype: Any = np.float64, order: str = "C", *, device: Any = None, like: Any = None
) -> Any:
    """Make an array whose elements are to be set."""
    return _new("empty", integers(shape), dtype=dtype)


def full(
    shape: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "C",
    *,
    device: Any = None,
    like: Any = None,
) -> Any:
    """Make an array of one value, or of values that are broadcast; if these are nodes, the result
    is a node."""
    return xp.broadcast_to(as_node_or_array(fill_value, dtype), integers(shape))


def _like(a: Any, value: Any, dtype: Any, shape: Any) -> Any:
    """Make an array with the shape, dtype and place of a, unless told otherwise."""
    raw = value_of(as_node_or_array(a))
    place = place_of(raw)
    sizes = tuple(raw.shape) if shape is None else integers(shape)
    backend, device = place
    there = dtype_there(raw.dtype if dtype is None else dtype, *place)
    return backend.xp.full(sizes, value, dtype=there, device=device)


def zeros_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """Make an array of zeros like a."""
    return _like(a, 0, dtype, shape)


def ones_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """Make an array of ones like a."""
    return _like(a, 1, dtype, shape)


def empty_like(
    prototype: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """Make an array like the prototype whose elements are to be set."""
    return _like(prototype, 0, dtype, shape)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None, *, device: Any = None,
) -> Any:  # fmt: skip
    """Make an array like a, of one value, or of values that are broadcast."""
    a = as_node_or_array(a)
    value = cast(
        as_node_or_array(fill_value, None, place_of(a)), a.dtype if dtype is None else dtype
    )
    return xp.broadcast_to(value, tuple(a.shape) if shape is None else integers(shape))


def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: Any = float,
    order: str = "C",
    *,
    device: Any = None,
    like: Any = None,
) -> Any:
    """Make a matrix (N, M) with ones in diagonal k."""
    backend, device = place_of()
    return backend.xp.eye(
        index(N), M, k=k, dtype=dtype_there(dtype, backend, device), device=device
    )


def identity(n: int, dtype: Any = float, *, like: Any = None) -> Any:
    """Make the identity matrix (n, n)."""
    return eye(n, dtype=dtype)


def arange(
    *args: Any, dtype: Any = None, device: Any = None, like: Any = None, **named: Any
) -> Any:
    """Make the vector start, start + step, ..., below stop."""
    return as_node_or_array(np.arange(*args, dtype=dtype, **named))


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """Make `num` numbers from start to stop, at equal distances."""
    return as_node_or_array(np.linspace(start, stop, num, endpoint, retstep, dtype, axis))
