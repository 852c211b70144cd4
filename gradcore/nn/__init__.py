"""Neural networks: modules, and the layers they are put together from."""

from .layers import Flatten, Linear, LogSoftmax, Relu, Sequential, Sigmoid, Softmax, Tanh
from .module import Module

__all__ = [
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
