"""Functions whose steps are recorded, as in `autograd.misc.tracers`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ...replay import capture
from ..tracer import Node, trace

__all__ = ["FullGraphNode", "const_graph", "full_graph"]


def const_graph(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Make a function of the arguments that follow `args`, by `gradcore.capture`: replays run
    without the Python code of `f`. Once a call can't be captured, as where `f` is differentiated,
    that call and all further ones run `f`.

    Example:
        >>> f = const_graph(lambda scale, x: scale * np.sin(x), 2.0)
        >>> print(f(0.0), gradcore.grad(f)(0.0))
        0.0 2.0
    """
    return capture(functools.partial(f, *args, **kwargs), fallback=lambda _: None)


class FullGraphNode(Node):
    """A step: its value and its recipe, the function, arguments and nodes it was computed of.

    Example:
        >>> node = full_graph(lambda x: np.sin(x) * 2.0, 1.0)
        >>> (_, before), = node.recipe[3]  # the step before, the sine
        >>> print(isinstance(before, FullGraphNode), before.value.round(3))
        True 0.841
    """

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
    """Give the node of f(x), whose recipe leads back to all steps before.

    Example:
        >>> node = full_graph(lambda x: np.sin(x) * 2.0, 1.0)
        >>> print(node.value.round(3))
        1.683
    """
    return trace(FullGraphNode.new_root(), f, x)[1]
