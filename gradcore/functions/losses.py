"""Losses: how far predictions are from the truth, as one number to minimize.

Names and arguments are those of torch.nn.functional
(https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions), but for the course's
`celoss` and `logceloss`. Each takes nodes, and as constants arrays, numbers and lists, which get
the dtype of the other argument. `reduction` is "mean", which of nothing is NaN, "sum", or "none",
which gives the loss of each instance or element by itself.

What does not count is 0, also where it is infinite: an instance that is ignored, and a class whose
probability or weight is 0.
"""

# ruff: noqa: A001, A002 (torch says `input`)
from __future__ import annotations

from math import inf, nan
from numbers import Number
from typing import Any

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..backends import Array, default
from ..engine.arrays import describe, is_real_floating, namespace, raw_array, widened
from ..graph import TensorNode
from .activations import softplus

__all__ = [
    "binary_cross_entropy_with_logits",
    "celoss",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "logceloss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]


def celoss(probabilities: NodeOrArray, targets: NodeOrArray) -> TensorNode:
    """Compute the cross-entropy of probabilities (N, M) and targets (N,), summed over the batch.

    `logceloss(logsoftmax(x), targets)` computes it more exactly.

    Raises:
        IndexError: a target is not in [0, M).
    """
    chosen = ops.Select.do_forward(_numbers(probabilities), indices=targets)
    return -ops.Sum.do_forward(ops.Log.do_forward(chosen))


def logceloss(logprobabilities: NodeOrArray, targets: NodeOrArray) -> TensorNode:
    """Compute the cross-entropy of log-probabilities (N, M) and targets (N,), summed over the
    batch.

    Args:
        logprobabilities: the logarithm of the probability of each class, for each instance.
        targets: the true classes, an integer array.

    Raises:
        IndexError: a target is not in [0, M).
    """
    return -ops.Sum.do_forward(ops.Select.do_forward(_numbers(logprobabilities), indices=targets))


def cross_entropy(
    input: NodeOrArray,
    target: NodeOrArray,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> TensorNode:
    """Compute the cross-entropy of softmax(input), over the classes of axis 1, and the target.

    Args:
        input: logits (N, C, ...).
        target: the true classes, integers (N, ...); or the probability of each class (N, C, ...).
        weight: how much each class counts: an array (C,) of input's dtype, or a list. For true
            classes, "mean" then is the weighted mean.
        ignore_index: a target that marks instances that do not count.
        label_smoothing: the part of each instance's probability that is spread evenly over all
            classes (https://arxiv.org/abs/1512.00567, section 7).

    Returns:
        One number; with reduction "none", (N, ...).

    Raises:
        IndexError: a target is neither in [0, C) nor `ignore_index`.
        ValueError: the shapes do not fit, or there is no such reduction.
        TypeError: the weight is of another dtype than the input.
    """
    name, input = "cross_entropy", _numbers(input)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"{name}: label_smoothing = {label_smoothing}, expected 0 to 1")
    if is_real_floating(raw_array(target)):
        return _of_probabilities(name, input, target, weight, label_smoothing, reduction)
    classes, ignored = _classes(target, ignore_index)
    losses = ops.CrossEntropy.do_forward(input, targets=classes, ignored=ignored)
    weight = _weight(name, weight, input)
    shares = _shares(weight, classes, ignored, losses)
    losses = losses if weight is None else ops.Weighted.do_forward(shares, losses)
    if label_smoothing:
        # An ignored row may be NaN, and LogSoftmax would multiply its gradient, 0, by that.
        input = ops.Where.do_forward(namespace(ignored).expand_dims(ignored, axis=1), 0.0, input)
        logs = _weighted(ops.LogSoftmax.do_forward(input, axis=1), weight)
        even = ops.Where.do_forward(ignored, 0.0, -array_api.mean(logs, axis=1))
        losses = (1.0 - label_smoothing) * losses + label_smoothing * even
    return _reduced(name, losses, reduction, shares)


def _of_probabilities(
    name: str,
    input: NodeOrArray,
    target: NodeOrArray,
    weight: Any,
    label_smoothing: float,
    reduction: str,
) -> TensorNode:
    """Compute `cross_entropy` for a target of probabilities (N, C, ...)."""
    input, target = _pair(name, input, target)
    logs = ops.LogSoftmax.do_forward(input, axis=1)
    if label_smoothing:
        target = ops.Multiply.do_forward(target, 1.0 - label_smoothing)
        target = target + label_smoothing / logs.shape[1]
    logs = _weighted(logs, _weight(name, weight, input))
    losses = -array_api.sum(ops.Weighted.do_forward(target, logs), axis=1)
    return _reduced(name, losses, reduction)


def nll_loss(
    input: NodeOrArray,
    target: NodeOrArray,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> TensorNode:
    """Compute the negative log-likelihood of the true classes, the integers `target` (N, ...).

    `input` (N, C, ...) has the logarithm of the probability of each class. The other arguments, the
    result and the errors are those of `cross_entropy`.
    """
    classes, ignored = _classes(target, ignore_index)
    input = _numbers(input)
    chosen = ops.Select.do_forward(input, indices=classes)
    weight = _weight("nll_loss", weight, input)
    shares = _shares(weight, classes, ignored, chosen)
    losses = ops.Where.do_forward(ignored, 0.0, -chosen)
    losses = losses if weight is None else ops.Weighted.do_forward(shares, losses)
    return _reduced("nll_loss", losses, reduction, shares)


def mse_loss(input: NodeOrArray, target: NodeOrArray, *, reduction: str = "mean") -> TensorNode:
    """Square the differences of input and target, of one shape, and take the mean.

    Raises:
        ValueError: the shapes differ, or there is no such reduction.
    """
    difference = _difference("mse_loss", input, target)
    return _reduced("mse_loss", ops.Square.do_forward(difference), reduction)


def l1_loss(input: NodeOrArray, target: NodeOrArray, *, reduction: str = "mean") -> TensorNode:
    """Take the absolute differences of input and target, of one shape, and their mean.

    Raises:
        ValueError: as `mse_loss`.
    """
    return _reduced("l1_loss", abs(_difference("l1_loss", input, target)), reduction)


def huber_loss(
    input: NodeOrArray, target: NodeOrArray, *, delta: float = 1.0, reduction: str = "mean"
) -> TensorNode:
    """Compute d² / 2 for differences |d| < delta, and delta * (|d| - delta / 2) for larger ones
    (https://doi.org/10.1214/aoms/1177703732), and take the mean. Input and target are of one shape.

    Raises:
        ValueError: as `mse_loss`, or delta is not positive.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta = {delta}, expected a positive number")
    difference = _difference("huber_loss", input, target)
    return _reduced("huber_loss", _huber(difference, delta), reduction)


def smooth_l1_loss(
    input: NodeOrArray, target: NodeOrArray, *, beta: float = 1.0, reduction: str = "mean"
) -> TensorNode:
    """Compute the Huber loss for delta = beta, divided by beta; for beta = 0, `l1_loss`.

    Raises:
        ValueError: as `mse_loss`, or beta is negative.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta = {beta}, expected 0 or a positive number")
    difference = _difference("smooth_l1_loss", input, target)
    losses = _huber(difference, beta) * (1.0 / beta) if beta else abs(difference)
    return _reduced("smooth_l1_loss", losses, reduction)


def _huber(difference: TensorNode, delta: float) -> TensorNode:
    """Compute the Huber loss of each element."""
    # near * (d - near / 2) is d² / 2 where near is d, and delta * (|d| - delta / 2) where it is
    # delta or -delta, a constant.
    near = ops.HardTanh.do_forward(difference, min_val=-delta, max_val=delta)
    return near * (difference - 0.5 * near)


def binary_cross_entropy_with_logits(
    input: NodeOrArray, target: NodeOrArray, *, pos_weight: Any = None, reduction: str = "mean"
) -> TensorNode:
    """Compute the cross-entropy of sigmoid(input) and the target, and take the mean.

    sigmoid(input) is the probability of the first of two classes. The target, of the same shape and
    dtype, is the true probability.

    Args:
        pos_weight: how many times the first class counts: a number, or an array or a list that can
            be broadcast to the shape of the input.

    Raises:
        ValueError: as `mse_loss`.
        TypeError: `pos_weight` is of another dtype than the input.
    """
    name = "binary_cross_entropy_with_logits"
    x, t = map(_as_node, _pair(name, input, target))
    # -log(sigmoid(x)) is log(1 + exp(-x)), and -log(1 - sigmoid(x)) is log(1 + exp(-x)) + x.
    minus_log = softplus(-x, threshold=inf)
    if pos_weight is not None:
        pos_weight = _constant(name, "pos_weight", pos_weight, x)
        minus_log = minus_log * (t * (pos_weight - 1.0) + 1.0)
    return _reduced(name, minus_log + (1.0 - t) * x, reduction)


def kl_div(
    input: NodeOrArray, target: NodeOrArray, *, reduction: str = "mean", log_target: bool = False
) -> TensorNode:
    """Compute target * log(target / exp(input)), the terms of the Kullback-Leibler divergence, and
    take the mean. Input and target are of one shape. Where the target is 0, the term is 0, and the
    gradient of the target NaN.

    Args:
        input: log-probabilities.
        target: probabilities; with `log_target`, log-probabilities.
        reduction: "mean" (over all elements), "sum", "none", or "batchmean": the sum divided by
            the size of the first axis, which is the mean of the instances' divergences; or by 1,
            if there is no axis.

    Raises:
        ValueError: as `mse_loss`.
    """
    x, t = map(_as_node, _pair("kl_div", input, target))
    if reduction not in ("mean", "sum", "none", "batchmean"):
        expected = "expected 'mean', 'sum', 'none' or 'batchmean'"
        raise ValueError(f"kl_div: reduction = {reduction!r}, {expected}")
    if log_target:
        p = array_api.exp(t)
        losses = ops.Weighted.do_forward(p, t) - ops.Weighted.do_forward(p, x)
    else:
        nothing = t == 0.0  # there t log(t) is 0; its slope is infinite, and becomes NaN
        logs = array_api.log(array_api.where(nothing, nan, t))
        losses = array_api.where(nothing, 0.0, t * logs) - ops.Weighted.do_forward(t, x)
    if reduction == "batchmean":
        return array_api.sum(losses) / (losses.shape[0] if losses.ndim else 1)
    return _reduced("kl_div", losses, reduction)


def _reduced(
    name: str, losses: TensorNode, reduction: str, shares: Array | None = None
) -> TensorNode:
    """Reduce the losses to their sum or mean. With shares, the mean is the sum of the losses
    divided by the sum of the shares.

    Raises:
        ValueError: there is no such reduction.
    """
    if reduction == "none":
        return losses
    if reduction == "sum":
        return array_api.sum(losses)
    if reduction == "mean" and shares is not None:
        mean = array_api.sum(widened(losses)) / namespace(shares).sum(widened(shares))
        return array_api.astype(mean, losses.dtype, copy=False)
    if reduction == "mean":
        return array_api.mean(losses)
    raise ValueError(f"{name}: reduction = {reduction!r}, expected 'mean', 'sum' or 'none'")


def _as_node(x: NodeOrArray) -> TensorNode:
    return x if isinstance(x, TensorNode) else TensorNode(x, requires_grad=False)


def _is_plain(x: Any) -> bool:
    """Whether x is a number or a list of numbers, which has no dtype that counts."""
    return isinstance(x, list | tuple | Number)


def _numbers(x: Any, like: Array | None = None) -> NodeOrArray:
    """Make an array of a number or of a list, in the dtype and on the device of the floating array
    `like`; `None` is float32 of the default backend. Nodes and arrays stay."""
    if not _is_plain(x):
        return x
    if like is None or not is_real_floating(like):
        return default().asarray(x, "float32")
    return namespace(like).asarray(x, dtype=like.dtype, device=like.device)


def _pair(name: str, input: Any, target: Any) -> tuple[NodeOrArray, NodeOrArray]:
    """Make arrays of numbers and lists, and check that input and target have one shape.

    Raises:
        ValueError: the shapes differ.
    """
    like = next((raw_array(x) for x in (input, target) if not _is_plain(x)), None)
    input, target = _numbers(input, like), _numbers(target, like)
    a, b = raw_array(input), raw_array(target)
    if tuple(a.shape) != tuple(b.shape):
        raise ValueError(
            f"{name}: input is {describe(a)} and target {describe(b)}; expected one shape"
        )
    return input, target


def _difference(name: str, input: NodeOrArray, target: NodeOrArray) -> TensorNode:
    return ops.Sub.do_forward(*_pair(name, input, target))


def _classes(target: NodeOrArray, ignore_index: int) -> tuple[Array, Array]:
    """Give the target as an array, with 0 for `ignore_index`; and the mask of `ignore_index`."""
    target = raw_array(target)
    xp = namespace(target)
    if ignore_index < 0 and xp.isdtype(target.dtype, "unsigned integer"):
        target = xp.astype(target, xp.int64)  # can hold the negative ignore_index
    ignored = target == ignore_index
    return xp.where(ignored, 0, target), ignored


def _constant(name: str, what: str, x: Any, like: NodeOrArray) -> Array:
    """Convert x to an array. A number or a list becomes one in the dtype and on the device of
    `like`.

    Raises:
        TypeError: x is an array of another dtype than `like`; the message calls x `what`.
    """
    like = raw_array(like)
    x = raw_array(_numbers(x, like))
    if x.dtype != like.dtype:
        raise TypeError(f"{name}: {what} is {describe(x)}, expected {like.dtype}, as input is")
    return x


def _weight(name: str, weight: Any, input: NodeOrArray) -> Array | None:
    """Convert the weight of each class to an array (C,), for an input (N, C, ...).

    Raises:
        TypeError: the weight is of another dtype than the input.
        ValueError: the weight is of another shape.
    """
    if weight is None:
        return None
    weight, (_, classes, *_) = _constant(name, "weight", weight, input), raw_array(input).shape
    if tuple(weight.shape) != (classes,):
        shape = tuple(weight.shape)
        raise ValueError(f"{name}: weight has shape {shape}, expected ({classes},)")
    return weight


def _weighted(logs: TensorNode, weight: Array | None) -> TensorNode:
    """Multiply logs (N, C, ...) by the weight of each class."""
    if weight is None:
        return logs
    weight = namespace(weight).reshape(weight, (-1, *[1] * (logs.ndim - 2)))
    return ops.Weighted.do_forward(weight, logs)


def _shares(weight: Array | None, classes: Array, ignored: Array, losses: TensorNode) -> Array:
    """Compute how much each instance counts: 0 if it is ignored, else 1 or its class's weight."""
    xp = namespace(ignored)
    if weight is None:
        return xp.astype(~ignored, losses.dtype)
    taken = xp.take(weight, xp.reshape(classes, (-1,)), axis=0)
    return xp.where(ignored, 0.0, xp.reshape(taken, classes.shape))
