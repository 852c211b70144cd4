"""Make one vector of a tree of arrays, and the tree again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import numpy as np
from ..core import make_vjp

__all__ = ["flatten", "flatten_func"]


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Make a vector of all floats in a tree, dictionaries in the order of their keys.

    Returns:
        The vector, and a function that makes such trees of vectors.

    Example:
        >>> vector, unflatten = flatten({"w": np.ones((2, 3)), "b": 5.0})
        >>> print(vector, unflatten(2 * vector)["b"])
        [5. 1. 1. 1. 1. 1. 1.] 10.0
    """
    unflatten, flat = make_vjp(_flat, value)  # the gradient of taking apart is putting together
    return flat, unflatten


def _flat(value: Any) -> Any:
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list | tuple):
        return np.concatenate([_flat(entry) for entry in value]) if value else np.array([])
    return np.ravel(value)


def flatten_func(f: Callable[..., Any], example: Any) -> tuple[Callable[..., Any], Any, Any]:
    """Make a function of a tree take and give vectors.

    Returns:
        The function; the function that makes trees of vectors; and the vector of the example.

    Example:
        >>> f = lambda p: 2.0 * p["w"] + p["b"]
        >>> flat_f, unflatten, vector = flatten_func(f, {"w": np.ones(2), "b": 5.0})
        >>> print(vector, flat_f(vector))  # the vector is b, then w
        [5. 1. 1.] [7. 7.]
    """
    flat, unflatten = flatten(example)
    return lambda x, *args: flatten(f(unflatten(x), *args))[0], unflatten, flat
