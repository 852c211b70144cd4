"""Gradients of kernels, computed from the kernels' definitions.

The base class of the backends defines each kernel in plain array API code. Nodes are array API
objects, so the definition also runs on nodes, and its gradient is that of the ops it consists of.
So a fused kernel that computes gradients needs no formula for its own gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from ..backends import Array, Backend, backend_of
from ..engine.arrays import is_node, namespace, value_of
from ..engine.modes import building
from ..engine.operators import Operators
from ..graph import TensorNode, gradients, op_counter
from .elementwise import Id

__all__ = ["definitions", "differentiated", "differentiated_by_elements"]

SOME = 1 << 15  # elements: their graph may have a thousand arrays


def differentiated(
    kernel: str,
    inputs: Sequence[TensorNode | Array],
    gos: Sequence[TensorNode | Array | None],
    wanted: Sequence[bool] | None = None,
    **constants: Any,
) -> tuple[TensorNode | Array | None, ...]:
    """Compute the gradients of a kernel's inputs from the definition of the kernel.

    Args:
        kernel: the name of the method of `Backend`.
        inputs: the kernel's inputs, all floating.
        gos: the gradients of the kernel's outputs; `None` for zero.
        wanted: of which inputs the gradients are asked for; `None`: of all.
        constants: the kernel's other arguments.

    Returns:
        The gradient of each input, or `None` for zero. If an input or gradient is a node, these
        are nodes with a graph.
    """
    create, since = any(map(is_node, (*inputs, *gos))), next(op_counter)
    # The pass below ends at new nodes. Those made by Id are linked to the nodes given, so that
    # gradients of these gradients go further.
    starts = [
        Id.do_forward(x) if is_node(x) else TensorNode(x, requires_grad=asked)
        for x, asked in zip(inputs, wanted or [True] * len(inputs), strict=True)
    ]
    with building(True):
        ys = getattr(definitions(backend_of(value_of(inputs[0]))), kernel)(*starts, **constants)
    ys = ys if isinstance(ys, tuple) else (ys,)
    seeds = [(y, go) for y, go in zip(ys, gos, strict=True) if go is not None]
    return tuple(gradients(seeds, starts, create, retain=create, since=since))


def differentiated_by_elements(
    kernel: str, inputs: Sequence[TensorNode | Array], go: TensorNode | Array
) -> tuple[TensorNode | Array | None, ...]:
    """Do as `differentiated` for a kernel that computes each element by itself, some elements of
    large arrays at a time: the graph of the definition takes much memory."""
    size = math.prod(go.shape)
    if size <= SOME or any(map(is_node, (*inputs, go))):
        return differentiated(kernel, inputs, (go,))
    xp = namespace(go)
    flat = [xp.reshape(xp.broadcast_to(x, go.shape), (-1,)) for x in (*inputs, go)]
    parts = []
    for i in range(0, size, SOME):
        *xs, g = (x[i : i + SOME] for x in flat)
        parts.append(differentiated(kernel, xs, (g,)))
    return tuple(
        [
            None if gs[0] is None else xp.reshape(xp.concat(gs), go.shape)
            for gs in zip(*parts, strict=True)
        ]
    )


@cache
def definitions(backend: Backend) -> Backend:
    """Return a backend whose kernels are the base class's definitions, for nodes of arrays of the
    given backend."""
    xp, ops = Operators.array_api.namespace_of(backend), Operators.ops
    # One op in place of the hundred that its definition consists of.
    lgamma = staticmethod(ops.LogGamma.do_forward)
    # An op whose gradient is exact also where y is 0.
    relu_gradient = staticmethod(ops.ReluGradient.do_forward)
    kernels = {"lgamma": lgamma, "relu_gradient": relu_gradient}
    return type("Definitions", (Backend,), {"name": backend.name, "xp": xp, **kernels})()
