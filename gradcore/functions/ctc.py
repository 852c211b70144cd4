"""The loss of connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import inf, prod
from typing import Any

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..backends import Array, backend_of
from ..engine.arrays import describe, namespace, raw_array
from ..graph import TensorNode
from .comparison import as_node, numbers, reduced

__all__ = ["ctc_loss"]


def ctc_loss(
    log_probs: NodeOrArray,
    targets: NodeOrArray,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> TensorNode:
    """Compute the connectionist temporal classification loss: minus the logarithm of the summed
    probability of all ways to spread the target labels over time, each repeated, and with blanks
    between (https://www.cs.toronto.edu/~graves/icml_2006.pdf).

    The loss is infinite where the time does not suffice for the labels, and the gradient then is
    NaN, unless `zero_infinity` makes both 0. The gradient is that of the function of `log_probs` as
    they are; PyTorch's has the gradient of `log_softmax` in it. After `log_softmax` they are one.

    Args:
        log_probs: log-probabilities of C labels at T times, (T, N, C); or (T, C), of one instance.
        targets: labels, integers (N, S), of which what is beyond `target_lengths` does not count;
            or those of all instances one after the other, (sum of target_lengths,). In that form,
            `target_lengths` on a GPU are read by the host.
        input_lengths: the number of times of each instance: integers (N,), a list too. Of one
            instance, one number.
        target_lengths: the number of labels of each instance, likewise.
        blank: the label that stands for none.
        reduction: "mean" divides each loss by the number of its labels, and takes the mean; "sum";
            "none" gives (N,), or () of one instance.
        zero_infinity: whether infinite losses count as 0.

    Raises:
        IndexError: a label is not in [0, C), or a length is larger than T or S.
        TypeError: labels or lengths are not integers.
        ValueError: the shapes do not fit, or there is no such reduction.

    Example:
        >>> log_probs = gradcore.log_softmax(TensorNode(np.zeros((4, 1, 3))))  # 4 times, 3 labels
        >>> targets = np.array([[1, 2]])
        >>> loss = gradcore.ctc_loss(log_probs, targets, np.array([4]), np.array([2]))
        >>> print(loss.value.round(3))
        0.843
    """
    name, x = "ctc_loss", as_node(numbers(log_probs))
    is_one = x.ndim == 2
    x = array_api.expand_dims(x, axis=1) if is_one else x
    if x.ndim != 3 or not x.shape[0]:
        found = tuple(raw_array(log_probs).shape)
        raise ValueError(f"{name}: log_probs has shape {found}, expected (T, N, C) or (T, C)")
    times, n, classes = x.shape
    if not 0 <= blank < classes:
        raise ValueError(f"{name}: blank = {blank}, expected 0 to {classes - 1}")
    backend, xp = backend_of(x.value), namespace(x.value)
    of_input, of_target = _lengths(x.value, n, input_lengths, target_lengths)
    labels = _whole(targets, x.value)
    labels = xp.reshape(labels, (1, -1)) if is_one else labels
    if labels.ndim == 1:
        labels = _in_rows(labels, [int(k) for k in backend.to_numpy(of_target)])
    if labels.ndim != 2 or labels.shape[0] != n:
        found = tuple(raw_array(targets).shape)
        raise ValueError(f"{name}: targets have shape {found}, expected ({n}, S), or all in a row")
    size = labels.shape[1]
    backend.check_indices(f"{name}: input_lengths", of_input, times + 1)
    backend.check_indices(f"{name}: target_lengths", of_target, size + 1)
    beyond = xp.arange(size, device=labels.device) >= of_target[:, None]
    labels = xp.where(beyond, blank, labels)
    # A state for each label, and one for the blank before, between and after: (N, 2 S + 1).
    blanks = xp.full((n, size + 1), blank, dtype=labels.dtype, device=labels.device)
    others = xp.concat([blanks[:, :1], labels], axis=1)[:, :-1] != labels
    skips = xp.stack([xp.zeros_like(others), others], axis=2)
    states = xp.stack([blanks[:, 1:], labels], axis=2)
    skips, states = (xp.reshape(z, (n, 2 * size)) for z in (skips, states))
    skips = xp.concat([skips, xp.zeros_like(blanks[:, :1] == 0)], axis=1)
    states = xp.concat([states, blanks[:, :1]], axis=1)
    backend.check_indices(f"{name}: targets", states, classes)
    x = array_api.take_along_axis(x, xp.expand_dims(states, axis=0), axis=2)
    losses = ops.CTC.do_forward(x, skips=skips, input_lengths=of_input, last=2 * of_target)
    if zero_infinity:
        losses = array_api.where(losses.value == inf, 0.0, losses)
    if reduction == "mean":
        sizes = xp.astype(xp.where(of_target > 1, of_target, 1), losses.dtype)
        losses = losses / sizes
    return reduced(name, losses[0] if is_one else losses, reduction)


def _lengths(x: Array, n: int, *lengths: Any) -> Iterator[Array]:
    """Make arrays (N,) of the lengths that `ctc_loss` is given, on the device of x.

    Raises:
        ValueError: a shape is another one.
    """
    for given, what in zip(lengths, ("input_lengths", "target_lengths"), strict=True):
        found = _whole(given, x)
        if tuple(found.shape) not in ((n,), () if n == 1 else (n,)):
            shape = tuple(found.shape)
            raise ValueError(f"ctc_loss: {what} have shape {shape}, expected ({n},)")
        yield namespace(x).reshape(found, (n,))


def _whole(x: Any, like: Array) -> Array:
    """Make an array of integers in a list or in an array of any library, on the device of `like`.

    Raises:
        TypeError: these are not integers.
    """
    x, xp = raw_array(x), namespace(like)
    if not prod(x.shape):
        return xp.zeros(x.shape, dtype=xp.int64, device=like.device)
    if not namespace(x).isdtype(x.dtype, "integral"):
        raise TypeError(f"ctc_loss: found {describe(x)}, expected integers")
    x = x if backend_of(x) is backend_of(like) else backend_of(like).asarray(x)
    return xp.astype(x, xp.int64, copy=False)


def _in_rows(labels: Array, lengths: list[int]) -> Array:
    """Put labels that stand one after the other into rows (N, S), as long as the longest.

    Raises:
        ValueError: the lengths do not sum up to the number of labels.
    """
    if sum(lengths) != labels.shape[0]:
        found = f"{labels.shape[0]} targets, and target_lengths sum up to {sum(lengths)}"
        raise ValueError(f"ctc_loss: found {found}")
    xp, size = namespace(labels), max(lengths, default=0)
    if not size:
        return xp.reshape(labels, (len(lengths), 0))
    starts = [end - k for end, k in zip(accumulate(lengths), lengths, strict=True)]
    starts = xp.asarray(starts, dtype=xp.int64, device=labels.device)
    places = starts[:, None] + xp.arange(size, dtype=xp.int64, device=labels.device)
    places = xp.where(places < labels.shape[0], places, 0)  # beyond the length, any
    rows = xp.take(labels, xp.reshape(places, (-1,)))
    return xp.reshape(rows, (len(lengths), size))
