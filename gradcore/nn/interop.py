"""Exchange states of modules with PyTorch. PyTorch itself is not needed: a state is arrays.

A twin of a module is a PyTorch module whose attributes have the same names. The states of the two
differ in three things:

    in gradcore                          in PyTorch
    `w` and `b`                          `weight` and `bias`
    the bias of a Linear: (1, M)         (M,)
    modules of a Sequential: `layers.0`  `0`
"""

from __future__ import annotations

from collections.abc import Mapping

from ..backends import Array
from ..engine.arrays import copied, namespace, node_or_array
from ..graph import TensorNode
from .layers import Linear, Sequential
from .module import Module, load_values, members

__all__ = ["load_torch_state_dict", "torch_state_dict"]

NAMES = {"w": "weight", "b": "bias"}


def torch_state_dict(module: Module) -> dict[str, Array]:
    """Copy the values of all nodes of a module, with PyTorch's names and shapes.

    A twin in PyTorch takes this state as tensors:

        twin.load_state_dict({name: torch.from_dlpack(x) for name, x in state.items()})

    Raises:
        ValueError: two nodes would have the same name.
    """
    nodes, rows = _named_nodes(module)
    arrays = {name: copied(node.value) for name, node in nodes.items()}
    flat = {name: namespace(arrays[name]).reshape(arrays[name], (-1,)) for name in rows}
    return arrays | flat


def load_torch_state_dict(module: Module, state: Mapping[str, Array]) -> None:
    """Set all nodes of a module to copies of the values in the `state_dict` of a twin in PyTorch.

    Args:
        state: tensors, or arrays of any backend, of any dtype. Each node stays on its own device
            and keeps its own dtype.

    Raises:
        ValueError: names or shapes differ from those of this module; nothing is changed.
    """
    nodes, rows = _named_nodes(module)
    arrays = {name: node_or_array(x) for name, x in state.items()}
    for name in rows:
        if name in arrays and arrays[name].ndim == 1:
            arrays[name] = namespace(arrays[name]).reshape(arrays[name], (1, -1))
    load_values(f"load_torch_state_dict: {type(module).__name__}", nodes, arrays)


def _named_nodes(root: Module) -> tuple[dict[str, TensorNode], list[str]]:
    """Find the nodes of the state, by PyTorch's names, and the names of biases of a Linear.

    A node in several places is found under each of its names, as in PyTorch.
    """
    found: dict[str, TensorNode] = {}
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
                name = prefix + NAMES.get(name, name)
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
    return found, rows
