"""Count who holds an array, so that memory which nobody else can see may be written to.

CPython counts the references to each object: one for each variable, attribute, list or dict entry
that holds it. An array to which only its owner refers can be seen by nobody else, so the owner may
overwrite it where it would else need a copy. This is the only file that reads such counts.

Other interpreters (PyPy), and a CPython that runs without its global lock, have no counts to rely
on. There the answer is `UNKNOWN`, a large number: everybody then copies, which is always right.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

__all__ = ["UNKNOWN", "holders"]

UNKNOWN = 1 << 30

# Without its lock, CPython's counts change while they are read, and leave some references out.
_is_locked: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
_is_counted = sys.implementation.name == "cpython" and _is_locked()
_count: Callable[[object], int] = sys.getrefcount if _is_counted else lambda _: UNKNOWN


def holders(owner: Any, key: Any, read: Callable[[Any, Any], Any] = getattr) -> int:
    """Count the references to `read(owner, key)`, that of the owner included.

    So 1 says that only the owner holds it. Each variable of the caller that holds it too counts 1:

    >>> owner = SimpleNamespace(array=np.ones(3))
    >>> holders(owner, "array")
    1
    >>> x = owner.array
    >>> holders(owner, "array")
    2
    >>> holders([x], 0, operator.getitem)
    3

    Args:
        owner: what holds it: an object, or with `read=operator.getitem` a list, tuple or dict.
        key: the attribute's name, or the index.
        read: gives what the owner holds, and doesn't make it anew.

    Returns:
        The count, or `UNKNOWN` where the interpreter doesn't count.
    """
    return _count(read(owner, key)) - _TEMPORARY


_TEMPORARY = 0  # references that are only there while `holders` counts
if _is_counted:
    _TEMPORARY = holders(SimpleNamespace(value=object()), "value") - 1
