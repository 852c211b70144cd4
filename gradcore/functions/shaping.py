"""Shapes and parts under PyTorch's names, but `axis` in place of `dim`. Parts are views: what is
assigned to them is assigned to the whole, where that may be assigned to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import prod
from typing import Any

from .. import array_api as xp
from ..array_api.common import NodeOrArray, Shape, axes_from_front, axis_from_front
from ..backends.types import DType
from ..engine.arrays import integers, is_integer, node_or_array, value_of

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_tensors",
    "cat",
    "chunk",
    "column_stack",
    "cumprod",
    "cumsum",
    "dstack",
    "expand",
    "flatten",
    "fliplr",
    "flipud",
    "hstack",
    "movedim",
    "numel",
    "permute",
    "ravel",
    "repeat_interleave",
    "split",
    "swapaxes",
    "t",
    "tensor_split",
    "transpose",
    "unbind",
    "unflatten",
    "unsqueeze",
    "vstack",
]

cat, unbind, unsqueeze = xp.concat, xp.unstack, xp.expand_dims
movedim, repeat_interleave, broadcast_tensors = xp.moveaxis, xp.repeat, xp.broadcast_arrays


def numel(x: NodeOrArray) -> int:
    """Count the elements.

    Example:
        >>> gradcore.numel(TensorNode(np.ones((2, 3, 4))))
        24
    """
    return prod(x.shape)


def cumsum(x: NodeOrArray, axis: int, *, dtype: DType | None = None) -> NodeOrArray:
    """Sum the first 1, 2, ... elements along `axis`, in a dtype that may be given.

    Example:
        >>> print(gradcore.cumsum(TensorNode([2.0, 3.0, 4.0]), 0).value)
        [2. 5. 9.]
    """
    return xp.cumulative_sum(x, axis=axis, dtype=dtype)


def cumprod(x: NodeOrArray, axis: int, *, dtype: DType | None = None) -> NodeOrArray:
    """Multiply the first 1, 2, ... elements along `axis`, in a dtype that may be given.

    Example:
        >>> print(gradcore.cumprod(TensorNode([2.0, 3.0, 4.0]), 0).value)
        [ 2.  6. 24.]
    """
    return xp.cumulative_prod(x, axis=axis, dtype=dtype)


def permute(x: NodeOrArray, axes: Sequence[int]) -> NodeOrArray:
    """Put the axes in another order; a negative one counts from the end.

    Raises:
        ValueError: these are not all axes.

    Example:
        >>> images = TensorNode(np.ones((8, 3, 32, 16)))
        >>> gradcore.permute(images, (0, 2, 3, 1)).shape  # channels last
        (8, 32, 16, 3)
    """
    if len(axes) != x.ndim:
        raise ValueError(f"permute: axes {tuple(axes)}, expected {x.ndim} of {tuple(x.shape)}")
    return xp.permute_dims(x, tuple(axes_from_front("permute", tuple(axes), x.ndim)))


def transpose(x: NodeOrArray, axis0: int, axis1: int) -> NodeOrArray:
    """Exchange two axes. (`gradcore.numpy.transpose` takes the order of all.)

    Example:
        >>> gradcore.transpose(TensorNode(np.ones((8, 3, 5))), 1, 2).shape
        (8, 5, 3)
    """
    order = [*range(x.ndim)]
    a, b = (axis_from_front("transpose", axis, x.ndim) for axis in (axis0, axis1))
    order[a], order[b] = b, a
    return xp.permute_dims(x, tuple(order))


swapaxes = transpose


def t(x: NodeOrArray) -> NodeOrArray:
    """Transpose a matrix; a vector and a number stay.

    Raises:
        ValueError: x has more dimensions.

    Example:
        >>> print(gradcore.t(TensorNode([[1.0, 2.0, 3.0]])).value)
        [[1.]
         [2.]
         [3.]]
    """
    if x.ndim > 2:
        raise ValueError(f"t: x {tuple(x.shape)}, expected at most 2 dimensions; see mT")
    return transpose(x, 0, 1) if x.ndim == 2 else x


def expand(x: NodeOrArray, shape: Shape) -> NodeOrArray:
    """Repeat x, without a copy, to fill the shape. -1 is the size that x has.

    Raises:
        ValueError: the shapes do not fit, or -1 stands for a new axis.

    Example:
        >>> print(gradcore.expand(TensorNode([[1.0], [2.0]]), (-1, 3)).value)
        [[1. 1. 1.]
         [2. 2. 2.]]
    """
    shape = integers(shape)
    missing = len(shape) - x.ndim
    if missing < 0 or -1 in shape[:missing]:
        raise ValueError(f"expand: x {tuple(x.shape)} to {shape}; -1 is for axes that x has")
    sizes = (1,) * missing + tuple(x.shape)
    pairs = zip(sizes, shape, strict=True)
    return xp.broadcast_to(x, tuple([m if n == -1 else n for m, n in pairs]))


def ravel(x: NodeOrArray) -> NodeOrArray:
    """Make x a vector.

    Example:
        >>> print(gradcore.ravel(TensorNode([[1.0, 2.0], [3.0, 4.0]])).value)
        [1. 2. 3. 4.]
    """
    return xp.reshape(x, (-1,))


def flatten(x: NodeOrArray, start_axis: int = 0, end_axis: int = -1) -> NodeOrArray:
    """Make one axis of those from `start_axis` to `end_axis`; of a number a vector (1,).

    Raises:
        ValueError: the first axis comes after the last.

    Example:
        >>> gradcore.flatten(TensorNode(np.ones((8, 16, 5, 5))), 1).shape
        (8, 400)
    """
    if x.ndim == 0:
        return xp.reshape(x, (1,))
    start, end = (axis_from_front("flatten", a, x.ndim) for a in (start_axis, end_axis))
    if start > end:
        found = f"from axis {start_axis} to {end_axis} of x {tuple(x.shape)}"
        raise ValueError(f"flatten: {found}, but the first axis comes after the last")
    size = prod(x.shape[start : end + 1])
    return xp.reshape(x, (*x.shape[:start], size, *x.shape[end + 1 :]))


def unflatten(x: NodeOrArray, axis: int, sizes: Sequence[int]) -> NodeOrArray:
    """Make several axes of one; one of the sizes may be -1.

    Raises:
        ValueError: the sizes do not multiply to that of the axis.

    Example:
        >>> gradcore.unflatten(TensorNode(np.ones((8, 64))), 1, (4, -1)).shape  # 4 heads
        (8, 4, 16)
    """
    axis, sizes = axis_from_front("unflatten", axis, x.ndim), integers(sizes)
    size, known = x.shape[axis], prod([n for n in sizes if n != -1])
    if -1 in sizes and known and size % known == 0:
        sizes = tuple([size // known if n == -1 else n for n in sizes])
    if prod(sizes) != size or min(sizes, default=0) < 0:
        found = f"axis {axis} of x {tuple(x.shape)} to {tuple(sizes)}"
        expected = f"{'a multiple of ' if -1 in sizes else ''}{known} elements, not {size}"
        raise ValueError(f"unflatten: {found}, expected {expected}")
    return xp.reshape(x, (*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))


# -- Parts ------------------------------------------------------------------------------------


def _parts(x: NodeOrArray, axis: int, ends: Sequence[int]) -> tuple[NodeOrArray, ...]:
    """Split x before each of these indices along `axis` but the last, where the last part ends."""
    before = (slice(None),) * axis
    starts = [0, *ends[:-1]]
    return tuple([x[(*before, slice(a, b), ...)] for a, b in zip(starts, ends, strict=True)])


def split(
    x: NodeOrArray, split_size_or_sections: int | Sequence[int], axis: int = 0
) -> tuple[NodeOrArray, ...]:
    """Split x along `axis` into parts of one size, the last of which may be smaller; or into parts
    of these sizes. (`gradcore.numpy.split` takes the number of parts, or where they begin.)

    Raises:
        ValueError: a size is negative, or the sizes don't add up.

    Example:
        >>> a, b, c = gradcore.split(TensorNode([1, 2, 3, 4, 5]), 2)
        >>> print(a.value, b.value, c.value)
        [1 2] [3 4] [5]
    """
    x = node_or_array(x)
    sizes: Any = split_size_or_sections
    axis = axis_from_front("split", axis, x.ndim)
    n = x.shape[axis]
    if is_integer(sizes):
        if sizes < 0 or (sizes == 0 < n):
            raise ValueError(f"split: a size of {sizes}, for axis {axis} of {tuple(x.shape)}")
        return _parts(x, axis, [*range(sizes, n, sizes), n] if n else [0])
    sizes = integers(sizes)
    if sum(sizes) != n or min(sizes, default=0) < 0:
        raise ValueError(f"split: sizes {sizes}, expected a sum of {n}, of {tuple(x.shape)}")
    return _parts(x, axis, [*accumulate(sizes)])


def chunk(x: NodeOrArray, chunks: int, axis: int = 0) -> tuple[NodeOrArray, ...]:
    """Split x along `axis` into so many parts of one size, the last of which may be smaller; or
    into fewer parts, where that is so.

    Raises:
        ValueError: `chunks` is not positive.

    Example:
        >>> a, b = gradcore.chunk(TensorNode([1, 2, 3, 4, 5]), 2)
        >>> print(a.value, b.value)
        [1 2 3] [4 5]
    """
    x = node_or_array(x)
    axis = axis_from_front("chunk", axis, x.ndim)
    if not (is_integer(chunks) and chunks > 0):
        raise ValueError(f"chunk: chunks = {chunks}, expected a positive integer")
    if not x.shape[axis]:
        return _parts(x, axis, [0] * chunks)
    return split(x, -(-x.shape[axis] // chunks), axis)


def tensor_split(
    x: NodeOrArray, indices_or_sections: int | Sequence[int], axis: int = 0
) -> tuple[NodeOrArray, ...]:
    """Split x along `axis` into so many parts, the first of which may be larger by one; or before
    each of the indices.

    Raises:
        ValueError: the number of parts is not positive.

    Example:
        >>> a, b = gradcore.tensor_split(TensorNode([1, 2, 3, 4, 5]), 2)
        >>> print(a.value, b.value)
        [1 2 3] [4 5]
    """
    x = node_or_array(x)
    axis, sections = axis_from_front("tensor_split", axis, x.ndim), value_of(indices_or_sections)
    n = x.shape[axis]
    if getattr(sections, "ndim", 1) == 0:
        sections = int(sections)
    if not is_integer(sections):
        return _parts(x, axis, [*integers(sections), n])
    if sections < 1:
        raise ValueError(f"tensor_split: {sections} parts, expected a positive integer")
    size, larger = divmod(n, sections)
    return _parts(x, axis, [*accumulate([size + 1] * larger + [size] * (sections - larger))])


# -- Stacks -----------------------------------------------------------------------------------


def _each(f: Callable[[NodeOrArray], NodeOrArray], xs: tuple[Any, ...]) -> Any:
    """Apply a function to one array; to several, or a list of some, each by itself: a tuple."""
    if len(xs) == 1 and not isinstance(xs[0], list | tuple):
        return f(node_or_array(xs[0]))
    return tuple([f(node_or_array(x)) for x in (xs[0] if len(xs) == 1 else xs)])


def _row(x: NodeOrArray) -> NodeOrArray:
    return xp.reshape(x, (1,)) if x.ndim == 0 else x


def _matrix(x: NodeOrArray) -> NodeOrArray:
    return xp.expand_dims(_row(x), axis=0) if x.ndim < 2 else x


def _stack(x: NodeOrArray) -> NodeOrArray:
    return xp.expand_dims(_matrix(x), axis=-1) if x.ndim < 3 else x


def atleast_1d(*xs: Any) -> Any:
    """Make a number a vector (1,).

    Example:
        >>> gradcore.atleast_1d(TensorNode(3.0)).shape
        (1,)
    """
    return _each(_row, xs)


def atleast_2d(*xs: Any) -> Any:
    """Make a vector (N,) a row (1, N), and a number a matrix (1, 1).

    Example:
        >>> gradcore.atleast_2d(TensorNode([1.0, 2.0, 3.0])).shape
        (1, 3)
    """
    return _each(_matrix, xs)


def atleast_3d(*xs: Any) -> Any:
    """Make a matrix (N, M) an array (N, M, 1), and a vector (N,) one of (1, N, 1).

    Example:
        >>> gradcore.atleast_3d(TensorNode(np.ones((2, 3)))).shape
        (2, 3, 1)
    """
    return _each(_stack, xs)


def hstack(xs: Sequence[NodeOrArray]) -> NodeOrArray:
    """Join arrays along the second axis; vectors along their only one.

    Example:
        >>> print(gradcore.hstack([TensorNode([1.0, 2.0]), TensorNode([3.0])]).value)
        [1. 2. 3.]
    """
    xs = [_row(x) for x in xs]
    return xp.concat(xs, axis=0 if xs and xs[0].ndim == 1 else 1)


def vstack(xs: Sequence[NodeOrArray]) -> NodeOrArray:
    """Join arrays along the first axis; vectors are rows.

    Example:
        >>> print(gradcore.vstack([TensorNode([1.0, 2.0]), TensorNode([3.0, 4.0])]).value)
        [[1. 2.]
         [3. 4.]]
    """
    return xp.concat([_matrix(x) for x in xs], axis=0)


def dstack(xs: Sequence[NodeOrArray]) -> NodeOrArray:
    """Join arrays along the third axis; see `atleast_3d`.

    Example:
        >>> gradcore.dstack([TensorNode(np.ones((2, 3))), TensorNode(np.ones((2, 3)))]).shape
        (2, 3, 2)
    """
    return xp.concat([_stack(x) for x in xs], axis=2)


def column_stack(xs: Sequence[NodeOrArray]) -> NodeOrArray:
    """Join arrays along the second axis; vectors are columns.

    Example:
        >>> print(gradcore.column_stack([TensorNode([1.0, 2.0]), TensorNode([3.0, 4.0])]).value)
        [[1. 3.]
         [2. 4.]]
    """
    return xp.concat([xp.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in xs], axis=1)


def fliplr(x: NodeOrArray) -> NodeOrArray:
    """Reverse the order of columns.

    Example:
        >>> print(gradcore.fliplr(TensorNode([[1.0, 2.0], [3.0, 4.0]])).value)
        [[2. 1.]
         [4. 3.]]
    """
    return xp.flip(x, axis=1)


def flipud(x: NodeOrArray) -> NodeOrArray:
    """Reverse the order of rows.

    Example:
        >>> print(gradcore.flipud(TensorNode([[1.0, 2.0], [3.0, 4.0]])).value)
        [[3. 4.]
         [1. 2.]]
    """
    return xp.flip(x, axis=0)
