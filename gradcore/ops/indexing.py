"""Ops that take, set or add to parts of an array."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import NUMBER_TYPES, is_complex, is_node, namespace, node_or_array
from ..engine.inputs import op_inputs
from ..graph import Context, Op

__all__ = [
    "GetItem",
    "PutItem",
    "ScatterAdd",
    "ScatterMax",
    "Select",
    "SelectGradient",
    "SetItem",
    "Take",
]


class GetItem(Op):
    """x[key], for a key of integers, slices, `None` and `...`.

    Raises:
        IndexError: an integer is out of range, or there are more entries than axes.
        TypeError: an entry is something else, such as an array.
    """

    @staticmethod
    def forward(context: Context, x: Array, *, key: Any) -> Array:
        key = _entries(key)
        # Leave out each `None`, which adds an axis: PutItem assigns, where the standard has none.
        context["key"] = tuple([k for k in key if k is not None])
        context["shape"] = tuple(x.shape)
        context["part"] = tuple(backend_of(x).getitem(x, context["key"]).shape)
        return backend_of(x).getitem(x, key)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        go = namespace(go).reshape(go, context["part"])
        return PutItem.apply(go, key=context["key"], shape=context["shape"])


class PutItem(Op):
    """Zeros of the given shape, with x at `key`. The gradient of GetItem."""

    @staticmethod
    def forward(context: Context, x: Array, *, key: Any, shape: tuple[int, ...]) -> Array:
        context["key"] = _entries(key)
        y = namespace(x).zeros(shape, dtype=x.dtype, device=x.device)
        return backend_of(x).setitem(y, context["key"], x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return GetItem.apply(go, key=context["key"])


class SetItem(Op):
    """x with the elements at `key` replaced by y, broadcast. Keys are those of GetItem. If all of x
    is replaced, no gradient goes to x, which may have been NaN.

    Raises:
        ValueError: y does not fit.
        TypeError: y is complex, and x is not.
    """

    @staticmethod
    def forward(context: Context, y: Array, x: Array, *, key: Any) -> Array:
        if is_complex(y) and not is_complex(x):
            raise TypeError(f"x is {x.dtype}, and y is complex; make x complex, as by x + 0j")
        context["key"] = key = _entries(key)
        z = namespace(x).asarray(x, copy=True)
        part = backend_of(z).getitem(z, key)
        if type(y) not in NUMBER_TYPES and y.ndim > part.ndim:
            raise ValueError(f"y has more axes than x[key], of shape {tuple(part.shape)}")
        context["all"] = math.prod(part.shape) == math.prod(z.shape)
        return backend_of(z).setitem(z, key, y)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        key = context["key"]
        of_x = None if context["all"] else SetItem.apply(0.0, go, key=key)
        return GetItem.apply(go, key=key), of_x


def _entries(key: Any) -> tuple[Any, ...]:
    """Return the key as a tuple for all axes, as the standard wants it: `...` stands for axes not
    named."""
    entries = key if isinstance(key, tuple) else (key,)
    for k in entries:
        if type(k) is int or k is None or k is ... or isinstance(k, slice):
            continue
        if not isinstance(k, Integral) or isinstance(k, bool):
            what = type(k).__name__
            raise TypeError(f"x[...] takes integers, slices, None and ..., not {what}")
    return entries if any(k is ... for k in entries) else (*entries, ...)


class Take(Op):
    """The parts of x along `axis` at integer indices. The shape of the indices takes the place of
    the axis: along axis 0, x (N, M) and indices (K, L) give (K, L, M).

    Args:
        indices: negative ones count from the end.
        check: whether to check the indices; `False` is for those that `positions` returned.

    Raises:
        IndexError: an index is out of range.
        TypeError: the indices are not integers.
    """

    @staticmethod
    def forward(
        context: Context, x: Array, *, indices: Any, axis: int = 0, check: bool = True
    ) -> Array:
        if not -x.ndim <= axis < x.ndim:
            raise IndexError(f"Take: axis {axis} is out of range for {x.ndim} dimensions")
        xp, axis, size = namespace(x), axis % x.ndim, x.shape[axis]
        indices = positions("Take: indices", x, indices, size) if check else indices
        context["indices"], context["axis"], context["size"] = indices, axis, size
        y = xp.take(x, xp.reshape(indices, (-1,)), axis=axis)
        return xp.reshape(y, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        axis, size = context["axis"], context["size"]
        return ScatterAdd.apply(go, indices=context["indices"], size=size, axis=axis, check=False)


class ScatterAdd(Op):
    """Zeros, of size `size` along `axis`, with the parts of x added at the indices. The gradient of
    Take: along axis 0 and for size N, x (K, L, M) and indices (K, L) give (N, M).

    Args:
        indices: as for `Take`.
        check: as for `Take`.

    Raises:
        IndexError: an index is out of range.
        TypeError: the indices are not integers.
        ValueError: x does not fit the indices.
    """

    @staticmethod
    def forward(
        context: Context, x: Array, *, indices: Any, size: int, axis: int = 0, check: bool = True
    ) -> Array:
        xp = namespace(x)
        indices = positions("ScatterAdd: indices", x, indices, size) if check else indices
        after = axis + indices.ndim
        if tuple(x.shape[axis:after]) != tuple(indices.shape):
            found = f"x {tuple(x.shape)} and indices {tuple(indices.shape)} do not fit"
            raise ValueError(f"ScatterAdd: {found}; expected the same shape from axis {axis} on")
        context["indices"], context["axis"] = indices, axis
        flat = xp.reshape(indices, (-1,))
        rows = xp.reshape(x, (*x.shape[:axis], flat.shape[0], *x.shape[after:]))
        y = backend_of(x).scatter_add(xp.moveaxis(rows, axis, 0), flat, size)
        return xp.moveaxis(y, 0, axis)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return Take.apply(go, indices=context["indices"], axis=context["axis"], check=False)


class ScatterMax(Op):
    """The largest of each element of x and those of y (...) that have its index (...) in x flat.
    Equal maxima share the gradient.

    Args:
        indices: integers in [0, M), for x of M elements; they are not checked here.
    """

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, y: Array, *, indices: Array) -> Array:
        xp = namespace(x)
        context["x"], context["y"], context["indices"] = x, y, indices
        if not math.prod(y.shape):
            context["z"] = xp.asarray(x, copy=True)
            return context["z"]
        # Of y in ascending order, the last element of an index is the largest; NaN comes last.
        flat, y_flat = xp.reshape(indices, (-1,)), xp.reshape(y, (-1,))
        order = xp.argsort(y_flat)
        places = xp.reshape(xp.arange(math.prod(x.shape), device=x.device), x.shape)
        named, last = last_named(places, xp.take(flat, order))
        best = xp.reshape(xp.take(y_flat, xp.take(order, last)), x.shape)
        context["z"] = xp.where(named, xp.maximum(x, best), x)
        return context["z"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array, Array]:
        xp, x, y, z = namespace(go), context["x"], context["y"], context["z"]
        indices, shape = context["indices"], tuple(context["x"].shape)
        there = {"indices": indices, "check": False}
        is_x = xp.astype(x == z, go.dtype)
        is_y = xp.astype(y == Take.apply(xp.reshape(z, (-1,)), **there), go.dtype)
        count = is_x + xp.reshape(ScatterAdd.apply(is_y, size=math.prod(shape), **there), shape)
        share = go / count  # that of NaN is NaN
        return share * is_x, Take.apply(xp.reshape(share, (-1,)), **there) * is_y


def positions(what: str, x: Array, indices: Any, size: int) -> Array:
    """Return indices as int64, with negative ones counted from the front: -1 becomes size - 1.

    Args:
        what: the name of the indices in error messages.
        x: the array to index.
        indices: a node, an array, or integers in a list.

    Raises:
        IndexError: an index is not in [-size, size).
        TypeError: the indices are not integers.
        ValueError: the indices are not on the device of x.
    """
    xp = namespace(x)
    if isinstance(indices, list | tuple | Integral):
        dtype = None if indices else xp.int64  # an empty list has no dtype
        indices = xp.asarray(indices, dtype=dtype, device=x.device)
    indices = op_inputs(what.partition(":")[0], [x, indices])[1]
    if xp.isdtype(indices.dtype, "integral"):
        indices = xp.astype(indices, xp.int64, copy=False)
    backend_of(x).check_indices(what, indices, size, -size)
    return xp.where(indices < 0, indices + size, indices)


def last_named(positions: Array, named: Array) -> tuple[Array, Array]:
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
    if not named.shape[0]:
        nowhere = xp.zeros(positions.shape, dtype=xp.bool, device=positions.device)
        return nowhere, xp.zeros_like(flat)
    order = xp.argsort(named, stable=True)
    named = xp.take(named, order)
    last = xp.searchsorted(named, flat, side="right") - 1
    last = xp.where(last < 0, 0, last)
    is_named = xp.reshape(xp.take(named, last) == flat, positions.shape)
    return is_named, xp.take(order, last)


class Select(Op):
    """One element of each row along axis 1: x (N, M, ...) and integer indices (N, ...) give
    (N, ...).

    Raises:
        IndexError: an index is not in [0, M).
        TypeError: the indices are not integers.
        ValueError: the shapes do not fit.
    """

    @staticmethod
    def forward(context: Context, x: Array, *, indices: Any) -> Array:
        indices = indices.value if is_node(indices) else node_or_array(indices)
        if x.ndim < 2 or tuple(indices.shape) != (x.shape[0], *x.shape[2:]):
            same = tuple(indices.shape) == tuple(x.shape)
            one_hot = "; of one-hot rows take argmax(axis=1)" if same else ""
            raise ValueError(
                f"Select: x {tuple(x.shape)} and indices {tuple(indices.shape)} do not fit; "
                f"expected (N, M, ...) and (N, ...){one_hot}"
            )
        backend = backend_of(x)
        backend.check_indices("Select: indices", indices, x.shape[1])
        context["indices"], context["columns"] = indices, x.shape[1]
        return backend.select(x, indices)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return SelectGradient.apply(go, indices=context["indices"], size=context["columns"])


class SelectGradient(Op):
    """Zeros (N, size, ...), with x (N, ...) at the indices (N, ...) along axis 1. The gradient of
    Select."""

    @staticmethod
    def forward(context: Context, x: Array, *, indices: Array, size: int) -> Array:
        context["indices"] = indices
        return backend_of(x).select_gradient(x, indices, size)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return Select.apply(go, indices=context["indices"])
