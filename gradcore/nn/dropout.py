"""Dropout, as a module."""

from __future__ import annotations

from .. import functions
from ..backends import Array
from ..graph import TensorNode
from .module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """Set elements of x (...) to 0, each with probability p, and divide the others by 1 - p: see
    `gradcore.dropout`. After `eval()`, leave x as it is.

    Raises:
        ValueError: p is not in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p = {p}, expected a probability, from 0 to 1")
        self.p = p

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return functions.dropout(x, self.p, self.training)

    def __repr__(self) -> str:
        return f"Dropout({self.p})"
