"""What special functions of several arrays share: their dtypes, and orders of functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ... import ops
from ...backends import backend_of, default
from ...backends.definitions.common import is_half
from ...engine.arrays import NUMBER_TYPES, is_floating, is_node, namespace, raw_array, value_of
from ...graph import Op, TensorNode
from ..common import NodeOrArray, floating

__all__ = ["of_order", "promoted"]


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
    """Give a node in this dtype; a constant of an array or a number. (Of NumPy's arrays of shape ()
    arithmetic would make numbers.)"""
    if type(x) in NUMBER_TYPES:
        x = backend.asarray(float(x), dtype)
    x = x if x.dtype == dtype else namespace(x).astype(x, dtype)
    return x if is_node(x) else TensorNode(x, requires_grad=False)


def of_order(
    name: str, op: type[Op], what: str, **constants: Any
) -> Callable[[Any, NodeOrArray], TensorNode]:
    """Make a function of n and x from an op."""

    def function(n: Any, x: NodeOrArray) -> TensorNode:
        orders, x = raw_array(n), floating(x)
        host = backend_of(orders).to_numpy(orders)
        if not (host == host.round()).all():
            raise ValueError(f"{name}: n is {n!r}, expected whole numbers")
        if host.ndim == 0:
            return op.do_forward(x, n=int(host), **constants)
        y = None
        for order in sorted({*host.astype(int).ravel().tolist()}):
            found = op.do_forward(x, n=order, **constants)
            y = found if y is None else ops.Where.do_forward(orders == order, found, y)
        return y

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Compute {what} of order n of x.

    n is an integer, or an array of them, whose numbers are read on the host.

    Raises:
        ValueError: n has fractions.
    """
    return function
