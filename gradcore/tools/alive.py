"""How much memory a graph and its gradients take, step by step through both passes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import flat, is_node, value_of
from ..graph import TensorNode
from .folding import Folding, Key

__all__ = ["bytes_of", "memory"]


def memory(
    graph: Folding, loss: TensorNode, visits: Sequence[int], gradients: Iterable[Key]
) -> list[int]:
    """Compute how many bytes are alive at each step: arrays that the graph holds, from the op that
    made them to the backward step that releases the last op that holds them; and gradients, those
    of leaves to the end. Views of one array count once, as the largest.

    Args:
        visits: the numbers of the ops in the order of the backward pass.
        gradients: the keys of the values that have one.
    """
    n = len(graph.ops)
    end = n + len(visits)
    released = {i: n + k for k, i in enumerate(visits)}
    sizes: dict[int, int] = {}
    born: dict[int, int] = {}
    dies: dict[int, int] = {}
    change = [0] * (end + 1)

    def held(x: Any, since: int, until: int) -> None:
        at = id(_owner(x))
        sizes[at] = max(sizes.get(at, 0), bytes_of(x))
        born[at] = min(born.get(at, since), since)
        dies[at] = max(dies.get(at, until), until)

    for i, opnode in enumerate(graph.ops):
        for x in opnode.inputs:
            if is_node(x) and x.source is None:
                held(x.value, 0, end)  # leaves, which the caller holds
        until = released.get(i, end)
        for x in (*opnode.arrays, *flat((opnode.context or {}).values())):
            if hasattr(x, "dtype"):
                held(value_of(x), i, until)
        for y in opnode.outputs:
            held(y.value, i, end if y is loss else i)
    for at, size in sizes.items():
        change[born[at]] += size
        if dies[at] < end:
            change[dies[at] + 1] -= size
    first: dict[Key, int] = {graph.key(loss): n}
    for k, i in enumerate(visits):
        for key in graph.inputs[i]:
            first.setdefault(key, n + k)
    for key in gradients:
        size = bytes_of(value_of(graph.things[key]))
        change[first.get(key, n)] += size
        if key[0] >= 0:
            change[released[key[0]] + 1] -= size
    alive, result = 0, []
    for bytes_more in change[:end]:
        alive += bytes_more
        result.append(alive)
    return result


def bytes_of(x: Array) -> int:
    """Count the bytes of an array."""
    if hasattr(x, "nbytes"):
        return int(x.nbytes)
    xp = backend_of(x).xp
    kinds = {"bool": 8, "complex64": 64, "complex128": 128}
    name = str(x.dtype).rpartition(".")[2]
    info = xp.iinfo if xp.isdtype(x.dtype, "integral") else xp.finfo
    return math.prod(x.shape) * (kinds[name] if name in kinds else info(x.dtype).bits) // 8


def _owner(x: Any) -> Any:
    """Find the array whose memory x looks at, as far as its library says."""
    while type(base := getattr(x, "base", None)) is type(x):
        x = base
    return x
