"""Gradients of kernels, by their own definitions.

The base class of the backends defines each kernel in plain array API code, and nodes are array API
objects: the definition can be run on nodes, and differentiated. So the gradient of the gradient of
a fused kernel needs no formula of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from ..backends import Backend, backend_of
from ..graph import TensorNode, creation
from ..higher import gradients
from ..modes import building
from ..operators import Operators
from ..values import is_node, unwrap
from .elementwise import Id


def differentiated(kernel: str, inputs: Sequence[Any], gos: Sequence[Any], **constants: Any) -> Any:
    """The gradients of a kernel's inputs, by the definition of the kernel.

    Args:
        kernel: the name of the method of `Backend`.
        inputs: arrays or nodes, all floating.
        gos: the gradients of what it gives; `None` for zero.

    Returns:
        For each input an array, or `None` for zero; nodes, with a graph, where there are any in.
    """
    create, since = any(map(is_node, (*inputs, *gos))), next(creation)
    # Apart from the nodes given, this derivative ends; made of them, further ones go on.
    starts = [Id.do_forward(x) if is_node(x) else TensorNode(x) for x in inputs]
    with building(True):
        ys = getattr(definitions(backend_of(unwrap(inputs[0]))), kernel)(*starts, **constants)
    ys = ys if isinstance(ys, tuple) else (ys,)
    seeds = [(y, go) for y, go in zip(ys, gos, strict=True) if go is not None]
    return tuple(gradients(seeds, starts, create, retain=create, since=since))


@cache
def definitions(backend: Backend) -> Backend:
    """What the base class says that the backend's kernels do, on nodes of its arrays."""
    xp = Operators.array_api.namespace_of(backend)
    return type("Definitions", (Backend,), {"name": backend.name, "xp": xp})()
