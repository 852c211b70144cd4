"""Losses with a margin: 0 where a score or a distance is right by more than the margin.

Names and arguments are those of torch.nn.functional. Inputs, `reduction` and errors are as in
losses.py. At the margin itself, the gradient is 0.
"""

# ruff: noqa: A002 (torch says `input`)
from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..backends import backend_of
from ..engine.arrays import describe, namespace, raw_array
from ..graph import TensorNode
from .activations import log_sigmoid, relu, softplus
from .comparison import as_batch, class_weight, like_input, nodes, pair, reduced
from .distances import pairwise_distance

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

Distance = Callable[[TensorNode, TensorNode], TensorNode]


def margin_ranking_loss(
    input1: NodeOrArray,
    input2: NodeOrArray,
    target: NodeOrArray,
    margin: float = 0.0,
    *,
    reduction: str = "mean",
) -> TensorNode:
    """Compute max(0, -target * (input1 - input2) + margin), and take the mean: a target of 1 says
    that the first is to be the larger one, -1 that the second is. All three are broadcast together.

    Example:
        >>> a, b = TensorNode([2.0, 2.0]), TensorNode([1.0, 5.0])
        >>> target = TensorNode([1.0, 1.0])  # a is to be the larger one
        >>> print(gradcore.margin_ranking_loss(a, b, target, reduction="none").value)
        [0. 3.]
    """
    x1, x2, t = nodes(input1, input2, target)
    return reduced("margin_ranking_loss", relu(margin - t * (x1 - x2)), reduction)


def hinge_embedding_loss(
    input: NodeOrArray, target: NodeOrArray, margin: float = 1.0, *, reduction: str = "mean"
) -> TensorNode:
    """Take the distances `input` where the target is 1, and max(0, margin - input) where it is -1;
    and their mean. Input and target are broadcast together.

    Example:
        >>> distance, target = TensorNode([0.3, 0.3]), TensorNode([1.0, -1.0])
        >>> print(gradcore.hinge_embedding_loss(distance, target, reduction="none").value)
        [0.3 0.7]
    """
    x, t = nodes(input, target)
    alike = array_api.where(t.value == -1, 0.0, x)
    losses = alike + array_api.where(t.value == 1, 0.0, relu(margin - x))
    return reduced("hinge_embedding_loss", losses, reduction)


def cosine_embedding_loss(
    input1: NodeOrArray,
    input2: NodeOrArray,
    target: NodeOrArray,
    margin: float = 0.0,
    *,
    reduction: str = "mean",
) -> TensorNode:
    """Compute 1 - cos of the angle between input1 and input2 where the target is 1, and
    max(0, cos - margin) where it is -1; and take the mean.

    Args:
        input1, input2: vectors (N, D), or (D,).
        target: (N,), or () for vectors (D,).

    Raises:
        ValueError: the shapes do not fit, or there is no such reduction.

    Example:
        >>> a, b = TensorNode([[1.0, 0.0], [1.0, 0.0]]), TensorNode([[0.0, 1.0], [3.0, 0.0]])
        >>> target = TensorNode([1.0, -1.0])  # alike, and not alike
        >>> print(gradcore.cosine_embedding_loss(a, b, target, reduction="none").value)
        [1. 1.]
    """
    x1, x2, t = nodes(input1, input2, target)
    if x1.ndim not in (1, 2) or x1.ndim != x2.ndim or t.ndim != x1.ndim - 1:
        shapes = ", ".join(str(tuple(x.shape)) for x in (x1, x2, t))
        raise ValueError(f"cosine_embedding_loss: shapes {shapes}, expected (N, D), (N, D), (N,)")
    squares = [array_api.sum(x * x, axis=-1) + 1e-12 for x in (x1, x2)]  # as PyTorch
    cosine = array_api.sum(x1 * x2, axis=-1) / array_api.sqrt(squares[0] * squares[1])
    losses = array_api.where(t.value == 1, 1.0 - cosine, 0.0)
    losses = losses + array_api.where(t.value == -1, relu(cosine - margin), 0.0)
    return reduced("cosine_embedding_loss", losses, reduction)


def triplet_margin_loss(
    anchor: NodeOrArray,
    positive: NodeOrArray,
    negative: NodeOrArray,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> TensorNode:
    """Compute max(0, d(anchor, positive) - d(anchor, negative) + margin), and take the mean; d is
    `pairwise_distance` with p and eps.

    Args:
        anchor, positive, negative: vectors (N, D), or (D,).
        swap: whether to take the distance of positive and negative, where that is less than
            d(anchor, negative) (https://bmva-archive.org.uk/bmvc/2016/papers/paper119/index.html).

    Raises:
        ValueError: the margin is not positive, the shapes do not fit, or there is no such
            reduction.

    Example:
        >>> anchor, near = TensorNode([[0.0, 0.0]]), TensorNode([[0.0, 1.0]])  # (N, D)
        >>> far = TensorNode([[1.5, 0.0]])
        >>> print(gradcore.triplet_margin_loss(anchor, near, far).value.round(3))  # 1 - 1.5 + 1
        0.5
    """

    def distance(x1: TensorNode, x2: TensorNode) -> TensorNode:
        return pairwise_distance(x1, x2, p, eps)

    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=distance,
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: NodeOrArray,
    positive: NodeOrArray,
    negative: NodeOrArray,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> TensorNode:
    """Compute `triplet_margin_loss` with another distance of two nodes; `None` is
    `pairwise_distance`.

    Raises:
        ValueError: as `triplet_margin_loss`.

    Example:
        >>> anchor, near, far = TensorNode([[0.0]]), TensorNode([[1.0]]), TensorNode([[1.5]])
        >>> far_apart = lambda a, b: abs(a - b).sum(axis=-1)
        >>> print(gradcore.triplet_margin_with_distance_loss(
        ...     anchor, near, far, distance_function=far_apart).value)
        0.5
    """
    name, distance = "triplet_margin_loss", distance_function or pairwise_distance
    if not margin > 0:
        raise ValueError(f"{name}: margin = {margin}, expected a positive number")
    a, p, n = nodes(anchor, positive, negative)
    if not a.ndim == p.ndim == n.ndim:
        shapes = ", ".join(str(tuple(x.shape)) for x in (a, p, n))
        raise ValueError(f"{name}: shapes {shapes}, expected as many dimensions in each")
    near, far = distance(a, p), distance(a, n)
    far = array_api.minimum(far, distance(p, n)) if swap else far
    return reduced(name, relu(margin + near - far), reduction)


def multi_margin_loss(
    input: NodeOrArray,
    target: NodeOrArray,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    *,
    reduction: str = "mean",
) -> TensorNode:
    """Sum max(0, margin - input[y] + input[i])^p over the classes i but the true one, y, divide by
    C, and take the mean.

    Args:
        input: scores of the classes (N, C), or (C,).
        target: the true classes, integers (N,), or ().
        p: 1 or 2.
        weight: how much each class counts, (C,), by the true one; "mean" divides by N.

    Raises:
        IndexError: a target is not in [0, C).
        ValueError: p is another number, the shapes do not fit, or there is no such reduction.
        TypeError: the weight is of another dtype than the input.

    Example:
        >>> scores = TensorNode([[0.1, 0.2, 0.9], [2.0, 0.0, 0.0]])  # (N, C)
        >>> loss = gradcore.multi_margin_loss(scores, np.array([2, 0]))
        >>> print(loss.value.round(3))
        0.083
    """
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise ValueError(f"{name}: p = {p}, expected 1 or 2")
    x, target, is_one = as_batch(input, target)
    (x,), y = nodes(x), raw_array(target)
    if is_one and y.shape == (1, 1):  # of a target (1,), which PyTorch takes too: a loss (1,)
        y, is_one = y[0, ...], False
    of_true = ops.Select.do_forward(x, indices=y)
    terms = relu(margin - array_api.expand_dims(of_true, axis=1) + x)
    weight = class_weight(name, weight, x)
    xp = namespace(y)
    is_true = xp.expand_dims(y, axis=1) == xp.arange(x.shape[1], device=y.device)
    terms = array_api.where(is_true, 0.0, terms if p == 1 else terms * terms)
    losses = array_api.sum(terms, axis=1) / x.shape[1]
    if weight is not None:
        losses = losses * namespace(weight).take(weight, y)
    return reduced(name, losses[0] if is_one else losses, reduction)


def multilabel_margin_loss(
    input: NodeOrArray, target: NodeOrArray, *, reduction: str = "mean"
) -> TensorNode:
    """Sum max(0, 1 - (input[y] - input[i])) over the true classes y and the others i, divide by C,
    and take the mean. All pairs of classes of an instance are in memory at once: (N, C, C).

    Args:
        input: scores of the classes (N, C), or (C,).
        target: the true classes, integers of the same shape, of which those count that stand
            before the first negative one.

    Raises:
        IndexError: a target that counts is not in [0, C).
        TypeError: the targets are not integers.
        ValueError: the shapes do not fit, or there is no such reduction.

    Example:
        >>> scores = TensorNode([[0.1, 0.2, 0.4, 0.8]])  # (1, C)
        >>> target = np.array([[3, 0, -1, 1]])  # classes 3 and 0 are true
        >>> print(gradcore.multilabel_margin_loss(scores, target).value.round(3))
        0.85
    """
    name = "multilabel_margin_loss"
    x, target, is_one = as_batch(input, target)
    (x,), y = nodes(x), raw_array(target)
    if x.ndim != 2 or tuple(x.shape) != tuple(y.shape):
        found = f"input is {describe(x.value)} and target {describe(y)}"
        raise ValueError(f"{name}: {found}; expected one shape (N, C) or (C,)")
    xp, n = namespace(y), x.shape[1]
    backend = backend_of(y)
    backend.check_integers(f"{name}: targets", y)
    counts = xp.cumulative_sum(xp.astype(y < 0, xp.int64), axis=1) == 0
    y = xp.where(counts, y, 0)
    backend.check_indices(f"{name}: targets", y, n)
    is_label = (xp.expand_dims(y, axis=2) == xp.arange(n, device=y.device)) & counts[:, :, None]
    is_other = ~xp.any(is_label, axis=1)  # (N, C)
    of_true = array_api.take_along_axis(x, y, axis=1)
    terms = relu(1.0 - array_api.expand_dims(of_true, axis=2) + array_api.expand_dims(x, axis=1))
    terms = array_api.where(counts[:, :, None] & is_other[:, None, :], terms, 0.0)  # (N, C, C)
    losses = array_api.sum(terms, axis=(1, 2)) / n
    return reduced(name, losses[0] if is_one else losses, reduction)


def multilabel_soft_margin_loss(
    input: NodeOrArray, target: NodeOrArray, weight: Any = None, *, reduction: str = "mean"
) -> TensorNode:
    """Compute the cross-entropy of sigmoid(input) and the target, which is 1 for true classes and 0
    for others; take the mean over the classes, the last axis, and then over the instances.

    Args:
        input: logits (N, C), or (C,). The target is of the same shape.
        weight: how much each class counts, (C,).

    Raises:
        ValueError: the shapes differ, or there is no such reduction.
        TypeError: the weight is of another dtype than the input.

    Example:
        >>> logits, target = TensorNode([[2.0, -1.0, 0.0]]), TensorNode([[1.0, 0.0, 1.0]])
        >>> print(gradcore.multilabel_soft_margin_loss(logits, target).value.round(3))
        0.378
    """
    name = "multilabel_soft_margin_loss"
    x, t = nodes(*pair(name, input, target))
    losses = -(t * log_sigmoid(x) + (1.0 - t) * log_sigmoid(-x))
    losses = losses if weight is None else losses * like_input(name, "weight", weight, x)
    return reduced(name, array_api.mean(losses, axis=-1), reduction)


def soft_margin_loss(
    input: NodeOrArray, target: NodeOrArray, *, reduction: str = "mean"
) -> TensorNode:
    """Compute log(1 + exp(-target * input)), and take the mean; targets are 1 or -1. Input and
    target are broadcast together.

    Example:
        >>> x, target = TensorNode([2.0, 0.0]), TensorNode([1.0, -1.0])
        >>> print(gradcore.soft_margin_loss(x, target, reduction="none").value.round(3))
        [0.127 0.693]
    """
    x, t = nodes(input, target)
    return reduced("soft_margin_loss", softplus(-t * x, threshold=inf), reduction)
