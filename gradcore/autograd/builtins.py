"""Python's names for programs that import them from `autograd.builtins`. In a function that is
differentiated, lists, tuples and dictionaries are Python's own, of nodes; so these names are too,
but for questions about the value of a node."""

from __future__ import annotations

import builtins
from typing import Any

from .boxes import getval

dict, list, tuple = builtins.dict, builtins.list, builtins.tuple

__all__ = ["dict", "isinstance", "list", "tuple", "type"]


def isinstance(x: Any, kind: Any) -> bool:
    """Say whether the value of x is of a type, or of one of several.

    Example:
        >>> print(isinstance(TensorNode(np.array([1.0])), np.ndarray))
        True
    """
    return builtins.isinstance(getval(x), kind)


def type(x: Any) -> Any:
    """Give the type of the value of x.

    Example:
        >>> print(type(TensorNode(np.array([1.0]))) is np.ndarray)
        True
    """
    return builtins.type(getval(x))
