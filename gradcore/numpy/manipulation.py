"""Functions that move, repeat, join and split elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import array_api as xp
from ..backends.types import DType
from ..engine.arrays import integers
from .common import as_inputs, as_node_or_array, cast, filled, place_of, promoted

__all__ = [
    "astype",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "concat",
    "concatenate",
    "copy",
    "expand_dims",
    "flip",
    "hstack",
    "matrix_transpose",
    "moveaxis",
    "ndim",
    "permute_dims",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "shape",
    "size",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "transpose",
    "vstack",
]


def shape(a: Any) -> tuple[int, ...]:
    """Give the shape."""
    return tuple(as_node_or_array(a).shape)


def ndim(a: Any) -> int:
    """Count the dimensions."""
    return len(shape(a))


def size(a: Any, axis: Any = None) -> int:
    """Count the elements, of all or along `axis`."""
    sizes = shape(a)
    axes = range(len(sizes)) if axis is None else integers(axis)
    n = 1
    for k in axes:
        n *= sizes[k]
    return n


def astype(x: Any, dtype: DType, /, *, copy: bool = True, device: Any = None) -> Any:
    """Convert x to another dtype."""
    x = as_node_or_array(x)
    y = cast(x, dtype)
    return xp.astype(x, x.dtype, copy=copy, device=device) if y is x else y


def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """Copy a."""
    x = as_node_or_array(a)
    return xp.astype(x, x.dtype, copy=True)


def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """Arrange the elements in another shape. One entry of the shape may be -1: it is computed.

    Args:
        order: "C", "A": rows first; "F": columns first, as Fortran and MATLAB do.
    """
    x, shape = as_node_or_array(a), integers(shape)
    if order == "F":
        return transpose(xp.reshape(transpose(x), shape[::-1], copy=copy))
    return xp.reshape(x, shape, copy=copy)


def ravel(a: Any, order: str = "C") -> Any:
    """Arrange the elements in a vector; see `reshape`."""
    return reshape(a, (-1,), "F" if order == "F" else "C")


def transpose(a: Any, axes: Any = None) -> Any:
    """Put the axes in another order: axis i of the result is axis `axes[i]` of a; without `axes`,
    reverse them."""
    x = as_node_or_array(a)
    return xp.permute_dims(x, tuple(range(x.ndim)[::-1]) if axes is None else integers(axes))


permute_dims = transpose


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    x = as_node_or_array(a)
    axes = [*range(x.ndim)]
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return xp.permute_dims(x, tuple(axes))


def matrix_transpose(x: Any, /) -> Any:
    """Transpose each matrix: (..., M, N) becomes (..., N, M)."""
    return xp.matrix_transpose(as_node_or_array(x))


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move the axes of `source` to the positions of `destination`."""
    return xp.moveaxis(as_node_or_array(a), source, destination)


def expand_dims(a: Any, axis: Any) -> Any:
    """Insert axes of size 1, which in the result are `axis`."""
    return xp.expand_dims(as_node_or_array(a), axis=axis)


def squeeze(a: Any, axis: Any = None) -> Any:
    """Remove axes of size 1: those named, or all."""
    x = as_node_or_array(a)
    ones = tuple([k for k, n in enumerate(x.shape) if n == 1])
    return xp.squeeze(x, axis=ones if axis is None else integers(axis))


def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """Repeat the array to fill the shape: (3, 1) may become (2, 3, 4)."""
    return xp.broadcast_to(as_node_or_array(array), integers(shape))


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Broadcast the arrays to one shape."""
    return tuple(xp.broadcast_arrays(*_all(args)))


def concatenate(
    arrays: Sequence[Any], /, axis: int | None = 0, out: Any = None, *, dtype: DType | None = None,
    casting: str = "same_kind",
) -> Any:  # fmt: skip
    """Join arrays along an axis that they have; with `axis=None`, flatten them first."""
    parts = [cast(x, dtype) for x in _common(arrays)]
    return filled("concatenate", out, xp.concat(parts, axis=axis))


concat = concatenate


def stack(
    arrays: Sequence[Any], axis: int = 0, out: Any = None, *, dtype: DType | None = None,
    casting: str = "same_kind",
) -> Any:  # fmt: skip
    """Join arrays of one shape along a new axis."""
    parts = [cast(x, dtype) for x in _common(arrays)]
    return filled("stack", out, xp.stack(parts, axis=axis))


def vstack(tup: Sequence[Any], *, dtype: DType | None = None, casting: str = "same_kind") -> Any:
    """Join arrays along the first axis; vectors are rows."""
    parts = [atleast_2d(x) for x in _common(tup)]
    return concatenate(parts, 0, dtype=dtype, casting=casting)


def hstack(tup: Sequence[Any], *, dtype: DType | None = None, casting: str = "same_kind") -> Any:
    """Join arrays along the second axis; vectors along their only one."""
    parts = [atleast_1d(x) for x in _common(tup)]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


def atleast_1d(*arys: Any) -> Any:
    """Make vectors of numbers; other arrays stay."""
    return _each([xp.reshape(x, (1,)) if x.ndim == 0 else x for x in _all(arys)])


def atleast_2d(*arys: Any) -> Any:
    """Make matrices of numbers and vectors, which become rows."""
    return _each([xp.reshape(x, (1, -1)) if x.ndim < 2 else x for x in _all(arys)])


def atleast_3d(*arys: Any) -> Any:
    """Make arrays of three dimensions: vectors become (1, N, 1), matrices (M, N, 1)."""
    return _each(
        [
            xp.reshape(x, (1, -1, 1))
            if x.ndim < 2
            else xp.expand_dims(x, axis=2)
            if x.ndim == 2
            else x
            for x in _all(arys)
        ]
    )


def flip(m: Any, axis: Any = None) -> Any:
    """Reverse the order of elements along `axis`, or along all axes."""
    return xp.flip(as_node_or_array(m), axis=axis)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Shift elements along `axis`; those pushed off the end come in at the start."""
    return xp.roll(as_node_or_array(a), shift, axis=axis)


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element along `axis`: [1, 2] becomes [1, 1, 2, 2]."""
    x = as_node_or_array(a)
    return xp.repeat(x, repeats if isinstance(repeats, int) else _like(x, repeats), axis=axis)


def tile(A: Any, reps: Any) -> Any:
    """Repeat A as a whole, `reps[i]` times along axis i: [1, 2] becomes [1, 2, 1, 2]."""
    return xp.tile(as_node_or_array(A), integers(reps))


def _like(x: Any, other: Any) -> Any:
    """Make an array of `other` where x is."""
    return as_inputs(x, other)[1]


def _all(xs: Sequence[Any]) -> list[Any]:
    """Make arrays, numbers too, at the place of the arrays among them."""
    place = place_of(*xs)
    return [as_node_or_array(x, None, place) for x in xs]


def _common(xs: Any) -> list[Any]:
    """Make arrays of one dtype."""
    return promoted(*_all([*xs]))


def _each(xs: list[Any]) -> Any:
    return xs[0] if len(xs) == 1 else tuple(xs)
