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
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from . import values
from .backends import backend_of, known
from .operators import Operators
from .values import is_floating, namespace
from .walks import ancestors, paths_between

Context = dict[str, Any]  # what an op's forward leaves for its backward

is_building: ContextVar[bool] = ContextVar("is_building", default=True)
_creation = itertools.count()

# Who may write to a gradient's memory? Only the engine, and only where it allocated it itself.
SHARED, FRESH, OURS = range(3)  # anybody may hold it; its op made it for us alone; engine's own


class TensorNode(Operators):
    """A value in the graph.

    Args:
        value: an array of any backend, which keeps its dtype and stays where it is; or numbers
            in (nested) lists, which become a float32 or integer array of the default backend.
            `.value` may be assigned, and changed in place, between passes.
        source: the OpNode that produced it; `None` for what a user makes: parameters and data.
        name: for people, in messages and drawings.
        requires_grad: whether backward passes compute its gradient; `None`: if it is floating.

    Raises:
        TypeError: `requires_grad=True` for a value that is not real floating.
    """

    __slots__ = (
        "__weakref__",
        "_grad",
        "_owner",
        "index",
        "name",
        "requires_grad",
        "source",
        "value",
    )

    def __init__(
        self,
        value: Any,
        source: OpNode | None = None,
        name: str | None = None,
        requires_grad: bool | None = None,
    ) -> None:
        if type(value) not in known:
            value = value.value if isinstance(value, TensorNode) else values.array(value)
        self.value = value
        self.source = source
        self.index = 0  # among the source's outputs
        self.name = name
        self._grad: Any = None
        self._owner = SHARED  # of _grad
        if requires_grad is None:
            requires_grad = is_floating(value)
        elif requires_grad and not is_floating(value):
            raise TypeError(f"only real floating values have gradients, not {self.dtype}")
        self.requires_grad = requires_grad

    @property
    def grad(self) -> Any:
        """An array like the value (a node, after `create_graph`); new zeros before any pass."""
        return namespace(self.value).zeros_like(self.value) if self._grad is None else self._grad

    @grad.setter
    def grad(self, gradient: Any) -> None:
        values.check_gradient(gradient, self.value)
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
                of gradients; implies `retain_graph`. A node's gradient then refers back to the
                node: end with this node's `zero_grad()` to free the memory.

        Raises:
            ValueError: this node has more than one element, or depends on nothing that requires
                a gradient.
            RuntimeError: an earlier pass released the graph.
        """
        if self.size != 1:
            has = f"this node has shape {self.shape}; sum it first, as in Sum.do_forward(x)"
            raise ValueError(f"backward starts from a scalar, and {has}")
        if not self.requires_grad:
            problem = "depends on nothing that requires a gradient, or was computed under no_grad()"
            raise ValueError(f"backward: this node {problem}")
        one = namespace(self.value).ones_like(self.value)
        backpropagate([(self, one)], retain_graph, create_graph)

    def zero_grad(self) -> None:
        """Set the gradients of this node and of all that it was made of to zero."""
        self._grad = None
        for opnode in ancestors([self]):
            for node in (*opnode.outputs, *opnode.inputs):
                if isinstance(node, TensorNode):
                    node._grad = None

    def clear(self) -> None:
        """Take apart the graph that this node came from; values and gradients stay."""
        for opnode in ancestors([self]):
            for node in opnode.outputs:
                node.source = None
            opnode.context, opnode.inputs, opnode.arrays = None, (), []

    def __repr__(self) -> str:
        name = f"{self.name}, " if self.name else ""
        source = f", source {self.source.op.__name__}" if self.source else ""
        return f"TensorNode({name}{values.describe(self.value)}{source})"


class OpNode:
    """One application of an op.

    Attributes:
        op: the `Op` class.
        context: what its forward left for its backward; `None` once released.
        inputs: the nodes and constants that it was applied to. Once released, OpNodes stand in
            the place of the nodes that they computed, and `None` in that of constants.
        order: a number; everything that this OpNode depends on has a lower one.
    """

    __slots__ = ("arrays", "context", "inputs", "op", "order", "refs", "specs")

    def __init__(self, op: type[Op], context: Context, inputs: Sequence[Any]) -> None:
        self.op = op
        self.context: Context | None = context
        self.inputs = inputs
        self.arrays: list[Any] = []  # the inputs as forward saw them
        self.order = next(_creation)
        self.refs: list[weakref.ref[TensorNode]] = []  # to the outputs; weak, or it were a cycle
        self.specs: list[Any] = []  # of several outputs: the id, shape, dtype, device of each

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
            shape or the shape that it was broadcast to. `None` stands for zero. A new array
            may become a node's `.grad`; the op is not to keep it.
        """
        raise NotImplementedError

    @classmethod
    def do_forward(cls, *inputs: Any, **constants: Any) -> Any:
        """Apply the op to nodes, and to arrays and numbers as constants; build the graph.

        Returns:
            A TensorNode, or a tuple of them if the op has several outputs. Errors of `forward`
            are raised again with the op and its inputs named.
        """
        arrays = values.unwrapped(cls.__name__, inputs)
        mask = [isinstance(x, TensorNode) and x.requires_grad for x in inputs]
        building = True in mask and is_building.get()
        context: Context = {"needs": mask} if building and False in mask else {}
        try:
            results = cls.forward(context, *arrays, **constants)
        except (ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
            if str(error).startswith(cls.__name__):
                raise
            raise values.explained(error, cls.__name__, arrays) from error

        opnode = OpNode(cls, context, inputs) if building else None
        outputs = []
        for result in results if isinstance(results, tuple) else (results,):
            if type(result) not in known:
                result = values.output(cls.__name__, result, context)
            outputs.append(TensorNode(result, opnode, None, None if building else False))
        if opnode:
            opnode.arrays = arrays
            opnode.refs = list(map(weakref.ref, outputs))
            if len(outputs) > 1:
                opnode.specs = [(id(y.value), y.shape, y.dtype, y.device) for y in outputs]
                for i, y in enumerate(outputs):
                    y.index = i
        return tuple(outputs) if isinstance(results, tuple) else outputs[0]

    @classmethod
    def apply(cls, *inputs: Any, **constants: Any) -> Any:
        """Nodes in, nodes out, as `do_forward`; only arrays in, arrays out, and no graph."""
        if any(map(values.is_node, inputs)):
            return cls.do_forward(*inputs, **constants)
        return cls.forward({}, *inputs, **constants)


def needs(context: Context, i: int) -> bool:
    """For ops whose gradients are expensive: is that of input `i` asked for?"""
    return "needs" not in context or context["needs"][i]


@contextmanager
def building(whether: bool) -> Iterator[None]:
    """Inside, graphs are built, or they are not."""
    token = is_building.set(whether)
    try:
        yield
    finally:
        is_building.reset(token)


def no_grad() -> AbstractContextManager[None]:
    """Inside `with no_grad():` no graph is built, and results require no gradient."""
    return building(False)


def backpropagate(seeds: Sequence[Any], retain: bool, create: bool, into: Any = None) -> None:
    """Send gradients from the seeds, pairs of a node and its gradient, down to all they depend on.

    With `into`, a dictionary, only what depends on the nodes in it is visited; their gradients
    go into the `.grad` of the nodes that it has for them, and no other `.grad` changes.

    An OpNode is visited when the gradients of all its outputs are complete. As results are
    made after what they depend on, visiting in the order of creation, backwards, sees to that.
    """
    pending: dict[OpNode, list[Any]] = {}  # for each output the sum so far, and its owner
    queue: list[tuple[int, OpNode]] = []
    paths = None if into is None else paths_between([node for node, _ in seeds], into)

    def receive(node: TensorNode, gradient: Any, owner: int) -> None:
        if into is None or node in into:
            _accumulate(into[node] if into else node, gradient, owner)

    def send(node: TensorNode, gradient: Any, owner: int) -> None:
        opnode = node.source
        if opnode is None:
            receive(node, gradient, owner)
            return
        if paths is not None and opnode not in paths:
            return
        if opnode not in pending:
            pending[opnode] = [None] * len(opnode.refs)
            heapq.heappush(queue, (-opnode.order, opnode))
        sums, i = pending[opnode], node.index
        if sums[i] is None:
            sums[i] = gradient, owner
        else:
            sums[i] = _add(sums[i][0], sums[i][1], gradient), OURS

    with building(create):
        for node, seed in seeds:
            wrap = create and not isinstance(seed, TensorNode)
            send(node, TensorNode(seed, requires_grad=False) if wrap else seed, SHARED)
        while queue:
            opnode = heapq.heappop(queue)[1]
            sums, outputs = pending.pop(opnode), [ref() for ref in opnode.refs]
            on_path = paths is None or True in paths[opnode]
            if on_path:
                _backward_of(opnode, sums, create, send, paths and paths[opnode])
            for node, total in zip(outputs, sums, strict=True):
                if total and node is not None:
                    receive(node, total[0], SHARED)
            if on_path and not (retain or create):
                # What stays: leaves, and the way to what is further down.
                ways = [(x.source or x) if values.is_node(x) else None for x in opnode.inputs]
                opnode.context, opnode.arrays, opnode.inputs = None, [], tuple(ways)


def _backward_of(opnode: OpNode, sums: list[Any], create: bool, send: Any, asked: Any) -> None:
    """Run an op's backward on the gradients of its outputs, and send on those of its inputs."""
    op, context, inputs = opnode.op, opnode.context, opnode.inputs
    if context is None:
        raise RuntimeError(
            f"backward came to a {op.__name__} whose graph an earlier backward pass released; "
            "call that one with retain_graph=True"
        )
    if asked:
        context = {**context, "needs": asked}
    gos = [total and total[0] for total in sums]
    for i, (_, shape, dtype, device) in enumerate(opnode.specs):
        if gos[i] is None:  # the loss does not depend on this output
            xp = backend_of(next(x.value for x in inputs if isinstance(x, TensorNode))).xp
            zeros = xp.zeros(shape, dtype=dtype, device=device)
            gos[i] = TensorNode(zeros, requires_grad=False) if create else zeros

    try:
        given = op.backward(_with_nodes(opnode, context) if create else context, *gos)
    except Exception as error:
        error.add_note(f"in {op.__name__}.backward")
        raise
    given = given if isinstance(given, tuple | list) else (given,)
    if (n := len(given)) != len(inputs):
        raise ValueError(f"{op.__name__}.backward gave {n} gradients for {len(inputs)} inputs")
    for x, g in zip(inputs, given, strict=True):
        if g is None or not isinstance(x, TensorNode) or not x.requires_grad:
            continue
        if create and not isinstance(g, TensorNode):
            g = TensorNode(g, requires_grad=False)
        gradient = values.fitted(op.__name__, g, x.value, gos)
        owner = SHARED if gradient is g else OURS
        if owner is SHARED and x.source is None and not create:
            # A leaf may keep the array, without a copy, if nobody else holds it.
            others = (*gos, *given, *values.flat(context.values()))
            if backend_of(g).owns_memory(g) and sum(g is other for other in others) == 1:
                owner = FRESH
        send(x, gradient, owner)


def _add(total: Any, owner: int, gradient: Any) -> Any:
    if isinstance(gradient, TensorNode):
        return gradient + total
    if owner is OURS:
        total += gradient
        return total
    return values.array(total + gradient)


def _accumulate(node: TensorNode, gradient: Any, owner: int) -> None:
    """Add to `node.grad`."""
    if node._grad is not None:
        node._grad, node._owner = _add(node._grad, node._owner, gradient), OURS
    elif isinstance(gradient, TensorNode) or owner is not SHARED:
        node._grad, node._owner = gradient, owner
    else:
        copy = namespace(gradient).asarray(gradient, device=gradient.device, copy=True)
        node._grad, node._owner = copy, OURS


def _with_nodes(opnode: OpNode, context: Context) -> Context:
    """The context for a pass that builds a graph: nodes in place of inputs and outputs."""
    op = opnode.op.__name__
    nodes = {id(y.value): y for y in opnode.outputs}
    seen = {id(a) for a in opnode.arrays}
    for a, x in zip(opnode.arrays, opnode.inputs, strict=True):
        if isinstance(x, TensorNode) and id(x.value) not in seen:
            raise RuntimeError(f"an input of {op} was given another value since")
        if type(a) in known:
            nodes[id(a)] = x if isinstance(x, TensorNode) else TensorNode(a, requires_grad=False)
    for i, spec in enumerate(opnode.specs):
        for entry in values.flat(context.values()):
            if id(entry) == spec[0] and id(entry) not in nodes:  # its node was dropped
                nodes[spec[0]] = node = TensorNode(entry, opnode)
                node.index, opnode.refs[i] = i, weakref.ref(node)
    return {key: values.translated(op, key, entry, nodes) for key, entry in context.items()}
