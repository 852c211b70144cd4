"""Exchange states of modules with PyTorch. PyTorch itself is not needed: a state is arrays.

A twin of a module is a PyTorch module whose attributes have the same names. The states of the two
differ in three things:

    in gradcore                          in PyTorch
    `w` and `b` of a layer               `weight` and `bias`
    the bias of a Linear: (1, M)         (M,)
    modules of a Sequential: `layers.0`  `0`

A layer here is one of `gradcore.nn`, or of a class made from one. In a module of your own, `w` and
`b` stay `w` and `b`, as in a twin; a state that has `weight` and `bias` there is read as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..backends import Array
from ..engine.arrays import copied, namespace
from ..graph import TensorNode
from .convolution import Conv2d
from .layers import Embedding, Linear, Sequential
from .module import Module, load_values, members
from .normalization import BatchNorm1d, GroupNorm, LayerNorm, RMSNorm

__all__ = ["load_torch_state_dict", "torch_state_dict"]

NAMES = {"w": "weight", "b": "bias"}
LAYERS = Linear, Embedding, Conv2d, LayerNorm, RMSNorm, GroupNorm, BatchNorm1d


def torch_state_dict(module: Module) -> dict[str, Array]:
    """Copy the values of all nodes of a module, with PyTorch's names and shapes.

    A twin in PyTorch takes this state as tensors:

        twin.load_state_dict({name: torch.from_dlpack(x) for name, x in state.items()})

    Raises:
        ValueError: two nodes would have the same name.
    """
    nodes, rows, _ = _named_nodes(module)
    arrays = {name: copied(node.value) for name, node in nodes.items()}
    flat = {name: namespace(arrays[name]).reshape(arrays[name], (-1,)) for name in rows}
    return arrays | flat


def load_torch_state_dict(module: Module, state: Mapping[str, Array]) -> None:
    """Set all nodes of a module to copies of the values in the `state_dict` of a twin in PyTorch.

    Args:
        state: tensors, or arrays of any backend, of any real dtype (bfloat16 and float8 too). Each
            node stays on its own device and keeps its own dtype. What is one node in several places
            ("tied") may have any of its names. Values are read without the graph that a tensor may
            carry, so `dict(twin.named_parameters())` is a state too.

    Raises:
        ValueError: names or shapes differ from those of this module; or an entry is not a dense
            array of real numbers, as sparse, quantized and meta tensors are not. Nothing is
            changed.
    """
    nodes, rows, others = _named_nodes(module)
    what = f"load_torch_state_dict: {type(module).__name__}"
    names: dict[TensorNode, list[str]] = {}
    for name, node in (*nodes.items(), *((n, x) for n, x in others.items() if n not in nodes)):
        names.setdefault(node, []).append(name)
    if isinstance(state, Mapping):
        state = {
            name: x[None] if name in rows and getattr(x, "ndim", 0) == 1 else x
            for name, x in state.items()
        }
    load_values(what, names, state)


def _named_nodes(
    root: Module,
) -> tuple[dict[str, TensorNode], list[str], dict[str, TensorNode]]:
    """Find the nodes of the state, by PyTorch's names; the names of biases of a Linear; and, by
    other names that they may have in PyTorch, the nodes that modules of the user's call w and b.

    A node in several places is found under each of its names, as in PyTorch.
    """
    found: dict[str, TensorNode] = {}
    others: dict[str, TensorNode] = {}
    rows: list[str] = []  # the names of biases that are rows here, and have one axis in PyTorch
    stack: list[tuple[str, tuple[Module, ...]]] = [("", (root,))]
    while stack:
        prefix, path = stack.pop()
        module = path[-1]
        inner = []
        for attribute, x in members(module):
            name = attribute
            if isinstance(module, Sequential):
                name = name.removeprefix("layers.")
            if isinstance(x, TensorNode):
                if isinstance(module, LAYERS):
                    name = NAMES.get(name, name)
                elif name in NAMES:
                    others[prefix + NAMES[name]] = x
                name = prefix + name
                if found.setdefault(name, x) is not x:
                    raise ValueError(
                        f"{type(root).__name__}: two parameters would be named {name} in PyTorch; "
                        "rename one"
                    )
                if isinstance(module, Linear) and attribute == "b":
                    rows.append(name)
            elif not any(x is above for above in path):
                inner.append((f"{prefix}{name}.", (*path, x)))
        stack += reversed(inner)
    return found, rows, others
