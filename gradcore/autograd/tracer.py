"""What programs import from `autograd.tracer`: values of nodes, and traces of functions."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ..engine.arrays import is_node, value_of
from ..engine.hooks import watching
from ..engine.trees import tree_map
from ..graph import TensorNode
from .leaves import entered, left

__all__ = ["Box", "Node", "getval", "isbox", "notrace_primitive", "primitive", "trace"]


class Box:
    """Stands for a value of a class of the user's own in a function that is differentiated: a
    function of positions, for example. Subclass it together with the class, and `register` it.

    Attributes:
        _value: the value.
        _node: a node without content of its own, which carries the value's place in the graph.
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
    """Make a function get the values of nodes: its result has no gradient."""

    @functools.wraps(f)
    def on_values(*args: Any, **options: Any) -> Any:
        return f(*tree_map(getval, list(args)), **options)

    return on_values


class Node:
    """A step of a trace. Subclasses say what each keeps."""

    def __init__(
        self,
        value: Any,
        fun: Any,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        parent_argnums: Sequence[int],
        parents: Sequence[Any],
    ) -> None:
        raise NotImplementedError

    def initialize_root(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    @classmethod
    def new_root(cls, *args: Any, **kwargs: Any) -> Any:
        """Make the node of the argument, where a trace begins."""
        root = cls.__new__(cls)
        root.initialize_root(*args, **kwargs)
        return root


class _Steps:
    """Watches all ops, and makes a `Node` for each that depends on the root."""

    def __init__(self, root: Any, x: TensorNode) -> None:
        self.kind = type(root)
        self.nodes: dict[TensorNode, Any] = {x: root}

    def after_forward(self, op: Any, inputs: Any, outputs: Any) -> None:
        argnums = [i for i, x in enumerate(inputs) if is_node(x) and x in self.nodes]
        if argnums:
            parents = [self.nodes[inputs[i]] for i in argnums]
            args = tuple([getval(x) for x in inputs])
            for y in outputs if isinstance(outputs, tuple) else (outputs,):
                step = self.kind(getval(y), _function(op), args, {}, tuple(argnums), tuple(parents))
                self.nodes[y] = step

    def before_backward(self, opnode: Any) -> None: ...
    def after_backward(self, opnode: Any, gos: Any, gradients: Any) -> None: ...
    def after_recomputing(self, call: Any, values: Any) -> None: ...


def _function(op: Any) -> Callable[..., Any]:
    """Make a function of an op, with its name."""

    def function(*args: Any) -> Any:
        return value_of(op.apply(*args))

    function.__name__ = op.__name__
    return function


def trace(start_node: Any, fun: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    """Call `fun(x)`, and make a node of the class of `start_node` for each op that depends on x.

    Returns:
        The value, and its node; `None` in place of the node if the value does not depend on x.
    """
    steps = _Steps(start_node, start := entered_node(x))
    with watching(steps):
        end = fun(start)
    node = steps.nodes.get(end) if is_node(end) else None
    if node is None:
        warnings.warn("Output seems independent of input.", stacklevel=2)
    return getval(end), node


def entered_node(x: Any) -> TensorNode:
    x = entered(x)
    return x if is_node(x) else TensorNode(x)


from .extend import primitive  # noqa: E402
