"""Activation functions, of each element by itself, as in torch.nn.functional."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..graph import TensorNode
from ..ops import LogSoftmax, Softmax

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logsoftmax",
    "logsumexp",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
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


def sigmoid(x: Any) -> TensorNode:
    """1 / (1 + exp(-x))."""
    return ops.Sigmoid.do_forward(x)


def tanh(x: Any) -> TensorNode:
    """The hyperbolic tangent."""
    return ops.Tanh.do_forward(x)


def relu(x: Any) -> TensorNode:
    """max(x, 0); the gradient at 0 is 0."""
    return ops.Relu.do_forward(x)


def relu6(x: Any) -> TensorNode:
    """min(max(x, 0), 6); the gradient at 0 and 6 is 0."""
    return ops.HardTanh.do_forward(x, min_val=0.0, max_val=6.0)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> TensorNode:
    """x, times `negative_slope` where x <= 0."""
    return ops.LeakyRelu.do_forward(x, negative_slope=negative_slope)


def elu(x: Any, alpha: float = 1.0) -> TensorNode:
    """x, but alpha (exp(x) - 1) where x <= 0 (https://arxiv.org/abs/1511.07289)."""
    return ops.Elu.do_forward(x, alpha=alpha)


def selu(x: Any) -> TensorNode:
    """The elu with the alpha and scale that keep mean 0 and variance 1 from layer to layer
    (https://arxiv.org/abs/1706.02515)."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def celu(x: Any, alpha: float = 1.0) -> TensorNode:
    """x, but alpha (exp(x / alpha) - 1) where x <= 0 (https://arxiv.org/abs/1704.07483).

    Raises:
        ValueError: alpha is 0.
    """
    if alpha == 0:
        raise ValueError("celu: alpha is 0, expected another number; relu(x) is its limit")
    return alpha * elu(ops.Divide.do_forward(x, alpha))


def gelu(x: Any, approximate: str = "none") -> TensorNode:
    """x Phi(x), where Phi is the distribution function of the standard normal distribution
    (https://arxiv.org/abs/1606.08415).

    Args:
        approximate: "none", or "tanh" for the approximation in that paper.

    Raises:
        ValueError: `approximate` is neither.
    """
    chosen = {"none": ops.Gelu, "tanh": ops.GeluTanh}
    if approximate not in chosen:
        raise ValueError(f"gelu: approximate = {approximate!r}, expected 'none' or 'tanh'")
    return chosen[approximate].do_forward(x)


def silu(x: Any) -> TensorNode:
    """x sigmoid(x), also named swish (https://arxiv.org/abs/1702.03118)."""
    return ops.Silu.do_forward(x)


def mish(x: Any) -> TensorNode:
    """x tanh(softplus(x)) (https://arxiv.org/abs/1908.08681)."""
    return ops.Mish.do_forward(x)


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> TensorNode:
    """log(1 + exp(beta x)) / beta, computed without overflow; x where beta x > threshold.

    Raises:
        ValueError: beta is 0.
    """
    return ops.Softplus.do_forward(x, beta=beta, threshold=threshold)


def log_sigmoid(x: Any) -> TensorNode:
    """log(sigmoid(x)), exact also where the sigmoid is close to 0 or 1."""
    return -softplus(ops.Negative.do_forward(x), threshold=math.inf)


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> TensorNode:
    """min(max(x, min_val), max_val); the gradient at these is 0.

    Raises:
        ValueError: `min_val` is larger than `max_val`.
    """
    return ops.HardTanh.do_forward(x, min_val=min_val, max_val=max_val)


def hardsigmoid(x: Any) -> TensorNode:
    """min(max(x + 3, 0), 6) / 6; the gradient at -3 and 3 is 0."""
    return relu6(ops.Add.do_forward(x, 3.0)) / 6.0


def hardswish(x: Any) -> TensorNode:
    """x hardsigmoid(x) (https://arxiv.org/abs/1905.02244)."""
    return ops.HardSwish.do_forward(x)
