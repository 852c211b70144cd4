"""Activation functions. At kinks their gradients are PyTorch's; where x is NaN, they are NaN."""

from __future__ import annotations

import math
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import namespace, raw_array
from ..graph import Context, Op
from .elementwise import Masked, Tanh
from .precision import in_float32
from .unary import OfInput

__all__ = [
    "Elu",
    "Gelu",
    "GeluGradient",
    "GeluTanh",
    "HardSwish",
    "HardTanh",
    "LeakyRelu",
    "LogSoftmax",
    "LogSoftmaxGradient",
    "Mish",
    "Prelu",
    "Relu",
    "ReluGradient",
    "Shrink",
    "Sigmoid",
    "SigmoidGradient",
    "Silu",
    "Softmax",
    "Softplus",
    "Threshold",
]


class Relu(Op):
    """max(x, 0); the gradient at 0 is 0. Where x is NaN, the gradient is NaN."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["y"] = backend_of(x).relu(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return ReluGradient.apply(context["y"], go)


class ReluGradient(Op):
    """The gradient of Relu's input, from Relu's output y and the gradient go of y."""

    real_only = True

    @staticmethod
    def forward(context: Context, y: Array, go: Array) -> Array:
        context["y"] = y
        return backend_of(y).relu_gradient(y, go)

    @staticmethod
    def backward(context: Context, ggx: Array) -> tuple[Array | None, ...]:
        return None, ReluGradient.apply(context["y"], ggx)


class LeakyRelu(Op):
    """x where x > 0, `negative_slope` times x elsewhere."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, negative_slope: float) -> Array:
        context["x"], context["negative_slope"] = x, negative_slope
        xp = namespace(x)
        return xp.maximum(x, 0.0) + negative_slope * xp.minimum(x, 0.0)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp, slope = namespace(go), context["negative_slope"]
        right = xp.sign(xp.maximum(context["x"], 0.0))  # 1 where x > 0; quicker than `where`
        return go * (right + slope * (1.0 - right))


class Prelu(Op):
    """x where x > 0, the slope times x elsewhere, for slopes that are broadcast to x
    (https://arxiv.org/abs/1502.01852)."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, slope: Array) -> Array:
        context["x"], context["slope"] = x, slope
        xp = namespace(x)
        return xp.maximum(x, 0.0) + slope * xp.minimum(x, 0.0)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array, ...]:
        x, xp = context["x"], namespace(go)
        right = xp.sign(xp.maximum(x, 0.0))  # as in LeakyRelu
        return go * (right + context["slope"] * (1.0 - right)), go * xp.minimum(x, 0.0)


class Elu(Op):
    """x where x > 0, alpha (exp(x) - 1) elsewhere (https://arxiv.org/abs/1511.07289).

    At 0 the gradient is alpha, and the second derivative is 0.
    """

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, alpha: float) -> Array:
        context["x"], context["alpha"] = x, alpha
        xp = namespace(x)
        return xp.maximum(x, 0.0) + alpha * xp.expm1(xp.minimum(x, 0.0))

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        x, xp = context["x"], namespace(go)
        return go * xp.where(x > 0, 1.0, context["alpha"] * xp.exp(xp.where(x >= 0, 0.0, x)))


class Sigmoid(Op):
    """1 / (1 + exp(-x)), computed without overflow; 0 in place of denormal numbers."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["y"] = backend_of(x).sigmoid(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return SigmoidGradient.apply(context["y"], go)


class SigmoidGradient(Op):
    """The gradient of Sigmoid's input, from Sigmoid's output y and the gradient go of y."""

    real_only = True

    @staticmethod
    def forward(context: Context, y: Array, go: Array) -> Array:
        context["y"], context["go"] = y, go
        return backend_of(y).sigmoid_gradient(y, go)

    @staticmethod
    def backward(context: Context, ggx: Array) -> tuple[Array | None, ...]:
        y, go = context["y"], context["go"]
        return ggx * go * (1.0 - 2.0 * y), SigmoidGradient.apply(y, ggx)


class Silu(OfInput):
    """x sigmoid(x) (https://arxiv.org/abs/1702.03118)."""

    real_only = True
    function = lambda xp, x: x * Sigmoid.apply(x)

    @staticmethod
    def gradient(xp: Any, go: Array, x: Array) -> Array:
        s = Sigmoid.apply(x)
        return go * s * (1.0 + x * (1.0 - s))


class Softplus(Op):
    """log(1 + exp(beta x)) / beta, computed without overflow; x itself where beta x > threshold."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, beta: float, threshold: float) -> Array:
        if beta == 0:
            raise ValueError("beta is 0, expected another number")
        context["x"], context["beta"], context["threshold"] = x, beta, threshold
        xp, z = namespace(x), beta * x
        y = (xp.maximum(z, 0.0) + xp.log1p(xp.exp(-abs(z)))) / beta
        return xp.where(z > threshold, x, y)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        z = context["beta"] * context["x"]
        return namespace(go).where(z > context["threshold"], go, go * Sigmoid.apply(z))


class Mish(OfInput):
    """x tanh(softplus(x)) (https://arxiv.org/abs/1908.08681)."""

    real_only = True
    function = lambda xp, x: x * Tanh.apply(Softplus.apply(x, beta=1.0, threshold=math.inf))

    @staticmethod
    def gradient(xp: Any, go: Array, x: Array) -> Array:
        t = Tanh.apply(Softplus.apply(x, beta=1.0, threshold=math.inf))
        return go * (t + x * (1.0 - t * t) * Sigmoid.apply(x))


class Gelu(Op):
    """x Phi(x), where Phi is the distribution function of the standard normal distribution
    (https://arxiv.org/abs/1606.08415)."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["x"] = x
        return backend_of(x).gelu(x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return GeluGradient.apply(context["x"], go)


class GeluGradient(Op):
    """The gradient of Gelu's input x, from x and the gradient go of Gelu's output."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, go: Array) -> Array:
        context["x"], context["go"] = x, go
        return backend_of(x).gelu_gradient(x, go)

    @staticmethod
    def backward(context: Context, ggx: Array) -> tuple[Array | None, ...]:
        x, go = context["x"], context["go"]
        density = namespace(ggx).exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return ggx * go * density * (2.0 - x * x), GeluGradient.apply(x, ggx)


@in_float32
class GeluTanh(OfInput):
    """Gelu, approximated with tanh, as in the same paper. (In float16, 1 + tanh(z) has no digits
    left where z < -4.)"""

    real_only = True

    @staticmethod
    def function(xp: Any, x: Array) -> Array:
        inner = math.sqrt(2 / math.pi) * x * (1.0 + 0.044715 * x * x)
        return 0.5 * x * (1.0 + xp.tanh(inner))

    @staticmethod
    def gradient(xp: Any, go: Array, x: Array) -> Array:
        # Beyond 30, where 1 - t² is 0, keep the square from growing to infinity.
        scale, square = math.sqrt(2 / math.pi), xp.minimum(0.044715 * x * x, 40.0)
        t = xp.tanh(scale * x * (1.0 + square))
        return go * 0.5 * ((1.0 + t) + x * (1.0 - t * t) * (scale + (3.0 * scale) * square))


class HardTanh(Op):
    """x clipped to [`min_val`, `max_val`]. The gradient is 0 at the bounds and outside of them."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, min_val: float, max_val: float) -> Array:
        if min_val > max_val:
            raise ValueError(f"min_val = {min_val} is larger than max_val = {max_val}")
        context["x"], context["bounds"] = x, (min_val, max_val)
        xp = namespace(x)
        return xp.minimum(xp.maximum(x, min_val), max_val)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        x, xp, (low, high) = context["x"], namespace(go), context["bounds"]
        inside = raw_array((x > low) & (x < high))
        return Masked.apply(go, mask=inside) + xp.minimum(abs(x), 0.0)  # NaN where x is NaN


class Shrink(Op):
    """x - bias where x > lambd, x + bias where x < -lambd, 0 between. The gradient at lambd and at
    -lambd is 0."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, lambd: float, bias: float) -> Array:
        if lambd < 0:
            raise ValueError(f"lambd = {lambd}, expected 0 or a positive number")
        context["x"], context["outside"] = x, ~((x >= -lambd) & (x <= lambd))
        y = x - bias * namespace(x).sign(x) if bias else x
        return backend_of(x).masked(y, context["outside"])

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        x, xp = context["x"], namespace(go)
        return Masked.apply(go, mask=context["outside"]) + xp.minimum(abs(x), 0.0)  # NaN stays NaN


class Threshold(Op):
    """x where x > threshold, `value` elsewhere."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, threshold: float, value: float) -> Array:
        context["x"], context["above"] = x, ~(x <= threshold)
        return namespace(x).where(context["above"], x, value)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        x, xp = context["x"], namespace(go)
        return Masked.apply(go, mask=context["above"]) + xp.minimum(abs(x), 0.0)  # NaN stays NaN


class HardSwish(OfInput):
    """x min(max(x + 3, 0), 6) / 6 (https://arxiv.org/abs/1905.02244)."""

    real_only = True
    function = lambda xp, x: x * (xp.minimum(xp.maximum(x + 3.0, 0.0), 6.0) / 6.0)
    gradient = lambda xp, go, x: xp.where(x >= 3, go, xp.where(x <= -3, 0.0, go * (x / 3.0 + 0.5)))


@in_float32
class Softmax(Op):
    """exp(x) divided by its sum along the axis, computed without overflow."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, axis: int = -1) -> Array:
        context["axis"] = axis if x.ndim else None
        context["y"] = backend_of(x).softmax(x, context["axis"]) if math.prod(x.shape) else x
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        y = context["y"]
        return y * (go - namespace(go).sum(go * y, axis=context["axis"], keepdims=True))


class LogSoftmax(Op):
    """The logarithm of the softmax along the axis."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, axis: int = -1) -> Array:
        context["axis"] = axis if x.ndim else None
        context["y"] = backend_of(x).log_softmax(x, context["axis"]) if math.prod(x.shape) else x
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return LogSoftmaxGradient.apply(context["y"], go, axis=context["axis"])


class LogSoftmaxGradient(Op):
    """The gradient of LogSoftmax's input, from LogSoftmax's output y and the gradient go of y."""

    real_only = True

    @staticmethod
    def forward(context: Context, y: Array, go: Array, *, axis: int | None = -1) -> Array:
        context["y"], context["go"], context["axis"] = y, go, axis
        return backend_of(y).log_softmax_gradient(y, go, axis)

    @staticmethod
    def backward(context: Context, ggx: Array) -> tuple[Array, Array]:
        go, axis, xp = context["go"], context["axis"], namespace(ggx)
        product = xp.exp(context["y"]) * ggx
        gy = -product * xp.sum(go, axis=axis, keepdims=True)
        return gy, ggx - xp.sum(product, axis=axis, keepdims=True)
