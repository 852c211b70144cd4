"""`autograd.misc`: flat vectors of trees, optimizers, fixed points, traces."""

from __future__ import annotations

from .flatten import flatten as flatten
from .tracers import const_graph as const_graph

__all__ = ["const_graph", "flatten"]
