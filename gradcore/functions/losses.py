"""Losses: how far predictions are from the truth, as one number to minimize.

Names and arguments are those of torch.nn.functional
(https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions). Each takes nodes, or
arrays as constants. `reduction` is "mean", "sum" or "none", which keeps all losses apart.
"""

# ruff: noqa: A002 (torch says `input`)
from __future__ import annotations

from math import inf
from typing import Any

from .. import array_api, ops
from ..engine.arrays import describe, is_floating, namespace, raw_array
from ..graph import TensorNode
from ..ops import Log, Select, Sum
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


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> TensorNode:
    """The cross-entropy of softmax(input), over the classes of axis 1, and the target.

    Args:
        input: logits (N, C, ...).
        target: the true classes, integers (N, ...); or the probability of each class (N, C, ...).
        weight: of each class, an array (C,) of input's dtype, or a list. The mean over instances
            with true classes is the weighted one.
        ignore_index: instances with this as the target do not count.
        label_smoothing: how much of each instance's probability is spread evenly over all classes
            (https://arxiv.org/abs/1512.00567, section 7).

    Raises:
        IndexError: a target is neither in [0, C) nor `ignore_index`.
        ValueError: shapes do not fit, or there is no such reduction.
        TypeError: the weight is of another dtype.
    """
    name = "cross_entropy"
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"{name}: label_smoothing = {label_smoothing}, expected 0 to 1")
    if is_floating(raw_array(target)):
        return _of_probabilities(name, input, target, weight, label_smoothing, reduction)
    classes, ignored = _classes(target, ignore_index)
    losses = ops.CrossEntropy.do_forward(input, targets=classes, ignored=ignored)
    weight = _weight(name, weight, input)
    shares = _shares(weight, classes, ignored, losses)
    losses = losses if weight is None else losses * shares
    if label_smoothing:
        logs = _weighted(ops.LogSoftmax.do_forward(input, axis=1), weight)
        even = ops.Where.do_forward(ignored, 0.0, -array_api.mean(logs, axis=1))
        losses = (1.0 - label_smoothing) * losses + label_smoothing * even
    return _reduced(name, losses, reduction, shares)


def _of_probabilities(
    name: str, input: Any, target: Any, weight: Any, label_smoothing: float, reduction: str
) -> TensorNode:
    _check_shapes(name, input, target)
    logs = ops.LogSoftmax.do_forward(input, axis=1)
    if label_smoothing:
        target = ops.Multiply.do_forward(target, 1.0 - label_smoothing)
        target = target + label_smoothing / logs.shape[1]
    logs = _weighted(logs, _weight(name, weight, input))
    return _reduced(name, -array_api.sum(logs * target, axis=1), reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> TensorNode:
    """The negative log-likelihood of the true classes, `target`, integers (N, ...), where `input`
    (N, C, ...) has the log-probabilities; else as `cross_entropy`."""
    classes, ignored = _classes(target, ignore_index)
    chosen = ops.Select.do_forward(input, indices=classes)
    weight = _weight("nll_loss", weight, input)
    shares = _shares(weight, classes, ignored, chosen)
    losses = ops.Where.do_forward(ignored, 0.0, -chosen)
    losses = losses if weight is None else losses * shares
    return _reduced("nll_loss", losses, reduction, shares)


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> TensorNode:
    """The squares of the differences.

    Raises:
        ValueError: the shapes differ, or there is no such reduction.
    """
    difference = _difference("mse_loss", input, target)
    return _reduced("mse_loss", ops.Square.do_forward(difference), reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> TensorNode:
    """The absolute differences; raises as `mse_loss`."""
    return _reduced("l1_loss", abs(_difference("l1_loss", input, target)), reduction)


def huber_loss(
    input: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean"
) -> TensorNode:
    """Half the squares of the differences d where |d| < delta, and delta * (|d| - delta / 2)
    beyond (https://doi.org/10.1214/aoms/1177703732).

    Raises:
        ValueError: as `mse_loss`, or delta is not positive.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta = {delta}, expected a positive number")
    difference = _difference("huber_loss", input, target)
    return _reduced("huber_loss", _huber(difference, delta), reduction)


def smooth_l1_loss(
    input: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean"
) -> TensorNode:
    """The Huber loss for delta = beta, divided by beta; for beta = 0, `l1_loss`.

    Raises:
        ValueError: as `mse_loss`, or beta is negative.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta = {beta}, expected 0 or a positive number")
    difference = _difference("smooth_l1_loss", input, target)
    losses = _huber(difference, beta) * (1.0 / beta) if beta else abs(difference)
    return _reduced("smooth_l1_loss", losses, reduction)


def _huber(difference: TensorNode, delta: float) -> TensorNode:
    # One formula for all parts: beyond delta, `near` is a constant.
    near = ops.HardTanh.do_forward(difference, min_val=-delta, max_val=delta)
    return near * (difference - 0.5 * near)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, *, pos_weight: Any = None, reduction: str = "mean"
) -> TensorNode:
    """The cross-entropy of sigmoid(input), the probability of the one of two classes, and the
    target, of the same shape and dtype: what that probability should be.

    Args:
        pos_weight: how much the class counts in comparison to the other: an array or a list that
            can be broadcast.

    Raises:
        ValueError: as `mse_loss`.
        TypeError: `pos_weight` is of another dtype.
    """
    name = "binary_cross_entropy_with_logits"
    _check_shapes(name, input, target)
    x, t = _as_node(input), _as_node(target)
    # -log(sigmoid(x)) is log(1 + exp(-x)), and -log(1 - sigmoid(x)) that + x.
    minus_log = softplus(-x, threshold=inf)
    if pos_weight is not None:
        pos_weight = _constant(name, "pos_weight", pos_weight, x)
        minus_log = minus_log * (t * (pos_weight - 1.0) + 1.0)
    return _reduced(name, minus_log + (1.0 - t) * x, reduction)


def kl_div(
    input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False
) -> TensorNode:
    """target * log(target / exp(input)), the terms of the Kullback-Leibler divergence: input has
    log-probabilities, target probabilities, or log-probabilities if `log_target`.

    Args:
        reduction: "mean" (over all elements), "sum", "none", or "batchmean": the sum divided by
            the size of the first axis, which is the mean of the divergences.

    Raises:
        ValueError: as `mse_loss`.
    """
    _check_shapes("kl_div", input, target)
    if reduction not in ("mean", "sum", "none", "batchmean"):
        expected = "expected 'mean', 'sum', 'none' or 'batchmean'"
        raise ValueError(f"kl_div: reduction = {reduction!r}, {expected}")
    t = _as_node(target)
    if log_target:
        losses = array_api.exp(t) * (t - input)
    else:
        positive = array_api.where(t > 0.0, t, 1.0)  # 0 log(0) is 0
        losses = t * (array_api.log(positive) - input)
    if reduction == "batchmean":
        return array_api.sum(losses) * (1.0 / losses.shape[0])
    return _reduced("kl_div", losses, reduction)


def _reduced(name: str, losses: TensorNode, reduction: str, shares: Any = None) -> TensorNode:
    """The losses as they are, their sum, or their mean: the sum divided by that of the shares."""
    if reduction == "none":
        return losses
    if reduction == "sum":
        return array_api.sum(losses)
    if reduction == "mean" and shares is not None:
        return array_api.sum(losses) / namespace(shares).sum(shares)
    if reduction == "mean":
        return array_api.mean(losses)
    raise ValueError(f"{name}: reduction = {reduction!r}, expected 'mean', 'sum' or 'none'")


def _as_node(x: Any) -> TensorNode:
    return x if isinstance(x, TensorNode) else TensorNode(x, requires_grad=False)


def _check_shapes(name: str, input: Any, target: Any) -> None:
    a, b = raw_array(input), raw_array(target)
    if tuple(a.shape) != tuple(b.shape):
        raise ValueError(
            f"{name}: input is {describe(a)} and target {describe(b)}; expected one shape"
        )


def _difference(name: str, input: Any, target: Any) -> TensorNode:
    _check_shapes(name, input, target)
    return ops.Sub.do_forward(input, target)


def _classes(target: Any, ignore_index: int) -> tuple[Any, Any]:
    """The target as an array, with 0 for what is ignored, and where that is."""
    target = raw_array(target)
    xp = namespace(target)
    if ignore_index < 0 and xp.isdtype(target.dtype, "unsigned integer"):
        target = xp.astype(target, xp.int64)  # which knows negative numbers
    ignored = target == ignore_index
    return xp.where(ignored, 0, target), ignored


def _constant(name: str, what: str, x: Any, like: Any) -> Any:
    """x as an array, if a list, like the other one.

    Raises:
        TypeError: x is an array of another dtype.
    """
    like = raw_array(like)
    if isinstance(x, list | tuple):
        return namespace(like).asarray(x, dtype=like.dtype, device=like.device)
    x = raw_array(x)
    if x.dtype != like.dtype:
        raise TypeError(f"{name}: {what} is {describe(x)}, expected {like.dtype}, as input is")
    return x


def _weight(name: str, weight: Any, input: Any) -> Any:
    if weight is None:
        return None
    weight, (_, classes, *_) = _constant(name, "weight", weight, input), raw_array(input).shape
    if tuple(weight.shape) != (classes,):
        shape = tuple(weight.shape)
        raise ValueError(f"{name}: weight has shape {shape}, expected ({classes},)")
    return weight


def _weighted(logs: TensorNode, weight: Any) -> TensorNode:
    if weight is None:
        return logs
    return logs * namespace(weight).reshape(weight, (-1, *[1] * (logs.ndim - 2)))


def _shares(weight: Any, classes: Any, ignored: Any, losses: TensorNode) -> Any:
    """How much each instance counts."""
    xp = namespace(ignored)
    if weight is None:
        return xp.astype(~ignored, losses.dtype)
    taken = xp.take(weight, xp.reshape(classes, (-1,)), axis=0)
    return xp.where(ignored, 0.0, xp.reshape(taken, classes.shape))
