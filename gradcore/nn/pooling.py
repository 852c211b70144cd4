"""Pooling layers; arguments are those of torch.nn."""

from __future__ import annotations

from ..functions import pooling
from .activations import Function

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d"]


class MaxPool2d(Function):
    function = staticmethod(pooling.max_pool2d)
    check = staticmethod(pooling.window_sizes)


class AvgPool2d(Function):
    function = staticmethod(pooling.avg_pool2d)
    check = staticmethod(pooling.window_sizes)


class AdaptiveAvgPool2d(Function):
    function = staticmethod(pooling.adaptive_avg_pool2d)
    check = staticmethod(pooling.output_sizes)
