"""The derivatives at a point that all others are made of: `make_vjp` and `make_jvp`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import array_api as xp
from .. import transforms
from ..engine.arrays import is_node
from ..engine.trees import leaves, tree_map
from ..numpy import asarray
from .boxes import Box, getval, isbox
from .extend import *  # noqa: F403
from .extend import __all__ as _extend
from .leaves import conj, entered, exits, is_complex

__all__ = ["getval", "gradient", "isbox", "jacobian", "make_jvp", "make_vjp", "value_and_gradient"]
__all__ += _extend

Function = Callable[..., Any]


class _Differentiated:
    """A function, and the tree x at which it is differentiated, in gradcore's terms.

    Attributes:
        start: a tree like x, of arrays and nodes.
    """

    def __init__(self, f: Function, x: Any) -> None:
        self.f = f
        self.boxes: list[Any] = [_box(leaf) for _, leaf in leaves(x)]
        boxes = iter(self.boxes)
        self.start = tree_map(lambda leaf: entered(0.0 if next(boxes) else leaf), x)
        self.exit = exits(x)

    def __call__(self, x: Any) -> Any:
        """Call the function on nodes. Python's floats in the result become float64."""
        boxes = iter(self.boxes)

        def boxed(node: Any) -> Any:
            box = next(boxes)
            if box is None:
                return node
            box._node = node
            return box

        return tree_map(_number, self.f(tree_map(boxed, x)))

    def value(self, y: Any) -> Any:
        return tree_map(self.exit, y)

    def gradient(self, g: Any) -> Any:
        """Give gradients in autograd's convention; for a box, an object of the user's class."""
        boxes = iter(self.boxes)

        def gradient(part: Any) -> Any:
            box = next(boxes)
            if box is None:
                return self.exit(conj(part))
            found, box._gradient = box._gradient, None
            return vspace(box._value).zeros() if found is None else found  # noqa: F405

        return tree_map(gradient, g)


def _box(x: Any) -> Any:
    kind = Box.type_mappings.get(type(x))
    return kind(x, None, None) if kind else None


def _number(y: Any) -> Any:
    return asarray(y) if isinstance(y, float | complex) else y


def value_and_gradient(f: Function, x: Any) -> tuple[Any, Any]:
    """Compute f(x), one real number, and its gradient, a tree like x."""
    at = _Differentiated(f, x)
    value, g = transforms.value_and_grad(at)(at.start)
    return at.value(value), at.gradient(g)


def gradient(f: Function, x: Any) -> Any:
    """Compute the gradient of f at x, where f(x) is one real number."""
    return value_and_gradient(f, x)[1]


def make_vjp(f: Function, x: Any) -> tuple[Function, Any]:
    """Compute f(x), and make the function that takes the gradient of a number with respect to f(x)
    to the gradient with respect to x.

    Returns:
        The function, and the value.

    Example:
        >>> vjp, value = make_vjp(lambda x: x**2)(np.array([1.0, 3.0]))
        >>> print(value, vjp(np.array([1.0, 1.0])))
        [1. 9.] [2. 6.]
    """
    at = _Differentiated(f, x)
    value, pull = transforms.vjp(at, at.start)

    def vjp(g: Any) -> Any:
        return at.gradient(pull(tree_map(_cotangent, value, g)))

    return vjp, at.value(value)


def _cotangent(y: Any, g: Any) -> Any:
    """Convert the gradient of y to y's dtype."""
    g = g if is_node(g) else asarray(g)
    g = g if is_complex(y) or not is_complex(g) else xp.real(g)
    return conj(g if g.dtype == y.dtype else xp.astype(g, y.dtype))


def make_jvp(f: Function, x: Any) -> Function:
    """Make the function that takes a direction v, a tree like x, to f(x) and its derivative along
    v.

    Example:
        >>> value, derivative = make_jvp(np.sin)(np.array([0.0, np.pi]))(np.array([1.0, 1.0]))
        >>> print(value.round(3), derivative)
        [0. 0.] [ 1. -1.]
    """
    at = _Differentiated(f, x)

    def jvp(v: Any) -> tuple[Any, Any]:
        v = tree_map(lambda leaf, g: conj(_cotangent(leaf, g)), at.start, v)
        value, derivative = transforms.jvp(at, (at.start,), (v,))
        return at.value(value), at.value(derivative)

    return jvp


def jacobian(f: Function, x: Any) -> Any:
    """Compute the Jacobian of f at the array x (T): shape (S, T) for f(x) of shape S."""
    at = _Differentiated(f, x)
    return at.gradient(transforms.jacobian(at)(at.start))
