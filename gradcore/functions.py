"""Functions that put ops together."""

from __future__ import annotations

from typing import Any

from .backends import backend_of
from .graph import TensorNode
from .ops import Log, LogSoftmax, PutItem, Relu, Select, Sigmoid, Softmax, Sum, Take
from .transforms import stop_gradient
from .values import array, describe, is_node, namespace, unwrapped


def sigmoid(x: Any) -> TensorNode:
    """1 / (1 + exp(-x)), element by element."""
    return Sigmoid.do_forward(x)


def relu(x: Any) -> TensorNode:
    """max(x, 0), element by element; the gradient at 0 is 0."""
    return Relu.do_forward(x)


def softmax(x: Any) -> TensorNode:
    """Each row of x (N, M) as probabilities: exp(x), divided by its sum."""
    return Softmax.do_forward(x)


def logsoftmax(x: Any) -> TensorNode:
    """The logarithm of `softmax(x)`, stable where that is not; x (N, M)."""
    return LogSoftmax.do_forward(x)


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
    indices = array(indices)
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
    weight, indices = array(weight), array(indices)
    if weight.ndim != 2:
        raise ValueError(f"embedding: the weight is {describe(weight)}, expected (N, M)")
    n = weight.shape[0]
    w, indices = unwrapped("embedding", [weight, indices])
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
    x = array(x)
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
