"""Dropout, as a module."""

from __future__ import annotations

from typing import Any

from .. import functions
from ..graph import TensorNode
from .module import Module


class Dropout(Module):
    """In training, each element becomes 0 with probability p, and the others are divided by
    1 - p: see `gradcore.dropout`. After `eval()`, x as it is.

    Raises:
        ValueError: p is not in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p = {p}, expected a probability, from 0 to 1")
        self.p = p

    def forward(self, x: Any) -> TensorNode:
        return functions.dropout(x, self.p, self.training)

    def __repr__(self) -> str:
        return f"Dropout({self.p})"
