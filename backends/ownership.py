"""How many places hold an object, which decides whether an array may be changed in place.

CPython counts the references to each object. PyPy counts none, and the counts of a free-threaded
CPython are not exact; there every object is said to have many holders, so that arrays are copied:
slower, and never wrong.
"""

from __future__ import annotations

import sys
import sysconfig
from typing import Any

__all__ = ["BESIDES", "holders"]

IS_EXACT = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")


def _references(x: Any) -> int:
    return sys.getrefcount(x)


_one_place = [object()]
# What a function that calls `sys.getrefcount` on its argument counts besides the places that hold
# the object: the argument itself, and on some versions of Python the operand of the inner call.
BESIDES = _references(_one_place[0]) - 1 if IS_EXACT else -sys.maxsize


def holders(x: Any) -> int:
    """Count the places that hold x, such as variables, attributes and items of containers.

    Call it with an attribute or an item, as in `holders(node.value)`: the result is 1 where the
    node alone holds its value. A variable given as argument would count as one more place.
    """
    return sys.getrefcount(x) - BESIDES
