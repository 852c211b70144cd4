"""The array API namespace of the ONNX backend: ndonnx's, but where one operator of ONNX says what
ndonnx says with several."""

# ruff: noqa: A001, A004, F403 (the functions of the standard hide those of Python, as `max`)
from __future__ import annotations

import builtins
import warnings
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

with warnings.catch_warnings():
    # ndonnx says that ONNX Runtime would compute constants faster. There are few.
    warnings.filterwarnings("ignore", "onnxruntime is not installed")
    import ndonnx

import numpy as np
import spox.opset.ai.onnx.v21 as op
from ndonnx import *
from ndonnx import Array, bool

__all__ = [
    "__array_namespace_info__",
    "astype",
    "bool",
    "cumulative_prod",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "reshape",
    "take",
    "unstack",
]

if TYPE_CHECKING:  # type checkers don't see what ndonnx has

    def __getattr__(name: str) -> Any: ...


of = ndonnx.asarray  # makes an array of what an operator gives


class Info(type(ndonnx.__array_namespace_info__())):  # type: ignore[misc]
    """What ndonnx says of itself; of dtypes, those of the kind that is asked for."""

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        found = super().dtypes(device=device, kind=kind)
        return {n: t for n, t in found.items() if kind is None or ndonnx.isdtype(t, kind)}


__array_namespace_info__ = Info


def astype(x: Array, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Array:  # noqa: ARG001
    return x if x.dtype == dtype else ndonnx.astype(x, dtype)


def cumulative_prod(
    x: Array, /, *, axis: Any = None, dtype: Any = None, include_initial: Any = False
) -> Array:
    """Multiply up, step by step. (ndonnx adds logarithms, which negative numbers have none of.)"""
    axis, x = (0 if axis is None else axis), x if dtype is None else astype(x, dtype)
    products = [ndonnx.ones_like(entry(x, 0, axis))] if include_initial else []
    for part in unstack(x, axis=axis):
        products.append(products[-1] * part if products else part)
    return ndonnx.stack(products, axis=axis)


def matmul(a: Array, b: Array, /) -> Array:
    """Multiply matrices; ndonnx has more operators for those without rows or columns."""
    if a.dtype != b.dtype or 0 in (*a.shape, *b.shape):
        return ndonnx.matmul(a, b)
    return of(op.matmul(a.unwrap_spox(), b.unwrap_spox()))


def maximum(a: Any, b: Any, /) -> Array:
    """Give the larger of each two elements: ReLU, if b is the number 0.0."""
    if type(b) is float and b == 0.0 and ndonnx.isdtype(a.dtype, "real floating"):
        return of(op.relu(a.unwrap_spox()))
    return ndonnx.maximum(a, b)


def mean(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
    return _reduced(ndonnx.mean, op.reduce_mean, x, axis, keepdims)


def max(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
    return _reduced(ndonnx.max, op.reduce_max, x, axis, keepdims)


def min(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
    return _reduced(ndonnx.min, op.reduce_min, x, axis, keepdims)


def _reduced(function: Any, operator: Any, x: Array, axis: Any, keepdims: Any) -> Array:
    """Reduce axes by one operator, where there is something to reduce; ndonnx asks in the file
    whether there is."""
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if not axes or 0 in x.shape or not ndonnx.isdtype(x.dtype, "real floating"):
        return function(x, axis=axis, keepdims=keepdims)
    if builtins.any(not -x.ndim <= a < x.ndim for a in axes):
        raise IndexError(f"axis {axis} is out of bounds for {x.ndim} dimensions")
    places = op.const(np.array([a % x.ndim for a in axes], np.int64))
    return of(operator(x.unwrap_spox(), places, keepdims=int(keepdims)))


_origins = WeakKeyDictionary[Any, Array]()  # of what Reshape gave: what it was given


def origin(x: Array) -> Array | None:
    """Give the array that x was reshaped from, if it was."""
    return _origins.get(x.unwrap_spox())


def reshape(x: Array, /, shape: Any, *, copy: Any = None) -> Array:  # noqa: ARG001
    """Reshape x; where it is a reshaped array itself, that one."""
    before = origin(x)
    start = of((x if before is None else before).unwrap_spox())  # assignments to x don't change it
    y = ndonnx.reshape(start, shape)
    if y.shape == start.shape:
        return start
    _origins[y.unwrap_spox()] = start
    return y


def known(x: Array) -> np.ndarray | None:
    """Give the numbers of a constant; `None` of what depends on a placeholder."""
    try:
        return x.unwrap_numpy()
    except ValueError:
        return None


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    return tuple([entry(x, i, axis) for i in range(x.shape[axis])])


def entry(x: Array, i: int, axis: int) -> Array:
    """Give entry i along the axis, which the result has not."""
    return of(op.gather(x.unwrap_spox(), op.const(np.array(i, np.int64)), axis=axis % x.ndim))


def take(x: Array, indices: Array, /, *, axis: Any = None) -> Array:
    """Take rows at indices of any integer dtype; ndonnx wants int64."""
    return ndonnx.take(x, astype(indices, ndonnx.int64), axis=axis)
