"""Activations, and other functions without parameters, as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ..backends import Array, default
from ..engine.arrays import describe, raw_array
from ..functions import activations
from ..functions.sizes import sizes
from ..graph import TensorNode
from .module import Module
from .parameter import Parameter
from .signatures import LateSignature

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Activation",
    "Celu",
    "Elu",
    "Function",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LeakyRelu",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Relu",
    "Relu6",
    "Selu",
    "SiLU",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class Function(Module):
    """A function without parameters, as a module.

    A subclass names its `function`. The first argument of the function is the input x; the others
    are the arguments of the module:

        class LeakyReLU(Function):
            function = staticmethod(activations.leaky_relu)  # (x, negative_slope=0.01)

        LeakyReLU(0.2)(x)

    A subclass may also have a `check`, which raises an error for wrong arguments. It is called
    when a module is made, with the name of the class and the arguments.

    Attributes:
        constants: the arguments that the module was made with, by name.
    """

    function: ClassVar[Callable[..., TensorNode]]
    check: ClassVar[Callable[..., object] | None] = None
    __signature__ = LateSignature(lambda _, parameters: parameters[1:])

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "function"):
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


class CELU(Activation):
    function = staticmethod(activations.celu)


class ELU(Activation):
    function = staticmethod(activations.elu)


class GELU(Activation):
    function = staticmethod(activations.gelu)


class Hardshrink(Activation):
    function = staticmethod(activations.hardshrink)


class Hardsigmoid(Activation):
    function = staticmethod(activations.hardsigmoid)


class Hardswish(Activation):
    function = staticmethod(activations.hardswish)


class Hardtanh(Activation):
    function = staticmethod(activations.hardtanh)


class LeakyReLU(Activation):
    function = staticmethod(activations.leaky_relu)


class LogSigmoid(Activation):
    function = staticmethod(activations.log_sigmoid)


class Mish(Activation):
    function = staticmethod(activations.mish)


class ReLU(Activation):
    function = staticmethod(activations.relu)


class ReLU6(Activation):
    function = staticmethod(activations.relu6)


class SELU(Activation):
    function = staticmethod(activations.selu)


class Sigmoid(Activation):
    function = staticmethod(activations.sigmoid)


class SiLU(Activation):
    function = staticmethod(activations.silu)


class Softplus(Activation):
    function = staticmethod(activations.softplus)


class Softshrink(Activation):
    function = staticmethod(activations.softshrink)


class Softsign(Activation):
    function = staticmethod(activations.softsign)


class Tanh(Activation):
    function = staticmethod(activations.tanh)


class Tanhshrink(Activation):
    function = staticmethod(activations.tanhshrink)


class Threshold(Activation):
    function = staticmethod(activations.threshold)


class RReLU(Activation):
    """Multiply x (...) by a slope where x <= 0: in training, each element by a random one; after
    `eval()`, by their mean. See `gradcore.rrelu`."""

    function = staticmethod(
        lambda x, lower=1 / 8, upper=1 / 3, inplace=False: activations.rrelu(
            x, lower, upper, False, inplace
        )
    )

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return activations.rrelu(x, **{**self.constants, "training": self.training})


class PReLU(Module):
    """Multiply x by the weight where x <= 0: see `gradcore.prelu`.

    Args:
        num_parameters: 1, for x of any shape, or the number of channels of x (N, C, ...).
        init: the value of the weight at first.
        dtype: of the weight; x must have the same.

    Attributes:
        weight: (num_parameters,).

    Raises:
        ValueError: `num_parameters` is not positive.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = "float32") -> None:
        (self.num_parameters,) = sizes("PReLU", 1, num_parameters=num_parameters)
        self.init = init
        backend = default()
        self.weight = Parameter(backend.asarray([init] * self.num_parameters, dtype))

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return activations.prelu(x, self.weight)

    def __repr__(self) -> str:
        return f"PReLU({self.num_parameters})"


# -- Along an axis ---------------------------------------------------------------------------------


class GLU(Function):
    function = staticmethod(activations.glu)


class Softmax(Function):
    function = staticmethod(activations.softmax)


class LogSoftmax(Function):
    function = staticmethod(activations.log_softmax)


class Softmin(Function):
    function = staticmethod(activations.softmin)


class Softmax2d(Module):
    """Divide exp(x) by its sum over the channels of images x (N, C, H, W) or (C, H, W).

    Raises:
        ValueError: x has another number of axes.
    """

    def forward(self, x: TensorNode | Array) -> TensorNode:
        if (raw := raw_array(x)).ndim not in (3, 4):
            raise ValueError(f"Softmax2d: x is {describe(raw)}, expected (N, C, H, W) or (C, H, W)")
        return activations.softmax(x, -3)


# Second names.
Celu = CELU
Elu = ELU
Gelu = GELU
HardSigmoid = Hardsigmoid
HardSwish = Hardswish
HardTanh = Hardtanh
LeakyRelu = LeakyReLU
Relu = ReLU
Relu6 = ReLU6
Selu = SELU
Silu = SiLU
