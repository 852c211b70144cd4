"""Functions that move, repeat and join elements, and convert them to another dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..backends import backend_of
from ..backends.types import DType
from ..engine.arrays import (
    broadcast_shape,
    describe,
    integers,
    is_node,
    namespace,
    node_or_array,
    value_of,
)
from ..engine.inputs import op_inputs
from ..graph import Op
from .common import (
    Axis,
    Device,
    NodeOrArray,
    Shape,
    axes_from_front,
    axis_from_front,
    call_library,
    check_device,
    check_matrices,
)
from .constant import full_like as constant_full_like
from .elementwise import where
from .views import note, reshapes_to_view, view

__all__ = [
    "astype",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "concat",
    "concatenate",
    "expand_dims",
    "flip",
    "full_like",
    "matrix_transpose",
    "meshgrid",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "tile",
    "tril",
    "triu",
    "unstack",
]


def reshape(x: NodeOrArray, /, shape: Shape, *, copy: bool | None = None) -> NodeOrArray:
    """Arrange the elements in another shape. One entry of the shape may be -1: it is computed.

    Raises:
        ValueError: the elements don't fit the shape; or with `copy=False`, a copy is needed.

    Example:
        >>> images = TensorNode(np.ones((8, 3, 32, 16)))
        >>> gradcore.reshape(images, (8, -1)).shape
        (8, 1536)
    """
    if copy is False:
        call_library("reshape", [value_of(x)], shape=shape, copy=False)
    x = astype(x, x.dtype) if copy else x
    if not is_node(x):
        return ops.Reshape.forward({}, x, shape=shape)
    y = ops.Reshape.do_forward(x, shape=shape)
    if not copy and reshapes_to_view(x, y):
        note(y, x, ops.Reshape, {"shape": shape})
    return y


def permute_dims(x: NodeOrArray, /, axes: tuple[int, ...]) -> NodeOrArray:
    """Put the axes in another order: axis i of the result is axis `axes[i]` of x.

    Example:
        >>> images = TensorNode(np.ones((8, 3, 32, 16)))
        >>> gradcore.permute_dims(images, (0, 2, 3, 1)).shape  # channels last
        (8, 32, 16, 3)
    """
    return view(ops.Transpose, x, axes=axes)


def matrix_transpose(x: NodeOrArray, /) -> NodeOrArray:
    """Transpose each matrix: (..., M, N) becomes (..., N, M).

    Example:
        >>> gradcore.matrix_transpose(TensorNode(np.ones((8, 2, 3)))).shape
        (8, 3, 2)
    """
    check_matrices("matrix_transpose", x)
    return view(ops.Transpose, x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def moveaxis(
    x: NodeOrArray, source: int | tuple[int, ...], destination: int | tuple[int, ...], /
) -> NodeOrArray:
    """Move the axes of `source` to the positions of `destination`; the others keep their order.

    Raises:
        ValueError: there are more sources than destinations, or fewer.
        IndexError: there is no such axis.

    Example:
        >>> images = TensorNode(np.ones((8, 3, 32, 16)))
        >>> gradcore.moveaxis(images, 1, -1).shape  # channels last
        (8, 32, 16, 3)
    """
    sources, destinations = (
        axes_from_front("moveaxis", axes, x.ndim) for axes in (source, destination)
    )
    if len(sources) != len(destinations):
        found = f"source is {source} and destination {destination}"
        raise ValueError(f"moveaxis: {found}; expected as many axes in both")
    axes = [a for a in range(x.ndim) if a not in sources]
    for to, a in sorted(zip(destinations, sources, strict=True)):
        axes.insert(to, a)
    return view(ops.Transpose, x, axes=tuple(axes))


def broadcast_to(x: NodeOrArray, /, shape: Shape) -> NodeOrArray:
    """Repeat x, without a copy, to fill the shape: (3, 1) may become (2, 3, 4). As NumPy's, the
    result can't be assigned to.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> print(gradcore.broadcast_to(TensorNode([[1.0], [2.0]]), (2, 3)).value)
        [[1. 1. 1.]
         [2. 2. 2.]]
    """
    return view(ops.Broadcast, x, shape=shape)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Compute the shape that arrays of these shapes are broadcast to: of (3, 1) and (4,), (3, 4).

    Raises:
        ValueError: there is none.

    Example:
        >>> gradcore.broadcast_shapes((3, 1), (4,))
        (3, 4)
    """
    return broadcast_shape("broadcast_shapes", *map(integers, shapes))


def broadcast_arrays(*arrays: NodeOrArray) -> tuple[NodeOrArray, ...]:
    """Broadcast the arrays to one shape: of (3, 1) and (4,) both become (3, 4).

    Raises:
        ValueError: there is no such shape.

    Example:
        >>> a, b = gradcore.broadcast_arrays(TensorNode([[1.0], [2.0]]), TensorNode([10.0, 20.0]))
        >>> print(a.value)
        [[1. 1.]
         [2. 2.]]
        >>> print(b.value)
        [[10. 20.]
         [10. 20.]]
    """
    raw = op_inputs("broadcast_arrays", arrays)
    shape = broadcast_shape("broadcast_arrays", *[tuple(x.shape) for x in raw])
    return tuple([broadcast_to(x, shape) for x in arrays])


def expand_dims(x: NodeOrArray, /, axis: int | tuple[int, ...]) -> NodeOrArray:
    """Insert axes of size 1, which in the result are `axis`.

    Raises:
        IndexError: there is no such axis.
        ValueError: an axis is named twice.

    Example:
        >>> x = TensorNode(np.ones((8, 3)))
        >>> gradcore.expand_dims(x, 1).shape, gradcore.expand_dims(x, (0, -1)).shape
        ((8, 1, 3), (1, 8, 3, 1))
    """
    if not isinstance(axis, tuple | list):
        axis = axis_from_front("expand_dims", axis, x.ndim + 1)
        return view(ops.Unsqueeze, x, dim=axis)
    new = axes_from_front("expand_dims", axis, x.ndim + len(axis))
    sizes = iter(x.shape)
    return reshape(x, tuple([1 if i in new else next(sizes) for i in range(x.ndim + len(new))]))


def squeeze(x: NodeOrArray, /, axis: int | tuple[int, ...]) -> NodeOrArray:
    """Remove the axes named, which must be of size 1.

    Raises:
        ValueError: an axis has another size, or there is no such axis.

    Example:
        >>> gradcore.squeeze(TensorNode(np.ones((8, 1, 3))), axis=1).shape
        (8, 3)
    """
    if not isinstance(axis, tuple | list):
        return view(ops.Squeeze, x, dim=axis)
    gone = axes_from_front("squeeze", axis, x.ndim)
    if [a for a in gone if x.shape[a] != 1]:
        raise ValueError(f"squeeze: the axes {axis} of shape {tuple(x.shape)} must be of size 1")
    return reshape(x, tuple([n for i, n in enumerate(x.shape) if i not in gone]))


def concat(arrays: Sequence[NodeOrArray], /, axis: int | None = 0) -> NodeOrArray:
    """Join arrays along an axis that they have; with `axis=None`, flatten them first.

    Raises:
        ValueError: the shapes differ along another axis.

    Example:
        >>> a, b = TensorNode([[1.0, 2.0]]), TensorNode([[3.0, 4.0], [5.0, 6.0]])
        >>> gradcore.concat([a, b]).shape
        (3, 2)
    """
    if axis is None:
        arrays, axis = [reshape(x, (-1,)) for x in arrays], 0
    return ops.Concat.apply(*arrays, axis=axis)


def concatenate(arrays: Sequence[NodeOrArray], axis: int | None = 0) -> NodeOrArray:
    """Join arrays as `concat` does; the name and its arguments are NumPy's.

    Example:
        >>> a, b = TensorNode([[1.0], [2.0]]), TensorNode([[3.0], [4.0]])
        >>> print(gradcore.concatenate([a, b], axis=1).value)
        [[1. 3.]
         [2. 4.]]
    """
    return concat(arrays, axis=axis)


def stack(arrays: Sequence[NodeOrArray], /, axis: int = 0) -> NodeOrArray:
    """Join arrays of one shape along a new axis.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> print(gradcore.stack([TensorNode([1.0, 2.0]), TensorNode([3.0, 4.0])], axis=1).value)
        [[1. 3.]
         [2. 4.]]
    """
    return ops.Concat.apply(*[expand_dims(x, axis=axis) for x in arrays], axis=axis)


def unstack(x: NodeOrArray, /, axis: int = 0) -> tuple[NodeOrArray, ...]:
    """Split x into its parts along `axis`, which they don't have: `stack` undoes it.

    Example:
        >>> a, b = gradcore.unstack(TensorNode([[1.0, 2.0], [3.0, 4.0]]))
        >>> print(a.value, b.value)
        [1. 2.] [3. 4.]
    """
    parts = ops.Unstack.apply(x, axis=axis)
    if is_node(x) and x.ndim > 1:
        before = (slice(None),) * axis_from_front("unstack", axis, x.ndim)
        for i, part in enumerate(parts):
            note(part, x, ops.GetItem, {"key": (*before, i)})
    return parts


def flip(x: NodeOrArray, /, axis: Axis = None) -> NodeOrArray:
    """Reverse the order of elements along `axis`, or along all axes.

    Raises:
        IndexError: there is no such axis.

    Example:
        >>> print(gradcore.flip(TensorNode([[1.0, 2.0], [3.0, 4.0]]), axis=1).value)
        [[2. 1.]
         [4. 3.]]
    """
    axes = range(x.ndim) if axis is None else axes_from_front("flip", axis, x.ndim)
    key = tuple([slice(None, None, -1 if i in axes else 1) for i in range(x.ndim)])
    return x[key] if is_node(x) else backend_of(x).getitem(x, key)


def roll(x: NodeOrArray, /, shift: int | tuple[int, ...], axis: Axis = None) -> NodeOrArray:
    """Shift elements along `axis`; those pushed off the end come in at the start. With `axis=None`,
    shift the elements of x flat. For several axes there are as many shifts; those of an axis that
    is named twice add up.

    Example:
        >>> print(gradcore.roll(TensorNode([1.0, 2.0, 3.0, 4.0]), 1).value)
        [4. 1. 2. 3.]
    """
    if axis is None:
        return reshape(ops.Roll.apply(reshape(x, (-1,)), shift=shift, axis=0), tuple(x.shape))
    return ops.Roll.apply(x, shift=shift, axis=axis)


def tile(x: NodeOrArray, repetitions: tuple[int, ...], /) -> NodeOrArray:
    """Repeat x as a whole, `repetitions[i]` times along axis i: [1, 2] becomes [1, 2, 1, 2].

    Example:
        >>> print(gradcore.tile(TensorNode([1.0, 2.0]), (2,)).value)
        [1. 2. 1. 2.]
    """
    missing = len(repetitions) - x.ndim
    times, sizes = (1,) * -missing + tuple(repetitions), (1,) * missing + tuple(x.shape)
    pairs = [*zip(times, sizes, strict=True)]  # an axis of size 1 before each, to broadcast
    x = reshape(x, tuple([m for n in sizes for m in (1, n)]))
    x = broadcast_to(x, tuple([m for pair in pairs for m in pair]))
    return ops.Reshape.apply(x, shape=tuple([r * n for r, n in pairs]))


def repeat(x: NodeOrArray, repeats: int | NodeOrArray, /, axis: int | None = None) -> NodeOrArray:
    """Repeat each element along `axis`: [1, 2] becomes [1, 1, 2, 2]. With `axis=None`, repeat each
    element of x flat.

    Args:
        repeats: how often, one number for all elements; or an array (N,) with one for each.

    Raises:
        TypeError: `repeats` is neither.
        ValueError: a number in `repeats` is negative.

    Example:
        >>> print(gradcore.repeat(TensorNode([1.0, 2.0]), 3).value)
        [1. 1. 1. 2. 2. 2.]
    """
    x, axis = (
        (reshape(x, (-1,)), 0) if axis is None else (x, axis_from_front("repeat", axis, x.ndim))
    )
    n, after = x.shape[axis], tuple(x.shape[axis + 1 :])
    if not isinstance(repeats, int):
        raw = value_of(x)
        xp = namespace(raw)
        counts = op_inputs("repeat", [raw, node_or_array(repeats)])[1]
        if not xp.isdtype(counts.dtype, "integral") or tuple(counts.shape) not in ((), (1,), (n,)):
            expected = f"one integer, or {n} in an array"
            raise TypeError(f"repeat: repeats is {describe(counts)}, expected {expected}")
        if xp.any(counts < 0):
            raise ValueError(f"repeat: repeats has {int(xp.min(counts))}; none may be negative")
        counts = xp.broadcast_to(counts, (n,))
        # CuPy's repeat takes no array. The copies of element i end at ends[i], so place p of the
        # result has the first element whose copies end after p.
        ends = xp.cumulative_sum(counts)
        places = xp.arange(int(ends[-1]) if n else 0, dtype=ends.dtype, device=raw.device)
        indices = xp.searchsorted(ends, places, side="right")
        return ops.Take.apply(x, indices=indices, axis=axis, check=False)
    wide = expand_dims(x, axis=axis + 1)
    wide = broadcast_to(wide, (*x.shape[: axis + 1], repeats, *after))
    return ops.Reshape.apply(wide, shape=(*x.shape[:axis], n * repeats, *after))


def tril(x: NodeOrArray, /, k: int = 0) -> NodeOrArray:
    """Keep the lower triangle of each matrix, up to diagonal `k`; put zeros elsewhere.

    Example:
        >>> print(gradcore.tril(TensorNode([[1.0, 2.0], [3.0, 4.0]])).value)
        [[1. 0.]
         [3. 4.]]
    """
    return _triangle("tril", x, k)


def triu(x: NodeOrArray, /, k: int = 0) -> NodeOrArray:
    """Keep the upper triangle of each matrix, from diagonal `k` on; put zeros elsewhere.

    Example:
        >>> print(gradcore.triu(TensorNode([[1.0, 2.0], [3.0, 4.0]])).value)
        [[1. 2.]
         [0. 4.]]
    """
    return _triangle("triu", x, k)


def _triangle(name: str, x: NodeOrArray, k: int) -> NodeOrArray:
    """Put zeros outside of a triangle of each matrix, which the library's function `name` keeps."""
    check_matrices(name, x)
    raw = value_of(x)
    xp = namespace(raw)
    ones = xp.ones(tuple(x.shape[-2:]), dtype=xp.bool, device=raw.device)
    zero = xp.zeros((), dtype=raw.dtype, device=raw.device)
    return where(getattr(xp, name)(ones, k=k), x, zero)


def meshgrid(*arrays: NodeOrArray, indexing: str = "xy") -> tuple[NodeOrArray, ...]:
    """Make the coordinates of a grid from the vectors of its axes; a scalar is a vector (1,).

    Args:
        indexing: "ij": axis i of the grid is that of vector i; "xy": the first two are swapped.

    Returns:
        For each vector an array in the shape of the grid: of (M,) and (N,), two of (N, M), or with
        "ij" of (M, N).

    Raises:
        ValueError: an array is not a vector, or `indexing` is neither "xy" nor "ij".

    Example:
        >>> x, y = gradcore.meshgrid(TensorNode([1.0, 2.0, 3.0]), TensorNode([10.0, 20.0]))
        >>> print(x.value)
        [[1. 2. 3.]
         [1. 2. 3.]]
        >>> print(y.value)
        [[10. 10. 10.]
         [20. 20. 20.]]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing = {indexing!r}, expected 'xy' or 'ij'")
    for x in arrays:
        if x.ndim > 1:
            raise ValueError(f"meshgrid: an array of shape {tuple(x.shape)}, expected vectors (N,)")
    order = [*range(len(arrays))]
    if indexing == "xy" and len(arrays) > 1:
        order[:2] = 1, 0
    shape = tuple([(*arrays[i].shape, 1)[0] for i in order])
    ones = [[-1 if i == k else 1 for i in order] for k in range(len(arrays))]
    grid = zip(arrays, ones, strict=True)
    return tuple([ops.Broadcast.apply(reshape(x, tuple(s)), shape=shape) for x, s in grid])


def full_like(
    x: NodeOrArray, /, fill_value: Any, *, dtype: DType | None = None, device: Device | None = None
) -> NodeOrArray:
    """Make an array like x, filled with one value. If the value is a node, it gets a gradient.

    Example:
        >>> print(gradcore.full_like(TensorNode([[1.0, 2.0]]), 7.0).value)
        [[7. 7.]]
    """
    if is_node(fill_value):
        fill = _as(x.dtype if dtype is None else dtype, fill_value)
        check_device("full_like", fill, device)
        return ops.Broadcast.apply(fill, shape=tuple(x.shape))
    return constant_full_like(x, fill_value, dtype=dtype, device=device)


def astype(
    x: NodeOrArray, dtype: DType, /, *, copy: bool = True, device: Device | None = None
) -> NodeOrArray:
    """Convert x to another dtype. With `copy=False`, x itself is given if it has the dtype.

    Example:
        >>> x = TensorNode([1.0, 2.0])
        >>> y = gradcore.astype(x, gradcore.float64)
        >>> (y * y).sum().backward()
        >>> print(y.dtype, x.grad.dtype, x.grad)
        float64 float32 [2. 4.]
    """
    check_device("astype", x, device)
    return x if not copy and x.dtype == dtype else ops.Cast.apply(x, dtype=dtype)


def _as(dtype: DType | None, x: NodeOrArray) -> NodeOrArray:
    return x if dtype is None else astype(x, dtype, copy=False)


def in_dtype(dtype: DType | None, op: type[Op], x: NodeOrArray, **constants: Any) -> NodeOrArray:
    """Apply the op to x in this dtype, and give its result in it: a library may have computed small
    integers in a larger one. `None` leaves dtypes to the op."""
    return _as(dtype, op.apply(_as(dtype, x), **constants))
