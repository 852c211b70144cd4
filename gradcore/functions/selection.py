"""Elements chosen, replaced and added to at indices or where a mask is true, with the names and
arguments of PyTorch's functions, but `axis` in place of `dim`.

Indices are integers from 0. Where one place is named several times, the last element counts, and
gets the gradient; PyTorch leaves open which one.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

from .. import array_api as xp
from .. import ops
from ..array_api.common import NodeOrArray, axis_from_front
from ..backends import Array, backend_of
from ..engine.arrays import (
    NUMBER_TYPES,
    is_discrete,
    is_integer,
    is_node,
    namespace,
    node_or_array,
    value_of,
)
from ..engine.inputs import op_inputs
from ..ops.indexing import last_named

__all__ = [
    "gather",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "narrow",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "select",
    "take_along_dim",
]


def gather(x: NodeOrArray, axis: int, index: Any) -> NodeOrArray:
    """Take elements along `axis`, with other indices in each row: of x (N, M) and axis 1,
    y[n, k] = x[n, index[n, k]].

    Args:
        index: integers, of as many dimensions as x; along the other axes it may be smaller.

    Raises:
        IndexError: an index is not in [0, x.shape[axis]).
        ValueError: the shapes do not fit.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> print(gradcore.gather(x, 1, np.array([[0, 0], [1, 0]])).value)
        [[1. 1.]
         [4. 3.]]
    """
    x = node_or_array(x)
    places = _places("gather", x, axis, index)
    return ops.Take.apply(xp.reshape(x, (-1,)), indices=places, check=False)


def scatter(x: NodeOrArray, axis: int, index: Any, src: Any) -> NodeOrArray:
    """Replace elements along `axis`, with other indices in each row: of x (N, M) and axis 1,
    y[n, index[n, k]] = src[n, k], and else x[n, m]. This undoes `gather`.

    Args:
        index: as for `gather`.
        src: an array at least as large as the index along each axis; or a number.

    Example:
        >>> x = TensorNode([[0.0, 0.0, 0.0]])
        >>> print(gradcore.scatter(x, 1, np.array([[2, 0]]), TensorNode([[5.0, 7.0]])).value)
        [[7. 0. 5.]]
    """
    x = node_or_array(x)
    places = _places("scatter", x, axis, index)
    return _put(x, places, _source("scatter", x, places, src))


def scatter_add(x: NodeOrArray, axis: int, index: Any, src: NodeOrArray) -> NodeOrArray:
    """Add to elements along `axis`, with other indices in each row: of x (N, M) and axis 1,
    y[n, index[n, k]] += src[n, k]. See `scatter`.

    Example:
        >>> x = TensorNode([[0.0, 0.0, 0.0]])
        >>> print(gradcore.scatter_add(x, 1, np.array([[2, 2]]), TensorNode([[5.0, 7.0]])).value)
        [[ 0.  0. 12.]]
    """
    x = node_or_array(x)
    places = _places("scatter_add", x, axis, index)
    return xp.add(x, _added(_source("scatter_add", x, places, src), places, x))


def scatter_reduce(
    x: NodeOrArray,
    axis: int,
    index: Any,
    src: NodeOrArray,
    reduce: str,
    *,
    include_self: bool = True,
) -> NodeOrArray:
    """Reduce the elements of src that have one index, with other indices in each row, and the
    element of x at the index.

    Equal maxima, or minima, share the gradient.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether elements of x that an index names count; others stay.

    Raises:
        ValueError: there is no such reduction, or the shapes do not fit.
        IndexError: an index is out of range.

    Example:
        >>> x, index, src = TensorNode([1.0, 1.0]), np.array([0, 0, 1]), TensorNode([5.0, 7.0, 0.5])
        >>> print(gradcore.scatter_reduce(x, 0, index, src, "amax").value)
        [7. 1.]
    """
    name = "scatter_reduce"
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise ValueError(f"{name}: reduce is {reduce!r}, expected sum, prod, mean, amax or amin")
    x = node_or_array(x)
    places = _places(name, x, axis, index)
    src = _source(name, x, places, src)
    if not prod(places.shape):
        return xp.positive(x)
    raw = value_of(x)
    lib = namespace(raw)
    named, _ = last_named(_counted(raw), places)
    start: Any = {"prod": 1, "amax": _lowest(raw), "amin": _lowest(raw)}.get(reduce, 0)
    if reduce == "amin":  # the maximum of numbers in the opposite order
        x, src = (_opposite(a) for a in (x, src))
    before = x if include_self else xp.where(named, start, x)
    if reduce in ("amax", "amin"):
        y = ops.ScatterMax.apply(before, src, indices=places)
        return _opposite(y) if reduce == "amin" else y
    if reduce == "prod":
        flat, to = [xp.reshape(a, (-1,)) for a in (before, src)], lib.reshape(places, (-1,))
        of = lib.concat([lib.reshape(_counted(raw), (-1,)), to])
        return xp.reshape(_products(xp.concat(flat), of, prod(raw.shape)), tuple(x.shape))
    y = xp.add(before, _added(src, places, x))
    if reduce == "sum":
        return y
    ones = lib.ones(places.shape, dtype=raw.dtype, device=raw.device)
    count = value_of(_added(ones, places, x))
    count = count + 1 if include_self else lib.where(named, count, lib.ones_like(count))
    return xp.floor_divide(y, count) if is_discrete(raw) else xp.divide(y, count)


def _lowest(x: Array) -> Any:
    """Give the number below all others."""
    lib = namespace(x)
    return int(lib.iinfo(x.dtype).min) if is_discrete(x) else -inf


def _opposite(x: NodeOrArray) -> NodeOrArray:
    """Reverse the order of numbers; twice, this gives them back."""
    return xp.bitwise_invert(x) if is_discrete(value_of(x)) else xp.negative(x)


def _products(x: NodeOrArray, targets: Array, size: int) -> NodeOrArray:
    """Multiply the elements x (N,) of each target (N,): (size,). Each target has one."""
    lib = namespace(targets)
    order = lib.argsort(targets, stable=True)
    targets, step, n = lib.take(targets, order), 1, targets.shape[0]
    y = ops.Take.apply(x, indices=order, check=False)
    while step < n:  # each element is multiplied by the one `step` before it, of its own target
        same = targets[step:] == targets[:-step]
        y = xp.concat([y[:step], y[step:] * xp.where(same, y[:-step], 1)])
        step *= 2
    ends = lib.searchsorted(targets, lib.arange(size, device=targets.device), side="right") - 1
    return ops.Take.apply(y, indices=ends, check=False)


def _places(name: str, x: NodeOrArray, axis: int, index: Any) -> Array:
    """Compute, for each element of the index, the place in x flat of the element it names."""
    raw, index = value_of(x), value_of(node_or_array(index))
    axis = axis_from_front(name, axis, raw.ndim)
    shape, sizes = tuple(raw.shape), tuple(index.shape)
    others = [a for a in range(min(len(sizes), raw.ndim)) if a != axis]
    if len(sizes) != raw.ndim or [a for a in others if sizes[a] > shape[a]]:
        raise ValueError(
            f"{name}: x {shape} and index {sizes} do not fit; expected as many dimensions, and "
            f"nowhere a larger index, but along axis {axis}"
        )
    lib, places = namespace(raw), _indices(name, raw, index, shape[axis]) * prod(shape[axis + 1 :])
    for a in others:
        steps = lib.arange(sizes[a], dtype=lib.int64, device=raw.device) * prod(shape[a + 1 :])
        places = places + lib.reshape(steps, (-1, *[1] * (raw.ndim - 1 - a)))
    return places


def _indices(name: str, x: Array, index: Any, size: int) -> Array:
    """Check that indices are integers in [0, size), and give them in int64."""
    what = f"{name}: index"
    index = op_inputs(name, [x, value_of(node_or_array(index))])[1]
    backend_of(x).check_indices(what, index, size)
    return namespace(x).astype(index, namespace(x).int64, copy=False)


def _source(name: str, x: NodeOrArray, index: Any, src: Any) -> Any:
    """Take the part of src (...) that the index (...) is as large as; a number stays."""
    if type(src) in NUMBER_TYPES:
        return src
    src, shape = node_or_array(src), tuple(index.shape)
    raw, given = op_inputs(name, [x, src])
    if given.dtype != raw.dtype:
        raise TypeError(f"{name}: x is {x.dtype} and src {src.dtype}; give both one dtype")
    if src.ndim == 0 < x.ndim:
        return src
    if src.ndim != len(shape) or any(n > m for n, m in zip(shape, src.shape, strict=True)):
        raise ValueError(
            f"{name}: index {shape} and src {tuple(src.shape)} do not fit; expected src nowhere "
            "smaller than the index"
        )
    if tuple(src.shape) == shape:
        return src
    return xp.getitem(src, tuple([slice(n) for n in shape]))


def _counted(x: Array) -> Array:
    """Make 0, 1, 2, ... in the shape of x."""
    lib = namespace(x)
    return lib.reshape(lib.arange(prod(x.shape), dtype=lib.int64, device=x.device), x.shape)


def _added(src: NodeOrArray, places: Array, x: NodeOrArray) -> NodeOrArray:
    """Add src (...) up at places (...) of an array flat, of the shape of x."""
    y = ops.ScatterAdd.apply(src, indices=places, size=prod(x.shape), check=False)
    return xp.reshape(y, tuple(x.shape))


def _put(x: NodeOrArray, places: Array, src: Any) -> NodeOrArray:
    """Replace the elements of x at places (...) of x flat by those of src (...), or by a number."""
    raw = value_of(x)
    if not prod(places.shape):
        return xp.positive(x)
    named, last = last_named(_counted(raw), places)
    if getattr(src, "ndim", 0):
        src = ops.Take.apply(xp.reshape(src, (-1,)), indices=last, check=False)
        src = xp.reshape(src, tuple(x.shape))
    return xp.where(named, src, x)


# -- Whole parts along an axis ----------------------------------------------------------------


def index_select(x: NodeOrArray, axis: int, index: Any) -> NodeOrArray:
    """Take the parts of x at the indices (N,) along `axis`.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> print(gradcore.index_select(x, 0, np.array([2, 0])).value)
        [[5. 6.]
         [1. 2.]]
    """
    x = node_or_array(x)
    axis, index = _part_indices("index_select", x, axis, index)
    return ops.Take.apply(x, indices=index, axis=axis, check=False)


def index_add(
    x: NodeOrArray, axis: int, index: Any, source: NodeOrArray, *, alpha: float = 1
) -> NodeOrArray:
    """Add part n of the source, times alpha, to part index[n] of x, for parts along `axis`.

    Example:
        >>> x, source = TensorNode([1.0, 1.0, 1.0]), TensorNode([5.0, 7.0, 10.0])
        >>> print(gradcore.index_add(x, 0, np.array([0, 0, 2]), source).value)
        [13.  1. 11.]
    """
    x = node_or_array(x)
    axis, index = _part_indices("index_add", x, axis, index)
    source = _parts("index_add", x, axis, index, source)
    size = x.shape[axis]
    y = ops.ScatterAdd.apply(source, indices=index, size=size, axis=axis, check=False)
    return xp.add(x, y if alpha == 1 else xp.multiply(y, alpha))


def index_copy(x: NodeOrArray, axis: int, index: Any, source: NodeOrArray) -> NodeOrArray:
    """Replace part index[n] of x by part n of the source, for parts along `axis`.

    Example:
        >>> x, source = TensorNode([1.0, 2.0, 3.0]), TensorNode([10.0, 20.0])
        >>> print(gradcore.index_copy(x, 0, np.array([2, 0]), source).value)
        [20.  2. 10.]
    """
    x = node_or_array(x)
    axis, index = _part_indices("index_copy", x, axis, index)
    source = _parts("index_copy", x, axis, index, source)
    if not index.shape[0]:
        return xp.positive(x)
    named, last = _named_parts(x, axis, index)
    return xp.where(named, ops.Take.apply(source, indices=last, axis=axis, check=False), x)


def index_fill(x: NodeOrArray, axis: int, index: Any, value: Any) -> NodeOrArray:
    """Fill the parts of x at the indices (N,) along `axis` with a number.

    Example:
        >>> x = TensorNode([1.0, 2.0, 3.0])
        >>> print(gradcore.index_fill(x, 0, np.array([0, 2]), -1.0).value)
        [-1.  2. -1.]
    """
    x = node_or_array(x)
    axis, index = _part_indices("index_fill", x, axis, index)
    if not index.shape[0]:
        return xp.positive(x)
    return xp.where(_named_parts(x, axis, index)[0], value, x)


def index_put(
    x: NodeOrArray, indices: tuple[Any, ...], values: Any, *, accumulate: bool = False
) -> NodeOrArray:
    """Copy x, and set `y[indices] = values`.

    Args:
        indices: what may stand in x[...]: arrays of integers, masks, integers and slices; `None`
            is a whole axis.
        values: an array or a number, broadcast.
        accumulate: add values, as often as each place is named, and don't replace.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> rows, columns = np.array([0, 1]), np.array([1, 0])
        >>> print(gradcore.index_put(x, (rows, columns), TensorNode([9.0, 8.0])).value)
        [[1. 9.]
         [8. 4.]]
    """
    x = node_or_array(x)
    entries = indices if isinstance(indices, tuple | list) else (indices,)
    key = tuple([slice(None) if entry is None else entry for entry in entries])
    if not accumulate:
        y = namespace(x).asarray(x, copy=True)
        if not is_node(y):
            return backend_of(y).setitem(y, key, values)
        xp.setitem(y if y is not x else xp.positive(x), key, values)
        return y
    raw = value_of(x)
    places = value_of(xp.getitem(_counted(raw), key))
    if type(values) in NUMBER_TYPES:
        values = namespace(raw).asarray(values, dtype=raw.dtype, device=raw.device)
    values = xp.broadcast_to(node_or_array(values), tuple(places.shape))
    return xp.add(x, _added(values, places, x))


def _part_indices(name: str, x: NodeOrArray, axis: int, index: Any) -> tuple[int, Array]:
    """Check the axis and the indices (N,) along it; one index () is as one in a vector."""
    axis = axis_from_front(name, axis, x.ndim)
    index = _indices(name, value_of(x), index, x.shape[axis])
    if index.ndim > 1:
        raise ValueError(f"{name}: index {tuple(index.shape)}, expected a vector (N,)")
    return axis, namespace(index).reshape(index, (-1,))


def _parts(name: str, x: NodeOrArray, axis: int, index: Array, source: Any) -> NodeOrArray:
    source = node_or_array(source)
    expected = (*x.shape[:axis], index.shape[0], *x.shape[axis + 1 :])
    if source.ndim == 0 and index.shape[0] == x.ndim == 1:
        source = xp.reshape(source, (1,))
    if tuple(source.shape) != expected:
        raise ValueError(f"{name}: source {tuple(source.shape)}, expected {expected}")
    return source


def _named_parts(x: NodeOrArray, axis: int, index: Array) -> tuple[Array, Array]:
    """Find which parts the indices name, (M, 1, ...), and for each the last index that names it."""
    lib = namespace(index)
    counted = lib.arange(x.shape[axis], dtype=index.dtype, device=index.device)
    named, last = last_named(counted, index)
    return lib.reshape(named, (-1, *[1] * (x.ndim - 1 - axis))), last


def select(x: NodeOrArray, axis: int, index: int) -> NodeOrArray:
    """Take the part of x at one index along `axis`, which the result has not.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> print(gradcore.select(x, 1, 0).value)  # x[:, 0]
        [1. 3.]
    """
    x = node_or_array(x)
    return x[(*(slice(None),) * axis_from_front("select", axis, x.ndim), index, ...)]


def narrow(x: NodeOrArray, axis: int, start: int, length: int) -> NodeOrArray:
    """Take `length` parts of x along `axis`, from `start` on; a negative one counts from the end.

    Raises:
        IndexError: there are not as many.

    Example:
        >>> x = TensorNode([1.0, 2.0, 3.0, 4.0])
        >>> print(gradcore.narrow(x, 0, 1, 2).value)
        [2. 3.]
    """
    x = node_or_array(x)
    axis = axis_from_front("narrow", axis, x.ndim)
    size = x.shape[axis]
    first = start + size if start < 0 else start
    if not (is_integer(length) and 0 <= first <= first + length <= size):
        raise IndexError(f"narrow: {length} parts from {start} on, of {size} along axis {axis}")
    return x[(*(slice(None),) * axis, slice(first, first + length), ...)]


def take_along_dim(x: NodeOrArray, indices: Any, axis: int | None = None) -> NodeOrArray:
    """Take elements along `axis`, with other indices in each row, or elements of x flat; see
    `take_along_axis`.

    Example:
        >>> x = TensorNode([[3.0, 1.0], [2.0, 4.0]])
        >>> print(gradcore.take_along_dim(x, np.array([[1], [0]]), 1).value)
        [[1.]
         [2.]]
    """
    x, indices = node_or_array(x), node_or_array(indices)
    if axis is not None:
        return xp.take_along_axis(x, indices, axis=axis)
    return xp.take_along_axis(xp.reshape(x, (-1,)), xp.reshape(indices, (-1,)), axis=0)


# -- Masks ------------------------------------------------------------------------------------


def masked_fill(x: NodeOrArray, mask: NodeOrArray, value: Any) -> NodeOrArray:
    """Put a number where the mask is true; the mask is broadcast to the shape of x.

    Example:
        >>> x = TensorNode([1.0, -2.0, 3.0])
        >>> y = gradcore.masked_fill(x, x < 0, 0.0)
        >>> y.sum().backward()
        >>> print(y.value, x.grad)
        [1. 0. 3.] [1. 0. 1.]
    """
    return xp.where(_mask("masked_fill", mask), value, node_or_array(x))


def masked_scatter(x: NodeOrArray, mask: NodeOrArray, source: NodeOrArray) -> NodeOrArray:
    """Put the elements of the source flat, one after the other, where the mask is true.

    Raises:
        IndexError: the source has too few elements.

    Example:
        >>> x, source = TensorNode([1.0, -2.0, -3.0]), TensorNode([10.0, 20.0])
        >>> print(gradcore.masked_scatter(x, x < 0, source).value)
        [ 1. 10. 20.]
    """
    x, mask, source = node_or_array(x), _mask("masked_scatter", mask), node_or_array(source)
    shape = xp.broadcast_shapes(tuple(x.shape), tuple(mask.shape))
    raw = value_of(xp.broadcast_to(mask, shape))
    lib = namespace(raw)
    flat = lib.reshape(raw, (-1,))
    places = lib.cumulative_sum(lib.astype(flat, lib.int64)) - 1
    places = lib.reshape(lib.where(flat, places, lib.zeros_like(places)), shape)
    if not prod(shape):
        return xp.positive(x)
    chosen = ops.Take.apply(xp.reshape(source, (-1,)), indices=places)
    return xp.where(raw, chosen, x)


def masked_select(x: NodeOrArray, mask: NodeOrArray) -> NodeOrArray:
    """Take the elements where the mask is true (N,). How many there are, the host must know: on a
    GPU it waits for the mask. In captured steps say `where(mask, x, 0)`.

    Example:
        >>> x = TensorNode([1.0, -2.0, 3.0])
        >>> print(gradcore.masked_select(x, x > 0).value)
        [1. 3.]
    """
    x, mask = xp.broadcast_arrays(node_or_array(x), _mask("masked_select", mask))
    return xp.getitem(x, value_of(mask))


def _mask(name: str, mask: Any) -> NodeOrArray:
    mask = node_or_array(mask)
    raw = value_of(mask)
    if not namespace(raw).isdtype(raw.dtype, "bool"):
        raise TypeError(f"{name}: the mask is {raw.dtype}, expected booleans, as of x > 0")
    return mask
