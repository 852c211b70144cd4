"""Take parts of nodes and arrays by integers, slices, arrays of indices and masks; sort, and find
what is unique.

The functions are composed of ops, so that they take nodes and arrays alike. An element that is
taken several times gets the sum of all gradients.
"""

from __future__ import annotations

from math import prod
from types import EllipsisType, NoneType
from typing import Any, NamedTuple

from .. import ops
from ..backends import BACKEND_OF_TYPE, Array
from ..engine.arrays import describe, is_node, namespace, value_of
from ..engine.inputs import op_inputs
from ..ops.indexing import positions
from .common import NodeOrArray, Shape, axis_from_front, is_complex
from .constant import unique_all as constant_unique_all
from .views import note

__all__ = [
    "getitem",
    "sort",
    "take",
    "take_along_axis",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]

_BASIC = frozenset({int, slice, NoneType, EllipsisType})
_ALL = slice(None)


def getitem(x: NodeOrArray, key: Any, /) -> NodeOrArray:
    """Compute x[key] as NumPy does (https://numpy.org/doc/stable/user/basics.indexing.html). The
    operator calls this function.

    Args:
        key: an entry, or a tuple of entries: integers, slices, `None`, `...`, integer arrays, which
            are broadcast together, and boolean masks, each of the shape of the axes in its place.
            Arrays and masks may be nodes, lists or tuples.

    Raises:
        IndexError: an index is out of range, there are more entries than axes, or a mask does not
            have the shape of its axes.
        TypeError: an entry is of another type.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> print(gradcore.getitem(x, (slice(None), 1)).value)  # as x[:, 1]
        [2. 4.]
    """
    entries = key if isinstance(key, tuple) else (key,)
    if _BASIC.issuperset(map(type, entries)) or not any(map(is_array, entries)):
        if not is_node(x):
            return ops.GetItem.forward({}, x, key=key)
        constants = {"key": key}
        y = ops.GetItem.do_forward(x, **constants)
        if y.value.shape or any(
            k is ... for k in entries
        ):  # else y is a number, which NumPy copies
            note(y, x, ops.GetItem, constants)
        return y
    entries = tuple([_as_array(x, entry) for entry in entries])
    if len(entries) == 1 and entries[0].ndim == 0 and _is_mask(entries[0]):  # all of x or nothing
        xp = namespace(entries[0])
        return getitem(namespace(x).expand_dims(x, axis=0), xp.reshape(entries[0], (1,)))
    return _by_arrays(x, _for_each_axis(x, entries))


def is_array(entry: Any) -> bool:
    """Whether an entry of a key is an array of indices or a mask, also in a list or a tuple."""
    return type(entry) in BACKEND_OF_TYPE or is_node(entry) or isinstance(entry, list | tuple)


def _is_mask(entry: Any) -> bool:
    return hasattr(entry, "dtype") and namespace(entry).isdtype(entry.dtype, "bool")


def _as_array(x: NodeOrArray, entry: Any) -> Any:
    """Convert an entry that is a node or a list to an array in the library of x. Other entries
    stay."""
    if not is_array(entry):
        return entry
    raw = value_of(x)
    if isinstance(entry, list | tuple):
        xp = namespace(raw)
        entry = xp.asarray(entry, dtype=None if entry else xp.int64, device=raw.device)
    return op_inputs("x[...]", [raw, entry])[1]


def _for_each_axis(x: NodeOrArray, entries: tuple[Any, ...]) -> list[Any]:
    """Rewrite a key so that it has an entry for each axis of x.

    A mask becomes its nonzero indices, one array for each of its axes. `...` becomes a list of as
    many slices `:` as axes are missing, also of none; without `...`, the list comes last. Other
    entries stay, `None` among them, which has no axis of x.

    Raises:
        IndexError: there are more entries than axes, or several `...`, or a mask that does not fit.
    """
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
            if n == 0 or False in fits:  # NumPy lets a mask of size 0 along an axis pass
                raise IndexError(f"x[...]: a mask of shape {shape} for axes of shape {expected}")
            found += namespace(entry).nonzero(entry)
        else:
            found.append([_ALL] * missing if entry is ... else entry)
        axis += missing if entry is ... else n
    return found if [k for k in entries if k is ...] else [*found, [_ALL] * missing]


def _by_arrays(x: NodeOrArray, entries: list[Any]) -> NodeOrArray:
    """Compute x[entries], where some entries are integer arrays.

    For x of shape (4, 5, 6), and i and j of shape (3,), x[:2, i, j] takes these steps:

        x = x[:2, :, :]               # (2, 5, 6): all entries but the arrays
        x = permute(x, (1, 2, 0))     # (5, 6, 2): the axes of the arrays in front
        x = reshape(x, (30, 2))       # these axes as one
        y = take(x, i * 6 + j)        # (3, 2): element (i, j) is element i * 6 + j of that one
        y = permute(y, (1, 0))        # (2, 3): the axes of i and j where i and j stood
    """
    basic, arrays, place = _without_arrays(entries)
    if [k for k in basic if k != _ALL]:
        x = ops.GetItem.apply(x, key=tuple(basic))
    axes = [*arrays, *[a for a in range(x.ndim) if a not in arrays]]
    if axes != sorted(axes):
        x = ops.Transpose.apply(x, axes=tuple(axes))
    sizes, rest = tuple(x.shape[: len(arrays)]), tuple(x.shape[len(arrays) :])
    indices = _as_one(value_of(x), [*arrays.values()], sizes)
    if len(sizes) > 1:
        x = ops.Reshape.apply(x, shape=(prod(sizes), *rest))
    y = ops.Take.apply(x, indices=indices, check=False)
    if not place:
        return y
    n = indices.ndim
    order = (*range(n, n + place), *range(n), *range(n + place, y.ndim))
    return ops.Transpose.apply(y, axes=order)


def _without_arrays(entries: list[Any]) -> tuple[list[Any], dict[int, Array], int]:
    """Separate the arrays from the other entries of a key.

    Returns:
        The entries with `:` in place of each array, as one flat list; each array by its axis in
        x[this list]; and the axis of the result at which the axes of the arrays begin. As in NumPy,
        they begin where the arrays stand, if arrays and integers are next to each other, else at 0.
    """
    basic: list[Any] = []
    arrays: dict[int, Array] = {}
    place = axes = 0  # the axes of x[basic] so far
    inside, runs = False, 0  # a run is of arrays and integers next to each other
    for entry in entries:
        is_array = hasattr(entry, "ndim")
        if not is_array and isinstance(entry, list | slice | NoneType):
            inside = False
        elif not inside:
            inside, place, runs = True, axes - len(arrays), runs + 1
        if is_array:
            arrays[axes] = entry
        basic += entry if isinstance(entry, list) else [_ALL if is_array else entry]
        axes += len(entry) if isinstance(entry, list) else int(is_array or not inside)
    return basic, arrays, place if runs == 1 else 0


def _as_one(x: Array, arrays: list[Array], sizes: Shape) -> Array:
    """Join the indices of several axes, of these sizes, into indices of one axis: of sizes 5 and 6,
    i and j become i * 6 + j.

    Raises:
        IndexError: an index is out of range, or the arrays can't be broadcast together.
    """
    indices = [
        positions(f"x[...]: indices {i}", x, index, size)
        for i, (index, size) in enumerate(zip(arrays, sizes, strict=True))
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
    return joined


def take(x: NodeOrArray, indices: NodeOrArray, /, axis: int | None = None) -> NodeOrArray:
    """Take the parts of x at the indices (N,) along `axis`, which only a vector may leave out.
    Negative indices count from the end.

    Raises:
        ValueError: x has several axes, and none is named.
        IndexError: an index is out of range.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> print(gradcore.take(x, np.array([2, 0]), axis=0).value)
        [[5. 6.]
         [1. 2.]]
    """
    if axis is None and x.ndim != 1:
        raise ValueError(f"take: an array of shape {tuple(x.shape)} needs an axis")
    return ops.Take.apply(x, indices=indices, axis=0 if axis is None else axis)


def take_along_axis(x: NodeOrArray, indices: NodeOrArray, /, axis: int = -1) -> NodeOrArray:
    """Take elements along `axis`, with other indices in each row: of x (N, M) along the last axis,
    y[n, k] = x[n, indices[n, k]].

    Args:
        indices: an integer array of as many dimensions as x. The sizes of the other axes are
            broadcast together. Negative indices count from the end.

    Raises:
        IndexError: an index is out of range, or there is no such axis.
        TypeError: the indices, or the axis, are not integers.
        ValueError: the shapes do not fit.

    Example:
        >>> x = TensorNode([[3.0, 1.0], [2.0, 4.0]])
        >>> print(gradcore.take_along_axis(x, gradcore.argsort(x)).value)
        [[1. 3.]
         [2. 4.]]
    """
    raw = value_of(x)
    if len(indices.shape) != raw.ndim:
        found = f"x {tuple(x.shape)} and indices {tuple(indices.shape)} do not fit"
        raise ValueError(f"take_along_axis: {found}; expected as many dimensions")
    axis = axis_from_front("take_along_axis", axis, raw.ndim)
    xp, size = namespace(raw), raw.shape[axis]
    indices = positions("take_along_axis: indices", raw, indices, size)
    x, indices = namespace(x).moveaxis(x, axis, -1), xp.moveaxis(indices, axis, -1)
    # The index in x flat at which each row begins.
    shape, n = tuple(x.shape[:-1]), prod(x.shape[:-1])
    rows = xp.reshape(xp.arange(n, dtype=indices.dtype, device=raw.device), (*shape, 1))
    y = ops.Take.apply(namespace(x).reshape(x, (-1,)), indices=rows * size + indices, check=False)
    return namespace(y).moveaxis(y, -1, axis)


def sort(
    x: NodeOrArray, /, axis: int = -1, *, descending: bool = False, stable: bool = True
) -> NodeOrArray:
    """Sort the elements along `axis`. Each element takes its gradient along.

    Raises:
        TypeError: x is complex.

    Example:
        >>> x = TensorNode([3.0, 1.0, 2.0])
        >>> y = gradcore.sort(x)
        >>> (y * np.array([10, 20, 30], "float32")).sum().backward()
        >>> print(y.value, x.grad)
        [1. 2. 3.] [30. 10. 20.]
    """
    raw = value_of(x)
    if is_complex(raw):
        raise TypeError(
            "sort: complex numbers have no order; say by what, as in "
            "take_along_axis(x, argsort(abs(x)), axis=-1)"
        )
    axis = axis_from_front("sort", axis, raw.ndim)
    order = namespace(raw).argsort(raw, axis=axis, descending=descending, stable=stable)
    return take_along_axis(x, order, axis=axis)


class Unique(NamedTuple):
    """The different elements of x: values and counts (K,), the index in x flat of the first element
    of each value (K,), and for each element of x the place of its value, in the shape of x."""

    values: NodeOrArray
    indices: NodeOrArray
    inverse_indices: NodeOrArray
    counts: NodeOrArray


class UniqueCounts(NamedTuple):
    values: NodeOrArray
    counts: NodeOrArray


class UniqueInverse(NamedTuple):
    values: NodeOrArray
    inverse_indices: NodeOrArray


def unique_all(x: NodeOrArray, /) -> Unique:
    """Find the different elements of x, sorted; each NaN is one of its own. The first of equal
    elements gets the gradient of their value.

    Example:
        >>> found = gradcore.unique_all(TensorNode([3, 1, 3]))
        >>> print(found.values.value, found.counts.value, found.inverse_indices.value)
        [1 3] [1 2] [1 0 1]
    """
    values, indices, inverse_indices, counts = constant_unique_all(x)
    if is_node(x):
        flat = ops.Reshape.apply(x, shape=(-1,))
        values = ops.Take.apply(flat, indices=value_of(indices), check=False)
    return Unique(values, indices, inverse_indices, counts)


def unique_counts(x: NodeOrArray, /) -> UniqueCounts:
    """Find the different elements of x, and how often each is there; see `unique_all`.

    Example:
        >>> values, counts = gradcore.unique_counts(TensorNode([3, 1, 3]))
        >>> print(values.value, counts.value)
        [1 3] [1 2]
    """
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: NodeOrArray, /) -> UniqueInverse:
    """Find the different elements of x, and for each element the place of its value in them; see
    `unique_all`.

    Example:
        >>> values, places = gradcore.unique_inverse(TensorNode([3, 1, 3]))
        >>> print(values.value, places.value)
        [1 3] [1 0 1]
    """
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: NodeOrArray, /) -> NodeOrArray:
    """Find the different elements of x; see `unique_all`.

    Example:
        >>> print(gradcore.unique_values(TensorNode([3, 1, 3])).value)
        [1 3]
    """
    return unique_all(x).values
