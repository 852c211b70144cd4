"""The computation graph, and backpropagation through it.

A `TensorNode` holds a value. An `OpNode` is one application of an `Op` to some nodes; it is the
`source` of the nodes that come out. The arrows point backwards, from a result to what it was
made of, so a graph lives exactly as long as someone holds its result:

    loss --source--> OpNode(Sum) --inputs--> y --source--> OpNode(Sigmoid) --inputs--> x

`loss.backward()` follows the arrows and computes for each node the gradient: the derivative of
the loss with respect to each element of the node's value.
"""

from __future__ import annotations

import heapq
import itertools
import math
import operator
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .backends import backend_of, known
from .operators import Operators
from .values import array, check_devices, constant, describe, explained, is_kind, numbers, output

Context = dict[str, Any]  # what an op's forward leaves for its backward

_building: ContextVar[bool] = ContextVar("building", default=True)
_creation = itertools.count()

# Who may write to a gradient's memory? Only the engine, and only where it allocated it itself.
SHARED, FRESH, OURS = range(3)  # anybody may hold it; its op made it for us alone; engine's own


class TensorNode(Operators):
    """A value in the graph.

    Args:
        value: an array of any backend, which keeps its dtype and stays where it is; or numbers
            in (nested) lists, which become a float32 or integer array of the default backend.
        source: the OpNode that produced it; `None` for what a user makes: parameters and data.
        name: for people, in messages and drawings.
        requires_grad: whether backward passes compute its gradient; `None`: if it is floating.

    Attributes:
        value: the array; it may be assigned, and changed in place, between passes.

    Raises:
        TypeError: `requires_grad=True` for a value that is not real floating.
    """

    __slots__ = ("__weakref__", "_grad", "_owner", "name", "requires_grad", "source", "value")

    def __init__(
        self,
        value: Any,
        source: OpNode | None = None,
        name: str | None = None,
        requires_grad: bool | None = None,
    ) -> None:
        if type(value) not in known:
            value = value.value if isinstance(value, TensorNode) else array(value)
        self.value = value
        self.source = source
        self.name = name
        self._grad: Any = None
        self._owner = SHARED  # of _grad
        if requires_grad is None:
            requires_grad = is_kind(value, "real floating")
        elif requires_grad and not is_kind(value, "real floating"):
            raise TypeError(f"only real floating values have gradients, not {self.dtype}")
        self.requires_grad = requires_grad

    @property
    def grad(self) -> Any:
        """The gradient, of the value's shape, dtype and backend; before any pass, new zeros.

        An array; after `backward(create_graph=True)` a TensorNode.
        """
        return namespace(self.value).zeros_like(self.value) if self._grad is None else self._grad

    @grad.setter
    def grad(self, gradient: Any) -> None:
        self._grad, self._owner = gradient, SHARED

    @property
    def has_grad(self) -> bool:
        """Whether a pass has computed the gradient, or somebody set it, since `zero_grad`."""
        return self._grad is not None

    def backward(self, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Compute the gradient of this scalar with respect to all that it was made of.

        It is added to the `.grad` of the nodes that have no source, such as parameters, and of
        the other nodes that somebody still holds.

        Args:
            retain_graph: keep the graph for a second pass. By default each part is let go of as
                soon as it is done with, which saves memory.
            create_graph: make the gradients nodes, with a graph of their own, to take gradients
                of gradients; implies `retain_graph`. A parameter's gradient then refers back to
                the parameter: end with `zero_grad` to free the memory.

        Raises:
            ValueError: this node has more than one element, or depends on nothing that requires
                a gradient.
            RuntimeError: an earlier pass released the graph.
        """
        if math.prod(self.value.shape) != 1:
            raise ValueError(
                f"backward starts from a scalar, and this node has shape {self.shape}; "
                "sum it first: Sum.do_forward(x).backward()"
            )
        if not self.requires_grad:
            raise ValueError(
                "backward: this node depends on nothing that requires a gradient, "
                "or was computed under no_grad()"
            )
        one = namespace(self.value).ones_like(self.value)
        _backpropagate(self, TensorNode(one) if create_graph else one, retain_graph, create_graph)

    def zero_grad(self) -> None:
        """Set the gradients of this node and of all that it was made of to zero."""
        self._grad = None
        for opnode in _ancestors(self):
            for node in (*opnode.outputs, *opnode.inputs):
                if isinstance(node, TensorNode):
                    node._grad = None

    def clear(self) -> None:
        """Take apart the graph that this node came from; values and gradients stay."""
        for opnode in _ancestors(self):
            for node in opnode.outputs:
                node.source = None
            opnode.context, opnode.inputs = None, ()

    def __repr__(self) -> str:
        name = "" if self.name is None else f"{self.name}, "
        source = "" if self.source is None else f", source {self.source.op.__name__}"
        return f"TensorNode({name}{describe(self.value)}{source})"


class OpNode:
    """One application of an op.

    Attributes:
        op: the `Op` class.
        context: what its forward left for its backward; `None` once released.
        inputs: the nodes and constants that it was applied to. Once released, OpNodes stand in
            the place of the nodes that they computed, and `None` in the place of arrays.
        order: OpNodes are numbered as they are made, so a result has a higher number than
            anything that it depends on.
    """

    __slots__ = ("context", "inputs", "op", "order", "refs", "specs")

    def __init__(self, op: type[Op], context: Context, inputs: Sequence[Any]) -> None:
        self.op = op
        self.context: Context | None = context
        self.inputs = inputs
        self.order = next(_creation)
        # Weak references: else node and OpNode would keep each other alive.
        self.refs: tuple[weakref.ref[TensorNode], ...] = ()
        # Of several outputs, the id, shape, dtype and device of each, in case it is dropped.
        self.specs: tuple[tuple[int, Any, Any, Any], ...] = ()

    @property
    def outputs(self) -> tuple[TensorNode, ...]:
        """The nodes that came out, those that somebody still holds."""
        return tuple(node for ref in self.refs if (node := ref()) is not None)

    def __repr__(self) -> str:
        return f"OpNode({self.op.__name__})"


class Op:
    """A function and its gradient, on raw arrays. Never instantiated."""

    @staticmethod
    def forward(context: Context, *arrays: Any, **constants: Any) -> Any:
        """Compute the output, or a tuple of outputs.

        Args:
            context: a dictionary; what `backward` needs goes in. For gradients of gradients,
                the floating arrays in it must be inputs or outputs of this op.
            arrays: the inputs.
            constants: whatever else the op must know; no gradient is computed for these.
        """
        raise NotImplementedError

    @staticmethod
    def backward(context: Context, *goutputs: Any) -> Any:
        """Compute the gradient of the loss with respect to each input.

        Args:
            context: what `forward` left.
            goutputs: the gradient of the loss with respect to each output.

        Returns:
            An array, or a tuple with one for each input. Each has its input's dtype, and its
            shape or the shape that it was broadcast to. `None` stands for zero.
        """
        raise NotImplementedError

    @classmethod
    def do_forward(cls, *inputs: Any, **constants: Any) -> Any:
        """Apply the op to nodes, and to arrays and numbers as constants; build the graph.

        Returns:
            A TensorNode, or a tuple of them if the op has several outputs.

        Raises:
            ValueError, TypeError, IndexError: what `forward` raised, naming op and inputs.
        """
        arrays, needs = [], []
        kind: type | None = None  # the type of the arrays
        mixed = False
        for x in inputs:
            value = x.value if isinstance(x, TensorNode) else x
            if type(value) not in known and type(value) not in numbers:
                value = constant(cls.__name__, value)
            if type(value) is not kind and type(value) not in numbers:
                kind, mixed = type(value), kind is not None
            arrays.append(value)
            needs.append(isinstance(x, TensorNode) and x.requires_grad)
        if mixed or (kind and len(arrays) > 1 and known[kind].several_devices):
            check_devices(cls.__name__, arrays)

        building = True in needs and _building.get()
        context: Context = {"needs": needs} if building and False in needs else {}
        try:
            raw = cls.forward(context, *arrays, **constants)
        except (ValueError, TypeError, IndexError) as error:
            if str(error).startswith(cls.__name__):
                raise
            raise explained(error, cls.__name__, arrays) from error

        values = raw if isinstance(raw, tuple) else (raw,)
        values = tuple(
            [v if type(v) in known else output(cls.__name__, v, context) for v in values]
        )
        if building:
            opnode = OpNode(cls, context, inputs)
            outputs = tuple([TensorNode(v, opnode) for v in values])
            opnode.refs = tuple([weakref.ref(node) for node in outputs])
            if len(values) > 1:
                opnode.specs = tuple([(id(v), v.shape, v.dtype, v.device) for v in values])
        else:
            outputs = tuple([TensorNode(v, requires_grad=False) for v in values])
        return outputs if isinstance(raw, tuple) else outputs[0]

    @classmethod
    def apply(cls, *inputs: Any, **constants: Any) -> Any:
        """Nodes in, nodes out, as `do_forward`; only arrays in, arrays out, and no graph."""
        for x in inputs:
            if isinstance(x, TensorNode):
                return cls.do_forward(*inputs, **constants)
        return cls.forward({}, *inputs, **constants)


def namespace(*arrays: Any) -> Any:
    """The array API functions for these arrays: those of their library, or gradcore's for nodes.

    Raises:
        TypeError: there is no array among them.
    """
    library = None
    for x in arrays:
        if isinstance(x, TensorNode):
            return x.array_api
        if library is None and type(x) not in numbers:
            library = backend_of(x).xp
    if library is None:
        raise TypeError("namespace: expected an array or a node, not only numbers")
    return library


def needs(context: Context, i: int) -> bool:
    """For ops whose gradients are expensive: is that of input `i` asked for?"""
    mask = context.get("needs")
    return mask is None or mask[i]


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside `with no_grad():` no graph is built, and results require no gradient."""
    token = _building.set(False)
    try:
        yield
    finally:
        _building.reset(token)


# -- The backward pass ------------------------------------------------------------------------


def _backpropagate(root: TensorNode, seed: Any, retain: bool, create: bool) -> None:
    """Send gradients from `root` down to everything that it depends on.

    An OpNode is visited when the gradients of all its outputs are complete. As results are
    made after what they depend on, visiting in the order of creation, backwards, sees to that.
    """
    pending: dict[OpNode, list[Any]] = {}  # for each output the sum so far, and its owner
    queue: list[tuple[int, OpNode]] = []

    def send(node: TensorNode, gradient: Any, owner: int) -> None:
        opnode = node.source
        if opnode is None:
            _accumulate(node, gradient, owner)
            return
        if opnode not in pending:
            pending[opnode] = [None] * len(opnode.refs)
            heapq.heappush(queue, (-opnode.order, opnode))
        sums = pending[opnode]
        i = next(i for i, ref in enumerate(opnode.refs) if ref() is node) if opnode.specs else 0
        sums[i] = (gradient, owner) if sums[i] is None else (_add(*sums[i], gradient), OURS)

    token = _building.set(create)
    try:
        send(root, seed, SHARED)
        while queue:
            opnode = heapq.heappop(queue)[1]
            for gradient in _gradients(opnode, pending.pop(opnode), create):
                send(*gradient)
            if not (retain or create):
                opnode.context = None
                opnode.inputs = tuple([_released(x) for x in opnode.inputs])
    finally:
        _building.reset(token)


def _gradients(opnode: OpNode, sums: list[Any], create: bool) -> list[tuple[Any, Any, int]]:
    """Run an op's backward. Gives (input, gradient, owner) for each input that needs one."""
    op, context, inputs = opnode.op, opnode.context, opnode.inputs
    if context is None:
        raise RuntimeError(
            f"backward came to a {op.__name__} whose graph an earlier backward pass released; "
            "call that one with retain_graph=True"
        )
    for ref, total in zip(opnode.refs, sums, strict=True):
        node = ref()
        if node is not None and total is not None:
            _accumulate(node, total[0], SHARED)
    gos = [total and total[0] for total in sums]
    for i, go in enumerate(gos):
        if go is None:  # an output that the loss does not depend on
            _, shape, dtype, device = opnode.specs[i]
            like = next(g for g in gos if g is not None)
            gos[i] = namespace(like).zeros(shape, dtype=dtype, device=device)

    given = op.backward(_with_nodes(opnode) if create else context, *gos)
    given = given if isinstance(given, tuple | list) else (given,)
    if len(given) != len(inputs):
        raise ValueError(
            f"{op.__name__}.backward gave {len(given)} gradients for {len(inputs)} inputs"
        )
    gradients = []
    for x, g in zip(inputs, given, strict=True):
        if g is None or not isinstance(x, TensorNode) or not x.requires_grad:
            continue
        if create and not isinstance(g, TensorNode):
            g = TensorNode(g, requires_grad=False)
        fitted = _fitted(g, x, gos, op)
        owner = SHARED if fitted is g else OURS
        if owner is SHARED and x.source is None and not create:
            # A leaf may keep the array, without a copy, if nobody else holds it.
            others = (*gos, *context.values(), *given)
            if backend_of(g).owns_memory(g) and sum(g is other for other in others) == 1:
                owner = FRESH
        gradients.append((x, fitted, owner))
    return gradients


def _fitted(g: Any, x: TensorNode, gos: list[Any], op: type[Op]) -> Any:
    """The gradient `g` in the shape and dtype of `x`: undoes broadcasting and promotion."""
    raw = g.value if isinstance(g, TensorNode) else g
    if type(raw) is not type(x.value):
        backend = backend_of(x.value)
        if not isinstance(raw, backend.scalar_types):
            raise TypeError(
                f"{op.__name__}.backward gave {type(raw).__module__}.{type(raw).__name__}, "
                f"expected an array of {backend.name}"
            )
        g = raw = array(raw)
    shape, dtype = tuple(x.value.shape), x.value.dtype
    if tuple(raw.shape) != shape:
        added = len(raw.shape) - len(shape)
        if added < 0 or any(m not in (1, n) for m, n in zip(shape, raw.shape[added:], strict=True)):
            raise ValueError(
                f"{op.__name__}.backward gave a gradient of shape {tuple(raw.shape)}; "
                f"expected {shape}, or what that was broadcast to"
            )
        xp, lead = namespace(g), tuple(range(added))
        g = xp.sum(g, axis=lead) if added else g
        axes = tuple([i for i, n in enumerate(shape) if n != g.shape[i]])
        g = array(xp.sum(g, axis=axes, keepdims=True) if axes else g)
    if raw.dtype != dtype:
        # Right if the op promoted this input to what its output has, and wrong otherwise.
        if all(go.dtype == dtype for go in gos) or all(go.dtype != raw.dtype for go in gos):
            raise TypeError(
                f"{op.__name__}.backward gave a gradient of {raw.dtype}, expected {dtype}"
            )
        g = namespace(g).astype(g, dtype)
    return g


def _add(total: Any, owner: int, gradient: Any) -> Any:
    if isinstance(gradient, TensorNode):
        return gradient + total
    return operator.iadd(total, gradient) if owner is OURS else array(total + gradient)


def _accumulate(node: TensorNode, gradient: Any, owner: int) -> None:
    """Add to `node.grad`."""
    if node._grad is not None:
        node._grad = _add(node._grad, node._owner, gradient)
        node._owner = OURS
    elif isinstance(gradient, TensorNode) or owner is not SHARED:
        node._grad, node._owner = gradient, owner
    else:
        node._grad = namespace(gradient).asarray(gradient, copy=True)
        node._owner = OURS


def _with_nodes(opnode: OpNode) -> Context:
    """The context for a pass that builds a graph: nodes in place of inputs and outputs."""
    nodes = {id(x.value): x for x in (*opnode.inputs, *opnode.outputs) if isinstance(x, TensorNode)}
    constants = {id(x) for x in opnode.inputs}

    def translated(key: str, entry: Any) -> Any:
        if isinstance(entry, tuple | list):
            return type(entry)([translated(key, e) for e in entry])
        if id(entry) in nodes:
            return nodes[id(entry)]
        if id(entry) in constants or type(entry) not in known or is_kind(entry, "bool", "integral"):
            return entry
        for i, spec in enumerate(opnode.specs):  # an output that nobody held any more
            if spec[0] == id(entry):
                node = TensorNode(entry, opnode)
                opnode.refs = (*opnode.refs[:i], weakref.ref(node), *opnode.refs[i + 1 :])
                nodes[id(entry)] = node
                return node
        raise RuntimeError(
            f"{opnode.op.__name__} has no gradient of its gradient: context[{key!r}] is neither "
            "an input nor an output of the op; save those and compute the rest in backward"
        )

    return {key: translated(key, entry) for key, entry in (opnode.context or {}).items()}


def _ancestors(node: TensorNode) -> list[OpNode]:
    """All OpNodes behind a node, also where the graph was released."""
    seen: dict[OpNode, None] = {}
    stack: list[Any] = [node]
    while stack:
        x = stack.pop()
        opnode = x.source if isinstance(x, TensorNode) else x
        if isinstance(opnode, OpNode) and opnode not in seen:
            seen[opnode] = None
            stack.extend(opnode.inputs)
    return list(seen)


def _released(x: Any) -> Any:
    """What stays of an OpNode's input: leaves, numbers, and the way to what is further down."""
    if isinstance(x, TensorNode):
        return x if x.source is None else x.source
    return x if type(x) in numbers or isinstance(x, OpNode) else None
