"""Taking parts of nodes and arrays by integers, slices, arrays of indices and masks.

All is put together of ops and written against the standard, for nodes and arrays alike. What is
taken several times has the sum of all gradients.
"""

from __future__ import annotations

from math import prod
from types import EllipsisType, NoneType
from typing import Any

from .. import ops
from ..backends import BACKEND_OF_TYPE
from ..engine.arrays import describe, is_node, namespace
from ..engine.inputs import op_inputs
from ..ops.indexing import positions

__all__ = ["getitem", "sort", "take", "take_along_axis"]

_BASIC = frozenset({int, slice, NoneType, EllipsisType})
_ALL = slice(None)


def getitem(x: Any, key: Any, /) -> Any:
    """`x[key]`, the function behind the operator, as in NumPy
    (https://numpy.org/doc/stable/user/basics.indexing.html).

    Args:
        key: integers, slices, `None`, `...`, and, with these or alone, integer arrays that are
            broadcast together, and boolean masks of the axes in their place. Arrays may be nodes
            or lists.

    Raises:
        IndexError: an index is out of range, there are more entries than axes, or a mask has not
            the shape of its axes.
        TypeError: an entry is something else.
    """
    entries = key if isinstance(key, tuple) else (key,)
    if _BASIC.issuperset(map(type, entries)) or not any(map(is_array, entries)):
        return ops.GetItem.apply(x, key=key)
    entries = tuple([_as_array(x, entry) for entry in entries])
    if len(entries) == 1 and entries[0].ndim == 0 and _is_mask(entries[0]):  # all or nothing
        xp = namespace(entries[0])
        return getitem(namespace(x).expand_dims(x, axis=0), xp.reshape(entries[0], (1,)))
    return _by_arrays(x, _for_each_axis(x, entries))


def is_array(entry: Any) -> bool:
    return type(entry) in BACKEND_OF_TYPE or is_node(entry) or isinstance(entry, list)


def _is_mask(entry: Any) -> bool:
    return hasattr(entry, "dtype") and namespace(entry).isdtype(entry.dtype, "bool")


def _as_array(x: Any, entry: Any) -> Any:
    """Nodes, and lists, as arrays."""
    if not is_array(entry):
        return entry
    raw = x.value if is_node(x) else x
    if isinstance(entry, list):
        xp = namespace(raw)
        entry = xp.asarray(entry, dtype=None if entry else xp.int64, device=raw.device)
    return op_inputs("x[...]", [raw, entry])[1]


def _for_each_axis(x: Any, entries: tuple[Any, ...]) -> list[Any]:
    """The entries, one for each axis of x, and `None`: masks as their nonzero indices, and for
    `...`, wherever it stands, a list of slices."""
    masks = [_is_mask(k) for k in entries]
    counts = [
        k.ndim if is_mask else int(k is not None and k is not ...)
        for k, is_mask in zip(entries, masks, strict=True)
    ]
    missing = x.ndim - sum(counts)
    if missing < 0:
        raise IndexError(f"x[...]: {sum(counts)} entries for x of {x.ndim} axes ({describe(x)})")
    if len([k for k in entries if k is ...]) > 1:
        raise IndexError("x[...]: the key has several '...', expected one")
    found: list[Any] = []
    axis = 0
    for entry, is_mask, n in zip(entries, masks, counts, strict=True):
        if is_mask:
            shape, expected = tuple(entry.shape), tuple(x.shape[axis : axis + n])
            fits = [m in (0, size) for m, size in zip(shape, expected, strict=True)]
            if n == 0 or False in fits:  # of size 0, it may be of nothing
                raise IndexError(f"x[...]: a mask of shape {shape} for axes of shape {expected}")
            found += namespace(entry).nonzero(entry)
        else:
            found.append([_ALL] * missing if entry is ... else entry)
        axis += missing if entry is ... else n
    return found if [k for k in entries if k is ...] else [*found, [_ALL] * missing]


def _by_arrays(x: Any, entries: list[Any]) -> Any:
    """`x[entries]`, where some are integer arrays.

    First all but the arrays, then their axes as one, in front, along which Take takes.
    """
    basic: list[Any] = []
    arrays: dict[int, Any] = {}  # by the axis of x[basic]
    place = kept = 0  # where the axes of the arrays go; axes of x[basic] so far
    run, runs = False, 0  # of arrays and integers next to each other
    for entry in entries:
        is_array = hasattr(entry, "ndim")
        if is_array or not isinstance(entry, list | slice | NoneType):
            if not run:
                run, place, runs = True, kept - len(arrays), runs + 1
        else:
            run = False
        if is_array:
            arrays[kept] = entry
        basic += entry if isinstance(entry, list) else [_ALL if is_array else entry]
        kept += len(entry) if isinstance(entry, list) else int(is_array or not run)
    if runs > 1:
        place = 0

    if [k for k in basic if k != _ALL]:
        x = ops.GetItem.apply(x, key=tuple(basic))
    axes = [*arrays, *[a for a in range(x.ndim) if a not in arrays]]
    if axes != sorted(axes):
        x = ops.Transpose.apply(x, axes=tuple(axes))
    sizes, rest = tuple(x.shape[: len(arrays)]), tuple(x.shape[len(arrays) :])
    raw = x.value if is_node(x) else x
    indices = [
        positions(f"x[...]: indices {i}", raw, index, size)
        for i, (index, size) in enumerate(zip(arrays.values(), sizes, strict=True))
    ]
    joined = indices[0]
    for index, size in zip(indices[1:], sizes[1:], strict=True):
        try:
            joined = joined * size + index
        except ValueError:
            shapes = " and ".join(str(tuple(i.shape)) for i in indices)
            raise IndexError(
                f"x[...]: the indices have shapes {shapes}, which can't be broadcast together"
            ) from None
    if len(sizes) > 1:
        x = ops.Reshape.apply(x, shape=(prod(sizes), *rest))
    y = ops.Take.apply(x, indices=joined, check=False)
    if not place:
        return y
    n = joined.ndim
    order = (*range(n, n + place), *range(n), *range(n + place, y.ndim))
    return ops.Transpose.apply(y, axes=order)


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """The parts of x along `axis` at the indices, of which negative ones count from the end."""
    if axis is None and x.ndim != 1:
        raise ValueError(f"take: an array of shape {tuple(x.shape)} needs an axis")
    return ops.Take.apply(x, indices=indices, axis=0 if axis is None else axis)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Along `axis`, the elements of x at the indices, each in its own row.

    Args:
        indices: as many dimensions as x; but for `axis`, the shapes are broadcast together.
            Negative ones count from the end.

    Raises:
        IndexError: an index is out of range.
        TypeError: the indices are not integers.
        ValueError: the shapes do not fit.
    """
    raw = x.value if is_node(x) else x
    if len(indices.shape) != raw.ndim or not -raw.ndim <= axis < raw.ndim:
        found = f"x {tuple(x.shape)}, indices {tuple(indices.shape)} and axis {axis} do not fit"
        raise ValueError(f"take_along_axis: {found}; expected as many dimensions, and the axis")
    xp, size = namespace(raw), raw.shape[axis]
    indices = positions("take_along_axis: indices", raw, indices, size)
    x, indices = namespace(x).moveaxis(x, axis, -1), xp.moveaxis(indices, axis, -1)
    # Where each row of x begins in x, flat.
    shape, n = tuple(x.shape[:-1]), prod(x.shape[:-1])
    rows = xp.reshape(xp.arange(n, dtype=indices.dtype, device=raw.device), (*shape, 1))
    y = ops.Take.apply(namespace(x).reshape(x, (-1,)), indices=rows * size + indices, check=False)
    return namespace(y).moveaxis(y, -1, axis)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The elements along `axis` in order; each keeps its own gradient."""
    raw = x.value if is_node(x) else x
    if not -raw.ndim <= axis < raw.ndim:
        raise IndexError(f"sort: axis {axis} is out of range for {raw.ndim} dimensions")
    order = namespace(raw).argsort(raw, axis=axis, descending=descending, stable=stable)
    return take_along_axis(x, order, axis=axis)
