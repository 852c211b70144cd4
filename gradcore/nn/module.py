"""Modules: parameters, together with the function that uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any, ClassVar, NamedTuple, Self, TypeVar
from weakref import ref

from ..backends import Array, backend_of, get
from ..engine.arrays import copied, describe, flat, is_real_floating, loaded, namespace
from ..engine.hooks import Handle
from ..engine.methods import Elsewhere
from ..graph import TensorNode, op_counter
from ..replay.recording import set_modes, uses_mode
from .hooks import Hook, Hooks
from .parameter import Buffer, Parameter, is_parameter

__all__ = [
    "NAMES",
    "IncompatibleKeys",
    "Listing",
    "Module",
    "Weighted",
    "load_values",
    "members",
    "persistent",
]

# PyTorch's names of what layers of the course's library call w and b.
NAMES = {"weight": "w", "bias": "b"}

T = TypeVar("T")


class IncompatibleKeys(NamedTuple):
    """The names that a state lacks, and those that it should not have."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Listing(list[T]):
    """A list from which `next` takes too, as from PyTorch's iterators: `next(net.parameters())`."""

    def __next__(self) -> T:
        self._rest: Iterator[T] = getattr(self, "_rest", iter(self))
        return next(self._rest)


class Module:
    """Parameters, together with the function that uses them.

    A subclass makes its parameters and submodules in `__init__`, as attributes, and computes its
    output in `forward`.

    A module finds its parameters and submodules by itself: it looks through its attributes, and
    through the lists, tuples and dictionaries in them. A parameter is a TensorNode that requires
    a gradient and that no op computed. A node with `requires_grad=False` is not trained, but
    belongs to the state: running averages, for example.
    A `forward` that keeps some of its results in attributes should keep arrays (`y.value`), as a
    node keeps the graph that computed it.

    Attributes:
        training: whether the module is being trained; `train` and `eval` set it.

    Example:
        >>> class MLP(nn.Module):
        ...     def __init__(self):
        ...         self.hidden = nn.Linear(4, 8)
        ...         self.output = nn.Linear(8, 3)
        ...     def forward(self, x):
        ...         return self.output(gradcore.relu(self.hidden(x)))
        ...
        >>> model = MLP()
        >>> print(model(gradcore.ones((5, 4))).shape)
        (5, 3)
        >>> print([name for name, _ in model.named_parameters()])
        ['hidden.w', 'hidden.b', 'output.w', 'output.b']
    """

    training = True
    _hooks: Hooks | None = None  # made with the first hook
    _transient: frozenset[str] = frozenset()  # nodes of this module outside of its state

    # What classes of layers say of their states.
    _torch_names: ClassVar[Mapping[str, str]] = {}  # PyTorch's names of nodes, where it has others
    _state_rows: ClassVar[frozenset[str]] = frozenset()  # nodes (1, M) that are (M,) in PyTorch
    _state_optional: ClassVar[frozenset[str]] = frozenset()  # nodes that a state may lack
    _state_former: ClassVar[str] = ""  # a word before the names in states of earlier versions

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output from the inputs; a subclass writes this."""
        raise NotImplementedError(f"{type(self).__name__} has no method forward; write one")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        first = next(op_counter)
        uses_mode(self)
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
        returns, unless `None`, replaces the inputs.

        Example:
            >>> layer = nn.ReLU()
            >>> handle = layer.register_forward_pre_hook(lambda module, inputs: (-inputs[0],))
            >>> print(layer(TensorNode([-2.0])))
            [2.]
            >>> handle.remove()
            >>> print(layer(TensorNode([-2.0])))
            [0.]
        """
        return Handle(self._own_hooks().before, hook)

    def register_forward_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, inputs, output)` after `forward`. What the hook returns, unless
        `None`, replaces the output.

        Example:
            >>> model, shapes = nn.Sequential(nn.Linear(4, 8), nn.ReLU()), []
            >>> hook = lambda module, inputs, y: shapes.append(y.shape)
            >>> handle = model[0].register_forward_hook(hook)
            >>> print(model(gradcore.ones((5, 4))).shape, shapes)
            (5, 8) [(5, 8)]
        """
        return Handle(self._own_hooks().after, hook)

    def register_full_backward_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, grad_input, grad_output)` once a backward pass has the gradients of
        all inputs. Both are tuples, with `None` for an input or output without a gradient. What
        the hook returns, unless `None`, replaces `grad_input`.

        Example:
            >>> layer = nn.Linear(2, 1)
            >>> hook = lambda module, grad_input, grad_output: print(grad_output[0].tolist())
            >>> handle = layer.register_full_backward_hook(hook)
            >>> (3.0 * layer(TensorNode([[1.0, 2.0]]))).sum().backward()
            [[3.0]]
        """
        return Handle(self._own_hooks().backward, hook)

    def _own_hooks(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    # -- Parameters and submodules ----------------------------------------------------------

    def parameters(self, recurse: bool = True) -> Listing[TensorNode]:
        """List the parameters, each once: the module's own, then those of its submodules.
        `requires_grad_(False)` freezes parameters; they stay in this list, as in PyTorch.

        A subclass may write its own version; modules that contain it use what that returns.

        Example:
            >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
            >>> print([p.shape for p in model.parameters()])
            [(8, 4), (1, 8), (3, 8), (1, 3)]
        """

        def is_ours(module: Module) -> bool:
            return module is self or type(module).parameters is Module.parameters

        found: list[TensorNode] = []
        inside = _named_modules(self, within=is_ours) if recurse else [("", self)]
        for _, module in inside:
            nodes = [x for _, x in members(module)] if is_ours(module) else module.parameters()
            found += [x for x in nodes if is_parameter(x)]
        return Listing(dict.fromkeys(found))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Listing[tuple[str, TensorNode]]:
        """List the parameters with their names, such as `layer1.w`. A parameter in several places
        is listed once, with the first name, or with `remove_duplicate=False` with each.

        Example:
            >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
            >>> print([(name, p.shape) for name, p in model.named_parameters()])
            [('0.w', (8, 4)), ('0.b', (1, 8))]
        """
        found = _named_nodes(self, recurse, remove_duplicate)
        return Listing((_joined(prefix, name), x) for name, x in found if is_parameter(x))

    def buffers(self, recurse: bool = True) -> Listing[TensorNode]:
        """List the nodes that are no parameters, each once: running averages, for example.

        Example:
            >>> print([b.shape for b in nn.BatchNorm1d(3).buffers()])
            [(3,), (3,), ()]
        """
        return Listing(x for _, x in self.named_buffers(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Listing[tuple[str, TensorNode]]:
        """List the nodes that are no parameters with their names, as `named_parameters` does.

        Example:
            >>> print([name for name, _ in nn.BatchNorm1d(3).named_buffers()])
            ['running_mean', 'running_var', 'num_batches_tracked']
        """
        found = _named_nodes(self, recurse, remove_duplicate)
        return Listing((_joined(prefix, name), x) for name, x in found if not is_parameter(x))

    def modules(self) -> Listing[Module]:
        """List this module and all modules in it, each once.

        Example:
            >>> print(nn.Sequential(nn.Linear(4, 8), nn.ReLU()).modules()[1:])
            [Linear(4, 8), ReLU()]
        """
        return Listing(module for _, module in _named_modules(self))

    def named_modules(self, prefix: str = "") -> Listing[tuple[str, Module]]:
        """List the modules with their names, such as `layer1`; the name of this one is empty.

        Example:
            >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
            >>> print([(name, type(m).__name__) for name, m in model.named_modules()])
            [('', 'Sequential'), ('0', 'Linear'), ('1', 'ReLU')]
        """
        return Listing((_joined(prefix, name), module) for name, module in _named_modules(self))

    def children(self) -> Listing[Module]:
        """List the modules that this one holds itself, each once.

        Example:
            >>> print(nn.Sequential(nn.Linear(4, 8), nn.ReLU()).children())
            [Linear(4, 8), ReLU()]
        """
        return Listing(module for _, module in _children(self))

    def named_children(self) -> Listing[tuple[str, Module]]:
        """List the modules that this one holds itself, each once, with their names.

        Example:
            >>> print(nn.Sequential(nn.Linear(4, 8), nn.ReLU()).named_children())
            [('0', Linear(4, 8)), ('1', ReLU())]
        """
        return Listing(_children(self))

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call the function with each module in this one, and then with this one itself.

        Example:
            >>> def start_at_zero(module):
            ...     if isinstance(module, nn.Linear):
            ...         nn.init.zeros_(module.w)
            ...
            >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).apply(start_at_zero)
            >>> print(model[0].w.tolist())
            [[0.0, 0.0], [0.0, 0.0]]
        """
        for module in _inner_first(self):
            function(module)
        return self

    def register_parameter(self, name: str, parameter: TensorNode | None) -> None:
        """Set the attribute of this name to a parameter, or to `None`.

        Raises:
            KeyError: there is such an attribute, or the name is empty or has a dot.
            TypeError: it is no node. ValueError: an op computed it.

        Example:
            >>> model = nn.Module()
            >>> model.register_parameter("scale", nn.Parameter([1.0]))
            >>> print(model.scale, len(model.parameters()))
            [1.] 1
        """
        what = f"{type(self).__name__}.register_parameter"
        if not (parameter is None or isinstance(parameter, TensorNode)):
            raise TypeError(f"{what}: {name} is a {type(parameter).__name__}, expected a Parameter")
        if parameter is not None and parameter.source is not None:
            op = parameter.source.op.__name__
            raise ValueError(f"{what}: {name} was computed, by {op}; write Parameter(x)")
        self._set_new(what, name, parameter)

    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Set the attribute of this name to a node that is not trained, or to `None`.

        Args:
            value: a node or an array; the new node is a constant of the same value.
            persistent: whether it belongs to the state.

        Raises:
            KeyError: there is such an attribute, or the name is empty or has a dot.

        Example:
            >>> model = nn.Module()
            >>> model.register_buffer("mask", np.array([1.0, 0.0]))
            >>> print(model.mask, len(model.parameters()), [*model.state_dict()])
            [1. 0.] 0 ['mask']
        """
        given = value.value if isinstance(value, TensorNode) else value
        node = None if value is None else TensorNode(given, requires_grad=False)
        self._set_new(f"{type(self).__name__}.register_buffer", name, node)
        if not persistent:
            self._transient = self._transient | {name}

    def register_module(self, name: str, module: Module | None) -> None:
        """Set the attribute of this name to a module, or to `None`.

        Raises:
            KeyError: there is such an attribute, or the name is empty or has a dot.
            TypeError: it is no module.

        Example:
            >>> model = nn.Module()
            >>> model.add_module("layer", nn.Linear(4, 8))
            >>> print(model.layer)
            Linear(4, 8)
        """
        what = f"{type(self).__name__}.add_module"
        if not (module is None or isinstance(module, Module)):
            raise TypeError(f"{what}: {name} is a {type(module).__name__}, expected a Module")
        self._set_new(what, name, module)

    add_module = register_module

    def _set_new(self, what: str, name: str, x: TensorNode | Module | None) -> None:
        """Set an attribute that is new, or that holds a node, a module or `None` so far."""
        if not isinstance(name, str) or not name or "." in name:
            raise KeyError(f"{what}: the name is {name!r}, expected a word without dots")
        if not isinstance(getattr(self, name, None), TensorNode | Module | None):
            raise KeyError(f"{what}: {type(self).__name__} has an attribute {name!r}; rename it")
        self._transient = self._transient - {name}
        setattr(self, name, x)

    def get_submodule(self, target: str) -> Module:
        """Find a module by its name, such as `layers.0`; by the empty name, this one.

        Raises:
            AttributeError: there is no such module.

        Example:
            >>> model = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.ReLU()))
            >>> print(model.get_submodule("1.0"))
            ReLU()
        """
        return self if target == "" else self._get(target, Module, "module")

    def get_parameter(self, target: str) -> TensorNode:
        """Find a parameter by its name, such as `layers.0.w` or `layers.0.weight`.

        Raises:
            AttributeError: there is no such parameter.

        Example:
            >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
            >>> print(model.get_parameter("0.weight").shape)
            (8, 4)
        """
        return self._get(target, Parameter, "parameter")

    def get_buffer(self, target: str) -> TensorNode:
        """Find a node that is no parameter by its name, such as `norm.running_mean`.

        Raises:
            AttributeError: there is no such node.

        Example:
            >>> model = nn.Sequential(nn.BatchNorm1d(3))
            >>> print(model.get_buffer("0.running_mean"))
            [0. 0. 0.]
        """
        return self._get(target, Buffer, "buffer")

    def _get(self, target: str, kind: type, what: str) -> Any:
        for _, _, x in _found(self, target, lambda module: dict(members(module))):
            if isinstance(x, kind):
                return x
        raise AttributeError(f"{type(self).__name__} has no {what} {target!r}")

    # -- Training ---------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set `training`, here and in all submodules.

        Example:
            >>> model = nn.Sequential(nn.Dropout(0.5)).eval()
            >>> print(model[0].training, model.train()[0].training)
            False True
        """
        set_modes({module: mode for _, module in _named_modules(self)})
        return self

    def eval(self) -> Self:
        """Set `training` to False, for validation and for use.

        Example:
            >>> model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5)).eval()
            >>> print(model.training, model[1](TensorNode([1.0, 2.0])))
            False [1. 2.]
        """
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters (False), or train them (again): `model.features.requires_grad_(
        False)`. Frozen parameters get no gradients, and optimizers leave them as they are.

        Example:
            >>> model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
            >>> print(model[0].requires_grad_(False))
            Linear(4, 8)
            >>> print([p.requires_grad for p in model.parameters()])
            [False, False, True, True]
        """
        for node in self.parameters():
            node.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to zero.

        Args:
            set_to_none: without effect; as a gradient that is zero is not kept, `has_grad` is
                False afterwards.

        Example:
            >>> layer = nn.Linear(2, 1)
            >>> layer(gradcore.ones((1, 2))).sum().backward()
            >>> layer.zero_grad()
            >>> print(layer.w.has_grad, layer.w.grad)
            False [[0. 0.]]
        """
        del set_to_none
        for node in self.parameters():
            node.zero_grad()

    # -- The state --------------------------------------------------------------------------

    def state_dict(self, prefix: str = "") -> dict[str, Array]:
        """Copy the values of all nodes, by name, so that further training does not change them.

        Args:
            prefix: what all names begin with.

        Raises:
            ValueError: two nodes have the same name.

        Example:
            >>> state = nn.Linear(4, 3).state_dict()
            >>> print({name: x.shape for name, x in state.items()})
            {'w': (3, 4), 'b': (1, 3)}
        """
        return {prefix + name: copied(node.value) for name, node in _state(self)}

    def load_state_dict(self, state: Mapping[str, Array], strict: bool = True) -> IncompatibleKeys:
        """Set all nodes to copies of the values in `state`, an earlier `state_dict`, or that of a
        twin in PyTorch: names may be gradcore's (`layer1.w`) or PyTorch's (`layer1.weight`).

        Args:
            state: arrays of any library and of any real dtype; each node stays on its own device
                and keeps its own dtype. One node in several places may have any of its names.
            strict: whether it is an error if names are missing or unexpected. A shape that
                differs always is one.

        Returns:
            A tuple of two lists, `missing_keys` and `unexpected_keys`.

        Raises:
            ValueError: names or shapes differ from those of this module, or an entry is no array of
                real numbers; nothing is changed.

        Example:
            >>> model, copy = nn.Linear(4, 3), nn.Linear(4, 3)
            >>> found = copy.load_state_dict(model.state_dict())
            >>> print(found.missing_keys, np.array_equal(copy.w.value, model.w.value))
            [] True
        """
        what = f"{type(self).__name__}.load_state_dict"
        return load_values(what, self, _state(self), state, strict)

    def to(self, backend: str, device: Any = None) -> Self:
        """Move all values to a backend and device; gradients become zero.

        Make optimizers after this: their state does not move with the parameters.

        Raises:
            TypeError: `backend` is no name, but a dtype, for example.
            ValueError, RuntimeError: there is no such backend, or it can't run here.

        Example:
            >>> model = nn.Linear(4, 3).to("numpy")  # "cupy" moves it to a GPU
            >>> print(type(model.w.value).__name__)
            ndarray
        """
        if not isinstance(backend, str):
            found = f"{type(self).__name__}.to: backend is {backend!r}, expected a name, as 'cupy'"
            raise TypeError(f"{found}; dtypes go to model.astype(dtype)")
        target = get(backend, device)
        for _, node in _named_nodes(self):
            node.value = target.asarray(node.value)
            node.zero_grad()
        return self

    cpu = Elsewhere("cpu", "model.to('numpy')", "module")
    cuda = Elsewhere("cuda", "model.to('cupy')", "module")

    def astype(self, dtype: Any) -> Self:
        """Convert all floating values to `dtype`, such as "float64"; gradients become zero.

        Raises:
            TypeError: `dtype` is not real floating.

        Example:
            >>> print(nn.Linear(4, 3).astype("float64").w.dtype)
            float64
        """
        for _, node in _named_nodes(self):
            if is_real_floating(node.value):
                backend = backend_of(node.value)
                if not backend.xp.isdtype(backend.dtype(dtype), "real floating"):
                    raise TypeError(f"{type(self).__name__}.astype: {dtype} is not real floating")
                node.value = backend.xp.astype(node.value, backend.dtype(dtype))
                node.zero_grad()
        return self

    def half(self) -> Self:
        """Convert all floating values to float16.

        Example:
            >>> print(nn.Linear(4, 3).half().w.dtype)
            float16
        """
        return self.astype("float16")

    def float(self) -> Self:
        """Convert all floating values to float32.

        Example:
            >>> print(nn.Linear(4, 3).half().float().w.dtype)
            float32
        """
        return self.astype("float32")

    def double(self) -> Self:
        """Convert all floating values to float64.

        Example:
            >>> print(nn.Linear(4, 3).double().w.dtype)
            float64
        """
        return self.astype("float64")

    def extra_repr(self) -> str:
        """Say what else `repr` shows of the module; a subclass writes its own version.

        Example:
            >>> class Scale(nn.Module):
            ...     def __init__(self, factor):
            ...         self.factor = factor
            ...     def extra_repr(self):
            ...         return f"factor={self.factor}"
            ...
            >>> print(Scale(2.0))
            Scale(
              factor=2.0
            )
        """
        return ""

    @recursive_repr()
    def __repr__(self) -> str:
        extra = self.extra_repr()
        inside = "".join([f"\n{line}" for line in extra.splitlines()])
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
    elif getattr(x, "requires_grad", False) is True and not isinstance(x, TensorNode):
        kind = f"{name} is a {type(x).__name__} with a graph of its own, which isn't trained here"
        raise TypeError(f"{kind}; say nn.Parameter({name}.detach())")


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


def _children(module: Module) -> list[tuple[str, Module]]:
    """List the modules that a module holds itself, each once, with their names."""
    first: dict[int, tuple[str, Module]] = {}
    for name, x in members(module):
        if isinstance(x, Module):
            first.setdefault(id(x), (name, x))
    return list(first.values())


def _inner_first(root: Module) -> list[Module]:
    """List a module and all modules in it, each once, after those that it holds."""
    order: list[Module] = []
    seen: set[int] = set()
    stack = [(root, False)]
    while stack:
        module, is_done = stack.pop()
        if is_done:
            order.append(module)
        elif id(module) not in seen:
            seen.add(id(module))
            stack.append((module, True))
            stack += [(x, False) for _, x in reversed(_children(module))]
    return order


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix and name else prefix or name


def _state(root: Module) -> list[tuple[str, TensorNode]]:
    """List the nodes of a module and all modules in it that belong to its state, each once."""
    return _named_nodes(root, inside=persistent)


def _named_nodes(
    root: Module,
    recurse: bool = True,
    remove_duplicate: bool = True,
    inside: Callable[[Module], Iterable[tuple[str, Any]]] | None = None,
) -> list[tuple[str, TensorNode]]:
    """List the nodes of a module and all modules in it, with their names."""
    taken: dict[str, TensorNode] = {}
    for prefix, module in _named_modules(root) if recurse else [("", root)]:
        for name, x in (inside or members)(module):
            if isinstance(x, TensorNode):
                full = _joined(prefix, name)
                if taken.setdefault(full, x) is not x:
                    problem = f"two parameters are named {full}; rename one"
                    raise ValueError(f"{type(root).__name__}: {problem}")
    if not remove_duplicate:
        return list(taken.items())
    first = {node: name for name, node in reversed(taken.items())}
    return [(name, node) for name, node in taken.items() if first[node] == name]


def persistent(module: Module) -> Iterator[tuple[str, TensorNode | Module]]:
    """Give those of `members` that belong to the state."""
    for name, x in members(module):
        if name not in module._transient:
            yield name, x


def _found(
    root: Module, name: str, inside: Callable[[Module], Mapping[str, TensorNode | Module]]
) -> Iterator[tuple[Module, str, TensorNode | Module]]:
    """Find what a module, or a module in it, holds under a name of gradcore's or PyTorch's: give
    the module that holds it, its name there, and itself.

    There are several only where names have dots: `{"a.b": x, "a": {"b": y}}`.
    """
    words = name.split(".")
    stack = [(root, 0)]
    while stack:
        module, start = stack.pop()
        held = inside(module)
        for end in range(start + 1, len(words) + 1):
            place = ".".join(words[start:end])
            if end == len(words) and place not in held:
                place = NAMES.get(place, place)
            x = held.get(place)
            if end == len(words) and x is not None:
                yield module, place, x
            elif isinstance(x, Module):
                stack.append((x, end))
        if words[start] == module._state_former and start + 1 < len(words):
            stack.append((module, start + 1))


def load_values(
    what: str,
    root: Module,
    nodes: Iterable[tuple[str, TensorNode]],
    state: Mapping[str, Array],
    strict: bool = True,
) -> IncompatibleKeys:
    """Set each node to a copy of the array that the state has under one of its names.

    A node of several names is one weight in several places ("tied"). Files often have it once; if
    it is there several times, the arrays must be equal.

    Args:
        what: begins each error.
        root: the module in which the names of the state are looked up.
        nodes: the nodes that the state should have, with the names that errors call them by.

    Raises:
        ValueError: the state is no dictionary, an array is misshapen or no array of numbers, or
            those of one node differ; or, if `strict`, one is missing or unexpected. Nothing is
            changed. The error names each entry that is wrong.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"{what}: found a {type(state).__name__}, expected arrays by name")
    wrong: list[str] = []
    unexpected: list[str] = []
    values: dict[TensorNode, tuple[str, Array | None]] = {}
    inside = [module for _, module in _named_modules(root)]
    may_lack = {x for m in inside for name, x in members(m) if name in m._state_optional}
    held = {id(module): dict(persistent(module)) for module in inside}
    for name, x in state.items():
        places = ((m, place, n) for m, place, n in _found(root, str(name), lambda m: held[id(m)]))
        module, place, node = next(places, (root, "", None))
        if not isinstance(node, TensorNode):
            unexpected.append(name)
            continue
        is_row = place in module._state_rows and getattr(x, "ndim", 0) == 1
        first, value = values.setdefault(node, (name, None))
        try:
            new = loaded(name, x[None] if is_row else x, node.value)
            xp = namespace(new)
            if value is not None and not xp.all((new == value) | (new != new)):
                wrong.append(f"{name} differs from {first}, with which it is tied")
            values[node] = first, new
        except ValueError as error:
            wrong.append(str(error))
    missing = [name for name, x in nodes if x not in values and x not in may_lack]
    if strict:
        wrong += [f"{name} is unexpected" for name in unexpected]
        wrong += [f"{name} is missing" for name in missing]
    if wrong:
        raise ValueError(f"{what}: {'; '.join(sorted(wrong))}")
    for node, (_, value) in values.items():
        node.value = value
    return IncompatibleKeys(missing, unexpected)


def _second_name(name: str) -> Any:
    """Make a property that is the attribute of another name."""

    def get(self: Any) -> Any:
        return getattr(self, name)

    def put(self: Any, x: Any) -> None:
        setattr(self, name, x)

    return property(get, put, doc=f"The same as `{name}`.")


class Weighted(Module):
    """A layer whose weight is named `w` and whose bias is named `b`, as in the course's library.
    `weight` and `bias`, PyTorch's names, are the same nodes; states are read with both names."""

    weight = _second_name(NAMES["weight"])
    bias = _second_name(NAMES["bias"])
    _torch_names: ClassVar[Mapping[str, str]] = dict(zip(NAMES.values(), NAMES, strict=True))
