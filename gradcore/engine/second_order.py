"""Replace arrays by nodes, so that a backward pass builds a graph of its own: for gradients of
gradients."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..backends import BACKEND_OF_TYPE
from .arrays import flat, is_discrete, is_node
from .protocols import OpApplication

__all__ = ["as_nodes", "with_nodes"]


def as_nodes(gradients: Iterable[Any], node: Callable[..., Any]) -> list[Any]:
    """Make constants, of the class `node`, of gradients that are arrays; nodes and `None` stay."""
    return [g if g is None or is_node(g) else node(g, requires_grad=False) for g in gradients]


def with_nodes(
    opnode: OpApplication, context: Mapping[str, Any], node: Callable[..., Any]
) -> dict[str, Any]:
    """Copy the context, with nodes in place of the arrays of the op's inputs and outputs.

    Args:
        node: the class of nodes to make where an array has no node any more.

    Raises:
        RuntimeError: the value of an input was replaced since the op was applied; or the context
            has a floating array that is neither an input nor an output.
    """
    op = opnode.op.__name__
    nodes = {id(y.value): y for y in opnode.outputs}
    seen = {id(a) for a in opnode.arrays}
    for a, x in zip(opnode.arrays, opnode.inputs, strict=True):
        replaced = is_node(x) and id(x.value) not in seen
        if replaced and x.requires_grad:
            raise RuntimeError(
                f"backward: an input of {op} was given another value since, and create_graph "
                "differentiates by the one before; assign after this pass"
            )
        if type(a) in BACKEND_OF_TYPE:
            nodes[id(a)] = x if is_node(x) and not replaced else node(a, requires_grad=False)
    for i, spec in enumerate(opnode.specs):
        for entry in flat(context.values()):
            if id(entry) == spec[0] and id(entry) not in nodes:  # the output's node was dropped
                nodes[spec[0]] = dropped = node(entry)
                dropped.source, dropped.index = opnode, i
                opnode.refs[i] = weakref.ref(dropped)
    return {key: _translated(op, key, entry, nodes) for key, entry in context.items()}


def _translated(op: str, key: str, entry: Any, nodes: dict[int, Any]) -> Any:
    """Replace the arrays in an entry of a context by their nodes, found by the arrays' ids.

    Raises:
        RuntimeError: a floating array has no node.
    """
    if isinstance(entry, tuple | list):
        return tuple([_translated(op, key, e, nodes) for e in entry])
    if isinstance(entry, dict):
        return {k: _translated(op, key, e, nodes) for k, e in entry.items()}
    if id(entry) not in nodes and hasattr(entry, "dtype") and not is_discrete(entry):
        raise RuntimeError(
            f"{op} has no gradient of its gradient: context[{key!r}] is neither an input nor an "
            "output of the op; save those and compute the rest in backward"
        )
    return nodes.get(id(entry), entry)
