"""Backward passes for chosen nodes; and what one that builds a graph, for gradients of gradients,
needs besides."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from . import values
from .backends import known
from .graph import Context, OpNode, TensorNode, backpropagate


def as_nodes(gradients: Iterable[Any]) -> list[Any]:
    """The gradients, those that are arrays as constants; `None` stays."""
    keep = (type(None), TensorNode)
    return [g if isinstance(g, keep) else TensorNode(g, requires_grad=False) for g in gradients]


def with_nodes(opnode: OpNode, context: Context) -> Context:
    """The context, with nodes in place of the arrays of inputs and outputs.

    Raises:
        RuntimeError: an input's value was replaced since, or there are other floating arrays.
    """
    op = opnode.op.__name__
    nodes = {id(y.value): y for y in opnode.outputs}
    seen = {id(a) for a in opnode.arrays}
    for a, x in zip(opnode.arrays, opnode.inputs, strict=True):
        replaced = isinstance(x, TensorNode) and id(x.value) not in seen
        if replaced and x.requires_grad:
            raise RuntimeError(f"an input of {op} was given another value since")
        if type(a) in known:
            is_node = isinstance(x, TensorNode) and not replaced
            nodes[id(a)] = x if is_node else TensorNode(a, requires_grad=False)
    for i, spec in enumerate(opnode.specs):
        for entry in values.flat(context.values()):
            if id(entry) == spec[0] and id(entry) not in nodes:  # its node was dropped
                nodes[spec[0]] = node = TensorNode(entry)
                node.source, node.index, opnode.refs[i] = opnode, i, weakref.ref(node)
    return {key: _translated(op, key, entry, nodes) for key, entry in context.items()}


def _translated(op: str, key: str, entry: Any, nodes: dict[int, Any]) -> Any:
    """An entry of a context with nodes, by the ids of their values, in place of arrays.

    Raises:
        RuntimeError: a floating array in it is not among these.
    """
    if isinstance(entry, tuple | list):
        return tuple([_translated(op, key, e, nodes) for e in entry])
    if isinstance(entry, dict):
        return {k: _translated(op, key, e, nodes) for k, e in entry.items()}
    if id(entry) not in nodes and hasattr(entry, "dtype") and not values.is_discrete(entry):
        raise RuntimeError(
            f"{op} has no gradient of its gradient: context[{key!r}] is neither an input nor an "
            "output of the op; save those and compute the rest in backward"
        )
    return nodes.get(id(entry), entry)


def gradients(
    seeds: Sequence[tuple[TensorNode, Any]],
    wanted: Sequence[TensorNode],
    create: bool = False,
    retain: bool = True,
    since: int = 0,
) -> list[Any]:
    """The gradients of `wanted`, nodes anywhere in a graph, and of no others.

    Args:
        seeds: the nodes that the pass starts from, each with its gradient.
        create: give nodes, that have a graph of their own.
        retain: keep the graph for another pass.
        since: go through OpNodes of this order and above only.

    Returns:
        For each an array or node, or `None` where no seed depends on it.
    """
    if create:
        seeds = list(zip([y for y, _ in seeds], as_nodes([g for _, g in seeds]), strict=True))
    into = {node: TensorNode(node.value) for node in wanted}
    backpropagate(seeds, retain, create, into, since)
    return [into[node].grad if into[node].has_grad else None for node in wanted]
