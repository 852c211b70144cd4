"""The error function and its kin."""

from __future__ import annotations

from ... import ops
from ...graph import TensorNode
from ..common import NodeOrArray, floating

__all__ = ["erf", "erfc"]


def erf(x: NodeOrArray) -> TensorNode:
    """Compute the error function: 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x."""
    return ops.Erf.do_forward(floating(x))


def erfc(x: NodeOrArray) -> TensorNode:
    """Compute 1 - erf(x), exactly even where the result is close to 0."""
    return ops.Erfc.do_forward(floating(x))
