"""Python's names for programs that import them from `autograd.builtins`. In a function that is
differentiated, lists, tuples and dictionaries are Python's own, of nodes; so these names are too,
but for questions about the value of a node."""

from __future__ import annotations

import builtins
from builtins import dict, list, tuple  # noqa: A004
from typing import Any

from .boxes import getval

__all__ = ["dict", "isinstance", "list", "tuple", "type"]


def isinstance(x: Any, kind: Any) -> bool:  # noqa: A001
    """Whether the value of x is of a type, or of one of several."""
    return builtins.isinstance(getval(x), kind)


def type(x: Any) -> Any:  # noqa: A001
    """The type of the value of x."""
    return builtins.type(getval(x))
