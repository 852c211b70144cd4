"""Who holds an array: when it may be kept without a copy, or written into.

A backward pass moves less memory where it adds a gradient in place (`sums += g`), and where an
array that an op computed becomes a node's `.grad` without a copy. An optimizer moves less memory
where it updates a parameter in place. All three are right only if nobody else can see the array.

Two facts tell:

- The engine allocated the array itself: the sum of two gradients, or a gradient summed over
  broadcast axes. `Pending.owned` and `TensorNode._owned` note such arrays. The engine never
  adds in place to another array, even if nobody else holds it.
- Nobody else holds the array. CPython counts the references to each object: an op that keeps the
  gradient it gave, a caller with a variable, or a second node each add one to the count.
  backends/ownership.py reads the counts, and says what holds where an interpreter has none.

Where neither is known, the array is copied: slower, and never wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends import backend_of
from ..backends.ownership import holders
from .arrays import value_of

__all__ = ["is_alone"]


def is_alone(
    owner: Any, key: Any, read: Callable[[Any, Any], Any] = getattr, others: int = 0
) -> bool:
    """Whether only `owner` holds the array or node `read(owner, key)`, and no view shares its
    memory.

    Args:
        owner: an object that holds it as an attribute; with `read=operator.getitem` a list.
        key: the attribute's name, or the index.
        others: the number of further holders that the caller knows of.
    """
    if holders(owner, key, read) != 1 + others:  # first: `x` is one more holder
        return False
    x = value_of(read(owner, key))
    return backend_of(x).owns_memory(x)
