"""Boxes for values of the user's own classes, and the values of nodes and boxes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

from ..engine.arrays import is_node
from ..engine.trees import tree_map
from .leaves import left

__all__ = ["Box", "getval", "isbox", "notrace_primitive"]


class Box:
    """Stands for a value of a class of the user's own in a function that is differentiated: a
    function of positions, for example. Subclass it together with the class, and `register` it.

    Attributes:
        _value: the value.
        _node: a node without content of its own, which carries the value's place in the graph.

    Example:
        >>> class Pair:
        ...     def __init__(self, a, b):
        ...         self.a, self.b = a, b
        ...     @primitive
        ...     def first(self):
        ...         return self.a
        ...
        >>> class PairBox(Box, Pair): ...
        ...
        >>> class Pairs(VSpace):
        ...     def zeros(self):
        ...         return Pair(0.0, 0.0)
        ...     def _add(self, x, y):
        ...         return Pair(x.a + y.a, x.b + y.b)
        ...
        >>> PairBox.register(Pair)
        >>> Pairs.register(Pair)
        >>> defvjp(Pair.first, lambda ans, pair: lambda g: Pair(g, 0.0))
        >>> found = gradcore.autograd.grad(lambda pair: pair.first() ** 2)(Pair(3.0, 1.0))
        >>> print(found.a, found.b)
        6.0 0.0
    """

    type_mappings: ClassVar[dict[type, type[Box]]] = {}
    types: ClassVar[set[type]] = set()

    def __init__(self, value: Any, trace: Any, node: Any) -> None:
        self._value, self._trace, self._node = value, trace, node
        self._gradient: Any = None

    def __bool__(self) -> bool:
        return bool(self._value)

    @classmethod
    def register(cls, value_type: type) -> None:
        """Put values of this type into boxes of this class."""
        Box.types.add(cls)
        Box.type_mappings[value_type] = cls


def isbox(x: Any) -> bool:
    """Whether x is a node, or a box."""
    return is_node(x) or type(x) in Box.types


def getval(x: Any) -> Any:
    """Take the value out of a node or a box; return anything else as it is."""
    while isbox(x):
        x = left(x.value) if is_node(x) else x._value
    return x


def notrace_primitive(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function get the values of nodes: its result has no gradient.

    Example:
        >>> length = notrace_primitive(len)
        >>> print(length(TensorNode([1.0, 2.0])))
        2
    """

    @functools.wraps(f)
    def on_values(*args: Any, **options: Any) -> Any:
        return f(*tree_map(getval, list(args)), **options)

    return on_values
