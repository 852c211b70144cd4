"""Activations, masks and linear layers by PyTorch's own functions; of 16 bits in float32."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import linear

from ..base import Backend
from ..definitions.common import in_float32
from ..types import Array
from .tracing import is_readable

__all__ = ["TorchElementwise"]

gelu = torch._C._nn.gelu
gelu_gradient = torch.ops.aten.gelu_backward.default
relu_gradient = torch.ops.aten.threshold_backward.default
sigmoid_gradient = torch.ops.aten.sigmoid_backward.default
LEAST = {t: torch.finfo(t).smallest_normal for t in (torch.float32, torch.float64)}
INTEGERS = {torch.float16: torch.int16, torch.float32: torch.int32, torch.float64: torch.int64}
FEW = 2048
ALL = 16.0  # gelu(x) is x from here on


class TorchElementwise(Backend):
    """Kernels that are one call or two of PyTorch's."""

    def linear(self, x: Array, w: Array, b: Array | None) -> Array:
        if x.dtype is not w.dtype or (b is not None and b.dtype is not x.dtype):
            return super().linear(x, w, b)
        if x.dtype in HALVES and x.is_cpu:  # adds up in 16 bits; GPUs do in float32
            return linear(x.float(), w.float(), b if b is None else b.float()).to(x.dtype)
        return linear(x, w, b)

    def product(self, a: Array, b: Array) -> Array:
        if a.dtype is not b.dtype:
            return super().product(a, b)
        if a.dtype in HALVES and a.is_cpu:
            return torch.mm(a.float(), b.float()).to(a.dtype)
        return torch.mm(a, b)

    # On the CPU `where` takes a branch for each element, which processors often guess wrong: for
    # 600,000 elements 3.5 ms, where the integers times the mask take 0.9 ms, and
    # `threshold_backward` 0.3 ms.

    def masked(self, x: Array, mask: Array) -> Array:
        integers = INTEGERS.get(x.dtype)
        if integers is None or not x.is_cpu or x.numel() < FEW:
            return torch.where(mask, x, 0.0)
        return (x.view(integers) * mask).view(x.dtype)

    def relu_gradient(self, y: Array, go: Array) -> Array:
        if y.dtype is not go.dtype or not y.is_cpu:
            return torch.where(y > 0.0, go, y)
        gx = relu_gradient(go, y, 0)  # right, but where y is NaN
        if is_readable(y):
            total = y.sum().item()  # in less time than the maximum
            if total == total:  # there is no NaN
                return gx
        # Add NaN where y is NaN, and -0.0, which changes no number, where y is positive.
        return gx + torch.clamp(y, -0.0, -0.0)

    # `threshold` and `hardshrink` put 0 where numbers are denormal, and let NaN through.

    @in_float32
    def sigmoid(self, x: Array) -> Array:
        return torch.threshold_(torch.sigmoid(x), LEAST[x.dtype], 0.0)

    @in_float32
    def sigmoid_gradient(self, y: Array, go: Array) -> Array:
        return torch.hardshrink(sigmoid_gradient(go, y), LEAST[go.dtype])

    @in_float32
    def gelu(self, x: Array) -> Array:
        y = gelu(x)
        # On the CPU PyTorch's is NaN of infinity, and infinity of numbers near it.
        if x.is_cpu and not (is_readable(x) and math.isfinite(y.sum().item())):
            y = torch.where(x > ALL, x, y)
        return y

    @in_float32
    def gelu_gradient(self, x: Array, go: Array) -> Array:
        return gelu_gradient(go, x)

    def erf(self, x: Array) -> Array:
        return torch.erf(x) if x.dtype in LEAST else super().erf(x)

    def erfcx(self, n: int, x: Array) -> Array:
        # PyTorch's `exp` of float32 is off by a bit more than NumPy's, and this adds up many.
        if x.dtype is not torch.float32 or x.device.type == "mps":  # which has no float64
            return super().erfcx(n, x)
        return super().erfcx(n, x.double()).float()

    def _wide(self, x: Array) -> Array:
        return x.float() if x.dtype in HALVES else x


HALVES = frozenset({torch.float16, torch.bfloat16})
