"""Modules: parameters, together with the function that uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from reprlib import recursive_repr
from typing import Any, Self
from weakref import ref

from ..backends import Array, backend_of, get
from ..engine.arrays import copied, describe, flat, is_real_floating, loaded, namespace
from ..engine.hooks import Handle
from ..graph import TensorNode, op_counter
from .hooks import Hook, Hooks

__all__ = ["Module", "load_values", "members"]


class Module:
    """Parameters, together with the function that uses them.

    A subclass makes its parameters and submodules in `__init__`, as attributes, and computes its
    output in `forward`:

        class MLP(Module):
            def __init__(self):
                self.layer1 = Linear(784, 100)
                self.layer2 = Linear(100, 10)

            def forward(self, x):
                return logsoftmax(self.layer2(sigmoid(self.layer1(x))))

    A module finds its parameters and submodules by itself: it looks through its attributes, and
    through the lists, tuples and dictionaries in them. A parameter is a TensorNode that requires
    a gradient and that no op computed. A node with `requires_grad=False` is not trained, but
    belongs to the state: running averages, for example.
    A `forward` that keeps some of its results in attributes should keep arrays (`y.value`), as a
    node keeps the graph that computed it.

    Attributes:
        training: whether the module is being trained; `train` and `eval` set it.
    """

    training = True
    _hooks: Hooks | None = None  # made with the first hook

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output from the inputs; a subclass writes this."""
        raise NotImplementedError(f"{type(self).__name__} has no method forward; write one")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        first = next(op_counter)
        if self._hooks:
            output = self._hooks.call(self, inputs, options)
        else:
            output = self.forward(*inputs, **options)
        if type(output) is TensorNode:
            _note_call(self, first, output)
        else:
            for y in flat((output,)):
                if isinstance(y, TensorNode):
                    _note_call(self, first, y)
        return output

    # -- Hooks ------------------------------------------------------------------------------

    # As in PyTorch (https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html). Each
    # method returns a handle: its `remove()`, or the end of a `with` block, takes the hook off.

    def register_forward_pre_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, inputs)` before `forward`. `inputs` is a tuple; what the hook
        returns, unless `None`, replaces the inputs."""
        return Handle(self._own_hooks().before, hook)

    def register_forward_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, inputs, output)` after `forward`. What the hook returns, unless
        `None`, replaces the output."""
        return Handle(self._own_hooks().after, hook)

    def register_full_backward_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, grad_input, grad_output)` once a backward pass has the gradients of
        all inputs. Both are tuples, with `None` for an input or output without a gradient. What
        the hook returns, unless `None`, replaces `grad_input`."""
        return Handle(self._own_hooks().backward, hook)

    def _own_hooks(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    # -- Parameters and submodules ----------------------------------------------------------

    def parameters(self) -> list[TensorNode]:
        """List the nodes that training changes, each once: the module's own, then those of its
        submodules.

        A subclass may write its own version; modules that contain it use what that returns.
        """

        def is_ours(module: Module) -> bool:
            return module is self or type(module).parameters is Module.parameters

        found: list[TensorNode] = []
        for _, module in _named_modules(self, within=is_ours):
            nodes = [x for _, x in members(module)] if is_ours(module) else module.parameters()
            found += [x for x in nodes if isinstance(x, TensorNode) and x.requires_grad]
        return list(dict.fromkeys(found))

    def named_parameters(self) -> list[tuple[str, TensorNode]]:
        """List the parameters with their names, such as `layer1.w`. A parameter in several places
        is listed once, with the first name."""
        return [(name, node) for name, node in _named_nodes(self) if node.requires_grad]

    def modules(self) -> list[Module]:
        """List this module and all modules in it, each once."""
        return [module for _, module in _named_modules(self)]

    def named_modules(self) -> list[tuple[str, Module]]:
        """List the modules with their names, such as `layer1`; the name of this one is empty."""
        return _named_modules(self)

    # -- Training ---------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set `training`, here and in all submodules."""
        for _, module in _named_modules(self):
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False, for validation and for use."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to zero."""
        for node in self.parameters():
            node.zero_grad()

    # -- The state --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Copy the values of all nodes, by name, so that further training does not change them.

        Raises:
            ValueError: two nodes have the same name.
        """
        return {name: copied(node.value) for name, node in _named_nodes(self)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Set all nodes to copies of the values in `state`, an earlier `state_dict`.

        Args:
            state: arrays of any backend and of any real dtype; each node stays on its own device
                and keeps its own dtype. One node in several places may have any of its names.

        Raises:
            ValueError: names or shapes differ from those of this module, or an entry is no array of
                real numbers; nothing is changed.
        """
        load_values(f"{type(self).__name__}.load_state_dict", _names(self), state)

    def to(self, backend: str, device: Any = None) -> Self:
        """Move all values to a backend and device; gradients become zero.

        Make optimizers after this: their state does not move with the parameters.
        """
        target = get(backend, device)
        for _, node in _named_nodes(self):
            node.value = target.asarray(node.value)
            node.zero_grad()
        return self

    def astype(self, dtype: Any) -> Self:
        """Convert all floating values to `dtype`, such as "float64"; gradients become zero.

        Raises:
            TypeError: `dtype` is not real floating.
        """
        for _, node in _named_nodes(self):
            if is_real_floating(node.value):
                backend = backend_of(node.value)
                if not backend.xp.isdtype(backend.dtype(dtype), "real floating"):
                    raise TypeError(f"{type(self).__name__}.astype: {dtype} is not real floating")
                node.value = backend.xp.astype(node.value, backend.dtype(dtype))
                node.zero_grad()
        return self

    @recursive_repr()
    def __repr__(self) -> str:
        inside = ""
        for name, x in members(self):
            inside += f"\n{name}: {describe(x.value) if isinstance(x, TensorNode) else repr(x)}"
        inside = inside.replace("\n", "\n  ") + "\n" if inside else ""
        return f"{type(self).__name__}({inside})"


def _note_call(module: Module, first: int, y: TensorNode) -> None:
    """Record for drawings, on the op that computed y, that a call of the module ended there.

    The ops of the call are those that y depends on and whose order is above `first`. A drawing is
    asked for after the call, so each call leaves this record: 0.3 microseconds. Calls that end at
    the same op form a linked list, the last one first. The reference to the module is weak, as a
    module may hold what it computed, and that must not make a reference cycle.
    """
    if (end := y.source) and end.order > first:
        end.calls = end.calls, type(module), ref(module), first


# Functions and not methods: a subclass may have an attribute named `modules`.


def members(module: Module) -> Iterator[tuple[str, TensorNode | Module]]:
    """Give the nodes and modules that a module holds itself, with the names of their places."""
    for name, x in vars(module).items():
        yield from _within(name, x)


def _within(name: str, x: Any) -> Iterator[tuple[str, TensorNode | Module]]:
    if isinstance(x, Module) or (isinstance(x, TensorNode) and x.source is None):
        yield name, x
    elif isinstance(x, list | tuple):
        for i, entry in enumerate(x):
            yield from _within(f"{name}.{i}", entry)
    elif isinstance(x, dict):
        for key, entry in x.items():
            yield from _within(f"{name}.{key}", entry)


def _named_modules(
    root: Module, within: Callable[[Module], bool] = lambda _: True
) -> list[tuple[str, Module]]:
    """List a module and the modules in it, with their names, each once, in order of attributes.

    A module for which `within` is False is listed, but the modules in it are not.
    """
    found: dict[int, tuple[str, Module]] = {}
    stack = [("", root)]
    while stack:
        prefix, module = stack.pop()
        if id(module) not in found:
            found[id(module)] = (prefix.removesuffix("."), module)
            inside = members(module) if within(module) else ()
            inner = [(f"{prefix}{name}.", x) for name, x in inside if isinstance(x, Module)]
            stack += reversed(inner)
    return list(found.values())


def _named_nodes(root: Module) -> list[tuple[str, TensorNode]]:
    """List the nodes of a module and all modules in it, with their names, each once."""
    first = {names[0]: node for node, names in _names(root).items()}
    return list(first.items())


def _names(root: Module) -> dict[TensorNode, list[str]]:
    """Find the nodes of a module and all modules in it, each with the names of all its places."""
    names: dict[TensorNode, list[str]] = {}
    taken: dict[str, TensorNode] = {}
    for prefix, module in _named_modules(root):
        for name, x in members(module):
            if isinstance(x, TensorNode):
                full = f"{prefix}.{name}" if prefix else name
                if taken.setdefault(full, x) is not x:
                    problem = f"two parameters are named {full}; rename one"
                    raise ValueError(f"{type(root).__name__}: {problem}")
                names.setdefault(x, []).append(full)
    return names


def load_values(
    what: str, nodes: Mapping[TensorNode, Sequence[str]], state: Mapping[str, Array]
) -> None:
    """Set each node to a copy of the array that the state has under one of its names.

    A node of several names is one weight in several places ("tied"). Files often have it once; if
    it is there several times, the arrays must be equal.

    Raises:
        ValueError: the state is no dictionary, an array is missing, unexpected, misshapen or no
            array of numbers, or those of one node differ; nothing is changed. The error begins with
            `what`, and names each entry that is wrong.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"{what}: found a {type(state).__name__}, expected arrays by name")
    expected = {name for names in nodes.values() for name in names}
    wrong = [f"{name} is unexpected" for name in state if name not in expected]
    values: dict[TensorNode, Array] = {}
    for node, names in nodes.items():
        there = [name for name in names if name in state]
        try:
            for name in there:
                x = loaded(name, state[name], node.value)
                xp = namespace(x)
                if not xp.all((x == values.setdefault(node, x)) | (x != x)):
                    raise ValueError(f"{name} differs from {there[0]}, with which it is tied")
        except ValueError as error:
            wrong.append(str(error))
        if not there:
            wrong.append(f"{names[0]} is missing")
    if wrong:
        raise ValueError(f"{what}: {'; '.join(sorted(wrong))}")
    for node, value in values.items():
        node.value = value
