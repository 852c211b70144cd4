"""Define activations, their gradients, masks, and linear layers."""

from __future__ import annotations

import math
from typing import Any

from ..types import Array
from .common import in_float32
from .special import SpecialFunctions

__all__ = ["ElementwiseKernels", "least_for_sigmoid"]


def least_for_sigmoid(finfo: Any) -> float:
    """Give the x below which the sigmoid of a dtype with this `finfo` is 0.

    Numbers closer to 0 than `finfo.smallest_normal` are denormal, and CPUs multiply matrices of
    denormal numbers 7 to 100 times as slowly.
    """
    return math.log(finfo.smallest_normal)


class ElementwiseKernels(SpecialFunctions):
    """Compute linear layers, masks, and activations with their gradients."""

    def linear(self, x: Array, w: Array, b: Array | None) -> Array:
        """Multiply x (..., I) with each row of w (O, I), add b (O,) unless it is `None`: (..., O).
        All vectors of x are multiplied in one product."""
        xp, rows = self.xp, x
        if x.ndim > 2:
            rows = xp.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
        y = xp.matmul(rows, w.T)
        y = y if b is None else y + b
        return xp.reshape(y, (*x.shape[:-1], w.shape[0])) if x.ndim > 2 else y

    def product(self, a: Array, b: Array) -> Array:
        """Multiply the matrices a (M, K) and b (K, N), which the gradients of weights need."""
        return self.xp.matmul(a, b)

    def masked(self, x: Array, mask: Array) -> Array:
        """Keep the floating x where the boolean mask is true, and put 0 elsewhere."""
        return self.xp.where(mask, x, 0.0)

    def add(self, x: Array, y: Array) -> Array:
        """Add two gradients of one array, of which each has the shape."""
        return self.xp.add(x, y)

    def relu(self, x: Array) -> Array:
        """Compute max(x, 0), which is NaN where x is NaN."""
        return self.xp.maximum(x, 0.0)

    def relu_gradient(self, y: Array, go: Array) -> Array:
        """Compute the gradient of x from that of y = max(x, 0), go. Elsewhere y is 0 or NaN, and so
        is the gradient."""
        return self.xp.where(y > 0.0, go, y)

    @in_float32
    def sigmoid(self, x: Array) -> Array:
        """Compute 1 / (1 + exp(-x)), but 0 below `least_for_sigmoid`: for x < -87.3 in float32."""
        xp = self.xp
        is_least = x < least_for_sigmoid(xp.finfo(x.dtype))
        return 1.0 / (1.0 + xp.exp(xp.where(is_least, math.inf, -x)))

    @in_float32
    def sigmoid_gradient(self, y: Array, go: Array) -> Array:
        """Compute the gradient of x from that of y = sigmoid(x), which is go; where the gradient
        would be denormal, as next to saturated units, 0."""
        gx = (1.0 - y) * y * go
        return self.xp.where(abs(gx) < self.xp.finfo(gx.dtype).smallest_normal, 0.0, gx)

    @in_float32
    def gelu(self, x: Array) -> Array:
        """Compute x Phi(x), where Phi(x) = (1 + erf(x / sqrt(2))) / 2."""
        return 0.5 * x * (1.0 + self.erf(math.sqrt(0.5) * x))

    @in_float32
    def gelu_gradient(self, x: Array, go: Array) -> Array:
        """Compute the gradient of x from that of gelu(x), which is go."""
        density = self.xp.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return go * (0.5 + 0.5 * self.erf(math.sqrt(0.5) * x) + x * density)
