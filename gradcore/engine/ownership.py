"""Who holds an array: when the engine may keep it without a copy, or write into it.

A backward pass moves less memory where it adds a gradient in place (`sums += g`), and where an
array that an op computed becomes a node's `.grad` without a copy. An optimizer moves less memory
where it updates a parameter in place. All three are right only if nobody else can see the array.

The engine knows this in two ways:

- It allocated the array itself: the sum of two gradients, or a gradient summed over broadcast
  axes. `Pending.owned` and `TensorNode._owned` note such arrays. Only these are added to in place.
- Nobody else holds the array. CPython counts the references to each object: where the count is
  that of an object in a single place, such as one attribute of one node, no op, no caller and no
  other node has it. `held_once` asks for this; it also asks the backend whether the array is a
  view of memory that somebody else may hold.

PyPy counts no references, and the counts of a free-threaded CPython are not exact. There
`held_once` is always False: the engine copies, which is slower and never wrong.
"""

from __future__ import annotations

import sys

from ..backends import Array, backend_of
from ..backends.ownership import BESIDES

__all__ = ["held_once"]


def held_once(x: Array, others: int = 0) -> bool:
    """Whether a single place holds the array x, and no view shares its memory.

    Call it with an attribute or an item, as in `held_once(node.value)`: a variable given as
    argument would count as one more place.

    Args:
        others: how many more places, known to the caller, hold x.
    """
    # Not through `holders`: an inner call would count x once more.
    return sys.getrefcount(x) - BESIDES == 1 + others and backend_of(x).owns_memory(x)
