"""States of modules for PyTorch and from it. PyTorch itself is not needed: a state is arrays.

A module and its twin in PyTorch, whose attributes have the same names, have the same state but for
this: gradcore's layers say `w` and `b`, PyTorch's `weight` and `bias`; a Linear's bias has the
shape (1, output_size) here and (output_size,) there; what a Sequential consists of is `layers.0`,
`layers.1`, ... here and `0`, `1`, ... there.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..backends import Array
from ..engine.arrays import copied, namespace, node_or_array
from ..graph import TensorNode
from .layers import Linear, Sequential
from .module import Module, load_values, members

NAMES = {"w": "weight", "b": "bias"}


def torch_state_dict(module: Module) -> dict[str, Array]:
    """The module's `state_dict`, with PyTorch's names and shapes.

    A twin in PyTorch takes it as tensors:

        twin.load_state_dict({name: torch.from_dlpack(x) for name, x in state.items()})

    Raises:
        ValueError: two have the same name.
    """
    nodes, rows = _named_nodes(module)
    arrays = {name: copied(node.value) for name, node in nodes.items()}
    flat = {name: namespace(arrays[name]).reshape(arrays[name], (-1,)) for name in rows}
    return arrays | flat


def load_torch_state_dict(module: Module, state: Mapping[str, Array]) -> None:
    """Give the module's parameters copies of the values in the `state_dict` of a twin in PyTorch.

    Args:
        state: tensors, or arrays of any backend; of any dtype. Each parameter stays on its own
            device and keeps its own dtype.

    Raises:
        ValueError: names or shapes are not those of this module; nothing was changed then.
    """
    nodes, rows = _named_nodes(module)
    arrays = {name: node_or_array(x) for name, x in state.items()}
    for name in rows:
        if name in arrays and arrays[name].ndim == 1:
            arrays[name] = namespace(arrays[name]).reshape(arrays[name], (1, -1))
    load_values(f"load_torch_state_dict: {type(module).__name__}", nodes, arrays)


def _named_nodes(root: Module) -> tuple[dict[str, TensorNode], list[str]]:
    """The nodes of the state by PyTorch's names, and which are the biases of a Linear.

    As in PyTorch, what is shared is there under each of its names.
    """
    found: dict[str, TensorNode] = {}
    rows: list[str] = []
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
