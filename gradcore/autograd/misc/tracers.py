"""Functions whose steps are recorded, as in `autograd.misc.tracers`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ...replay import capture
from ..tracer import Node, trace

__all__ = ["FullGraphNode", "const_graph", "full_graph"]


def const_graph(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Make a function of the arguments that follow `args`, which replays its first calls where the
    backend can record: by `gradcore.capture`. On NumPy each call runs `f`."""
    return capture(functools.partial(f, *args, **kwargs))


class FullGraphNode(Node):
    """A step: its value and its recipe, the function, arguments and nodes it was computed of."""

    def __init__(
        self,
        value: Any,
        fun: Any,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        parent_argnums: Sequence[int],
        parents: Sequence[Any],
    ) -> None:
        self.value = value
        self.recipe = (fun, args, kwargs, [*zip(parent_argnums, parents, strict=True)])

    def initialize_root(self) -> None:
        self.value, self.recipe = None, (lambda x: x, (), {}, [])


def full_graph(f: Callable[..., Any], x: Any) -> Any:
    """Give the node of f(x), whose recipe leads back to all steps before."""
    return trace(FullGraphNode.new_root(), f, x)[1]
