"""What special functions of several arrays share: their dtypes, and orders of functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ... import ops
from ...backends import Array, Backend, backend_of, default
from ...backends.definitions.common import is_half
from ...backends.definitions.special.common import without_warnings
from ...engine.arrays import (
    NUMBER_TYPES,
    is_complex,
    is_floating,
    is_node,
    namespace,
    node_or_array,
    raw_array,
    value_of,
    widest_dtype,
)
from ...graph import Op, TensorNode
from ..common import NodeOrArray
from ..common import floating as floating_array

__all__ = ["floating", "of_order", "promoted"]


def floating(x: Any) -> NodeOrArray:
    """Give x in a floating dtype: arrays of integers become float32. Of numbers and lists make an
    array of the default backend, in its widest dtype, as SciPy computes them."""
    return floating_array(_of_numbers(default(), x) if _is_numbers(x) else node_or_array(x))


def promoted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function compute all its inputs in one dtype: that to which the floating ones among
    them promote, float32 if there is none; a number has what others have. Numbers of 16 bits are
    computed in float32, and the result is rounded once. It is a node."""

    @wraps(function)
    def compute(*inputs: Any) -> TensorNode:
        given = [value_of(node_or_array(x)) for x in inputs if not _is_numbers(x)]
        backend = backend_of(given[0]) if given else default()
        inputs = tuple(
            _of_numbers(backend, x) if isinstance(x, list | tuple) or not given else x
            for x in inputs
        )
        given = [value_of(node_or_array(x)) for x in inputs if type(x) not in NUMBER_TYPES]
        floats = [x for x in given if is_floating(x)]
        dtype = backend.xp.result_type(*floats) if floats else backend.xp.float32
        like = backend.xp.zeros(0, dtype=dtype, device=given[0].device)
        wide = backend.xp.float32 if is_half(like) else dtype
        y = function(*[_as(x, wide, given[0]) for x in inputs])
        return y if wide == dtype else namespace(y).astype(y, dtype)

    return without_warnings(compute)


def _is_numbers(x: Any) -> bool:
    return type(x) in NUMBER_TYPES or isinstance(x, list | tuple)


def _of_numbers(backend: Backend, x: Any) -> Array:
    """Make an array of numbers, real ones in the widest dtype that there is."""
    y = backend.asarray(x)
    return y if is_complex(y) else backend.asarray(x, widest_dtype(y))


def _as(x: Any, dtype: Any, like: Array) -> TensorNode:
    """Give a node in this dtype; a constant of an array or a number, where `like` is. (Of NumPy's
    arrays of shape () arithmetic would make numbers.)"""
    if type(x) in NUMBER_TYPES:
        x = namespace(like).asarray(float(x), dtype=dtype, device=like.device)
    x = node_or_array(x)
    x = x if x.dtype == dtype else namespace(x).astype(x, dtype)
    return x if is_node(x) else TensorNode(x, requires_grad=False)


def of_order(
    name: str, op: type[Op], what: str, example: str, **constants: Any
) -> Callable[[Any, NodeOrArray], TensorNode]:
    """Make a function of n and x from an op. The example is what is printed of its values of order
    2 at 1 and 2."""

    def function(n: Any, x: NodeOrArray) -> TensorNode:
        orders, x = raw_array(n), floating(x)
        host = backend_of(orders).to_numpy(orders)
        if not (host == host.round()).all():
            raise ValueError(f"{name}: n is {n!r}, expected whole numbers")
        if host.ndim == 0:
            return op.do_forward(x, n=int(host), **constants)
        y: Any = None
        for order in sorted({*host.astype(int).ravel().tolist()}):
            found = op.do_forward(x, n=order, **constants)
            y = found if y is None else ops.Where.do_forward(orders == order, found, y)
        return y

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Compute {what} of order n of x.

    n is an integer, or an array of them, whose numbers are read on the host.

    Raises:
        ValueError: n has fractions.

    Example:
        >>> print(gradcore.special.{name}(2, [1.0, 2.0]).value.round(3))
        {example}
    """
    return function
