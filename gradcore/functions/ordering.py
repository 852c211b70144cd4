"""What depends on the order of elements: the largest, medians, running maxima, places in sorted
arrays, and what is different. Names and arguments are PyTorch's, but `axis` in place of `dim`.

Values take their gradients along from the elements that they are. Indices are int64, constants.
NaN is larger than all numbers. Of equal elements, the index that the result names is said below;
PyTorch leaves it open.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any, NamedTuple

from .. import array_api as xp
from .. import ops
from ..array_api.common import NodeOrArray, axis_from_front
from ..backends import Array
from ..engine.arrays import is_discrete, is_integer, is_node, namespace, node_or_array, value_of
from ..engine.inputs import op_inputs
from ..graph import TensorNode

__all__ = [
    "ValuesAndIndices",
    "bucketize",
    "cummax",
    "cummin",
    "kthvalue",
    "median",
    "mode",
    "msort",
    "nanmedian",
    "searchsorted",
    "topk",
    "unique",
    "unique_consecutive",
]


class ValuesAndIndices(NamedTuple):
    """Elements, and the indices that they had along the axis.

    Example:
        >>> values, indices = gradcore.cummax(TensorNode([1.0, 3.0, 2.0]), 0)
        >>> print(values.value, indices.value)
        [1. 3. 3.] [0 1 1]
    """

    values: NodeOrArray
    indices: NodeOrArray


def topk(
    x: NodeOrArray,
    k: int,
    axis: int = -1,
    largest: bool = True,
    sorted: bool = True,  # noqa: A002, ARG001
) -> ValuesAndIndices:
    """Find the k largest elements along `axis`, or the k smallest, the first one first. They are
    sorted, whether asked for or not. Of equal elements, earlier ones are taken.

    Raises:
        ValueError: there are fewer than k.

    Example:
        >>> values, indices = gradcore.topk(TensorNode([1.0, 4.0, 2.0, 3.0]), 2)
        >>> print(values.value, indices.value)
        [4. 3.] [1 3]
    """
    x = node_or_array(x)
    axis = axis_from_front("topk", axis, x.ndim)
    if not (is_integer(k) and 0 <= k <= x.shape[axis]):
        raise ValueError(f"topk: k = {k}, of {x.shape[axis]} elements along axis {axis}")
    raw = value_of(x)
    order = namespace(raw).argsort(raw, axis=axis, descending=largest)
    return _at(x, order[(*(slice(None),) * axis, slice(k), ...)], axis, True)


def kthvalue(x: NodeOrArray, k: int, axis: int = -1, keepdims: bool = False) -> ValuesAndIndices:
    """Find the element along `axis` that is the k-th if they are sorted, counted from 1.

    Raises:
        ValueError: k is not from 1 to the number of elements along `axis`.

    Example:
        >>> value, index = gradcore.kthvalue(TensorNode([30.0, 10.0, 20.0]), 2)
        >>> print(value.value, index.value)
        20.0 2
    """
    x = node_or_array(x)
    axis = axis_from_front("kthvalue", axis, x.ndim)
    if not (is_integer(k) and 1 <= k <= x.shape[axis]):
        raise ValueError(f"kthvalue: k = {k}, expected 1 to {x.shape[axis]} along axis {axis}")
    raw = value_of(x)
    order = namespace(raw).argsort(raw, axis=axis)
    return _at(x, order[(*(slice(None),) * axis, slice(k - 1, k), ...)], axis, keepdims)


def mode(x: NodeOrArray, axis: int = -1, keepdims: bool = False) -> ValuesAndIndices:
    """Find the most frequent element along `axis`: of several the smallest, and where it is last.

    Raises:
        ValueError: there are no elements.

    Example:
        >>> value, index = gradcore.mode(TensorNode([3.0, 1.0, 3.0]))
        >>> print(value.value, index.value)
        3.0 2
    """
    x = node_or_array(x)
    axis = axis_from_front("mode", axis, x.ndim)
    raw = value_of(x)
    lib, order = namespace(raw), namespace(raw).argsort(raw, axis=axis)
    _not_empty("mode", raw, axis)
    s = lib.moveaxis(lib.take_along_axis(raw, order, axis=axis), axis, -1)
    places = lib.broadcast_to(lib.arange(s.shape[-1], dtype=lib.int64, device=raw.device), s.shape)
    is_first = lib.concat([places[..., :1] == 0, s[..., 1:] != s[..., :-1]], axis=-1)
    first = _running(lib.where(is_first, places, lib.zeros_like(places)), "greater")[0]
    last = lib.argmax(places - first, axis=-1, keepdims=True)  # of the longest run
    order = lib.moveaxis(order, axis, -1)
    index = lib.take_along_axis(order, lib.astype(last, order.dtype), axis=-1)
    return _at(x, lib.moveaxis(index, -1, axis), axis, keepdims)


def median(x: NodeOrArray, axis: int | None = None, keepdims: bool = False) -> Any:
    """Find the median; of an even number of elements, the lower one of the two in the middle. If
    one is NaN, the median is. (`quantile(x, 0.5)` and NumPy's median take the mean of the two.)

    Returns:
        Without an axis the median of all elements, a number, whose gradient elements that are equal
        share; of none it is NaN. Along `axis`, values and indices.

    Example:
        >>> x = TensorNode([[4.0, 1.0, 3.0], [7.0, 9.0, 8.0]])
        >>> print(gradcore.median(x).value, gradcore.median(x, 1).values.value)
        4.0 [3. 8.]
    """
    return _median(x, axis, keepdims, False)


def nanmedian(x: NodeOrArray, axis: int | None = None, keepdims: bool = False) -> Any:
    """Find the median of the elements that are not NaN; of none, NaN. See `median`.

    Example:
        >>> print(gradcore.nanmedian(TensorNode([4.0, float("nan"), 1.0, 3.0])).value)
        3.0
    """
    return _median(x, axis, keepdims, True)


def _median(x: NodeOrArray, axis: int | None, keepdims: bool, leave: bool) -> Any:
    x = node_or_array(x)
    if axis is not None:
        axis = axis_from_front("median", axis, x.ndim)
        return _at(x, _middle(value_of(x), axis, leave), axis, keepdims)
    flat = xp.reshape(x, (-1,))
    if not flat.shape[0]:
        return xp.mean(flat)
    raw = value_of(flat)
    lib = namespace(raw)
    middle = lib.take_along_axis(raw, _middle(raw, 0, leave), axis=0)
    same = (raw == middle) | ((raw != raw) & (middle != middle))
    # The maximum of what is equal to the median shares the gradient.
    low = int(lib.iinfo(raw.dtype).min) if is_discrete(raw) else -inf
    y = xp.max(xp.where(same, flat, low))
    return xp.reshape(y, (1,) * x.ndim) if keepdims else y


def _middle(x: Array, axis: int, leave: bool) -> Array:
    """Find the index of the median along `axis`, which stays with size 1."""
    _not_empty("median", x, axis)
    lib, n = namespace(x), x.shape[axis]
    is_nan = lib.astype(x != x, lib.int64)
    many = lib.sum(is_nan, axis=axis, keepdims=True)
    place = (n - 1 - many) // 2  # NaN comes last
    if not leave:
        place = lib.where(many > 0, lib.zeros_like(many) + n - 1, place)
    place = lib.where(place < 0, lib.zeros_like(place), place)
    order = lib.argsort(x, axis=axis)
    return lib.take_along_axis(order, lib.astype(place, order.dtype), axis=axis)


def _not_empty(name: str, x: Array, axis: int) -> None:
    if not x.shape[axis]:
        raise IndexError(f"{name}: x {tuple(x.shape)} has no elements along axis {axis}")


def _at(x: NodeOrArray, index: Array, axis: int, keepdims: bool) -> ValuesAndIndices:
    """Take the elements at the indices along `axis`; drop the axis, of size 1, or keep it."""
    values = xp.take_along_axis(x, index, axis=axis)
    indices = TensorNode(index, requires_grad=False) if is_node(x) else index
    if not keepdims:
        values, indices = xp.squeeze(values, axis=axis), xp.squeeze(indices, axis=axis)
    return ValuesAndIndices(values, indices)


def cummax(x: NodeOrArray, axis: int) -> ValuesAndIndices:
    """Find the largest of the first 1, 2, ... elements along `axis`; of equal ones the last.

    Example:
        >>> values, indices = gradcore.cummax(TensorNode([1.0, 3.0, 2.0]), 0)
        >>> print(values.value, indices.value)
        [1. 3. 3.] [0 1 1]
    """
    return _cumulative("cummax", x, axis, "greater")


def cummin(x: NodeOrArray, axis: int) -> ValuesAndIndices:
    """Find the smallest of the first 1, 2, ... elements along `axis`; of equal ones the last. NaN
    counts as the smallest.

    Example:
        >>> values, indices = gradcore.cummin(TensorNode([2.0, 1.0, 3.0]), 0)
        >>> print(values.value, indices.value)
        [2. 1. 1.] [0 1 1]
    """
    return _cumulative("cummin", x, axis, "less")


def _cumulative(name: str, x: NodeOrArray, axis: int, better: str) -> ValuesAndIndices:
    x = node_or_array(x)
    axis = axis_from_front(name, axis, x.ndim)
    raw = value_of(x)
    lib = namespace(raw)
    _, index = _running(lib.moveaxis(raw, axis, -1), better)
    return _at(x, lib.moveaxis(index, -1, axis), axis, True)


def _running(x: Array, better: str) -> tuple[Array, Array]:
    """Find the best of the first 1, 2, ... elements of each row, and its index, in log N steps."""
    lib, n, step = namespace(x), x.shape[-1], 1
    index = lib.broadcast_to(lib.arange(n, dtype=lib.int64, device=x.device), x.shape)
    while step < n:  # so far, of the last `step` elements
        old, new = x[..., :-step], x[..., step:]
        is_old = getattr(lib, better)(old, new) | ((old != old) & (new == new))
        joined = [lib.where(is_old, a[..., :-step], a[..., step:]) for a in (x, index)]
        x, index = (
            lib.concat([a[..., :step], b], axis=-1) for a, b in zip((x, index), joined, strict=True)
        )
        step *= 2
    return x, index


def msort(x: NodeOrArray) -> NodeOrArray:
    """Sort along the first axis.

    Example:
        >>> print(gradcore.msort(TensorNode([[3.0, 1.0], [2.0, 5.0]])).value)
        [[2. 1.]
         [3. 5.]]
    """
    return xp.sort(node_or_array(x), axis=0)


# -- Places in sorted arrays ------------------------------------------------------------------


def searchsorted(
    sorted_sequence: NodeOrArray,
    x: Any,
    *,
    right: bool = False,
    side: str | None = None,
    sorter: NodeOrArray | None = None,
) -> Any:
    """Find for each element of x the index where it belongs in a sorted vector (N,); or, with a
    sequence (..., N) and x (..., K), in the sequence of its own row.

    Args:
        right: go behind equal elements, as `side="right"` says too; else before them.
        sorter: `sorted_sequence[sorter]` is what is sorted, in each row.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> print(gradcore.searchsorted(TensorNode([1.0, 2.0, 3.0]), TensorNode([0.5, 2.0])).value)
        [0 1]
    """
    side = side or ("right" if right else "left")
    if right and side == "left":
        raise ValueError("searchsorted: right = True and side = 'left'; give one of the two")
    sequence = node_or_array(sorted_sequence)
    if sequence.ndim == 1:
        return xp.searchsorted(sequence, x, side=side, sorter=sorter)
    is_given = is_node(x) or is_node(sequence)
    rows, x = op_inputs("searchsorted", [value_of(sequence), value_of(node_or_array(x))])
    lib = namespace(rows)
    if tuple(rows.shape[:-1]) != tuple(x.shape[:-1]):
        found = f"rows of {tuple(rows.shape)} and x {tuple(x.shape)}"
        raise ValueError(f"searchsorted: {found}; expected (..., N) and (..., K)")
    if sorter is not None:
        rows = lib.take_along_axis(rows, value_of(sorter), axis=-1)
    # Sort both together: before an element of x are so many of its row as belong before it.
    if x.dtype != rows.dtype:
        kind = rows.dtype if is_discrete(x) else x.dtype if is_discrete(rows) else None
        kind = kind or lib.result_type(x, rows)
        rows, x = (lib.astype(a, kind, copy=False) for a in (rows, x))
    n, k = rows.shape[-1], x.shape[-1]
    parts = [rows, x] if side == "right" else [x, rows]
    order = lib.argsort(lib.concat(parts, axis=-1), axis=-1, stable=True)
    is_row = order < n if side == "right" else order >= k
    before = lib.cumulative_sum(lib.astype(is_row, lib.int64), axis=-1)
    before = lib.take_along_axis(before, lib.argsort(order, axis=-1), axis=-1)
    found = before[..., n:] if side == "right" else before[..., :k]
    return TensorNode(found, requires_grad=False) if is_given else found


def bucketize(x: Any, boundaries: NodeOrArray, *, right: bool = False) -> Any:
    """Find for each element of x the index where it belongs in the sorted boundaries (N,).

    Raises:
        ValueError: the boundaries are no vector.

    Example:
        >>> x, boundaries = TensorNode([0.5, 2.5, 9.0]), TensorNode([1.0, 2.0, 3.0])
        >>> print(gradcore.bucketize(x, boundaries).value)
        [0 2 3]
    """
    boundaries = node_or_array(boundaries)
    if boundaries.ndim != 1:
        raise ValueError(f"bucketize: boundaries {tuple(boundaries.shape)}, expected (N,)")
    return searchsorted(boundaries, x, right=right)


# -- What is different ------------------------------------------------------------------------


def unique(
    x: NodeOrArray,
    sorted: bool = True,  # noqa: A002, ARG001
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    """Find the different elements of x, sorted; or the different parts along `axis`. The first of
    equal ones gets the gradient.

    Parts are compared element by element: their axis is sorted once for each of their elements.

    Args:
        sorted: results are sorted, whether asked for or not.
        return_inverse: give, for each element or part of x, the place of its value.
        return_counts: give how often each value is there.

    Returns:
        The values; with more asked for, a tuple of these.

    Example:
        >>> values, counts = gradcore.unique(TensorNode([3, 1, 3]), return_counts=True)
        >>> print(values.value, counts.value)
        [1 3] [1 2]
    """
    x = node_or_array(x)
    if axis is None:
        found = xp.unique_all(x)
        asked = [(found.inverse_indices, return_inverse), (found.counts, return_counts)]
        return _asked(found.values, asked)
    axis = axis_from_front("unique", axis, x.ndim)
    raw = value_of(x)
    lib, n = namespace(raw), x.shape[axis]
    rows = lib.reshape(lib.moveaxis(raw, axis, 0), (n, -1) if prod(raw.shape) else (n, 0))
    order = lib.arange(n, dtype=lib.int64, device=raw.device)
    for column in range(rows.shape[1] - 1, -1, -1):  # the first one decides, so comes last
        order = lib.take(order, lib.argsort(lib.take(rows[:, column], order), stable=True))
    return _of_runs(x, axis, lib.take(rows, order, axis=0), order, return_inverse, return_counts)


def unique_consecutive(
    x: NodeOrArray,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    """Leave out elements that are equal to the one before, of x flat, or parts along `axis`; see
    `unique`.

    Example:
        >>> print(gradcore.unique_consecutive(TensorNode([1, 1, 2, 2, 1])).value)
        [1 2 1]
    """
    x = node_or_array(x)
    flat = xp.reshape(x, (-1,)) if axis is None else x
    along = 0 if axis is None else axis_from_front("unique_consecutive", axis, x.ndim)
    raw = value_of(flat)
    lib, n = namespace(raw), flat.shape[along]
    rows = lib.reshape(lib.moveaxis(raw, along, 0), (n, -1) if prod(raw.shape) else (n, 0))
    order = lib.arange(n, dtype=lib.int64, device=raw.device)
    shape = tuple(x.shape) if axis is None else None
    return _of_runs(flat, along, rows, order, return_inverse, return_counts, shape)


def _of_runs(
    x: NodeOrArray, axis: int, rows: Array, order: Array, inverse: bool, counts: bool,
    shape: Any = None,
) -> Any:  # fmt: skip
    """Take of each run of equal rows (N, M) the part of x that its first row is.

    Args:
        order: which part of x each row is.
        shape: of the inverse; `None`: (N,).
    """
    lib, n = namespace(rows), rows.shape[0]
    is_first = lib.any(rows[1:, ...] != rows[:-1, ...], axis=1)
    is_first = lib.concat([lib.ones((min(n, 1),), dtype=lib.bool, device=rows.device), is_first])
    (first,) = lib.nonzero(is_first)
    values = ops.Take.apply(x, indices=lib.take(order, first), axis=axis, check=False)
    run = lib.cumulative_sum(lib.astype(is_first, lib.int64)) - 1
    run = lib.take(run, lib.argsort(order))
    run = run if shape is None else lib.reshape(run, shape)
    ends = lib.concat([first, lib.asarray([n], dtype=first.dtype, device=rows.device)])
    wrap = (lambda y: TensorNode(y, requires_grad=False)) if is_node(x) else (lambda y: y)
    return _asked(values, [(wrap(run), inverse), (wrap(ends[1:] - ends[:-1]), counts)])


def _asked(values: NodeOrArray, more: list[tuple[Any, bool]]) -> Any:
    found = [part for part, is_asked in more if is_asked]
    return (values, *found) if found else values
