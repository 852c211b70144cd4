"""Remember which nodes are views: parts of another node, whose elements they share.

No memory is shared, since gradcore changes no array in place. So a view remembers its base and how
it was taken from there, and the base remembers its views, weakly: assignment.py writes to the base
what is written to the view, and takes the views of a base anew when the base was written to.

Views are what NumPy makes without a copy of a node whose elements lie in memory row by row (in C
order), as those of each node that is no view itself do here, on every backend: slices, other orders
of the axes, other shapes, real and imaginary parts. A number x[i, j] is a copy, as NumPy's is.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import Any

from .. import ops
from ..engine.arrays import is_node
from ..engine.views import View, view_of
from ..graph import Op, TensorNode
from .common import NodeOrArray, Shape

__all__ = ["chain", "note", "put_back", "reshapes_to_view", "view", "views_below"]


def view(op: type[Op], x: NodeOrArray, **constants: Any) -> NodeOrArray:
    """Apply the op to x; if x is a node, note that the result is a view of x."""
    if not is_node(x):
        return op.forward({}, x, **constants)
    y = op.do_forward(x, **constants)
    note(y, x, op, constants)
    return y


def note(y: TensorNode, x: TensorNode, op: type[Op], constants: dict[str, Any]) -> None:
    """Note that y is the view `op(x, **constants)` of x."""
    # As View(...), in half the time.
    y._view = tuple.__new__(View, (x, op, constants, x.value, y.value))
    views = x._views
    if views is None:
        x._views = [weakref.ref(y)]
        return
    views.append(weakref.ref(y))
    n = len(views)
    if n > 8 and not n & (n - 1):  # now and then, drop those of views that are gone
        views[:] = [ref for ref in views if ref() is not None]


def chain(x: TensorNode) -> tuple[TensorNode, list[tuple[TensorNode, View]]]:
    """Find the root that x is a view of, at last, and the views on the way there: first that of
    the root, last x itself; a node that is no view is its own root."""
    views = []
    while of := view_of(x):
        views.append((x, of))
        x = of.base
    return x, views[::-1]


def views_below(root: TensorNode) -> list[tuple[TensorNode, View]]:
    """Find all views of the root that somebody holds, and views of these; bases come first."""
    found: list[tuple[TensorNode, View]] = []
    bases: list[TensorNode] = [root]
    for base in bases:
        for ref in base._views or ():
            y = ref()
            if y is not None and (of := view_of(y)):
                found.append((y, of))
                bases.append(y)
    return found


def put_back(of: View, after: TensorNode, base: TensorNode) -> TensorNode:
    """Compute the base anew, of the base as it was and of the view as it is now."""
    if of.op is ops.GetItem:
        key = of.constants["key"]
        # The standard has no assignment with `None`, a new axis.
        key = tuple([k for k in (key if isinstance(key, tuple) else (key,)) if k is not None])
        shape = ops.GetItem.forward({}, base.value, key=key).shape
        if shape != after.shape:
            after = ops.Reshape.do_forward(after, shape=tuple(shape))
        return ops.SetItem.do_forward(after, base, key=key)
    if of.op is ops.Transpose:
        axes = [a % base.ndim for a in of.constants["axes"]]
        back = tuple(sorted(range(base.ndim), key=axes.__getitem__))
        return ops.Transpose.do_forward(after, axes=back)
    if of.op is ops.Real:
        return after + 1j * ops.Imag.do_forward(base)
    if of.op is ops.Imag:
        return ops.Real.do_forward(base) + 1j * after
    return ops.Reshape.do_forward(after, shape=base.shape)


# -- Is a reshape a view? -------------------------------------------------------------------------


def reshapes_to_view(x: TensorNode, y: TensorNode) -> bool:
    """Whether NumPy reshapes x to y without a copy, for a root whose elements lie row by row."""
    if x._view is None:
        return True
    root, views = chain(x)
    strides: Sequence[int] | None = _contiguous(root.shape)
    for on_the_way, of in views:
        strides = None if strides is None else _strides(of, strides, on_the_way.shape)
    return strides is not None and _reshaped(x.shape, strides, y.shape) is not None


def _contiguous(shape: Shape) -> list[int]:
    return [prod(shape[a + 1 :]) for a in range(len(shape))]


def _strides(of: View, strides: Sequence[int], shape: Shape) -> list[int] | None:
    """Compute the strides of a view, in elements, of those of its base."""
    if of.op is ops.Transpose:
        return [strides[a] for a in of.constants["axes"]]
    if of.op is ops.Broadcast:
        new = len(shape) - len(strides)
        sizes = zip(strides, of.base.shape, shape[new:], strict=True)
        return [0] * new + [s if m == n else 0 for s, m, n in sizes]
    if of.op is not ops.GetItem:
        return _reshaped(of.base.shape, strides, shape)
    key = of.constants["key"]
    left, found = list(strides), []
    for k in _for_each_axis(key if isinstance(key, tuple) else (key,), len(strides)):
        if k is None:
            found.append(0)
        elif isinstance(k, slice):
            found.append(left.pop(0) * (1 if k.step is None else int(k.step)))
        else:
            left.pop(0)
    return found


def _for_each_axis(entries: tuple[Any, ...], ndim: int) -> Iterator[Any]:
    """Give the entries of a key without arrays, with a slice `:` for each axis not named."""
    missing = [slice(None)] * (ndim - len([k for k in entries if k is not None and k is not ...]))
    for k in entries:
        if k is ...:
            yield from missing
            missing = []
        else:
            yield k
    yield from missing


def _reshaped(old: Shape, strides: Sequence[int], new: Shape) -> list[int] | None:
    """Compute the strides in a new shape, of the same elements in the same order; `None` if no
    strides are right, so that a copy is needed."""
    if 0 in old:
        return _contiguous(new)
    axes = [(n, s) for n, s in zip(old, strides, strict=True) if n != 1]
    sizes, found = list(new), []
    while axes or sizes:
        # Take as many axes of both as have the same number of elements.
        taken, made = [axes.pop(0)] if axes else [(1, 0)], [sizes.pop(0)] if sizes else [1]
        while (n := prod([n for n, _ in taken])) != (m := prod(made)):
            if n < m:
                taken.append(axes.pop(0))
            else:
                made.append(sizes.pop(0))
        for (_, outer), (n, inner) in pairwise(taken):
            if outer != n * inner:
                return None
        found += [s * taken[-1][1] for s in _contiguous(tuple(made))]
    return found
