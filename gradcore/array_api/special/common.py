"""What the other files of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ...backends.definitions.common import is_half
from ...engine.arrays import NUMBER_TYPES, is_discrete, is_node, namespace, node_or_array, widened
from ...graph import TensorNode

__all__ = ["of_floats"]


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
