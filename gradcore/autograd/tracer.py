"""What programs import from `autograd.tracer`: values of nodes, and traces of functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..engine.arrays import is_node, value_of
from ..engine.hooks import watching
from ..graph import TensorNode
from .boxes import Box, getval, isbox, notrace_primitive
from .extend import primitive
from .leaves import entered

__all__ = ["Box", "Node", "getval", "isbox", "notrace_primitive", "primitive", "trace"]


class Node:
    """A step of a trace. Subclasses say what each keeps."""

    def __init__(self, value: Any, *recipe: Any) -> None:
        """Keep a value, and the function, arguments, keyword arguments, positions of arguments that
        are nodes, and nodes at these positions that the value was computed of."""
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
