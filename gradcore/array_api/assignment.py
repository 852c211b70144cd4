"""Assign to a node, or to a part of it: `x[key] = y`, `x += y`.

No array changes. x becomes the output of an op, SetItem, Where or Replace, whose inputs are y and a
new node that stands for x as it was. Ops applied to x earlier still have x among their inputs,
though they used the old value. Their OpNodes have a lower order than x's new source, and by this a
walk through the graph knows to go on at the new node (see engine/traversal.py).

If x is a view, what becomes another is its root: the node at the end of the way from view to base.
For d = c[0] and e = c[:, 1], `d[key] = y` takes these steps:

    before = c as it was
    part = SetItem(y, before[0], key)    # what d would become if it were no view
    c = SetItem(part, before, 0)
    d = Replace(c[0], d as it was)       # all views of the root are taken anew
    e = Replace(c[:, 1], e as it was)

Under no_grad(), or if nothing has a gradient, nodes only get other values: the graph stays.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Sequence
from math import prod
from typing import Any

from .. import ops
from ..backends.ownership import UNKNOWN, holders
from ..engine import traversal
from ..engine.arrays import describe, is_node, namespace
from ..engine.modes import is_building
from ..engine.views import view_of
from ..graph import Op, TensorNode
from ..ops.indexing import last_named
from .common import NodeOrArray
from .indexing import getitem, is_array
from .views import chain, put_back, views_below

__all__ = ["setitem", "update"]


def setitem(x: NodeOrArray, key: Any, y: Any, /) -> None:
    """Assign x[key] = y. The operator calls this function.

    Args:
        x: a node or an array.
        key: as in `x[key]`. If it names an element several times, the last assignment counts.
        y: a node, an array or a number, which is broadcast to the shape of x[key].

    Raises:
        TypeError: x, or what x is a view of, keeps its value: see `_keeps_value`. Or x can't be
            assigned to: see `_write`.
        IndexError, ValueError: the key or y does not fit.

    Example:
        >>> x = TensorNode([1.0, 2.0, 3.0]) * 1  # a result: leaves keep their values
        >>> gradcore.setitem(x, 1, 9.0)  # as x[1] = 9.0
        >>> print(x.value)
        [1. 9. 3.]
    """
    if not is_node(x):
        x[key] = y
        return
    of = view_of(y) if is_node(y) else None
    if of and of.base is x and of.op is ops.GetItem and of.constants["key"] is key:
        return  # the end of x[key] += z: the view has written to x
    root, views = chain(x)
    if _keeps_value(root):
        part = "is a view of what" if views else "is what"
        raise TypeError(
            f"x[key] = y: x {part} gradients are computed with respect to, which keeps its value; "
            "assign to a copy: namespace(x).asarray(x, copy=True)"
        )
    if hasattr(y, "dtype"):
        y = namespace(x).astype(y, x.dtype, copy=False)
    entries = key if isinstance(key, tuple) else (key,)
    if not any(map(is_array, entries)):
        _write(x, ops.SetItem, y, key=key)
        return
    xp, first, is_scalar = namespace(x.value), entries[0], not getattr(y, "ndim", 0)
    is_mask = len(entries) == 1 and getattr(first, "dtype", None) == xp.bool
    if is_mask and is_scalar and first.shape == x.shape:  # no need to find the elements named
        _write(x, ops.Where, first, y)
        return
    positions = xp.reshape(xp.arange(prod(x.shape), device=x.device), x.shape)
    named = getitem(positions, key)
    if not prod(named.shape):
        return
    is_named, last = last_named(positions, named)
    if not is_scalar:
        yp = namespace(y)
        y = yp.reshape(yp.broadcast_to(y, tuple(named.shape)), (-1,))
        y = yp.reshape(yp.take(y, last, axis=0), x.shape)
    if (
        is_mask and prod(named.shape) == prod(x.shape) and not is_scalar
    ):  # all of x, which may have been NaN
        _write(x, ops.Replace, y)
        return
    _write(x, ops.Where, is_named, y)


def update(x: TensorNode, y: TensorNode, /) -> TensorNode:
    """Give x, and what x is a view of, the value y, which was computed for `x += z` and the like.

    Returns:
        x; or y, and x keeps its value, in two cases. x is a number, a node of shape () that is no
        view and no leaf: NumPy's numbers don't change either. Or see `_keeps_value`.

    Raises:
        TypeError: y has numbers that x can't have; or x can't be assigned to: see `_write`. Or x
            is a leaf that a backward pass gave a gradient: `p -= lr * p.grad` is meant to change
            p, and would train nothing.
        ValueError: y has another shape.

    Example:
        >>> x = TensorNode([1.0, 2.0]) * 1
        >>> print(gradcore.update(x, x + 10).value)  # as x += 10
        [11. 12.]
    """
    value, new = x.value, y.value
    is_view = x._view is not None and view_of(x) is not None
    is_number = not value.shape and not _is_start(x)
    if not is_view and (is_number or _keeps_value(x)):
        if not is_number and x.source is None and x.has_grad:
            raise TypeError(
                "x += y and the like: x has a gradient, and keeps its value while a graph is "
                "built; for a step of training, write `with gradcore.no_grad():` around it, or "
                "x.value += y; for a new node, x = x + y"
            )
        return y
    if is_view and _keeps_value(chain(x)[0]):
        raise TypeError(
            "x += y and the like: x is a view of what gradients are computed with respect to, "
            "which keeps its value; say x = x + y"
        )
    if new.shape != value.shape:
        raise ValueError(
            f"x += y and the like: x has shape {x.shape} and would get {y.shape}; say x = x + y"
        )
    if new.dtype != value.dtype:
        y = _cast(y, x)
    may_be_y = not is_view and (y._requires_grad or not x._requires_grad)
    if may_be_y and _holders(x) == _ALONE + len([a for a in _inputs(y) if a is x]):
        # Nobody but the variable, and the op that computed y, holds x: nobody can see whether x
        # changes or the variable gets y. A chain of these takes 10 and not 25 us for each.
        y.name = x.name
        return y
    _write(x, ops.Replace, y)
    return x


def _cast(y: TensorNode, x: TensorNode) -> TensorNode:
    """Convert y to the dtype of x, as NumPy does in place: not real numbers to integers.

    Raises:
        TypeError: the numbers of y are of a kind that x can't have.
    """
    isdtype = namespace(x.value).isdtype
    kinds = ("bool", "integral", "real floating", "complex floating")
    of_x, of_y = ([isdtype(a.dtype, kind) for kind in kinds].index(True) for a in (x, y))
    if of_y > of_x:
        raise TypeError(
            f"x += y and the like: x is {describe(x)} and can't take {describe(y)}; say x = x + y"
        )
    return namespace(y).astype(y, x.dtype)


def _inputs(y: TensorNode) -> Sequence[Any]:
    return y.source.inputs if y.source else ()


def _is_start(x: TensorNode) -> bool:
    """Whether gradients are computed with respect to x, of those nodes that require them."""
    # An argument of a transform that is itself a node is the output of an Id.
    return x.requires_grad and (x.source is None or x.source.op is ops.Id)


def _keeps_value(x: TensorNode) -> bool:
    """Whether a write to x would take x out of the graph that gradients are computed through, with
    respect to x. Under `no_grad()` a node only gets another value, and stays what it is."""
    return _is_start(x) and is_building.get()


class _Probe:
    """Count, as `update` does, who holds the left operand of `x += z`, which a variable holds and
    the operator and the functions are given."""

    def __iadd__(self, z: None) -> int:
        return _probe_update(self)


def _probe_update(x: _Probe) -> int:
    return _holders(x)


def _holders(x: Any) -> int:
    return holders((x,), 0, operator.getitem)


def _holders_of_variable() -> int:
    """Count the holders of what only a local variable holds; -1 where nobody counts."""
    probe: Any = _Probe()
    probe += None
    count: int = probe
    return count if count < UNKNOWN else -1


# That of a local variable, whose reference is the only one that Python 3.14 may leave out.
_ALONE: int = _holders_of_variable()


def _write(x: TensorNode, op: type[Op], *inputs: Any, **constants: Any) -> None:
    """Make x the output of `op`, applied to the inputs and, as the last one, to x as it was. The
    root of x, and all its views, become what they are then.

    Raises:
        TypeError: x repeats elements of its root; or x was taken under no_grad() of a node that
            has a gradient, so that the way from its elements to the root's is not known.
    """
    root, views = chain(x)
    if [of for _, of in views if of.op is ops.Broadcast]:
        raise TypeError(
            "x[key] = y, or x += y: x repeats elements, as broadcast_to gave it, and can't be "
            "assigned to; assign to a copy: namespace(x).asarray(x, copy=True)"
        )
    if root.requires_grad and not x.requires_grad and is_building.get():
        raise TypeError(
            "x[key] = y, or x += y: x was taken under no_grad() of a node that has a gradient; "
            "take x again, or assign under no_grad() too"
        )
    first = root.source.order + 1 if root.source else getattr(root, "born", 0)
    below = views_below(root)
    before = {node: _as_it_was(node) for node in [root, *[view for view, _ in below]]}
    as_it_was = [before[root]]  # the root, and the views on the way to x
    for _, of in views:
        as_it_was.append(of.op.do_forward(as_it_was[-1], **of.constants))
    inputs = tuple([before.get(a, a) if is_node(a) else a for a in inputs])
    after = op.do_forward(*inputs, as_it_was.pop(), **constants)
    for _, of in reversed(views):
        after = put_back(of, after, as_it_was.pop())
    _become(root, after, before[root])
    for view, of in below:
        if before[of.base].requires_grad and not view.requires_grad:  # it was taken under no_grad()
            view.value = of.op.forward({}, of.base.value, **of.constants)
        else:
            _become(view, of.op.do_forward(of.base, **of.constants), before[view])
        view._view = of._replace(base_value=of.base.value, value=view.value)
    if after.source:
        # If y was computed from x, let it be computed from the new node. Otherwise x would be
        # computed from y and y from x, in a reference cycle.
        traversal.ancestors([*filter(is_node, inputs), *before.values()], first)


def _as_it_was(x: TensorNode) -> TensorNode:
    before = TensorNode(x.value, requires_grad=x.requires_grad)
    before.source, before.index = x.source, x.index
    return before


def _become(x: TensorNode, after: TensorNode, before: TensorNode) -> None:
    """Make x what `after` is. Ops applied to x earlier will be found to be applied to `before`."""
    if not after.source:
        x.value = after.value
        return
    if after.source.inputs[-1] is not before:
        after = ops.Replace.do_forward(after, before)
    if x.source:
        x.source.refs[x.index] = weakref.ref(before)
    x.value, x.source, x.requires_grad, x.index = after.value, after.source, after.requires_grad, 0
    x._grad = None
    x.source.refs[0] = weakref.ref(x)
    at = id(x)
    traversal.assigned[at] = weakref.ref(x, lambda _: traversal.assigned.pop(at, None))
