"""Walks over a graph, from results to what they were made of. No walk is recursive: a graph may be
deeper than Python's stack."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable
from typing import Any

from .arrays import is_node
from .protocols import OpApplication

__all__ = ["ancestors", "apply_assignments", "assigned", "first_uses", "paths_between"]

# The nodes that were assigned to (`x[key] = y`), by id, while they live. An OpNode that was applied
# to such a node before the assignment still names the node among its inputs, and must find the
# node's earlier value there; see array_api/assignment.py.
assigned: dict[int, weakref.ref[Any]] = {}


def ancestors(nodes: Iterable[Any], first: int = 0) -> list[OpApplication]:
    """Find all OpNodes that the nodes depend on, also where a graph was released.

    Where an input of an OpNode was assigned to later, the walk replaces the input by the node of
    the earlier value.

    Args:
        first: leave out OpNodes of a lower order.
    """
    seen: dict[OpApplication, None] = {}
    stack = list(map(_source, nodes))
    while stack:
        opnode = stack.pop()
        if opnode and opnode not in seen and opnode.order >= first:
            seen[opnode] = None
            if assigned:
                opnode.inputs = [_before(x, opnode.order) for x in opnode.inputs]
            stack += map(_source, opnode.inputs)
    return list(seen)


def apply_assignments(nodes: Iterable[Any]) -> None:
    """Restore, in each OpNode that the nodes depend on, the inputs from before later assignments
    (`x[key] = y`)."""
    if assigned:
        ancestors(nodes)


def _source(x: Any) -> Any:
    """Find the OpNode that computed an input; in a released graph, the input itself is one."""
    return x.source if is_node(x) else x if hasattr(x, "inputs") else None


def _before(x: Any, order: int) -> Any:
    """Find the node that an OpNode of this order was applied to, if x was assigned to later. Each
    assignment gives x a younger source, whose last input is x as it was before."""
    while is_node(x) and x.source and x.source.order > order:
        before = x.source.inputs[-1]
        if not is_node(before):  # released; a backward pass that comes here raises an error
            break
        x = before
    return x


def paths_between(
    roots: Iterable[Any], wanted: Collection[Any], since: int = 0
) -> dict[Any, list[bool]]:
    """Find the paths from the roots down to the wanted nodes.

    Args:
        wanted: a collection that finds nodes by identity, such as the keys of a dictionary.
        since: follow only OpNodes of this order and above. A wanted node's own source is in the
            result even if it is older; the search stops there.

    Returns:
        A dictionary of the OpNodes on the paths, and of the wanted nodes' own sources (of a leaf:
        the leaf itself); for each, which of its inputs lead to a wanted node.
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


def first_uses(roots: Iterable[Any], leaves: Collection[Any]) -> dict[OpApplication, list[Any]]:
    """Find the oldest OpNode that uses each leaf. A backward pass visits the newest first, so
    after this one it adds nothing to the leaf's gradient any more.

    Args:
        leaves: a collection that finds nodes by identity.

    Returns:
        The leaves by that OpNode; those that the roots do not depend on are left out.
    """
    oldest: dict[Any, OpApplication] = {}
    for opnode in ancestors(roots):
        for x in opnode.inputs:
            if is_node(x) and x in leaves and opnode.order <= oldest.get(x, opnode).order:
                oldest[x] = opnode
    uses: dict[OpApplication, list[Any]] = {}
    for leaf, opnode in oldest.items():
        uses.setdefault(opnode, []).append(leaf)
    return uses
