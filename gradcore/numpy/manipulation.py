"""Functions that move, repeat, join and split elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from operator import index
from typing import Any

import numpy as np

from .. import array_api as xp
from .. import ops
from ..array_api.common import axes_from_front, axis_from_front
from ..backends.types import DType
from ..engine.arrays import flat, integers
from .common import (
    HOST,
    arrays_of,
    as_inputs,
    as_node_or_array,
    cast,
    counting,
    filled,
    flat_or_along,
    on_host,
    place_of,
    placed,
    promoted,
)

__all__ = [
    "append",
    "array_split",
    "astype",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "column_stack",
    "concat",
    "concatenate",
    "copy",
    "delete",
    "dsplit",
    "dstack",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "insert",
    "matrix_transpose",
    "moveaxis",
    "ndim",
    "pad",
    "permute_dims",
    "ravel",
    "repeat",
    "reshape",
    "resize",
    "roll",
    "rollaxis",
    "rot90",
    "shape",
    "size",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "transpose",
    "trim_zeros",
    "unstack",
    "vsplit",
    "vstack",
]


def shape(a: Any) -> tuple[int, ...]:
    """Give the shape.

    Example:
        >>> print(np.shape([[1.0, 2.0, 3.0]]), np.shape(TensorNode(1.0)))
        (1, 3) ()
    """
    return tuple(as_node_or_array(a).shape)


def ndim(a: Any) -> int:
    """Count the dimensions.

    Example:
        >>> print(np.ndim([[1.0, 2.0]]), np.ndim(TensorNode(3.0)))
        2 0
    """
    return len(shape(a))


def size(a: Any, axis: Any = None) -> int:
    """Count the elements, of all or along `axis`.

    Example:
        >>> print(np.size(TensorNode([[1.0, 2.0, 3.0]])), np.size([[1.0, 2.0, 3.0]], 1))
        3 3
    """
    sizes = shape(a)
    axes = range(len(sizes)) if axis is None else integers(axis)
    n = 1
    for k in axes:
        n *= sizes[k]
    return n


def astype(x: Any, dtype: DType, /, *, copy: bool = True, device: Any = None) -> Any:
    """Convert x to another dtype.

    Example:
        >>> x = TensorNode([1.0, 2.0])
        >>> print(np.astype(x, np.float64).dtype, np.astype(x, np.int64).dtype)
        float64 int64
    """
    x = as_node_or_array(x)
    y = cast(x, dtype)
    return xp.astype(x, x.dtype, copy=copy, device=device) if y is x else y


def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """Copy a.

    Example:
        >>> x = np.array([1.0, 2.0])
        >>> y = np.copy(x)
        >>> y[0] = 9.0
        >>> print(x, y)
        [1. 2.] [9. 2.]
    """
    x = as_node_or_array(a)
    return xp.astype(x, x.dtype, copy=True)


def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """Arrange the elements in another shape. One entry of the shape may be -1: it is computed.

    Args:
        order: "C", "A": rows first; "F": columns first, as Fortran and MATLAB do.

    Example:
        >>> print(np.reshape(np.arange(6.0), (2, -1)).tolist())
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    """
    x, shape = as_node_or_array(a), integers(shape)
    if order == "F":
        return transpose(xp.reshape(transpose(x), shape[::-1], copy=copy))
    return xp.reshape(x, shape, copy=copy)


def ravel(a: Any, order: str = "C") -> Any:
    """Arrange the elements in a vector; see `reshape`.

    Example:
        >>> print(np.ravel([[1.0, 2.0], [3.0, 4.0]]))
        [1. 2. 3. 4.]
    """
    return reshape(a, (-1,), "F" if order == "F" else "C")


def transpose(a: Any, axes: Any = None) -> Any:
    """Put the axes in another order: axis i of the result is axis `axes[i]` of a; without `axes`,
    reverse them.

    Example:
        >>> print(np.permute_dims(np.zeros((2, 3, 4)), (2, 0, 1)).shape)
        (4, 2, 3)
        >>> print(np.permute_dims(np.zeros((2, 3, 4))).shape)
        (4, 3, 2)
    """
    x = as_node_or_array(a)
    return xp.permute_dims(x, tuple(range(x.ndim)[::-1]) if axes is None else integers(axes))


permute_dims = transpose


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes.

    Example:
        >>> print(np.swapaxes(np.zeros((2, 3, 4)), 0, 2).shape)
        (4, 3, 2)
    """
    x = as_node_or_array(a)
    axes = [*range(x.ndim)]
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return xp.permute_dims(x, tuple(axes))


def matrix_transpose(x: Any, /) -> Any:
    """Transpose each matrix: (..., M, N) becomes (..., N, M).

    Example:
        >>> print(np.matrix_transpose(np.zeros((5, 2, 3))).shape)
        (5, 3, 2)
    """
    return xp.matrix_transpose(as_node_or_array(x))


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move the axes of `source` to the positions of `destination`.

    Example:
        >>> print(np.moveaxis(np.zeros((2, 3, 4)), 0, -1).shape)
        (3, 4, 2)
    """
    return xp.moveaxis(as_node_or_array(a), source, destination)


def expand_dims(a: Any, axis: Any) -> Any:
    """Insert axes of size 1, which in the result are `axis`.

    Example:
        >>> print(np.expand_dims(TensorNode([1.0, 2.0]), 0).shape)
        (1, 2)
    """
    return xp.expand_dims(as_node_or_array(a), axis=axis)


def squeeze(a: Any, axis: Any = None) -> Any:
    """Remove axes of size 1: those named, or all.

    Example:
        >>> print(np.squeeze(np.zeros((1, 3, 1))).shape, np.squeeze(np.zeros((1, 3, 1)), 0).shape)
        (3,) (3, 1)
    """
    x = as_node_or_array(a)
    ones = tuple([k for k, n in enumerate(x.shape) if n == 1])
    return xp.squeeze(x, axis=ones if axis is None else integers(axis))


def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """Repeat the array to fill the shape: (3, 1) may become (2, 3, 4).

    Example:
        >>> x = np.array([[1.0], [2.0]])
        >>> print(np.broadcast_to(x, (2, 3)).tolist())
        [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
        >>> print(gradcore.grad(lambda x: np.sum(np.broadcast_to(x, (2, 3))))(x).tolist())
        [[3.0], [3.0]]
    """
    return xp.broadcast_to(as_node_or_array(array), integers(shape))


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Broadcast the arrays to one shape.

    Example:
        >>> x, y = np.broadcast_arrays([[1.0], [2.0]], [10.0, 20.0])
        >>> print(x.tolist(), y.tolist())
        [[1.0, 1.0], [2.0, 2.0]] [[10.0, 20.0], [10.0, 20.0]]
    """
    return tuple(xp.broadcast_arrays(*arrays_of(*args)))


def concatenate(
    arrays: Sequence[Any], /, axis: int | None = 0, out: Any = None, *, dtype: DType | None = None,
    casting: str = "same_kind",
) -> Any:  # fmt: skip
    """Join arrays along an axis that they have; with `axis=None`, flatten them first.

    Example:
        >>> a, b = TensorNode([1.0, 2.0]), TensorNode([3.0])
        >>> y = np.concatenate([a, b])
        >>> np.sum(y**2).backward()
        >>> print(y, a.grad, b.grad)
        [1. 2. 3.] [2. 4.] [6.]
    """
    parts = [cast(x, dtype) for x in _common(arrays)]
    return filled("concatenate", out, xp.concat(parts, axis=axis))


concat = concatenate


def stack(
    arrays: Sequence[Any], axis: int = 0, out: Any = None, *, dtype: DType | None = None,
    casting: str = "same_kind",
) -> Any:  # fmt: skip
    """Join arrays of one shape along a new axis.

    Example:
        >>> x, y = TensorNode([1.0, 2.0]), TensorNode([3.0, 4.0])
        >>> print(np.stack([x, y]).tolist(), np.stack([x, y], axis=1).tolist())
        [[1.0, 2.0], [3.0, 4.0]] [[1.0, 3.0], [2.0, 4.0]]
    """
    parts = [cast(x, dtype) for x in _common(arrays)]
    return filled("stack", out, xp.stack(parts, axis=axis))


def vstack(tup: Sequence[Any], *, dtype: DType | None = None, casting: str = "same_kind") -> Any:
    """Join arrays along the first axis; vectors are rows.

    Example:
        >>> print(np.vstack([[1.0, 2.0], TensorNode([3.0, 4.0])]).tolist())
        [[1.0, 2.0], [3.0, 4.0]]
    """
    parts = [atleast_2d(x) for x in _common(tup)]
    return concatenate(parts, 0, dtype=dtype, casting=casting)


def hstack(tup: Sequence[Any], *, dtype: DType | None = None, casting: str = "same_kind") -> Any:
    """Join arrays along the second axis; vectors along their only one.

    Example:
        >>> print(np.hstack([[[1.0], [2.0]], [[3.0], [4.0]]]).tolist())
        [[1.0, 3.0], [2.0, 4.0]]
    """
    parts = [atleast_1d(x) for x in _common(tup)]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


def atleast_1d(*arys: Any) -> Any:
    """Make vectors of numbers; other arrays stay.

    Example:
        >>> print(np.atleast_1d(TensorNode(2.0)).shape)
        (1,)
    """
    return _each([xp.reshape(x, (1,)) if x.ndim == 0 else x for x in arrays_of(*arys)])


def atleast_2d(*arys: Any) -> Any:
    """Make matrices of numbers and vectors, which become rows.

    Example:
        >>> print(np.atleast_2d(TensorNode([1.0, 2.0])).shape)
        (1, 2)
    """
    return _each([xp.reshape(x, (1, -1)) if x.ndim < 2 else x for x in arrays_of(*arys)])


def atleast_3d(*arys: Any) -> Any:
    """Make arrays of three dimensions: vectors become (1, N, 1), matrices (M, N, 1).

    Example:
        >>> print(np.atleast_3d(TensorNode([1.0, 2.0])).shape)
        (1, 2, 1)
    """
    return _each(
        [
            xp.reshape(x, (1, -1, 1))
            if x.ndim < 2
            else xp.expand_dims(x, axis=2)
            if x.ndim == 2
            else x
            for x in arrays_of(*arys)
        ]
    )


def flip(m: Any, axis: Any = None) -> Any:
    """Reverse the order of elements along `axis`, or along all axes.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(np.flip(x).tolist(), np.flip(x, 0).tolist())
        [[4.0, 3.0], [2.0, 1.0]] [[3.0, 4.0], [1.0, 2.0]]
    """
    return xp.flip(as_node_or_array(m), axis=axis)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Shift elements along `axis`; those pushed off the end come in at the start.

    Example:
        >>> print(np.roll([1.0, 2.0, 3.0], 1))
        [3. 1. 2.]
    """
    return xp.roll(as_node_or_array(a), shift, axis=axis)


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element along `axis`: [1, 2] becomes [1, 1, 2, 2].

    Example:
        >>> x = np.array([1.0, 2.0])
        >>> print(np.repeat(x, 2), gradcore.grad(lambda x: np.sum(np.repeat(x, [1, 3])))(x))
        [1. 1. 2. 2.] [1. 3.]
    """
    x, counts = as_inputs(a, repeats)
    return xp.repeat(x, counts, axis=axis)


def tile(A: Any, reps: Any) -> Any:
    """Repeat A as a whole, `reps[i]` times along axis i: [1, 2] becomes [1, 2, 1, 2].

    Example:
        >>> print(np.tile([1.0, 2.0], 2), np.tile([1.0, 2.0], (2, 1)).tolist())
        [1. 2. 1. 2.] [[1.0, 2.0], [1.0, 2.0]]
    """
    return xp.tile(as_node_or_array(A), integers(reps))


def _common(xs: Any) -> list[Any]:
    """Make arrays of one dtype."""
    return promoted(*arrays_of(*xs))


def _each(xs: list[Any]) -> Any:
    return xs[0] if len(xs) == 1 else tuple(xs)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move an axis before the axis `start`.

    Example:
        >>> print(np.rollaxis(np.zeros((2, 3, 4)), 2).shape)
        (4, 2, 3)
    """
    (x,) = arrays_of(a)
    axis = axis_from_front("rollaxis", axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    return xp.moveaxis(x, axis, start - 1 if axis < start else start)


def fliplr(m: Any) -> Any:
    """Reverse the second axis.

    Example:
        >>> print(np.fliplr([[1.0, 2.0], [3.0, 4.0]]).tolist())
        [[2.0, 1.0], [4.0, 3.0]]
    """
    return flip(m, 1)


def flipud(m: Any) -> Any:
    """Reverse the first axis.

    Example:
        >>> print(np.flipud([[1.0, 2.0], [3.0, 4.0]]).tolist())
        [[3.0, 4.0], [1.0, 2.0]]
    """
    return flip(m, 0)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Turn each matrix, of two axes, by k times 90 degrees: from the first to the second.

    Example:
        >>> print(np.rot90([[1.0, 2.0], [3.0, 4.0]]).tolist())
        [[2.0, 4.0], [1.0, 3.0]]
    """
    (x,) = arrays_of(m)
    first, second = axes_from_front("rot90", axes, x.ndim)
    if k % 4 == 2:
        return flip(x, (first, second))
    if k % 2:
        return (
            swapaxes(flip(x, second), first, second)
            if k % 4 == 1
            else flip(swapaxes(x, first, second), second)
        )
    return copy(x)


def dstack(tup: Sequence[Any]) -> Any:
    """Join arrays along the third axis; see `atleast_3d`.

    Example:
        >>> print(np.dstack([[1.0, 2.0], [3.0, 4.0]]).tolist())
        [[[1.0, 3.0], [2.0, 4.0]]]
    """
    return concatenate([atleast_3d(x) for x in _common(tup)], 2)


def column_stack(tup: Sequence[Any]) -> Any:
    """Join arrays along the second axis; vectors are columns.

    Example:
        >>> print(np.column_stack([TensorNode([1.0, 2.0]), [3.0, 4.0]]).tolist())
        [[1.0, 3.0], [2.0, 4.0]]
    """
    parts = [xp.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in _common(tup)]
    return concatenate(parts, 1)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Split x into its parts along `axis`, which they don't have.

    Example:
        >>> a, b = np.unstack(TensorNode([[1.0, 2.0], [3.0, 4.0]]))
        >>> print(a, b)
        [1. 2.] [3. 4.]
    """
    return xp.unstack(as_node_or_array(x), axis=axis)


def block(arrays: Any) -> Any:
    """Join arrays in nested lists: the innermost lists along the last axis, and so on.

    Example:
        >>> a = TensorNode([[1.0, 2.0]])
        >>> print(np.block([[a, [[3.0]]], [a * 10, [[4.0]]]]).tolist())
        [[1.0, 2.0, 3.0], [10.0, 20.0, 4.0]]
    """
    depth, ndim = _depth(arrays), max(x.ndim for x in arrays_of(*flat([arrays])))
    ndim = max(ndim, depth)

    def joined(entry: Any, level: int) -> Any:
        if not isinstance(entry, list):
            (x,) = arrays_of(entry)
            return xp.reshape(x, (1,) * (ndim - x.ndim) + tuple(x.shape))
        return concatenate([joined(e, level + 1) for e in entry], level - depth)

    return joined(arrays, 0)


def _depth(x: Any) -> int:
    return 1 + _depth(x[0]) if isinstance(x, list) else 0


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split along `axis`, into so many parts, the first of which may be longer; or before each of
    the indices.

    Example:
        >>> for part in np.array_split([1.0, 2.0, 3.0], 2):
        ...     print(part)
        ...
        [1. 2.]
        [3.]
    """
    (x,) = arrays_of(ary)
    axis = axis_from_front("split", axis, x.ndim)
    n, sections = x.shape[axis], indices_or_sections
    if isinstance(sections, int | np.integer):
        size, longer = divmod(n, int(sections))
        ends = [*accumulate([size + 1] * longer + [size] * (int(sections) - longer))]
    else:
        ends = [*map(index, on_host(sections).tolist()), n]
    before = (slice(None),) * axis
    starts = [0, *ends[:-1]]
    return [x[(*before, slice(a, b), ...)] for a, b in zip(starts, ends, strict=True)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split along `axis`, into so many equal parts, or before each of the indices.

    Raises:
        ValueError: the parts are not equal.

    Example:
        >>> a, b, c = np.split(TensorNode([1.0, 2.0, 3.0, 4.0]), [1, 3])
        >>> print(a, b, c)
        [1.] [2. 3.] [4.]
    """
    (x,) = arrays_of(ary)
    sections, axis = indices_or_sections, axis_from_front("split", axis, x.ndim)
    if isinstance(sections, int | np.integer) and x.shape[axis] % sections:
        raise ValueError(f"split: axis {axis} of {tuple(x.shape)} has no {sections} equal parts")
    return array_split(x, sections, axis)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the second axis; a vector along its only one.

    Example:
        >>> a, b = np.hsplit(np.zeros((2, 4)), 2)
        >>> print(a.shape, b.shape)
        (2, 2) (2, 2)
    """
    (x,) = arrays_of(ary)
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the first axis, of two or more.

    Raises:
        ValueError: there are fewer than 2 dimensions, or the parts are not equal.

    Example:
        >>> a, b = np.vsplit(np.zeros((4, 3)), 2)
        >>> print(a.shape, b.shape)
        (2, 3) (2, 3)
    """
    (x,) = arrays_of(ary)
    if x.ndim < 2:
        raise ValueError(f"vsplit: an array of shape {tuple(x.shape)}, expected 2 dimensions")
    return split(x, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the third axis.

    Raises:
        ValueError: there are fewer than 3 dimensions, or the parts are not equal.

    Example:
        >>> a, b = np.dsplit(np.zeros((2, 3, 4)), 2)
        >>> print(a.shape, b.shape)
        (2, 3, 2) (2, 3, 2)
    """
    (x,) = arrays_of(ary)
    if x.ndim < 3:
        raise ValueError(f"dsplit: an array of shape {tuple(x.shape)}, expected 3 dimensions")
    return split(x, indices_or_sections, 2)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Put values behind those of arr, along `axis`; without one, both are made flat.

    Example:
        >>> print(np.append([1.0, 2.0], TensorNode([3.0])))
        [1. 2. 3.]
    """
    return concatenate((arr, values), axis)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Leave out the parts at the indices, slice or mask `obj` along `axis`, or elements of arr made
    flat.

    Example:
        >>> print(np.delete(TensorNode([1.0, 2.0, 3.0]), 1))
        [1. 3.]
    """
    x, axis = flat_or_along("delete", arrays_of(arr)[0], axis)
    obj = obj if isinstance(obj, slice) else on_host(obj)
    return _taken(x, np.delete(np.arange(x.shape[axis]), obj), axis)


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """Put values before the parts at the indices `obj` along `axis`, or into arr made flat.

    Example:
        >>> print(np.insert(TensorNode([1.0, 2.0]), 1, 9.0))
        [1. 9. 2.]
    """
    x, values = arrays_of(arr, values)
    x, axis = flat_or_along("insert", x, axis)
    values, n = cast(values, x.dtype), x.shape[axis]
    obj = np.arange(n)[obj] if isinstance(obj, slice) else on_host(obj)
    if obj.ndim == 0 and values.ndim:  # as NumPy: of one index, the values' first axis is `axis`
        values = xp.reshape(values, (1,) * (x.ndim - values.ndim) + tuple(values.shape))
        values = xp.moveaxis(values, 0, axis)
    # The place of each part of the result: in x, or behind x among the values.
    count = values.shape[axis] if obj.ndim == 0 and values.ndim else obj.size
    order = np.insert(np.arange(n), obj, n + np.arange(max(count, obj.size)))
    shape = (*x.shape[:axis], max(count, obj.size), *x.shape[axis + 1 :])
    return _taken(xp.concat([x, xp.broadcast_to(values, shape)], axis=axis), order, axis)


def _taken(x: Any, places: np.ndarray, axis: int) -> Any:
    return xp.take(x, placed(places, place_of(x)), axis=axis)


def resize(a: Any, new_shape: Any) -> Any:
    """Repeat the elements, row by row, as often as needed to fill the shape.

    Example:
        >>> print(np.resize([1.0, 2.0, 3.0], (2, 2)).tolist())
        [[1.0, 2.0], [3.0, 1.0]]
    """
    (x,) = arrays_of(a)
    shape = integers(new_shape)
    if 0 in x.shape:  # NumPy repeats a zero
        return xp.broadcast_to(cast(xp.sum(x), x.dtype), shape)
    places = counting(x, math.prod(shape)) % math.prod(x.shape)
    return xp.reshape(xp.take(xp.reshape(x, (-1,)), places), shape)


def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Leave out zeros at the front ("f") and the back ("b") of a vector.

    Raises:
        ValueError: the array is no vector.

    Example:
        >>> print(np.trim_zeros([0.0, 1.0, 0.0, 2.0, 0.0]))
        [1. 0. 2.]
    """
    (x,) = arrays_of(filt)
    found = np.flatnonzero(on_host(x))
    if x.ndim != 1:
        raise ValueError(f"trim_zeros: an array of shape {tuple(x.shape)}, expected a vector (N,)")
    if not found.size:
        return x[:0]
    start, end = (
        found[0] if "f" in trim.lower() else 0,
        found[-1] + 1 if "b" in trim.lower() else None,
    )
    return x[int(start) : None if end is None else int(end)]


def pad(array: Any, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    """Put more elements before and after those of the array, along each axis; see
    `gradcore.pad`, which has the modes constant, edge, reflect and wrap; and symmetric.

    Raises:
        ValueError: a width is negative, or there is no such mode.

    Example:
        >>> x = TensorNode([1.0, 2.0, 3.0])
        >>> print(np.pad(x, (1, 2)), np.pad(x, 1, mode="reflect"))
        [0. 1. 2. 3. 0. 0.] [2. 1. 2. 3. 2.]
    """
    (x,) = arrays_of(array)
    widths = np.broadcast_to(on_host(pad_width), (x.ndim, 2)).tolist()
    if np.min(widths, initial=0) < 0:
        raise ValueError(f"pad: pad_width is {pad_width}, expected 0 and more; cut by x[1:-1]")
    value = kwargs.pop("constant_values", 0)
    kwargs = {key: wish for key, wish in kwargs.items() if wish != "even"}
    known = ("constant", "edge", "reflect", "symmetric", "wrap")
    if kwargs or mode not in known:
        what = f"mode = {mode!r}" + "".join(f", {key} = {wish!r}" for key, wish in kwargs.items())
        raise ValueError(
            f"pad: {what} is not supported; constant, edge, reflect, symmetric, wrap are"
        )
    if mode != "constant":
        for axis, (before, after) in enumerate(widths):
            if before or after:  # where each element of the result comes from
                places = HOST.pad(np.arange(x.shape[axis]), (before, after), mode=mode)
                x = _taken(x, places, axis)
        return x
    key = tuple([slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True)])
    shape = tuple([a + n + b for (a, b), n in zip(widths, x.shape, strict=True)])
    y = ops.PutItem.apply(x, key=key, shape=shape)
    if isinstance(value, int | float) and value == 0:
        return y
    values = [[_of(v, x) for v in pair] for pair in _pairs(value, x.ndim)]
    for axis, (before, after) in enumerate(widths):  # later axes have the corners, as in NumPy
        places = xp.reshape(
            counting(x, shape[axis]), tuple([-1 if k == axis else 1 for k in range(x.ndim)])
        )
        y = xp.where(places < before, values[axis][0], y)
        y = xp.where(places >= shape[axis] - after, values[axis][1], y)
    return y


def _pairs(value: Any, ndim: int) -> list[Any]:
    """Give for each axis the values before and after."""
    if not isinstance(value, list | tuple):
        return [(value, value)] * ndim
    pairs: list[Any] = [v if isinstance(v, list | tuple) else None for v in value]
    if None in pairs:
        return [tuple(value) * (2 if len(value) == 1 else 1)] * ndim
    return [tuple(p) * (2 if len(p) == 1 else 1) for p in pairs] * (ndim if len(pairs) == 1 else 1)


def _of(value: Any, x: Any) -> Any:
    """Make a number, or a node, an array like x."""
    return as_node_or_array(value, x.dtype, place_of(x))


def broadcast_shapes(*args: Any) -> tuple[int, ...]:
    """Find the shape that arrays of these shapes are broadcast to.

    Example:
        >>> print(np.broadcast_shapes((3, 1), (4,)))
        (3, 4)
    """
    return np.broadcast_shapes(*args)
