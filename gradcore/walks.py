"""Walks over a graph, from results to what they were made of. None of them is recursive."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from .values import is_node

if TYPE_CHECKING:
    from .graph import OpNode, TensorNode


# By id, the nodes that were assigned to, while they live: what has them as inputs may mean what
# they were before. See assignment.py.
assigned: dict[int, weakref.ref[TensorNode]] = {}


def _source(x: Any) -> OpNode | None:
    """The OpNode behind an input of an OpNode: in a released graph, it stands there itself."""
    return x.source if is_node(x) else x if hasattr(x, "inputs") else None


def ancestors(nodes: Iterable[TensorNode], first: int = 0) -> list[OpNode]:
    """All OpNodes behind the nodes, also where the graph was released; none that is older than
    the order `first`. Sets right their inputs, where a node among these was assigned to since."""
    seen: dict[OpNode, None] = {}
    stack = list(map(_source, nodes))
    while stack:
        opnode = stack.pop()
        if opnode and opnode not in seen and opnode.order >= first:
            seen[opnode] = None
            if assigned:
                opnode.inputs = [_at(x, opnode.order) for x in opnode.inputs]
            stack += map(_source, opnode.inputs)
    return list(seen)


def _at(x: Any, order: int) -> Any:
    """What an input of an OpNode of that order was: assignments make nodes younger."""
    while is_node(x) and x.source and x.source.order > order:
        before = x.source.inputs[-1]
        if not is_node(before):  # the assignment was released, as a pass that comes to it says
            break
        x = before
    return x


def paths_between(
    roots: Iterable[TensorNode], wanted: Collection[TensorNode], since: int = 0
) -> dict[Any, list[bool]]:
    """The OpNodes on the paths from the roots down to the wanted nodes, and these nodes' own
    sources, or, of a leaf, itself; for each, which of its inputs lead to a wanted node.

    Args:
        wanted: a collection that finds nodes by identity, such as a dictionary's keys.
        since: of the OpNodes with a lower order, only the wanted nodes' own are there, as if
            they had no inputs.
    """
    paths: dict[Any, list[bool]] = {node.source or node: [] for node in wanted}
    first = min((node.source.order if node.source else 0 for node in wanted), default=0)
    for opnode in sorted(ancestors(roots, max(first, since)), key=lambda opnode: opnode.order):
        leads = [
            (is_node(x) and x in wanted) or any(paths.get(_source(x), ())) for x in opnode.inputs
        ]
        if True in leads or opnode in paths:
            paths[opnode] = leads
    return paths
