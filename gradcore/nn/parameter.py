"""What of a module's nodes is a parameter, and what is a buffer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

from ..engine.methods import Listed
from ..graph import TensorNode

__all__ = ["Buffer", "Parameter", "is_buffer", "is_parameter"]


def is_parameter(x: Any) -> TypeGuard[TensorNode]:
    """Whether x is a node that no op computed and that training changes, or would if it were not
    frozen."""
    return isinstance(x, TensorNode) and x.source is None and (x.requires_grad or x.is_frozen)


def is_buffer(x: Any) -> TypeGuard[TensorNode]:
    """Whether x is a node that no op computed and that is no parameter."""
    return isinstance(x, TensorNode) and x.source is None and not is_parameter(x)


class _Kind(Listed):
    """The class of classes that only say what a node is for: their instances are TensorNodes."""

    includes: Callable[[Any], bool]

    def __instancecheck__(self, x: Any) -> bool:
        return self.includes(x)


class Parameter(TensorNode, metaclass=_Kind):
    """Make a TensorNode that is trained.

    The result is a TensorNode, so the engine has nodes of one class only; `isinstance(x,
    Parameter)` says whether x is trained, or is frozen. So any node that requires a gradient, and
    that no op computed, is a Parameter.

    Args:
        data: a node, whose value is taken; an array; or numbers in lists.
        requires_grad: False makes a frozen parameter.

    Raises:
        TypeError: data is not floating.

    Example:
        >>> class Scale(nn.Module):
        ...     def __init__(self):
        ...         self.factor = nn.Parameter([2.0])
        ...     def forward(self, x):
        ...         return self.factor * x
        ...
        >>> print(Scale()(TensorNode([1.0, 3.0])), Scale().parameters())
        [2. 6.] [TensorNode([2.], float32 (1,))]
    """

    __slots__ = ()
    includes = staticmethod(is_parameter)

    def __new__(cls, data: Any, requires_grad: bool = True) -> Any:
        node = TensorNode(data.value if isinstance(data, TensorNode) else data, requires_grad=True)
        node.requires_grad = requires_grad
        return node


class Buffer(TensorNode, metaclass=_Kind):
    """Make a TensorNode that is not trained: `module.mask = Buffer(x)` is the same as
    `module.register_buffer("mask", x)`. `isinstance(x, Buffer)` says whether x is a constant.

    Args:
        data: a node, whose value is taken; an array; or numbers in lists.

    Example:
        >>> class Centered(nn.Module):
        ...     def __init__(self):
        ...         self.mean = nn.Buffer([5.0])
        ...     def forward(self, x):
        ...         return x - self.mean
        ...
        >>> model = Centered()
        >>> print(model(TensorNode([6.0])), model.parameters(), [*model.state_dict()])
        [1.] [] ['mean']
    """

    __slots__ = ()
    includes = staticmethod(is_buffer)

    def __new__(cls, data: Any) -> Any:
        return TensorNode(data.value if isinstance(data, TensorNode) else data, requires_grad=False)
