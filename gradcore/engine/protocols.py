"""Types for the nodes of graph.py, as the engine uses them: no file here imports graph.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from weakref import ref

__all__ = ["Node", "OpApplication"]


class Node(Protocol):
    """A `TensorNode`."""

    value: Any
    source: Any
    index: int
    requires_grad: bool
    _requires_grad: bool
    hooks: Any
    _grad: Any
    _owned: bool | None


class OpApplication(Protocol):
    """An `OpNode`."""

    op: Any
    context: Any
    inputs: Sequence[Any]
    arrays: Sequence[Any]
    order: int
    calls: Any
    hooks: Any
    refs: list[ref[Any]]
    specs: Sequence[Any]

    @property
    def outputs(self) -> tuple[Any, ...]: ...
