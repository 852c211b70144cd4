"""Dropout: elements that become 0 at random in training."""

from __future__ import annotations

from .. import ops
from ..array_api.common import NodeOrArray
from ..backends import random
from ..engine.arrays import raw_array
from ..graph import TensorNode
from ..replay.recording import number

__all__ = ["dropout"]


def dropout(x: NodeOrArray, p: float = 0.5, training: bool = True) -> TensorNode:
    """Set each element of x to 0 with probability p, and divide the others by 1 - p
    (https://jmlr.org/papers/v15/srivastava14a.html). Unless `training`, x stays as it is.

    `manual_seed` seeds the random numbers. The same seed gives the same zeros on every backend.

    Raises:
        ValueError: p is not in [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p = {p}, expected a probability, from 0 to 1")
    if not training or p == 0:
        return ops.Id.do_forward(x)
    key = number(random.new_key, raw_array(x), "uint64")
    return ops.Dropout.do_forward(x, p=p, key=key)
