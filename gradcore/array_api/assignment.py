"""Assign to a part of a node: `x[key] = y`.

No array changes. x becomes the output of an op, SetItem or Where, whose inputs are y and a new node
that stands for x as it was. Ops applied to x earlier still have x among their inputs, though they
used the old value. Their OpNodes have a lower order than x's new source, and by this a walk through
the graph knows to go on at the new node (see engine/traversal.py).
"""

from __future__ import annotations

import weakref
from typing import Any

from .. import ops
from ..backends import Array
from ..engine import traversal
from ..engine.arrays import is_node, namespace
from ..graph import Op, TensorNode
from .common import NodeOrArray
from .indexing import getitem, is_array

__all__ = ["setitem"]


def setitem(x: NodeOrArray, key: Any, y: Any, /) -> None:
    """Assign x[key] = y. The operator calls this function.

    Args:
        x: a node or an array.
        key: as in `x[key]`. If it names an element several times, the last assignment counts.
        y: a node, an array or a number, which is broadcast to the shape of x[key].

    Raises:
        TypeError: gradients are computed with respect to x: x was not computed, or it is an
            argument of a transform.
        IndexError, ValueError: the key or y does not fit.
    """
    if not is_node(x):
        x[key] = y
        return
    if hasattr(y, "dtype"):
        y = namespace(x).astype(y, x.dtype, copy=False)
    entries = key if isinstance(key, tuple) else (key,)
    if not any(map(is_array, entries)):
        _become(x, ops.SetItem, y, key=key)
        return
    xp, first, is_scalar = namespace(x.value), entries[0], not getattr(y, "ndim", 0)
    is_mask = len(entries) == 1 and getattr(first, "dtype", None) == xp.bool
    if is_mask and is_scalar and first.shape == x.shape:
        _become(x, ops.Where, first, y)  # no need to find the elements that are named
        return
    positions = xp.reshape(xp.arange(x.size, device=x.device), x.shape)
    named = getitem(positions, key)
    if not named.size:
        return
    is_named, last = _last_named(positions, named)
    if not is_scalar:
        yp = namespace(y)
        y = yp.reshape(yp.broadcast_to(y, tuple(named.shape)), (-1,))
        y = yp.reshape(yp.take(y, last, axis=0), x.shape)
    _become(x, ops.Where, is_named, y)


def _last_named(positions: Array, named: Array) -> tuple[Array, Array]:
    """Find which positions a key names, and for each of them the last element of y that goes there.
    (The standard has no assignment by arrays.)

    Args:
        positions: 0, 1, 2, ... in the shape of x.
        named: positions[key].

    Returns:
        Whether each position is named, in the shape of x; and for each, in a vector, the last index
        in `named` flat at which it is, or any index if it is nowhere.
    """
    xp = namespace(positions)
    flat, named = xp.reshape(positions, (-1,)), xp.reshape(named, (-1,))
    order = xp.argsort(named, stable=True)
    named = xp.take(named, order)
    last = xp.searchsorted(named, flat, side="right") - 1
    last = xp.where(last < 0, 0, last)
    is_named = xp.reshape(xp.take(named, last) == flat, positions.shape)
    return is_named, xp.take(order, last)


def _become(x: TensorNode, op: type[Op], *inputs: Any, **constants: Any) -> None:
    """Make x the output of `op`, applied to the inputs and, as the last one, to x as it was."""
    # An argument of a transform that is itself a node is the output of an Id.
    if x.requires_grad and (x.source is None or x.source.op is ops.Id):
        raise TypeError(
            "x[key] = y: x is what gradients are computed with respect to, and keeps its value; "
            "assign to a copy: namespace(x).asarray(x, copy=True)"
        )
    before = TensorNode(x.value, requires_grad=x.requires_grad)
    before.source, before.index = x.source, x.index
    after = op.do_forward(*[before if a is x else a for a in inputs], before, **constants)
    at = id(x)
    traversal.assigned[at] = weakref.ref(x, lambda _: traversal.assigned.pop(at, None))
    if x.source:
        x.source.refs[x.index] = weakref.ref(before)
        # If y was computed from x, it is now computed from the new node. Otherwise x would be
        # computed from y and y from x, in a reference cycle.
        for opnode in traversal.ancestors(filter(is_node, inputs), x.source.order + 1):
            opnode.inputs = [before if a is x else a for a in opnode.inputs]
    x.value, x.source, x.requires_grad, x.index = after.value, after.source, after.requires_grad, 0
    x._grad = None
    if x.source:
        x.source.refs[0] = weakref.ref(x)
