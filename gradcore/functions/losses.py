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

from math import exp, inf, log, nan, pi
from typing import Any

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..backends import Array, backend_of
from ..engine.arrays import (
    describe,
    is_real_floating,
    namespace,
    raw_array,
)
from ..graph import TensorNode
from .activations import softplus
from .comparison import (
    as_batch,
    as_node,
    class_weight,
    like_input,
    nodes,
    numbers,
    pair,
    reduced,
    times,
    weighted_each,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celoss",
    "cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "logceloss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def celoss(probabilities: NodeOrArray, targets: NodeOrArray) -> TensorNode:
    """Compute the cross-entropy of probabilities (N, M) and targets (N,), summed over the batch.

    `logceloss(logsoftmax(x), targets)` computes it more exactly.

    Raises:
        IndexError: a target is not in [0, M).

    Example:
        >>> p = TensorNode([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])  # (N, M)
        >>> print(gradcore.celoss(p, np.array([0, 1])).value.round(3))
        0.916
    """
    chosen = ops.Select.do_forward(numbers(probabilities), indices=targets)
    return -ops.Sum.do_forward(ops.Log.do_forward(chosen))


def logceloss(logprobabilities: NodeOrArray, targets: NodeOrArray) -> TensorNode:
    """Compute the cross-entropy of log-probabilities (N, M) and targets (N,), summed over the
    batch.

    Args:
        logprobabilities: the logarithm of the probability of each class, for each instance.
        targets: the true classes, an integer array.

    Raises:
        IndexError: a target is not in [0, M).

    Example:
        >>> scores = TensorNode([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # (N, M)
        >>> loss = gradcore.logceloss(gradcore.log_softmax(scores), np.array([0, 2]))
        >>> print(loss.value.round(3))
        0.791
    """
    return -ops.Sum.do_forward(ops.Select.do_forward(numbers(logprobabilities), indices=targets))


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
        input: logits (N, C, ...); or (C,), of one instance.
        target: the true classes, integers (N, ...); or the probability of each class (N, C, ...).
            Of one instance, () or (C,).
        weight: how much each class counts: an array (C,) of input's dtype, or a list. For true
            classes, "mean" then is the weighted mean.
        ignore_index: a target that marks instances that do not count.
        label_smoothing: the part of each instance's probability that is spread evenly over all
            classes (https://arxiv.org/abs/1512.00567, section 7).

    Returns:
        One number; with reduction "none", (N, ...), or () of one instance.

    Raises:
        IndexError: a target is neither in [0, C) nor `ignore_index`.
        ValueError: the shapes do not fit, or there is no such reduction.
        TypeError: the weight is of another dtype than the input, or true classes are floats.

    Example:
        >>> logits = TensorNode([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # (N, C)
        >>> loss = gradcore.cross_entropy(logits, np.array([0, 2]))
        >>> loss.backward()  # to softmax(logits), less 1 for the true class, divided by N
        >>> print(loss.value.round(3))
        0.395
        >>> print(logits.grad.round(3))
        [[-0.107  0.053  0.053]
         [ 0.106  0.106 -0.212]]
    """
    name = "cross_entropy"
    input, target, is_one = as_batch(input, target)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"{name}: label_smoothing = {label_smoothing}, expected 0 to 1")
    if is_real_floating(raw_array(target)):
        if raw_array(target).ndim == raw_array(input).ndim - 1:
            found = f"{name}: the target is {describe(raw_array(target))}"
            raise TypeError(f"{found}; true classes are integers: target.astype('int64')")
        losses = _of_probabilities(name, input, target, weight, label_smoothing)
        return reduced(name, losses[0] if is_one else losses, reduction)
    classes, ignored = _classes(target, ignore_index)
    losses = ops.CrossEntropy.do_forward(input, targets=classes, ignored=ignored)
    weight = class_weight(name, weight, input)
    shares = _shares(weight, classes, ignored, losses)
    losses = losses if weight is None else ops.Weighted.do_forward(shares, losses)
    if label_smoothing:
        # An ignored row may be NaN, and LogSoftmax would multiply its gradient, 0, by that.
        if ignored is not None:
            row = namespace(ignored).expand_dims(ignored, axis=1)
            input = ops.Where.do_forward(row, 0.0, input)
        logs = _weighted(ops.LogSoftmax.do_forward(input, axis=1), weight)
        even = _zero_where(ignored, -array_api.mean(logs, axis=1))
        losses = (1.0 - label_smoothing) * losses + label_smoothing * even
    return reduced(name, losses[0] if is_one else losses, reduction, shares)


def _of_probabilities(
    name: str,
    input: NodeOrArray,
    target: NodeOrArray,
    weight: Any,
    label_smoothing: float,
) -> TensorNode:
    """Compute the losses (N, ...) of `cross_entropy` for a target of probabilities (N, C, ...)."""
    if raw_array(target).ndim == raw_array(input).ndim - 1:
        found = f"{name}: target is {describe(raw_array(target))}, the shape of true classes"
        raise ValueError(f"{found}, which are integers: target.astype('int64')")
    input, target = pair(name, input, target)
    logs = ops.LogSoftmax.do_forward(input, axis=1)
    if label_smoothing:
        target = ops.Multiply.do_forward(target, 1.0 - label_smoothing)
        target = target + label_smoothing / logs.shape[1]
    logs = _weighted(logs, class_weight(name, weight, input))
    return -array_api.sum(ops.Weighted.do_forward(target, logs), axis=1)


def nll_loss(
    input: NodeOrArray,
    target: NodeOrArray,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> TensorNode:
    """Compute the negative log-likelihood of the true classes, the integers `target` (N, ...).

    `input` (N, C, ...), or (C,), has the logarithm of the probability of each class. The other
    arguments, the result and the errors are those of `cross_entropy`.

    Example:
        >>> scores = TensorNode([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # (N, C)
        >>> loss = gradcore.nll_loss(gradcore.log_softmax(scores), np.array([0, 2]))
        >>> print(loss.value.round(3))
        0.395
    """
    input, target, is_one = as_batch(input, target)
    classes, ignored = _classes(target, ignore_index)
    chosen = ops.Select.do_forward(input, indices=classes)
    weight = class_weight("nll_loss", weight, input)
    shares = _shares(weight, classes, ignored, chosen)
    losses = _zero_where(ignored, -chosen)
    losses = losses if weight is None else ops.Weighted.do_forward(shares, losses)
    return reduced("nll_loss", losses[0] if is_one else losses, reduction, shares)


def mse_loss(
    input: NodeOrArray, target: NodeOrArray, *, reduction: str = "mean", weight: Any = None
) -> TensorNode:
    """Square the differences of input and target, of one shape, and take the mean.

    Args:
        weight: how much each element counts, of the shape of the input. "mean" then is the
            weighted mean.

    Raises:
        ValueError: the shapes differ, or there is no such reduction.
        TypeError: the weight is of another dtype than the input.

    Example:
        >>> x, target = TensorNode([1.0, 5.0]), TensorNode([2.0, 2.0])
        >>> loss = gradcore.mse_loss(x, target)
        >>> loss.backward()
        >>> print(loss.value, x.grad)
        5.0 [-1.  3.]
    """
    difference = _difference("mse_loss", input, target)
    losses, weight = weighted_each("mse_loss", ops.Square.do_forward(difference), weight)
    return reduced("mse_loss", losses, reduction, weight)


def l1_loss(
    input: NodeOrArray, target: NodeOrArray, *, reduction: str = "mean", weight: Any = None
) -> TensorNode:
    """Take the absolute differences of input and target, of one shape, and their mean.

    The weight, and errors, are as for `mse_loss`.

    Example:
        >>> x, target = TensorNode([1.0, 5.0]), TensorNode([2.0, 2.0])
        >>> print(gradcore.l1_loss(x, target).value)
        2.0
    """
    losses = abs(_difference("l1_loss", input, target))
    losses, weight = weighted_each("l1_loss", losses, weight)
    return reduced("l1_loss", losses, reduction, weight)


def huber_loss(
    input: NodeOrArray,
    target: NodeOrArray,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Any = None,
) -> TensorNode:
    """Compute d² / 2 for differences |d| < delta, and delta * (|d| - delta / 2) for larger ones
    (https://doi.org/10.1214/aoms/1177703732), and take the mean. Input and target are of one shape.

    Args:
        weight: a factor for the loss of each element, of the shape of the input. "mean" divides by
            the number of elements, as in PyTorch, and not by the sum of the weights.

    Raises:
        ValueError, TypeError: as `mse_loss`, or delta is not positive.

    Example:
        >>> x, target = TensorNode([0.5, 3.0]), TensorNode([0.0, 0.0])
        >>> print(gradcore.huber_loss(x, target, reduction="none").value)
        [0.125 2.5  ]
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta = {delta}, expected a positive number")
    losses = _huber(_difference("huber_loss", input, target), delta)
    losses, _ = weighted_each("huber_loss", losses, weight)
    return reduced("huber_loss", losses, reduction)


def smooth_l1_loss(
    input: NodeOrArray, target: NodeOrArray, *, beta: float = 1.0, reduction: str = "mean"
) -> TensorNode:
    """Compute the Huber loss for delta = beta, divided by beta; for beta = 0, `l1_loss`.

    Raises:
        ValueError: as `mse_loss`, or beta is negative.

    Example:
        >>> x, target = TensorNode([0.5, 3.0]), TensorNode([0.0, 0.0])
        >>> print(gradcore.smooth_l1_loss(x, target, beta=2.0, reduction="none").value)
        [0.0625 2.    ]
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta = {beta}, expected 0 or a positive number")
    difference = _difference("smooth_l1_loss", input, target)
    losses = _huber(difference, beta) * (1.0 / beta) if beta else abs(difference)
    return reduced("smooth_l1_loss", losses, reduction)


def _huber(difference: TensorNode, delta: float) -> TensorNode:
    """Compute the Huber loss of each element."""
    # near * (d - near / 2) is d² / 2 where near is d, and delta * (|d| - delta / 2) where it is
    # delta or -delta, a constant.
    near = ops.HardTanh.do_forward(difference, min_val=-delta, max_val=delta)
    return near * (difference - 0.5 * near)


def binary_cross_entropy(
    input: NodeOrArray, target: NodeOrArray, weight: Any = None, *, reduction: str = "mean"
) -> TensorNode:
    """Compute the cross-entropy of the input, the probability of the first of two classes, and the
    target, the true probability, of the same shape and dtype; and take the mean.

    Logarithms are at least -100, as in PyTorch; where one would be less, its gradient is 0.
    `binary_cross_entropy_with_logits` is more exact.

    Args:
        weight: a factor for the loss of each element, which can be broadcast to their shape.

    Returns:
        One number; with reduction "none", of the shape of the input. NaN for an input outside of
        [0, 1].

    Raises:
        ValueError: as `mse_loss`.
        TypeError: the weight is of another dtype than the input.

    Example:
        >>> p, target = TensorNode([0.9, 0.2]), TensorNode([1.0, 0.0])
        >>> print(gradcore.binary_cross_entropy(p, target).value.round(3))
        0.164
    """
    name = "binary_cross_entropy"
    x, t = map(as_node, pair(name, input, target))
    losses = -(t * _log(x) + (1.0 - t) * _log(1.0 - x, -x))
    losses = losses if weight is None else times(name, weight, losses)
    return reduced(name, losses, reduction)


def _log(x: TensorNode, less_one: TensorNode | None = None) -> TensorNode:
    """Compute the logarithm of probabilities, at least -100, and NaN of numbers that are none.

    Args:
        less_one: x - 1, if it is known more exactly.
    """
    tiny, outside = x.value <= exp(-100.0), (x.value < 0) | (x.value > 1)
    if less_one is None:
        logs = array_api.log(array_api.where(tiny, 1.0, x))
    else:
        logs = ops.Log1p.do_forward(array_api.where(tiny, 0.0, less_one))
    return array_api.where(outside, nan, array_api.where(tiny, -100.0, logs))


def binary_cross_entropy_with_logits(
    input: NodeOrArray,
    target: NodeOrArray,
    weight: Any = None,
    *,
    pos_weight: Any = None,
    reduction: str = "mean",
) -> TensorNode:
    """Compute the cross-entropy of sigmoid(input) and the target, and take the mean.

    sigmoid(input) is the probability of the first of two classes. The target, of the same shape and
    dtype, is the true probability.

    Args:
        weight: a factor for the loss of each element: a number, or an array or a list that can be
            broadcast to the shape of the input.
        pos_weight: how many times the first class counts, likewise.

    Raises:
        ValueError: as `mse_loss`.
        TypeError: `weight` or `pos_weight` is of another dtype than the input.

    Example:
        >>> logits, target = TensorNode([2.0, -1.0]), np.array([1, 0], "float32")
        >>> loss = gradcore.binary_cross_entropy_with_logits(logits, target)
        >>> loss.backward()
        >>> print(loss.value.round(3), logits.grad.round(3))
        0.22 [-0.06   0.134]
    """
    name = "binary_cross_entropy_with_logits"
    x, t = map(as_node, pair(name, input, target))
    # -log(sigmoid(x)) is log(1 + exp(-x)), and -log(1 - sigmoid(x)) is log(1 + exp(-x)) + x.
    minus_log = softplus(-x, threshold=inf)
    if pos_weight is not None:
        pos_weight = like_input(name, "pos_weight", pos_weight, x)
        minus_log = minus_log * (t * (pos_weight - 1.0) + 1.0)
    losses = minus_log + (1.0 - t) * x
    losses = losses if weight is None else times(name, weight, losses)
    return reduced(name, losses, reduction)


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

    Example:
        >>> x, target = TensorNode([[0.5, 0.5]]), TensorNode([[0.25, 0.75]])
        >>> print(gradcore.kl_div(gradcore.log(x), target, reduction="batchmean").value.round(3))
        0.131
    """
    x, t = map(as_node, pair("kl_div", input, target))
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
    return reduced("kl_div", losses, reduction)


def gaussian_nll_loss(
    input: NodeOrArray,
    target: NodeOrArray,
    var: NodeOrArray,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> TensorNode:
    """Compute (log(var) + (input - target)² / var) / 2, the negative log-likelihood of targets
    from normal distributions, and take the mean.

    Args:
        input: the means of the distributions. The target, of their shape, may be broadcast.
        var: the variances: of the shape of the input, or with an axis of size 1 in place of one of
            them, or without the last axis; or one number. A variance below eps counts as eps, but
            has the gradient of eps, as in PyTorch; a negative one gives NaN.
        full: whether to add log(2 pi) / 2.

    Raises:
        ValueError: the shapes do not fit, eps is not positive, or there is no such reduction.

    Example:
        >>> mean, target = TensorNode([1.0, 2.0]), TensorNode([1.0, 4.0])
        >>> print(gradcore.gaussian_nll_loss(mean, target, TensorNode([1.0, 1.0])).value)
        1.0
    """
    name = "gaussian_nll_loss"
    if not eps > 0:
        raise ValueError(f"{name}: eps = {eps}, expected a positive number")
    x, t, v = nodes(input, target, var)
    if v.ndim and v.shape != x.shape:
        v = array_api.expand_dims(v, axis=-1) if v.shape == x.shape[:-1] else v
        unequal = [b for a, b in zip(x.shape, v.shape, strict=False) if a != b]
        if v.ndim != x.ndim or unequal not in ([], [1]):
            found = f"input {tuple(x.shape)} and var {tuple(raw_array(var).shape)} do not fit"
            expected = "expected one shape, or 1 in place of one axis of var, or no last axis"
            raise ValueError(f"{name}: {found}; {expected}")
    xp = namespace(v.value)
    least = xp.where(v.value < 0, nan, xp.where(v.value < eps, eps, v.value))
    v = v + (least - v.value)
    losses = 0.5 * (array_api.log(v) + array_api.square(x - t) / v)
    return reduced(name, losses + 0.5 * log(2 * pi) if full else losses, reduction)


def poisson_nll_loss(
    input: NodeOrArray,
    target: NodeOrArray,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> TensorNode:
    """Compute rate - target * log(rate), the negative log-likelihood of counts from Poisson
    distributions, and take the mean. Input and target are broadcast together.

    Args:
        input: the logarithm of the rate; without `log_input`, the rate.
        target: the counts.
        full: whether to add Stirling's approximation of log(target!), for targets above 1.
        eps: a number added to the rate before its logarithm is taken, without `log_input`.

    Example:
        >>> log_rate, counts = TensorNode([0.0, 1.0]), TensorNode([1.0, 3.0])
        >>> print(gradcore.poisson_nll_loss(log_rate, counts).value.round(3))
        0.359
    """
    x, t = nodes(input, target)
    losses = array_api.exp(x) - t * x if log_input else x - t * array_api.log(x + eps)
    if full:
        many = array_api.where(t > 1, t, 1.0)
        stirling = many * array_api.log(many) - many + 0.5 * array_api.log(2 * pi * many)
        losses = losses + array_api.where(t > 1, stirling, 0.0)
    return reduced("poisson_nll_loss", losses, reduction)


def _difference(name: str, input: NodeOrArray, target: NodeOrArray) -> TensorNode:
    return ops.Sub.do_forward(*pair(name, input, target))


def _classes(target: NodeOrArray, ignore_index: int) -> tuple[Array, Array | None]:
    """Give the target as an array, with 0 for `ignore_index`; and the mask of `ignore_index`, or
    `None` if the backend knows that it is nowhere."""
    target = raw_array(target)
    xp = namespace(target)
    if ignore_index < 0 and xp.isdtype(target.dtype, "unsigned integer"):
        target = xp.astype(target, xp.int64)  # can hold the negative ignore_index
    ignored = backend_of(target).places_of(target, ignore_index)
    return target if ignored is None else xp.where(ignored, 0, target), ignored


def _zero_where(ignored: Array | None, losses: TensorNode) -> TensorNode:
    return losses if ignored is None else ops.Where.do_forward(ignored, 0.0, losses)


def _weighted(logs: TensorNode, weight: Array | None) -> TensorNode:
    """Multiply logs (N, C, ...) by the weight of each class."""
    if weight is None:
        return logs
    weight = namespace(weight).reshape(weight, (-1, *[1] * (logs.ndim - 2)))
    return ops.Weighted.do_forward(weight, logs)


def _shares(
    weight: Array | None, classes: Array, ignored: Array | None, losses: TensorNode
) -> Array | None:
    """Compute how much each instance counts: 0 if it is ignored, else 1 or its class's weight;
    `None` if all count 1."""
    xp = namespace(classes)
    if weight is None:
        return None if ignored is None else xp.astype(~ignored, losses.dtype)
    taken = xp.reshape(xp.take(weight, xp.reshape(classes, (-1,)), axis=0), classes.shape)
    return taken if ignored is None else xp.where(ignored, 0.0, taken)
