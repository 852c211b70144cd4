"""Arrays at the doors: how numbers come into a derivative, and how gradients go out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import array_api as xp
from ..backends import backend_of, default
from ..engine.arrays import is_node, node_or_array, value_of
from ..engine.trees import leaves
from ..numpy import array

__all__ = ["conj", "entered", "exits", "is_complex", "left", "value_in_primitive"]


def entered(x: Any) -> Any:
    """Make an array of a float, which becomes float64; move NumPy's arrays to the default backend.
    Nodes and arrays of other libraries stay.

    Raises:
        TypeError: x has integers, or is no array of numbers.
    """
    if is_node(x):
        return x
    if isinstance(x, bool | int):
        raise TypeError(f"gradients are of floating numbers, not of the integer {x!r}; say {x}.0")
    if isinstance(x, float | complex) or _is_numpy(x):
        return array(x) if isinstance(x, float | complex) else default().asarray(x)
    return node_or_array(x)


def _is_numpy(x: Any) -> bool:
    return type(x).__module__ == "numpy" and hasattr(x, "dtype")


def exits(x: Any) -> Callable[[Any], Any]:
    """Make the function that gradients with respect to the tree x, and values at x, go out through:
    to NumPy if all arrays in x are NumPy's, as SciPy's optimizers give and expect them."""
    found = [leaf for _, leaf in leaves(x)]
    on_host = bool(found) and all(_is_numpy(leaf) for leaf in found)
    return (lambda y: left(_to_numpy(y))) if on_host else left


def _to_numpy(x: Any) -> Any:
    return x if is_node(x) else backend_of(x).to_numpy(x)


def left(x: Any) -> Any:
    """Make a number, a scalar of NumPy's, of a 0-d array of NumPy's, as NumPy's functions do."""
    return x[()] if type(x).__module__ == "numpy" and x.ndim == 0 else x


def value_in_primitive(x: Any) -> Any:
    """Give the value of a node inside of a primitive, where arguments are arrays.

    Raises:
        TypeError: the node has a gradient: it was computed with a node that is no argument.
    """
    if is_node(x) and x.requires_grad:
        raise TypeError(
            "the function computes with a node that is not among the arguments of the primitive "
            "around it, and whose gradient would be lost; pass the node as an argument (of odeint, "
            "in `args`), or take its .value"
        )
    return value_of(x)


def is_complex(x: Any) -> bool:
    """Whether a node or an array has complex numbers."""
    x = value_of(x)
    return bool(backend_of(x).xp.isdtype(x.dtype, "complex floating"))


def conj(x: Any) -> Any:
    """Conjugate what is complex: between gradcore's convention of gradients, which is PyTorch's,
    and autograd's."""
    return xp.conj(x) if is_complex(x) else x
