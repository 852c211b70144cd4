"""Activations, and other functions without parameters, as modules."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from .. import functions
from ..backends import Array
from ..functions import activations
from ..graph import TensorNode
from .module import Module

__all__ = [
    "Activation",
    "Celu",
    "Elu",
    "Function",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "LeakyRelu",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "Relu",
    "Relu6",
    "Selu",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Softplus",
    "Tanh",
]


class Function(Module):
    """A function without parameters, as a module.

    A subclass names its `function`. The first argument of the function is the input x; the others
    are the arguments of the module:

        class LeakyRelu(Function):
            function = staticmethod(activations.leaky_relu)  # (x, negative_slope=0.01)

        LeakyRelu(0.2)(x)

    A subclass may also have a `check`, which raises an error for wrong arguments. It is called
    when a module is made, with the name of the class and the arguments.

    Attributes:
        constants: the arguments that the module was made with, by name.
    """

    function: ClassVar[Callable[..., TensorNode]]
    check: ClassVar[Callable[..., object] | None] = None
    __signature__: ClassVar[inspect.Signature]  # found by `inspect.signature(cls)`

    def __init_subclass__(cls) -> None:
        if not hasattr(cls, "function"):
            return
        parameters = [*inspect.signature(cls.function).parameters.values()]
        cls.__signature__ = inspect.Signature(parameters[1:])
        cls.__doc__ = cls.__doc__ or cls.function.__doc__

    def __init__(self, *args: Any, **constants: Any) -> None:
        try:
            self.constants = self.__signature__.bind(*args, **constants).arguments
        except TypeError as error:
            expected = f"expected {type(self).__name__}{self.__signature__}"
            raise TypeError(f"{type(self).__name__}: {error}; {expected}") from None
        if check := type(self).check:
            check(type(self).__name__, **self.constants)

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return type(self).function(x, **self.constants)

    def __repr__(self) -> str:
        constants = ", ".join(f"{name}={x!r}" for name, x in self.constants.items())
        name, _, inside = super().__repr__().partition("(")
        return f"{name}({constants}{inside}"


class Activation(Function):
    """A function of each element of x (...): (...)."""


class Sigmoid(Activation):
    function = staticmethod(activations.sigmoid)


class Tanh(Activation):
    function = staticmethod(activations.tanh)


class Relu(Activation):
    function = staticmethod(activations.relu)


class Relu6(Activation):
    function = staticmethod(activations.relu6)


class LeakyRelu(Activation):
    function = staticmethod(activations.leaky_relu)


class Elu(Activation):
    function = staticmethod(activations.elu)


class Selu(Activation):
    function = staticmethod(activations.selu)


class Celu(Activation):
    function = staticmethod(activations.celu)


class Gelu(Activation):
    function = staticmethod(activations.gelu)


class Silu(Activation):
    function = staticmethod(activations.silu)


class Mish(Activation):
    function = staticmethod(activations.mish)


class Softplus(Activation):
    function = staticmethod(activations.softplus)


class LogSigmoid(Activation):
    function = staticmethod(activations.log_sigmoid)


class HardTanh(Activation):
    function = staticmethod(activations.hardtanh)


class HardSigmoid(Activation):
    function = staticmethod(activations.hardsigmoid)


class HardSwish(Activation):
    function = staticmethod(activations.hardswish)


class Softmax(Module):
    """Divide exp(x) by its sum along the axis, which gives probabilities: x (...) to (...)."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return functions.softmax(x, self.axis)


class LogSoftmax(Softmax):
    """Compute the logarithm of the softmax along the axis, stably: x (...) to (...)."""

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return functions.log_softmax(x, self.axis)
