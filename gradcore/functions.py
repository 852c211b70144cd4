"""Functions that put ops together."""

from __future__ import annotations

from typing import Any

from .graph import TensorNode
from .ops import Log, LogSoftmax, Relu, Select, Sigmoid, Softmax, Sum


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
