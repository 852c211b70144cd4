"""Exchange states of modules with PyTorch. PyTorch itself is not needed: a state is arrays.

A twin of a module is a PyTorch module whose attributes have the same names. The states of the two
differ in two things:

    in gradcore                   in PyTorch
    `w` and `b` of a layer        `weight` and `bias`
    the bias of a Linear: (1, M)  (M,)

A layer here is one of `gradcore.nn`, or of a class made from one. In a module of your own, `w` and
`b` stay `w` and `b`, as in a twin. `Module.load_state_dict` reads both kinds of names.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..backends import Array
from ..engine.arrays import copied, namespace
from ..graph import TensorNode
from .module import IncompatibleKeys, Module, load_values, persistent

__all__ = ["load_torch_state_dict", "torch_state_dict"]


def torch_state_dict(module: Module) -> dict[str, Array]:
    """Copy the values of all nodes of a module, with PyTorch's names and shapes.

    A twin in PyTorch takes this state as tensors:

        twin.load_state_dict({name: torch.from_dlpack(x) for name, x in state.items()})

    Raises:
        ValueError: two nodes would have the same name.

    Example:
        >>> state = nn.torch_state_dict(nn.Linear(4, 3))
        >>> print({name: x.shape for name, x in state.items()})
        {'weight': (3, 4), 'bias': (3,)}
    """
    arrays: dict[str, Array] = {}
    for name, (owner, place, node) in _places(module).items():
        x = copied(node.value)
        arrays[name] = namespace(x).reshape(x, (-1,)) if place in owner._state_rows else x
    return arrays


def load_torch_state_dict(
    module: Module, state: Mapping[str, Array], strict: bool = True
) -> IncompatibleKeys:
    """Set all nodes of a module to copies of the values in the `state_dict` of a twin in PyTorch:
    `Module.load_state_dict`, whose errors call what is missing by PyTorch's names.

    Args:
        state: tensors, or arrays of any backend, of any real dtype (bfloat16 and float8 too). Each
            node stays on its own device and keeps its own dtype. What is one node in several places
            ("tied") may have any of its names. Values are read without the graph that a tensor may
            carry, so `dict(twin.named_parameters())` is a state too.
        strict: whether it is an error if names are missing or unexpected.

    Returns:
        A tuple of two lists, `missing_keys` and `unexpected_keys`.

    Raises:
        ValueError: names or shapes differ from those of this module; or an entry is not a dense
            array of real numbers, as sparse, quantized and meta tensors are not. Nothing is
            changed.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> state = {"weight": np.array([[1.0, 2.0]]), "bias": np.array([3.0])}
        >>> print(nn.load_torch_state_dict(layer, state).missing_keys)
        []
        >>> print(layer(TensorNode([[10.0, 20.0]])))
        [[53.]]
    """
    first: dict[TensorNode, str] = {}
    for name, (_, _, node) in _places(module).items():
        first.setdefault(node, name)
    nodes = [(name, node) for node, name in first.items()]
    what = f"load_torch_state_dict: {type(module).__name__}"
    return load_values(what, module, nodes, state, strict)


def _places(root: Module) -> dict[str, tuple[Module, str, TensorNode]]:
    """Find the nodes of the state, by PyTorch's names: the module that holds each, its name there,
    and itself. A node in several places is found under each of its names, as in PyTorch.
    """
    found: dict[str, tuple[Module, str, TensorNode]] = {}
    stack: list[tuple[str, tuple[Module, ...]]] = [("", (root,))]
    while stack:
        prefix, path = stack.pop()
        module = path[-1]
        inner = []
        for place, x in persistent(module):
            if isinstance(x, TensorNode):
                name = prefix + module._torch_names.get(place, place)
                if found.setdefault(name, (module, place, x))[2] is not x:
                    raise ValueError(
                        f"{type(root).__name__}: two parameters would be named {name} in PyTorch; "
                        "rename one"
                    )
            elif not any(x is above for above in path):
                inner.append((f"{prefix}{place}.", (*path, x)))
        stack += reversed(inner)
    return found
