"""Say what flows back: no gradient, or one of the user's own."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from ..engine.arrays import conj, is_node, value_of, widest
from ..engine.trees import leaves, tree_map
from ..graph import Context, Op, TensorNode
from .derivatives import Function, Pullback

__all__ = ["custom_gradient", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """Turn the nodes in the tree x into constants, through which no gradient flows.

    Example:
        >>> print(gradcore.grad(lambda x: x * gradcore.stop_gradient(x))(3.0))  # not 6
        3.0
    """
    return tree_map(lambda a: TensorNode(a.value, requires_grad=False) if is_node(a) else a, x)


def custom_gradient(f: Function) -> Function:
    """Decorate a function that computes its own gradient.

    Args:
        f: a function of trees of arrays, written against the arrays' namespace. It gives a pair,
            its value and a pullback. The pullback takes the gradient of each array in the value,
            and gives the gradient of each positional argument: a tree like the argument, or `None`
            for zero. For gradients of gradients, `f` and the pullback are called with nodes.
            Gradients of complex arrays are those that `vjp` has, the conjugates of an op's.
            Keyword arguments are constants. No gradient flows to nodes that `f` closes over.

    Returns:
        The function, which takes arrays and nodes, and gives the value alone.

    Raises (when called):
        ValueError: the pullback gave too few or too many gradients, or one that does not fit.
        Also what any op raises.

    Example:
        >>> @gradcore.custom_gradient
        ... def clipped(x):
        ...     return x, lambda go: gradcore.namespace(go).clip(go, -1.0, 1.0)
        >>> x = TensorNode([1.0, 2.0])
        >>> (clipped(x) * np.array([0.5, 9.0], "float32")).sum().backward()
        >>> print(x.grad)
        [0.5 1. ]
    """

    class Custom(Op):
        @staticmethod
        def forward(context: Context, *xs: Any, call: _Call) -> Any:
            value, context["pullback"] = call(xs)
            context["xs"], context["call"] = xs, call
            call.value = tree_map(lambda _: 0, value)
            ys = tuple([value_of(widest(y)) for _, y in leaves(value)])
            return ys if len(ys) > 1 else ys[0]

        @staticmethod
        def backward(context: Context, *gos: Any) -> Any:
            call, pullback = context["call"], context["pullback"]
            if any(map(is_node, gos)):
                pullback = call(context["xs"])[1]
            given = call.gradients(pullback(*map(conj, gos)))
            return tuple([conj(g) if hasattr(g, "dtype") else g for g in given])

    Custom.__name__ = Custom.__qualname__ = getattr(f, "__name__", type(f).__name__)
    Custom.__module__ = f.__module__

    @functools.wraps(f)
    def wrapped(*args: Any, **constants: Any) -> Any:
        call = _Call(Custom.__name__, f, args, constants)
        ys = Custom.apply(*[x for _, x in leaves(args)], call=call)
        rest = iter(ys if isinstance(ys, tuple) else (ys,))
        return tree_map(lambda _: next(rest), call.value)

    return wrapped


class _Call:
    """One call of a function that computes its own gradient.

    Attributes:
        args: a tree like the positional arguments, with 0 in place of the arrays.
        value: a tree like the value, with 0 in place of the arrays; `None` before the call.
    """

    def __init__(
        self, name: str, f: Function, args: tuple[Any, ...], constants: dict[str, Any]
    ) -> None:
        self.name, self.f, self.constants = name, f, constants
        self.args: Any = tree_map(lambda _: 0, args)
        self.value: Any = None

    def __call__(self, xs: Sequence[Any]) -> tuple[Any, Pullback]:
        """Call the function, with the xs as the leaves of its arguments."""
        rest = iter(xs)
        value, pullback = self.f(*tree_map(lambda _: next(rest), self.args), **self.constants)
        return value, pullback

    def gradients(self, given: Any) -> tuple[Any, ...]:
        """List the gradient of each leaf of the arguments, from what the pullback gave.

        Raises:
            ValueError: the gradients are too few or too many, or not trees like the arguments.
        """
        found: list[Any] = []
        n = len(self.args)
        several = isinstance(given, tuple) and not (n == 1 and isinstance(self.args[0], tuple))
        given = given if several else (given,)
        if len(given) != n:
            raise ValueError(f"{self.name} gave {len(given)} gradients for {n} inputs")
        for i, (x, g) in enumerate(zip(self.args, given, strict=True)):
            try:
                # None in place of a tree stands for zeros in all of it.
                g = tree_map(lambda _: None, x) if g is None else g
                tree_map(lambda _, entry: found.append(entry), x, g)
            except ValueError as error:
                raise ValueError(f"{self.name}: the gradient of input {i}: {error}") from None
        return tuple(found)
