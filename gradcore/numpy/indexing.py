"""Take and choose elements: by index, by condition, by order."""

from __future__ import annotations

from typing import Any

from .. import array_api as xp
from .. import ops
from .common import NOTHING, as_inputs, as_node_or_array, filled, promoted

__all__ = [
    "argsort",
    "diag",
    "diagonal",
    "nonzero",
    "searchsorted",
    "sort",
    "take",
    "take_along_axis",
    "tril",
    "triu",
    "unique_values",
    "where",
]


def where(condition: Any, x: Any = NOTHING, y: Any = NOTHING, /) -> Any:
    """Take x where the condition is true, and y elsewhere; of the condition alone, find the indices
    where it is true."""
    if x is NOTHING and y is NOTHING:
        return nonzero(condition)
    condition, x, y = as_inputs(condition, x, y)
    condition = condition if hasattr(condition, "dtype") else as_node_or_array(bool(condition))
    return xp.where(condition, *promoted(x, y))


def nonzero(a: Any) -> tuple[Any, ...]:
    """Find the indices of the elements that are not zero, for each axis."""
    return xp.nonzero(as_node_or_array(a))


def take(
    a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    """Take the parts of a at the indices along `axis`, or elements of a flat."""
    a, indices = (as_node_or_array(x) for x in (a, indices))
    a, axis = (xp.reshape(a, (-1,)), 0) if axis is None else (a, axis % a.ndim)
    if mode != "raise":
        n = a.shape[axis]
        indices = indices % n if mode == "wrap" else xp.clip(indices, 0, n - 1)
    return filled("take", out, a[(*(slice(None),) * axis, indices)])


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Take elements along `axis`, with other indices in each row."""
    x, indices = as_node_or_array(arr), as_node_or_array(indices)
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    return xp.take_along_axis(x, indices, axis=axis)


def sort(
    a: Any,
    axis: int | None = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
) -> Any:
    """Sort the elements along `axis`, or of a flat. Each takes its gradient along."""
    x = as_node_or_array(a)
    return xp.sort(xp.reshape(x, (-1,)), axis=0) if axis is None else xp.sort(x, axis=axis)


def argsort(
    a: Any,
    axis: int | None = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
) -> Any:
    """Find the indices that sort a along `axis`, or flat."""
    x = as_node_or_array(a)
    return xp.argsort(xp.reshape(x, (-1,)), axis=0) if axis is None else xp.argsort(x, axis=axis)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Find for each element of v the index in the sorted a (N,) where it belongs."""
    a, v = promoted(*[as_node_or_array(x) for x in as_inputs(a, v)])
    return xp.searchsorted(a, v, side=side, sorter=sorter)


def unique_values(x: Any, /) -> Any:
    """Find the different elements of x, sorted."""
    return xp.unique_values(as_node_or_array(x))


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Take the diagonal of each matrix, of the axes `axis1` and `axis2`."""
    a = as_node_or_array(a)
    return xp.linalg.diagonal(xp.moveaxis(a, (axis1, axis2), (-2, -1)), offset=offset)


def diag(v: Any, k: int = 0) -> Any:
    """Take diagonal k of a matrix, or make a matrix with the vector v in diagonal k."""
    v = as_node_or_array(v)
    if v.ndim == 2:
        return xp.linalg.diagonal(v, offset=k)
    if v.ndim != 1:
        raise ValueError(f"diag: v has shape {tuple(v.shape)}, expected a vector or a matrix")
    n = v.shape[0] + abs(k)
    start = k if k >= 0 else -k * n
    key = slice(start, start + v.shape[0] * (n + 1), n + 1)  # the diagonal, in the matrix made flat
    return xp.reshape(ops.PutItem.apply(v, key=key, shape=(n * n,)), (n, n))


def tril(m: Any, k: int = 0) -> Any:
    """Keep the lower triangle of each matrix, up to diagonal k; put zeros elsewhere."""
    return xp.tril(as_node_or_array(m), k=k)


def triu(m: Any, k: int = 0) -> Any:
    """Keep the upper triangle of each matrix, from diagonal k on; put zeros elsewhere."""
    return xp.triu(as_node_or_array(m), k=k)
