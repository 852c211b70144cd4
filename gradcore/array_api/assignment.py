"""Assignment to nodes: `x[key] = y`.

Values don't change: x becomes a node of another value. What was computed from x earlier still has x
among its inputs; that it means the earlier value is told by the orders of the OpNodes.
"""

from __future__ import annotations

import weakref
from typing import Any

from .. import ops
from ..engine import traversal
from ..engine.arrays import is_node, namespace
from ..graph import Op, TensorNode
from .indexing import getitem, is_array

__all__ = ["setitem"]


def setitem(x: Any, key: Any, y: Any, /) -> None:
    """`x[key] = y`, the function behind the operator.

    Args:
        x: a node; from now on the one that has y, broadcast, in the place of the key.
        key: as in `x[key]`. Where it names an element several times, the last one counts.

    Raises:
        TypeError: x is what gradients are computed with respect to, a node that was not computed
            or an argument of a transform.
        IndexError, ValueError: the key, or y, does not fit.
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
        _become(x, ops.Where, first, y)  # no need to know how often it holds
        return
    # The standard has no assignment by arrays: which of y's elements does each of x's become?
    places = xp.arange(x.size, device=x.device)
    taken = getitem(xp.reshape(places, x.shape), key)
    if not taken.size:
        return
    shape, taken = tuple(taken.shape), xp.reshape(taken, (-1,))
    order = xp.argsort(taken, stable=True)
    taken = xp.take(taken, order)
    last = xp.searchsorted(taken, places, side="right") - 1
    last = xp.where(last < 0, 0, last)
    found = xp.reshape(xp.take(taken, last) == places, x.shape)
    if not is_scalar:
        yp = namespace(y)
        y = yp.reshape(yp.broadcast_to(y, shape), (-1,))
        y = yp.reshape(yp.take(y, xp.take(order, last), axis=0), x.shape)
    _become(x, ops.Where, found, y)


def _become(x: TensorNode, op: type[Op], *inputs: Any, **constants: Any) -> None:
    """Make x the output of `op`, applied to the inputs and, as the last one, to x as it was."""
    if x.requires_grad and (x.source is None or x.source.op is ops.Id):  # Id: see transforms
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
        # If y was computed from x: now from what x was, or there were a reference cycle.
        for opnode in traversal.ancestors(filter(is_node, inputs), x.source.order + 1):
            opnode.inputs = [before if a is x else a for a in opnode.inputs]
    x.value, x.source, x.requires_grad, x.index = after.value, after.source, after.requires_grad, 0
    x._grad = None
    if x.source:
        x.source.refs[0] = weakref.ref(x)
