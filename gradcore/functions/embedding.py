"""Rows chosen by integers: of zeros with a one, and of a weight."""

from __future__ import annotations

from math import inf, prod
from typing import Any

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..backends import Array, backend_of
from ..backends.types import DType
from ..engine.arrays import describe, namespace, node_or_array, raw_array, value_of
from ..engine.inputs import op_inputs
from ..graph import TensorNode
from ..ops.indexing import last_named
from ..transforms.custom import stop_gradient
from .sizes import sizes

__all__ = ["embedding", "embedding_bag", "one_hot"]


def one_hot(
    indices: NodeOrArray, num_classes: int = -1, dtype: DType | str = "float32"
) -> TensorNode:
    """Make a row for each of the integer indices (...): zeros, with a one at the index
    (..., num_classes). No gradient flows through.

    Args:
        num_classes: -1 is one more than the largest index, which the host reads then.

    Raises:
        IndexError: an index is not in [0, num_classes).
        TypeError: the indices are not integers.
        ValueError: `num_classes` is not an integer of at least 0, or -1 of no indices.

    Example:
        >>> print(gradcore.one_hot(np.array([2, 0]), 3).value)
        [[0. 0. 1.]
         [1. 0. 0.]]
    """
    indices = raw_array(indices)
    backend, xp = backend_of(indices), namespace(indices)
    if num_classes == -1:
        backend.check_integers("one_hot: indices", indices)
        if not prod(indices.shape):
            raise ValueError("one_hot: there are no indices; say how many classes there are")
        num_classes = int(xp.max(indices)) + 1
    (num_classes,) = sizes("one_hot", 1, num_classes=num_classes, least=0)
    backend.check_indices("one_hot: indices", indices, num_classes)
    classes = xp.arange(num_classes, dtype=indices.dtype, device=indices.device)
    ones = xp.astype(xp.expand_dims(indices, axis=-1) == classes, backend.dtype(dtype))
    return TensorNode(ones, requires_grad=False)


def embedding(
    indices: NodeOrArray,
    weight: NodeOrArray,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,  # noqa: ARG001
) -> TensorNode:
    """Take the row of the weight (N, M) at each of the integer indices (...): (..., M).

    Args:
        padding_idx: a row that gets no gradient. A negative number counts from the end.
        max_norm: scale rows named that have a larger norm down to this one, in the weight itself,
            which must be a node without a source.
        norm_type: the order of that norm.
        scale_grad_by_freq: divide the gradient of each row by how often the indices name it.
        sparse: without effect; gradients are arrays of all rows.

    Raises:
        IndexError: an index is not in [0, N).
        TypeError: the indices are not integers.
        ValueError: the weight does not have two dimensions, or no row at `padding_idx`.

    Example:
        >>> weight = TensorNode([[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]])  # 3 words, 2 numbers each
        >>> y = gradcore.embedding(np.array([2, 0, 2]), weight)
        >>> y.sum().backward()
        >>> print(y.shape)
        (3, 2)
        >>> print(weight.grad)
        [[1. 1.]
         [0. 0.]
         [2. 2.]]
    """
    weight, indices = _checked("embedding", weight, indices)
    padding_idx = _padding("embedding", weight, padding_idx)
    if max_norm is not None:
        _renorm("embedding", weight, indices, max_norm, norm_type)
    y = _rows(weight, indices, scale_grad_by_freq)
    if padding_idx is None:
        return y
    is_padding = namespace(indices).expand_dims(indices == padding_idx, axis=-1)
    return namespace(y).where(is_padding, stop_gradient(y), y)


def embedding_bag(
    indices: NodeOrArray,
    weight: NodeOrArray,
    offsets: NodeOrArray | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,  # noqa: ARG001
    per_sample_weights: NodeOrArray | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> TensorNode:
    """Take rows of the weight (N, M), and reduce those of each bag to one: (B, M), 0 for a bag
    without rows.

    Args:
        indices: integers (B, K), each row a bag; or (L,), with offsets.
        offsets: where in the indices (L,) each bag begins (B,), the first at 0.
        mode: "sum", "mean", or "max" of each column.
        per_sample_weights: numbers by which to multiply the rows, like the indices; for "sum" only.
        include_last_offset: whether offsets (B + 1,) also say where the last bag ends.
        padding_idx: a row that does not count, also not for the mean, and gets no gradient.
        max_norm, norm_type, scale_grad_by_freq, sparse: see `embedding`.

    Raises:
        IndexError: an index is not in [0, N), an offset not in [0, L], or the first one is not 0.
        ValueError: shapes or settings do not fit.

    Example:
        >>> weight = TensorNode([[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]])
        >>> print(gradcore.embedding_bag(np.array([[0, 2], [1, 1]]), weight).value)
        [[1.  1.5]
         [1.  1.5]]
    """
    name = "embedding_bag"
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{name}: mode = {mode!r}, expected sum, mean or max")
    if scale_grad_by_freq and mode == "max":
        raise ValueError(f"{name}: scale_grad_by_freq = True is not for mode = 'max'")
    weight, indices = _checked(name, weight, indices)
    padding_idx = _padding(name, weight, padding_idx)
    xp, shape = namespace(indices), tuple(indices.shape)
    if per_sample_weights is not None:
        per_sample_weights = node_or_array(per_sample_weights)
        if mode != "sum" or tuple(per_sample_weights.shape) != shape:
            found = f"per_sample_weights {tuple(per_sample_weights.shape)} and mode = {mode!r}"
            raise ValueError(f"{name}: {found}; expected the shape {shape}, and 'sum'")
    bags, bag = _bags(indices, offsets, include_last_offset)
    indices = xp.reshape(indices, (-1,))
    if max_norm is not None:
        _renorm(name, weight, indices, max_norm, norm_type)
    rows = _rows(weight, indices, scale_grad_by_freq)
    counts = indices == indices if padding_idx is None else indices != padding_idx
    rows = array_api.where(xp.expand_dims(counts, axis=-1), rows, -inf if mode == "max" else 0.0)
    if per_sample_weights is not None:
        w = array_api.reshape(per_sample_weights, (-1, 1))
        rows = array_api.multiply(rows, w)
    there = {"indices": bag, "size": bags + 1, "check": False}
    raw = rows.value
    ones = xp.astype(counts, raw.dtype)
    sizes = ops.ScatterAdd.forward({}, ones, **there)[:bags, None]
    if mode == "max":
        y = _largest(rows, bag, bags)
        return array_api.where(sizes == 0, 0.0, y)
    y = ops.ScatterAdd.do_forward(rows, **there)[:bags, ...]
    return y / xp.where(sizes == 0, xp.ones_like(sizes), sizes) if mode == "mean" else y


def _checked(name: str, weight: NodeOrArray, indices: Any) -> tuple[NodeOrArray, Array]:
    """Check the weight (N, M), and that the indices are integers in [0, N)."""
    weight = node_or_array(weight)
    if weight.ndim != 2:
        raise ValueError(f"{name}: the weight is {describe(weight)}, expected (N, M)")
    w, indices = op_inputs(name, [weight, node_or_array(indices)])
    backend_of(w).check_indices(f"{name}: indices", indices, weight.shape[0])
    return weight, indices


def _padding(name: str, weight: NodeOrArray, padding_idx: int | None) -> int | None:
    n = weight.shape[0]
    if padding_idx is None:
        return None
    if not -n <= padding_idx < n:
        raise ValueError(f"{name}: padding_idx = {padding_idx}, and the weight has {n} rows")
    return padding_idx % n


def _rows(weight: NodeOrArray, indices: Array, scale_grad_by_freq: bool) -> TensorNode:
    y = ops.Take.do_forward(weight, indices=indices, check=False)
    if not scale_grad_by_freq:
        return y
    raw = y.value
    xp = namespace(raw)
    ones = xp.ones(indices.shape, dtype=raw.dtype, device=raw.device)
    there = {"indices": indices, "check": False}
    counts = ops.ScatterAdd.forward({}, ones, size=weight.shape[0], **there)
    share = y / ops.Take.forward({}, counts, **there)[..., None]
    return stop_gradient(y) + (share - stop_gradient(share))  # the value of y, to the last bit


def _renorm(
    name: str, weight: NodeOrArray, indices: Array, max_norm: float, norm_type: float
) -> None:
    """Scale rows of the weight that the indices name, and whose norm is larger, to the norm."""
    if not isinstance(weight, TensorNode) or weight.source:
        raise TypeError(f"{name}: max_norm changes the weight, which must be a node of its own")
    raw = weight.value
    xp, n = namespace(raw), weight.shape[0]
    named, _ = last_named(xp.arange(n, dtype=xp.int64, device=raw.device), indices)
    norm = array_api.linalg.vector_norm(raw, axis=-1, ord=norm_type)
    scale = xp.where(named & (norm > max_norm), max_norm / (norm + 1e-7), xp.ones_like(norm))
    weight.value = raw * scale[:, None]


def _bags(indices: Array, offsets: Any, include_last: bool) -> tuple[int, Array]:
    """Count the bags; and say for each index, made flat, in which one it is: behind the last bag,
    it is in none."""
    name, xp, shape = "embedding_bag", namespace(indices), tuple(indices.shape)
    if len(shape) == 2:
        if offsets is not None:
            raise ValueError(f"{name}: indices {shape} are bags already; leave offsets out")
        bags = xp.arange(shape[0], dtype=xp.int64, device=indices.device)
        return shape[0], xp.reshape(xp.broadcast_to(bags[:, None], shape), (-1,))
    if offsets is None or len(shape) != 1:
        raise ValueError(f"{name}: indices {shape}, expected (B, K), or (L,) and offsets")
    offsets = op_inputs(name, [indices, value_of(node_or_array(offsets))])[1]
    if offsets.ndim != 1 or (include_last and not offsets.shape[0]):
        raise ValueError(f"{name}: offsets {tuple(offsets.shape)}, expected a vector")
    backend_of(indices).check_indices(f"{name}: offsets", offsets, shape[0] + 1)
    backend_of(indices).check_indices(f"{name}: offsets[0]", offsets[:1], 1)
    places = xp.arange(shape[0], dtype=offsets.dtype, device=indices.device)
    bag = xp.searchsorted(offsets, places, side="right") - 1
    return offsets.shape[0] - int(include_last), xp.astype(bag, xp.int64, copy=False)


def _largest(rows: TensorNode, bag: Array, bags: int) -> TensorNode:
    """Find the largest element of each column, of the rows (L, M) of each bag (L,): (B, M)."""
    raw, (_, m) = rows.value, rows.shape
    xp = namespace(raw)
    start = xp.full((bags + 1, m), -inf, dtype=raw.dtype, device=raw.device)
    columns = xp.arange(m, dtype=xp.int64, device=raw.device)
    return ops.ScatterMax.do_forward(start, rows, indices=bag[:, None] * m + columns)[:bags, ...]
