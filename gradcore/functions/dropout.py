"""TODO"""

from __future__ import annotations

from typing import Any

from .. import ops
from ..backends import random
from ..engine.arrays import raw_array
from ..graph import TensorNode
from ..replay.recording import number

__all__ = ["dropout"]


def dropout(x: Any, p: float = 0.5, training: bool = True) -> TensorNode:
    """In training, each element of x becomes 0 with probability p, and the others are divided by
    1 - p (https://jmlr.org/papers/v15/srivastava14a.html); else x as it is.

    The generator that `manual_seed` seeds decides which: the same on every backend.

    Raises:
        ValueError: p is not in [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p = {p}, expected a probability, from 0 to 1")
    if not training or p == 0:
        return ops.Id.do_forward(x)
    key = number(random.new_key, raw_array(x), "uint64")
    return ops.Dropout.do_forward(x, p=p, key=key)
