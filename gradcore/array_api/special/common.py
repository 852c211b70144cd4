"""What the other files of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ... import ops
from ...backends import backend_of
from ...backends.definitions.common import is_half
from ...engine.arrays import (
    NUMBER_TYPES,
    is_discrete,
    is_node,
    namespace,
    node_or_array,
    raw_array,
    widened,
)
from ...graph import Op, TensorNode
from ..common import NodeOrArray, floating

__all__ = ["of_floats", "of_order"]


def of_floats(function: Callable[..., TensorNode]) -> Callable[..., TensorNode]:
    """Make a function of floating nodes take arrays, integers and numbers too.

    Numbers get the dtype of the floating inputs, and so do integers; without any, float32. Inputs
    of 16 bits are computed in float32, and the result is rounded once.
    """

    @wraps(function)
    def call(*inputs: Any) -> TensorNode:
        if not [x for x in inputs if type(x) not in NUMBER_TYPES]:
            inputs = tuple(map(node_or_array, inputs))
        given = [x if type(x) in NUMBER_TYPES else _node(x) for x in inputs]
        arrays = [x for x in given if is_node(x)]
        xp, floats = namespace(arrays[0]), [x for x in arrays if not is_discrete(x.value)]
        dtype = floats[0].dtype if floats else xp.float32
        for i, x in enumerate(given):
            if not is_node(x):
                given[i] = xp.asarray(x, dtype=dtype, device=arrays[0].device)
            elif is_discrete(x.value):
                given[i] = xp.astype(x, dtype)
        if not [x for x in given if is_half(x)]:
            return function(*given)
        return xp.astype(function(*map(widened, given)), xp.result_type(*given))

    return call


def _node(x: Any) -> TensorNode:
    """Make a constant of what is no node."""
    return x if is_node(x) else TensorNode(node_or_array(x), requires_grad=False)


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
