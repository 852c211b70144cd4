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
from .signatures import LateSignature, begin_docstring

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
    are the arguments of the module.

    A subclass may also have a `check`, which raises an error for wrong arguments. It is called
    when a module is made, with the name of the class and the arguments.

    Attributes:
        constants: the arguments that the module was made with, by name.

    Example:
        >>> class Cube(nn.Function):
        ...     function = staticmethod(lambda x, factor=1.0: factor * x**3)
        ...
        >>> print(nn.Sequential(Cube(factor=0.5))(TensorNode([2.0])))
        [4.]
    """

    function: ClassVar[Callable[..., TensorNode]]
    check: ClassVar[Callable[..., object] | None] = None
    __signature__ = LateSignature(lambda _, parameters: parameters[1:])

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "function"):
            begin_docstring(cls)

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
    """A function of each element of x (...): (...).

    Example:
        >>> print(isinstance(nn.Tanh(), nn.Activation), isinstance(nn.Softmax(), nn.Activation))
        True False
    """


class CELU(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.CELU()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-0.865  0.     2.   ] [0.135 1.    1.   ]
    """

    function = staticmethod(activations.celu)


class ELU(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.ELU()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-0.865  0.     2.   ] [0.135 1.    1.   ]
    """

    function = staticmethod(activations.elu)


class GELU(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.GELU()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-0.046  0.     1.954] [-0.085  0.5    1.085]
    """

    function = staticmethod(activations.gelu)


class Hardshrink(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.3, 2.0])
        >>> y = nn.Hardshrink(0.5)(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-2.  0.  2.] [1. 0. 1.]
    """

    function = staticmethod(activations.hardshrink)


class Hardsigmoid(Activation):
    """
    Example:
        >>> x = TensorNode([-4.0, 0.0, 1.5])
        >>> y = nn.Hardsigmoid()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [0.   0.5  0.75] [0.    0.167 0.167]
    """

    function = staticmethod(activations.hardsigmoid)


class Hardswish(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 1.5])
        >>> y = nn.Hardswish()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-0.333  0.     1.125] [-0.167  0.5    1.   ]
    """

    function = staticmethod(activations.hardswish)


class Hardtanh(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.5, 2.0])
        >>> y = nn.Hardtanh()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-1.   0.5  1. ] [0. 1. 0.]
    """

    function = staticmethod(activations.hardtanh)


class LeakyReLU(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.LeakyReLU(0.1)(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-0.2  0.   2. ] [0.1 0.1 1. ]
    """

    function = staticmethod(activations.leaky_relu)


class LogSigmoid(Activation):
    """
    Example:
        >>> x = TensorNode([-20.0, 0.0, 2.0])
        >>> y = nn.LogSigmoid()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-20.     -0.693  -0.127] [1.    0.5   0.119]
    """

    function = staticmethod(activations.log_sigmoid)


class Mish(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.Mish()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-0.253  0.     1.944] [-0.108  0.6    1.069]
    """

    function = staticmethod(activations.mish)


class ReLU(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.ReLU()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [0. 0. 2.] [0. 0. 1.]
    """

    function = staticmethod(activations.relu)


class ReLU6(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 3.0, 8.0])
        >>> y = nn.ReLU6()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [0. 3. 6.] [0. 1. 0.]
    """

    function = staticmethod(activations.relu6)


class SELU(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.SELU()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-1.52   0.     2.101] [0.238 1.758 1.051]
    """

    function = staticmethod(activations.selu)


class Sigmoid(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.Sigmoid()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [0.119 0.5   0.881] [0.105 0.25  0.105]
    """

    function = staticmethod(activations.sigmoid)


class SiLU(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.SiLU()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-0.238  0.     1.762] [-0.091  0.5    1.091]
    """

    function = staticmethod(activations.silu)


class Softplus(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 50.0])
        >>> y = nn.Softplus()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [ 0.127  0.693 50.   ] [0.119 0.5   1.   ]
    """

    function = staticmethod(activations.softplus)


class Softshrink(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.3, 2.0])
        >>> y = nn.Softshrink(0.5)(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-1.5  0.   1.5] [1. 0. 1.]
    """

    function = staticmethod(activations.softshrink)


class Softsign(Activation):
    """
    Example:
        >>> x = TensorNode([-1.0, 0.0, 3.0])
        >>> y = nn.Softsign()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-0.5   0.    0.75] [0.25  1.    0.062]
    """

    function = staticmethod(activations.softsign)


class Tanh(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.Tanh()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-0.964  0.     0.964] [0.071 1.    0.071]
    """

    function = staticmethod(activations.tanh)


class Tanhshrink(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.Tanhshrink()(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [-1.036  0.     1.036] [0.929 0.    0.929]
    """

    function = staticmethod(activations.tanhshrink)


class Threshold(Activation):
    """
    Example:
        >>> x = TensorNode([-2.0, 0.0, 2.0])
        >>> y = nn.Threshold(1.0, 20.0)(x)
        >>> y.sum().backward()
        >>> print(y.round(3), x.grad.round(3))
        [20. 20.  2.] [0. 0. 1.]
    """

    function = staticmethod(activations.threshold)


class RReLU(Activation):
    """Multiply x (...) by a slope where x <= 0: in training, each element by a random one; after
    `eval()`, by their mean. See `gradcore.rrelu`.

    Example:
        >>> model = nn.RReLU(0.1, 0.3).eval()  # the mean slope, 0.2
        >>> print(model(TensorNode([-1.0, 2.0])))
        [-0.2  2. ]
    """

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

    Example:
        >>> model = nn.PReLU(init=0.25)
        >>> model(TensorNode([-2.0, 3.0])).sum().backward()
        >>> print(model(TensorNode([-2.0, 3.0])), model.weight.grad)
        [-0.5  3. ] [-2.]
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
    """
    Example:
        >>> print(nn.GLU()(TensorNode([[1.0, 2.0, 0.0, 100.0]])))  # (1, 4) becomes (1, 2)
        [[0.5 2. ]]
    """

    function = staticmethod(activations.glu)


class Softmax(Function):
    """
    Example:
        >>> print(nn.Softmax()(TensorNode([[0.0, 0.0], [0.0, 2.0]])).round(3))
        [[0.5   0.5  ]
         [0.119 0.881]]
    """

    function = staticmethod(activations.softmax)


class LogSoftmax(Function):
    """
    Example:
        >>> y = nn.LogSoftmax()(TensorNode([[0.0, 2.0]]))
        >>> print(y.round(3), y.exp().sum().round(3))
        [[-2.127 -0.127]] 1.0
    """

    function = staticmethod(activations.log_softmax)


class Softmin(Function):
    """
    Example:
        >>> print(nn.Softmin()(TensorNode([[0.0, 2.0]])).round(3))
        [[0.881 0.119]]
    """

    function = staticmethod(activations.softmin)


class Softmax2d(Module):
    """Divide exp(x) by its sum over the channels of images x (N, C, H, W) or (C, H, W).

    Raises:
        ValueError: x has another number of axes.

    Example:
        >>> y = nn.Softmax2d()(gradcore.randn(8, 3, 4, 4))
        >>> print(y.shape, y[:, :, 0, 0].sum(axis=1).round(3))
        (8, 3, 4, 4) [1. 1. 1. 1. 1. 1. 1. 1.]
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
