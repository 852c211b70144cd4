"""What special functions of several arrays share: their dtypes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ...backends import backend_of, default
from ...backends.definitions.common import is_half
from ...engine.arrays import NUMBER_TYPES, is_floating, is_node, namespace, value_of
from ...graph import TensorNode
from ..common import NodeOrArray

__all__ = ["promoted"]


def promoted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function compute all its inputs in one dtype: that to which the floating ones among
    them promote, float32 if there is none. Numbers of 16 bits are computed in float32, and the
    result is rounded once. It is a node."""

    @wraps(function)
    def compute(*inputs: NodeOrArray) -> TensorNode:
        given = [x for x in inputs if type(x) not in NUMBER_TYPES]
        floats = [x for x in given if is_floating(value_of(x))]
        backend = backend_of(value_of(given[0])) if given else default()
        dtype = backend.xp.float32
        if floats:
            dtype = backend.xp.result_type(*(value_of(x) for x in floats))
        like = backend.xp.zeros(0, dtype=dtype, device=backend.device)
        wide = backend.xp.float32 if is_half(like) else dtype
        xs = [_as(backend, x, wide) for x in inputs]
        y = function(*xs)
        return y if wide == dtype else namespace(y).astype(y, dtype)

    return compute


def _as(backend: Any, x: NodeOrArray, dtype: Any) -> TensorNode:
    """Give a node of this dtype: of an array or a number, a constant."""
    if type(x) in NUMBER_TYPES:
        x = backend.asarray(float(x), dtype)
    x = x if is_node(x) else TensorNode(x, requires_grad=False)
    return x if x.dtype == dtype else namespace(x).astype(x, dtype)
