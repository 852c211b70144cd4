"""Functions whose steps are recorded once and repeated, as in `autograd.misc.tracers`."""

from __future__ import annotations

__all__ = ["const_graph", "full_graph"]

const_graph = full_graph = None
