"""Elementary functions that SciPy calls special."""

from __future__ import annotations

from ... import ops
from ...engine.arrays import namespace
from ...graph import TensorNode
from ..common import NodeOrArray, floating

__all__ = ["entr", "expit"]


def entr(x: NodeOrArray) -> TensorNode:
    """Compute -x log(x), whose sum is the entropy: 0 at 0, and -inf below 0."""
    xp = namespace(x)
    y = -x * xp.log(xp.where(x > 0, x, 1.0))
    return xp.where(x < 0, -xp.inf, y)


def expit(x: NodeOrArray) -> TensorNode:
    """Compute the logistic sigmoid, 1 / (1 + exp(-x))."""
    return ops.Sigmoid.do_forward(floating(x))
