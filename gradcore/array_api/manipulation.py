"""TODO"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..engine.arrays import describe, is_node, namespace, node_or_array, value_of
from ..engine.inputs import op_inputs
from ..graph import Op
from .common import Axis, axis_from_front, axis_tuple, check_matrices, of_library, on_device
from .constant import full_like as constant_full_like
from .elementwise import where

__all__ = [
    "astype",
    "broadcast_arrays",
    "broadcast_to",
    "concat",
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


def reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    """The elements in another shape; one of its entries may be -1, for what remains.

    Raises:
        ValueError: they don't fit it; or it takes a copy, and `copy=False`.
    """
    if copy is False:
        of_library("reshape", [value_of(x)], shape=shape, copy=False)
    return ops.Reshape.apply(astype(x, x.dtype) if copy else x, shape=shape)


def permute_dims(x: Any, /, axes: tuple[int, ...]) -> Any:
    """The axes in another order: axis i of the result is axis `axes[i]` of x."""
    return ops.Transpose.apply(x, axes=axes)


def matrix_transpose(x: Any, /) -> Any:
    """Each matrix, of the last two axes, transposed."""
    check_matrices("matrix_transpose", x)
    return ops.Transpose.apply(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def moveaxis(x: Any, source: int | tuple[int, ...], destination: Any, /) -> Any:
    """The axes of x with those of `source` at `destination`, the others in their order."""
    sources, destinations = (
        [axis_from_front("moveaxis", a, x.ndim) for a in axis_tuple(axes)]
        for axes in (source, destination)
    )
    if not len(sources) == len({*sources}) == len({*destinations}) == len(destinations):
        found = f"source is {source} and destination {destination}"
        raise ValueError(f"moveaxis: {found}; expected as many axes in both, each of them once")
    axes = [a for a in range(x.ndim) if a not in sources]
    for to, a in sorted(zip(destinations, sources, strict=True)):
        axes.insert(to, a)
    return ops.Transpose.apply(x, axes=tuple(axes))


def broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Any:
    """x repeated, without a copy, to fill the shape."""
    return ops.Broadcast.apply(x, shape=shape)


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """The arrays, broadcast to the shape that they have together."""
    raw = op_inputs("broadcast_arrays", arrays)
    shape = tuple(of_library("broadcast_arrays", raw)[0].shape) if raw else ()
    return [broadcast_to(x, shape) for x in arrays]


def expand_dims(x: Any, /, axis: int | tuple[int, ...]) -> Any:
    """x with new axes of size 1, where `axis` says in the result."""
    if isinstance(axis, int):
        axis = axis_from_front("expand_dims", axis, x.ndim + 1)
        return ops.Unsqueeze.apply(x, dim=axis)
    new = {axis_from_front("expand_dims", a, x.ndim + len(axis)) for a in axis}
    if len(new) < len(axis):
        raise ValueError(f"expand_dims: axis {axis} names one axis twice")
    sizes = iter(x.shape)
    return reshape(x, tuple([1 if i in new else next(sizes) for i in range(x.ndim + len(new))]))


def squeeze(x: Any, /, axis: int | tuple[int, ...]) -> Any:
    """x without the axes named, which must be of size 1."""
    if isinstance(axis, int):
        return ops.Squeeze.apply(x, dim=axis)
    gone = [axis_from_front("squeeze", a, x.ndim) for a in axis]
    if [a for a in gone if x.shape[a] != 1]:
        raise ValueError(f"squeeze: the axes {axis} of shape {tuple(x.shape)} must be of size 1")
    return reshape(x, tuple([n for i, n in enumerate(x.shape) if i not in gone]))


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    """The arrays one after the other, along `axis`; flat, where that is `None`."""
    if axis is None:
        arrays, axis = [reshape(x, (-1,)) for x in arrays], 0
    return ops.Concat.apply(*arrays, axis=axis)


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
    """The arrays one after the other, along a new axis."""
    return ops.Concat.apply(*[expand_dims(x, axis=axis) for x in arrays], axis=axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The parts of x along `axis`, without it."""
    return ops.Unstack.apply(x, axis=axis)


def flip(x: Any, /, *, axis: Axis = None) -> Any:
    """The elements in reverse order along `axis`, or along all."""
    axes = (
        range(x.ndim)
        if axis is None
        else [axis_from_front("flip", a, x.ndim) for a in axis_tuple(axis)]
    )
    return x[tuple([slice(None, None, -1 if i in axes else 1) for i in range(x.ndim)])]


def roll(x: Any, /, shift: int | tuple[int, ...], *, axis: Axis = None) -> Any:
    """The elements moved on by `shift`, round and round; of x flat, where `axis` is `None`."""
    if axis is None:
        return reshape(ops.Roll.apply(reshape(x, (-1,)), shift=shift, axis=0), tuple(x.shape))
    return ops.Roll.apply(x, shift=shift, axis=axis)


def tile(x: Any, repetitions: tuple[int, ...], /) -> Any:
    """x, `repetitions` times along each axis."""
    missing = len(repetitions) - x.ndim
    times, sizes = (1,) * -missing + tuple(repetitions), (1,) * missing + tuple(x.shape)
    pairs = [*zip(times, sizes, strict=True)]  # each axis as one that repeats it and itself
    x = reshape(x, tuple([m for n in sizes for m in (1, n)]))
    x = broadcast_to(x, tuple([m for pair in pairs for m in pair]))
    return reshape(x, tuple([r * n for r, n in pairs]))


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each element along `axis` (of all, where it is `None`) `repeats` times; or if that is an
    array (N,), each as many times as it says."""
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
        # Of each element of the result the first that ends after it: CuPy's repeat takes no array.
        ends = xp.cumulative_sum(counts)
        places = xp.arange(int(ends[-1]) if n else 0, dtype=ends.dtype, device=raw.device)
        indices = xp.searchsorted(ends, places, side="right")
        return ops.Take.apply(x, indices=indices, axis=axis, check=False)
    wide = expand_dims(x, axis=axis + 1)
    wide = broadcast_to(wide, (*x.shape[: axis + 1], repeats, *after))
    return reshape(wide, (*x.shape[:axis], n * repeats, *after))


def tril(x: Any, /, *, k: int = 0) -> Any:
    """The lower triangle of each matrix, up to diagonal `k`; zeros elsewhere."""
    return _triangle("tril", x, k)


def triu(x: Any, /, *, k: int = 0) -> Any:
    """The upper triangle of each matrix, from diagonal `k` on; zeros elsewhere."""
    return _triangle("triu", x, k)


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """For each vector its elements along an axis of its own, broadcast together.

    Raises:
        ValueError: an array is no vector, or `indexing` is neither "xy" nor "ij".
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing = {indexing!r}, expected 'xy' or 'ij'")
    for x in arrays:
        if x.ndim != 1:
            raise ValueError(f"meshgrid: an array of shape {tuple(x.shape)}, expected vectors (N,)")
    order = [*range(len(arrays))]
    if indexing == "xy" and len(arrays) > 1:
        order[:2] = 1, 0
    shape = tuple([arrays[i].shape[0] for i in order])
    ones = [[-1 if i == k else 1 for i in order] for k in range(len(arrays))]
    return [broadcast_to(reshape(x, tuple(s)), shape) for x, s in zip(arrays, ones, strict=True)]


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array like x, of the fill value, whose gradient flows if it is a node."""
    if is_node(fill_value):
        fill = _as(x.dtype if dtype is None else dtype, fill_value)
        return broadcast_to(on_device("full_like", fill, device), tuple(x.shape))
    return constant_full_like(x, fill_value, dtype=dtype, device=device)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """x in another dtype."""
    x = on_device("astype", x, device)
    return x if not copy and x.dtype == dtype else ops.Cast.apply(x, dtype=dtype)


def _as(dtype: Any, x: Any) -> Any:
    return x if dtype is None else astype(x, dtype, copy=False)


def in_dtype(dtype: Any, op: type[Op], x: Any, **constants: Any) -> Any:
    """The op in that dtype; small integers, that a library computes in larger ones, go back."""
    return _as(dtype, op.apply(_as(dtype, x), **constants))


def _triangle(name: str, x: Any, k: int) -> Any:
    """x, with zeros outside of the triangle of each matrix."""
    check_matrices(name, x)
    raw = value_of(x)
    xp = namespace(raw)
    ones = xp.ones(tuple(x.shape[-2:]), dtype=xp.bool, device=raw.device)
    zero = xp.zeros((), dtype=raw.dtype, device=raw.device)
    return where(getattr(xp, name)(ones, k=k), x, zero)
