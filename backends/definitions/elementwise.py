"""Activations and masks, and a linear layer."""

from __future__ import annotations

import math
from typing import Any

from ..types import Array
from .special import SpecialFunctions

__all__ = ["ElementwiseKernels", "least_for_sigmoid"]


def least_for_sigmoid(finfo: Any) -> float:
    """The x below which the sigmoid, of a dtype with this `finfo`, stays what it is there.

    Close to 0 numbers become denormal, and CPUs multiply matrices of these 7 to 100 times as
    slowly. So the sigmoid stops at 1e-30 in float32, and gradients times that are normal too. In
    float16, which has no room for that, exp(-x) is just below the largest number.
    """
    return (20.0 if finfo.bits > 16 else 0.01) - math.log(finfo.max)


class ElementwiseKernels(SpecialFunctions):
    def linear(self, x: Array, w: Array, b: Array | None) -> Array:
        """x (N, I) times each row of w (O, I), plus b (O,), if that is not `None`: (N, O)."""
        y = self.xp.matmul(x, w.T)
        return y if b is None else y + b

    def masked(self, x: Array, mask: Array) -> Array:
        """The floating x where the mask, of booleans, holds, and 0 elsewhere."""
        return self.xp.where(mask, x, 0.0)

    def relu_gradient(self, y: Array, go: Array) -> Array:
        """The gradient of x, where y = max(x, 0) and its gradient is go, also where y is NaN."""
        return self.xp.where(y <= 0.0, 0.0, go)

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(-x)), but no less than at `least_for_sigmoid`: 1e-30 in float32."""
        xp = self.xp
        return 1.0 / (1.0 + xp.exp(-xp.maximum(x, least_for_sigmoid(xp.finfo(x.dtype)))))

    def sigmoid_gradient(self, y: Array, go: Array) -> Array:
        """The gradient of x, where y = sigmoid(x) and its gradient is go."""
        g = go * y
        return g - g * y

    def gelu(self, x: Array) -> Array:
        """x Phi(x), where Phi(x) = (1 + erf(x / sqrt(2))) / 2."""
        return 0.5 * x * (1.0 + self.erf(math.sqrt(0.5) * x))

    def gelu_gradient(self, x: Array, go: Array) -> Array:
        """The gradient of x, where that of gelu(x) is go."""
        density = self.xp.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return go * (0.5 + 0.5 * self.erf(math.sqrt(0.5) * x) + x * density)
