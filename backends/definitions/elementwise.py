"""Define activations, their gradients, masks, and linear layers."""

from __future__ import annotations

import math
from typing import Any

from ..types import Array
from .special import SpecialFunctions

__all__ = ["ElementwiseKernels", "least_for_sigmoid"]


def least_for_sigmoid(finfo: Any) -> float:
    """Give the x below which the sigmoid of a dtype with this `finfo` no longer falls.

    Numbers very close to 0 are denormal, and CPUs multiply matrices of denormal numbers 7 to 100
    times as slowly. So the sigmoid in float32 is never below 1e-30, which leaves room for products
    with gradients. float16 has no such room: there the limit is where exp(-x) is just below the
    largest number.
    """
    return (20.0 if finfo.bits > 16 else 0.01) - math.log(finfo.max)


class ElementwiseKernels(SpecialFunctions):
    """Compute linear layers, masks, and activations with their gradients."""

    def linear(self, x: Array, w: Array, b: Array | None) -> Array:
        """Multiply x (N, I) with each row of w (O, I), add b (O,) unless it is `None`: (N, O)."""
        y = self.xp.matmul(x, w.T)
        return y if b is None else y + b

    def masked(self, x: Array, mask: Array) -> Array:
        """Keep the floating x where the boolean mask is true, and put 0 elsewhere."""
        return self.xp.where(mask, x, 0.0)

    def relu_gradient(self, y: Array, go: Array) -> Array:
        """Compute the gradient of x from that of y = max(x, 0), go, also where y is NaN."""
        return self.xp.where(y <= 0.0, 0.0, go)

    def sigmoid(self, x: Array) -> Array:
        """Compute 1 / (1 + exp(-x)), but no less than at `least_for_sigmoid`: 1e-30 in float32."""
        xp = self.xp
        return 1.0 / (1.0 + xp.exp(-xp.maximum(x, least_for_sigmoid(xp.finfo(x.dtype)))))

    def sigmoid_gradient(self, y: Array, go: Array) -> Array:
        """Compute the gradient of x from that of y = sigmoid(x), which is go."""
        g = go * y
        return g - g * y

    def gelu(self, x: Array) -> Array:
        """Compute x Phi(x), where Phi(x) = (1 + erf(x / sqrt(2))) / 2."""
        return 0.5 * x * (1.0 + self.erf(math.sqrt(0.5) * x))

    def gelu_gradient(self, x: Array, go: Array) -> Array:
        """Compute the gradient of x from that of gelu(x), which is go."""
        density = self.xp.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return go * (0.5 + 0.5 * self.erf(math.sqrt(0.5) * x) + x * density)
