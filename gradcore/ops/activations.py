"""Activation functions. At kinks their gradients are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

from ..backends import backend_of
from ..graph import Context, Op
from ..values import namespace
from .elementwise import Tanh


class Relu(Op):
    """max(x, 0); the gradient at 0 is 0."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = namespace(x).maximum(x, 0.0)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return ReluGradient.apply(context["y"], go)


class ReluGradient(Op):
    """The gradient of Relu's x, where y is what it gave and go the gradient of that."""

    @staticmethod
    def forward(context: Context, y: Any, go: Any) -> Any:
        context["y"] = y
        return backend_of(y).relu_gradient(y, go)

    @staticmethod
    def backward(context: Context, ggx: Any) -> Any:
        return None, ReluGradient.apply(context["y"], ggx)


class LeakyRelu(Op):
    """x, times `negative_slope` where x <= 0."""

    @staticmethod
    def forward(context: Context, x: Any, *, negative_slope: float) -> Any:
        context["x"], context["negative_slope"] = x, negative_slope
        xp = namespace(x)
        return xp.maximum(x, 0.0) + negative_slope * xp.minimum(x, 0.0)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return namespace(go).where(context["x"] > 0, go, context["negative_slope"] * go)


class Elu(Op):
    """x, but alpha (exp(x) - 1) where x <= 0 (https://arxiv.org/abs/1511.07289). At 0 the
    gradient is alpha, and the gradient of that 0."""

    @staticmethod
    def forward(context: Context, x: Any, *, alpha: float) -> Any:
        context["x"], context["alpha"] = x, alpha
        xp = namespace(x)
        return xp.maximum(x, 0.0) + alpha * xp.expm1(xp.minimum(x, 0.0))

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x, xp = context["x"], namespace(go)
        return go * xp.where(x > 0, 1.0, context["alpha"] * xp.exp(xp.where(x < 0, x, 0.0)))


class Sigmoid(Op):
    """1 / (1 + exp(-x)), computed without overflow."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = backend_of(x).sigmoid(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return SigmoidGradient.apply(context["y"], go)


class SigmoidGradient(Op):
    """The gradient of Sigmoid's x, where y is what it gave and go the gradient of that."""

    @staticmethod
    def forward(context: Context, y: Any, go: Any) -> Any:
        context["y"], context["go"] = y, go
        return backend_of(y).sigmoid_gradient(y, go)

    @staticmethod
    def backward(context: Context, ggx: Any) -> Any:
        y, go = context["y"], context["go"]
        return ggx * go * (1.0 - 2.0 * y), SigmoidGradient.apply(y, ggx)


class Silu(Op):
    """x sigmoid(x) (https://arxiv.org/abs/1702.03118)."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return x * Sigmoid.apply(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x = context["x"]
        s = Sigmoid.apply(x)
        return go * s * (1.0 + x * (1.0 - s))


class Softplus(Op):
    """log(1 + exp(beta x)) / beta, computed without overflow; x where beta x > threshold."""

    @staticmethod
    def forward(context: Context, x: Any, *, beta: float, threshold: float) -> Any:
        if beta == 0:
            raise ValueError("beta is 0, expected another number")
        context["x"], context["beta"], context["threshold"] = x, beta, threshold
        xp, z = namespace(x), beta * x
        y = (xp.maximum(z, 0.0) + xp.log1p(xp.exp(-abs(z)))) / beta
        return xp.where(z > threshold, x, y)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        z = context["beta"] * context["x"]
        return namespace(go).where(z > context["threshold"], go, go * Sigmoid.apply(z))


class Mish(Op):
    """x tanh(softplus(x)) (https://arxiv.org/abs/1908.08681)."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return x * Tanh.apply(Softplus.apply(x, beta=1.0, threshold=math.inf))

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x = context["x"]
        t = Tanh.apply(Softplus.apply(x, beta=1.0, threshold=math.inf))
        return go * (t + x * (1.0 - t * t) * Sigmoid.apply(x))


class Gelu(Op):
    """x Phi(x), where Phi is the distribution function of the standard normal distribution
    (https://arxiv.org/abs/1606.08415)."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return backend_of(x).gelu(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return GeluGradient.apply(context["x"], go)


class GeluGradient(Op):
    """The gradient of Gelu's x, where go is the gradient of what it gave."""

    @staticmethod
    def forward(context: Context, x: Any, go: Any) -> Any:
        context["x"], context["go"] = x, go
        return backend_of(x).gelu_gradient(x, go)

    @staticmethod
    def backward(context: Context, ggx: Any) -> Any:
        x, go = context["x"], context["go"]
        density = namespace(ggx).exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return ggx * go * density * (2.0 - x * x), GeluGradient.apply(x, ggx)


class GeluTanh(Op):
    """The approximation of Gelu by a tanh, from the same paper."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        inner = math.sqrt(2 / math.pi) * x * (1.0 + 0.044715 * x * x)
        return 0.5 * x * (1.0 + namespace(x).tanh(inner))

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x, scale = context["x"], math.sqrt(2 / math.pi)
        square = 0.044715 * x * x
        t = namespace(go).tanh(scale * x * (1.0 + square))
        return go * 0.5 * ((1.0 + t) + x * (1.0 - t * t) * (scale * (1.0 + 3.0 * square)))


class HardTanh(Op):
    """x, but at least `min_val` and at most `max_val`; from these on the gradient is 0."""

    @staticmethod
    def forward(context: Context, x: Any, *, min_val: float, max_val: float) -> Any:
        if min_val > max_val:
            raise ValueError(f"min_val = {min_val} is larger than max_val = {max_val}")
        context["x"], context["bounds"] = x, (min_val, max_val)
        xp = namespace(x)
        return xp.minimum(xp.maximum(x, min_val), max_val)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x, xp, (low, high) = context["x"], namespace(go), context["bounds"]
        return xp.where(xp.logical_and(x > low, x < high), go, 0.0)


class HardSwish(Op):
    """x min(max(x + 3, 0), 6) / 6 (https://arxiv.org/abs/1905.02244)."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"], xp = x, namespace(x)
        return x * xp.minimum(xp.maximum(x + 3.0, 0.0), 6.0) / 6.0

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x, xp = context["x"], namespace(go)
        return xp.where(x >= 3, go, xp.where(x > -3, go * (x / 3.0 + 0.5), 0.0))


def _largest(x: Any, axis: int) -> Any:
    """The maxima along the axis, or x itself, which is empty."""
    return namespace(x).max(x, axis=axis, keepdims=True) if x.size else x


class Softmax(Op):
    """exp(x) divided by its sum along the axis, computed without overflow."""

    @staticmethod
    def forward(context: Context, x: Any, *, axis: int = -1) -> Any:
        xp = namespace(x)
        z = xp.exp(x - _largest(x, axis))
        context["axis"], context["y"] = axis, z / xp.sum(z, axis=axis, keepdims=True)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        y = context["y"]
        return y * (go - namespace(go).sum(go * y, axis=context["axis"], keepdims=True))


class LogSoftmax(Op):
    """The logarithm of the softmax along the axis, by the log-sum-exp trick
    (https://gregorygundersen.com/blog/2020/02/09/log-sum-exp/)."""

    @staticmethod
    def forward(context: Context, x: Any, *, axis: int = -1) -> Any:
        xp = namespace(x)
        z = x - _largest(x, axis)
        y = z - xp.log(xp.sum(xp.exp(z), axis=axis, keepdims=True)) if x.size else z
        context["axis"], context["y"] = axis, y
        return y

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        xp = namespace(go)
        return go - xp.exp(context["y"]) * xp.sum(go, axis=context["axis"], keepdims=True)
