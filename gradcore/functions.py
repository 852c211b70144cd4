"""Functions that put ops together."""

from __future__ import annotations

from math import inf
from typing import Any

from . import array_api, ops
from .backends import backend_of, random
from .engine.arrays import describe, is_node, namespace, node_or_array, raw_array
from .engine.inputs import op_inputs
from .graph import TensorNode
from .ops import Log, LogSoftmax, PutItem, Select, Softmax, Sum, Take
from .recording import number
from .transforms import stop_gradient

__all__ = [
    "celoss",
    "dropout",
    "embedding",
    "log_softmax",
    "logceloss",
    "logsoftmax",
    "logsumexp",
    "one_hot",
    "pad",
    "scaled_dot_product_attention",
    "softmax",
]


def softmax(x: Any, axis: int = -1) -> TensorNode:
    """exp(x), divided by its sum along the axis: each row of a matrix (N, M) as probabilities."""
    return Softmax.do_forward(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> TensorNode:
    """The logarithm of `softmax(x, axis)`, stable where that is not."""
    return LogSoftmax.do_forward(x, axis=axis)


logsoftmax = log_softmax  # the course's name


def logsumexp(
    x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> TensorNode:
    """log(sum(exp(x))) of all elements, or along the axis, computed without overflow."""
    return ops.LogSumExp.do_forward(x, axis=axis, keepdims=keepdims)


def celoss(probabilities: Any, targets: Any) -> TensorNode:
    """The cross-entropy of probabilities (N, M) and targets (N,), summed over the batch.

    `logceloss(logsoftmax(x), targets)` computes it more exactly.

    Raises:
        IndexError: a target is not in [0, M).
    """
    return logceloss(Log.do_forward(probabilities), targets)


def logceloss(logprobabilities: Any, targets: Any) -> TensorNode:
    """The cross-entropy of log-probabilities (N, M) and targets (N,), summed over the batch.

    Args:
        logprobabilities: for each instance, the logarithm of the probability of each class.
        targets: the true classes, an integer array.

    Raises:
        IndexError: a target is not in [0, M).
    """
    return -Sum.do_forward(Select.do_forward(logprobabilities, indices=targets))


def one_hot(indices: Any, num_classes: int, dtype: Any = "float32") -> TensorNode:
    """For each of the integer indices (...) a row (..., num_classes), of zeros but for a one at
    the index. A constant.

    Raises:
        IndexError: an index is not in [0, num_classes).
        TypeError: the indices are not integers.
    """
    indices = node_or_array(indices)
    indices = indices.value if is_node(indices) else indices
    backend, xp = backend_of(indices), namespace(indices)
    backend.check_indices("one_hot: indices", indices, num_classes)
    classes = xp.arange(num_classes, dtype=indices.dtype, device=indices.device)
    ones = xp.astype(xp.expand_dims(indices, axis=-1) == classes, backend.dtype(dtype))
    return TensorNode(ones, requires_grad=False)


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> TensorNode:
    """For each of the integer indices (...) that row of the weight (N, M): (..., M).

    Args:
        padding_idx: the row that gets no gradient; a negative number counts from the end.

    Raises:
        IndexError: an index is not in [0, N).
        TypeError: the indices are not integers.
        ValueError: the weight has not two dimensions; no such `padding_idx`.
    """
    weight, indices = node_or_array(weight), node_or_array(indices)
    if weight.ndim != 2:
        raise ValueError(f"embedding: the weight is {describe(weight)}, expected (N, M)")
    n = weight.shape[0]
    w, indices = op_inputs("embedding", [weight, indices])
    backend_of(w).check_indices("embedding: indices", indices, n)
    y = Take.do_forward(weight, indices=indices, check=False)
    if padding_idx is None:
        return y
    if not -n <= padding_idx < n:
        raise ValueError(f"embedding: padding_idx = {padding_idx}, and the weight has {n} rows")
    is_padding = namespace(w).expand_dims(indices == padding_idx % n, axis=-1)
    return namespace(y).where(is_padding, stop_gradient(y), y)


def pad(x: Any, pad_width: Any, mode: str = "constant", value: float = 0.0) -> TensorNode:
    """x with more elements before and after, along each axis.

    Args:
        pad_width: how many: pairs (before, after), one for each axis, or one for all; or a number.
        mode: what they are: "constant", `value`; "edge", as the outermost; "reflect", mirrored,
            without the outermost; "wrap", from the other side. As in `numpy.pad`
            (https://numpy.org/doc/stable/reference/generated/numpy.pad.html).

    Raises:
        ValueError: no such mode, a width is negative or for other axes, or an axis of size 0 has
            nothing to repeat.
    """
    x = node_or_array(x)
    x = x if is_node(x) else TensorNode(x, requires_grad=False)
    widths = _widths(pad_width, x.ndim)
    if mode == "constant":
        key = tuple([slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True)])
        shape = tuple([a + n + b for (a, b), n in zip(widths, x.shape, strict=True)])
        y = PutItem.do_forward(x, key=key, shape=shape)
        if value == 0:
            return y
        xp = backend_of(x.value).xp
        ones = xp.ones(x.shape, dtype=xp.bool, device=x.device)
        return namespace(y).where(PutItem.apply(ones, key=key, shape=shape), y, value)
    if mode not in ("edge", "reflect", "wrap"):
        raise ValueError(f"pad: mode = {mode!r}, expected constant, edge, reflect or wrap")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            indices = _pad_indices(x, axis, before, after, mode)
            x = Take.do_forward(x, indices=indices, axis=axis, check=False)
    return x


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """A pair for each axis."""
    pad_width = pad_width.tolist() if hasattr(pad_width, "tolist") else pad_width
    pairs = pad_width if isinstance(pad_width, list | tuple) else [pad_width]
    if len(pairs) == 2 and all(isinstance(n, int) for n in pairs):
        pairs = [pairs]
    pairs = [(n, n) if isinstance(n, int) else tuple(n) for n in pairs]
    pairs = pairs * ndim if len(pairs) == 1 else pairs
    if len(pairs) != ndim or [p for p in pairs if len(p) != 2 or min(p) < 0]:
        expected = f"(before, after), not negative, for all axes or for each of {ndim}"
        raise ValueError(f"pad: pad_width = {pad_width!r}, expected pairs {expected}")
    return pairs


def _pad_indices(x: TensorNode, axis: int, before: int, after: int, mode: str) -> Any:
    """For each element along the axis, once padded, where it comes from."""
    n, xp = x.shape[axis], backend_of(x.value).xp
    if n == 0:
        raise ValueError(f"pad: axis {axis} of x {x.shape} has nothing to repeat; try 'constant'")
    i = xp.arange(-before, n + after, device=x.device)
    if mode == "wrap":
        return i % n
    if mode == "reflect" and n > 1:
        i = i % (2 * n - 2)  # to the end and back
        return xp.where(i < n, i, 2 * n - 2 - i)
    return xp.where(i < 0, 0, xp.where(i < n, i, n - 1))


def dropout(x: Any, p: float = 0.5, training: bool = True) -> TensorNode:
    """In training, each element of x becomes 0 with probability p, and the others are divided by
    1 - p (https://jmlr.org/papers/v15/srivastava14a.html); else x as it is.

    The generator that `manual_seed` seeds decides which: the same on every backend.

    Raises:
        ValueError: p is not in [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p = {p}, expected a probability, from 0 to 1")
    if not training or p == 0:
        return ops.Id.do_forward(x)
    key = number(random.new_key, raw_array(x), "uint64")
    return ops.Dropout.do_forward(x, p=p, key=key)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> TensorNode:
    """softmax(query @ key^T * scale) @ value (https://arxiv.org/abs/1706.03762, section 3.2.1).

    Args:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, V).
        attn_mask: what can be broadcast to (..., L, S): booleans, true where a query looks at a
            key, or numbers to add. A query that looks at no key gets zeros.
        dropout_p: the probability of dropout, see `dropout`; not for evaluation.
        is_causal: query i looks at keys 0 to i only; there is no `attn_mask` then.
        scale: `None`: 1 / sqrt(E).

    Returns:
        (..., L, V).

    Raises:
        ValueError: the shapes do not fit, there are two masks, or `dropout_p` is not in [0, 1].
    """
    raw = raw_array(query)
    if is_causal and attn_mask is not None:
        raise ValueError("scaled_dot_product_attention: is_causal and attn_mask exclude each other")
    if raw.ndim < 2 or raw_array(key).ndim < 2:
        raise ValueError(
            f"scaled_dot_product_attention: query is {describe(raw)} and key "
            f"{describe(raw_array(key))}, expected (..., L, E) and (..., S, E)"
        )
    # The factor goes to the smaller of the products.
    scale = raw.shape[-1] ** -0.5 if scale is None else scale
    keys = array_api.matrix_transpose(key)
    scores = ops.MatrixMultiply.do_forward(ops.Multiply.do_forward(query, scale), keys)
    empty = None
    if is_causal:
        xp = namespace(raw)
        rows, columns = (xp.arange(n, device=raw.device) for n in scores.shape[-2:])
        scores = array_api.where(xp.expand_dims(rows, axis=1) >= columns, scores, -inf)
    elif attn_mask is not None:
        mask = raw_array(attn_mask)
        xp = namespace(mask)
        is_boolean = xp.isdtype(mask.dtype, "bool")
        empty = ~xp.any(mask if is_boolean else mask != -inf, axis=-1, keepdims=True)
        # Of nothing but -inf there is no softmax: such a query looks at all keys at first.
        if is_boolean:
            scores = array_api.where(mask | empty, scores, -inf)
        else:
            scores = scores + array_api.where(empty, 0.0, attn_mask)
    weights = Softmax.do_forward(scores)
    if empty is not None:
        weights = array_api.where(empty, 0.0, weights)
    return dropout(weights, dropout_p) @ value
