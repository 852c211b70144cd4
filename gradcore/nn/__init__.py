"""Neural networks: modules, and the layers they are put together from."""

from .layers import (
    Embedding,
    Flatten,
    Linear,
    LogSoftmax,
    Relu,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from .module import Module

__all__ = [
    "Embedding",
    "Flatten",
    "Linear",
    "LogSoftmax",
    "Module",
    "Relu",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
