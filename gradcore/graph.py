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
from collections.abc import Sequence
from typing import Any

from . import values, walks
from .backends import known
from .hooks import Handle, Hook, hook_gradient, hooked, watchers
from .modes import building, is_building
from .operators import Operators
from .values import is_floating, namespace
from .walks import ancestors, paths_between

Context = dict[str, Any]  # what an op's forward leaves for its backward

creation = itertools.count()


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

    __slots__ = ("_grad", "_owned", "hooks", "index", "name", "requires_grad", "source")

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
        self.index = len(source.refs) if source else 0  # among the source's outputs
        if source:
            source.refs.append(weakref.ref(self))
        self.name = name
        self.hooks: Any = None  # of a leaf
        self._grad: Any = None
        self._owned = False  # may the engine add to _grad in place? If it allocated it itself.
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
        self._grad, self._owned = gradient, False

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
        seed = TensorNode(one, requires_grad=False) if create_graph else one
        backpropagate([(self, seed)], retain_graph, create_graph)

    def register_hook(self, hook: Hook) -> Handle:
        """Call `hook(gradient)` in each pass, once this node's gradient is complete; what it
        gives, unless `None`, replaces the gradient. The handle's `remove()` ends that."""
        return hook_gradient(self, hook)

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
            opnode.context, opnode.inputs, opnode.arrays = None, (), ()

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

    __slots__ = ("__weakref__", "arrays", "calls", "context", "hooks", "inputs", "op", "order",
                 "refs", "specs")  # fmt: skip

    def __init__(
        self, op: type[Op], context: Context, inputs: Sequence[Any], arrays: Sequence[Any]
    ) -> None:
        self.op = op
        self.context: Context | None = context
        self.inputs = inputs
        self.arrays = arrays  # the inputs as forward saw them
        self.order = next(creation)
        self.hooks: Any = None  # on the outputs
        self.calls: Any = None  # those of modules that end here; see Module.__call__
        self.refs: list[weakref.ref[TensorNode]] = []  # to the outputs; weak, or it were a cycle
        self.specs: Sequence[Any] = ()  # of several outputs: the id, shape, dtype, device of each

    @property
    def outputs(self) -> tuple[TensorNode, ...]:
        """The nodes that came out, those that somebody still holds."""
        return tuple([node for ref in self.refs if (node := ref()) is not None])

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
        arrays, mask = values.arrays_and_mask(cls, inputs)
        building = True in mask and is_building.get()
        context: Context = {"needs": mask} if building and False in mask else {}
        try:
            results = cls.forward(context, *arrays, **constants)
        except values.EXPLAINED as error:
            if str(error).startswith(cls.__name__):
                raise
            raise values.explained(error, cls.__name__, arrays) from error

        opnode = OpNode(cls, context, inputs, arrays) if building else None
        if type(results) in known:
            outputs: Any = _output(results, opnode)
        elif isinstance(results, tuple):
            results = [values.output(cls, y, context) for y in results]
            outputs = tuple([_output(y, opnode) for y in results])
            if opnode:
                opnode.specs = [(id(y), y.shape, y.dtype, y.device) for y in results]
        else:
            outputs = _output(values.output(cls, results, context), opnode)
        if watchers:
            for watcher in watchers:
                watcher.after_forward(cls, inputs, outputs)
        return outputs

    @classmethod
    def apply(cls, *inputs: Any, **constants: Any) -> Any:
        """Nodes in, nodes out, as `do_forward`; only arrays in, arrays out, and no graph."""
        for x in inputs:
            if isinstance(x, Operators):
                return cls.do_forward(*inputs, **constants)
        return cls.forward({}, *inputs, **constants)


def _output(value: Any, source: OpNode | None) -> TensorNode:
    """What `TensorNode(value, source)` is, of an array, in two thirds of the time."""
    node = object.__new__(TensorNode)
    node.value, node.source, node.index = value, source, 0
    node.name = node.hooks = node._grad = None
    node.requires_grad, node._owned = False, False
    if source:
        node.requires_grad, node.index = is_floating(value), len(source.refs)
        source.refs.append(weakref.ref(node))
        if not (node.requires_grad or values.is_discrete(value)):
            raise TypeError(
                f"{source.op.__name__} gives {node.dtype} numbers of what has a gradient, and "
                "gradients do not go through these; say stop_gradient, or compute with real numbers"
            )
    return node


def needs(context: Context, i: int) -> bool:
    """For ops whose gradients are expensive: is that of input `i` asked for?"""
    return "needs" not in context or context["needs"][i]


def backpropagate(
    seeds: Sequence[Any], retain: bool, create: bool, into: Any = None, since: int = 0
) -> None:
    """Send gradients from the seeds, pairs of a node and its gradient, down to all they depend on.

    With `into`, a dictionary, only what depends on the nodes in it is visited, and of that only
    OpNodes of the order `since` and above; the gradients go into the `.grad` of the nodes that
    it has for them, and no other `.grad` changes.

    An OpNode is visited when the gradients of all its outputs are complete. As results are
    made after what they depend on, visiting in the order of creation, backwards, sees to that.
    """
    roots = [node for node, _ in seeds]
    if walks.assigned:
        ancestors(roots)  # sets right what are the inputs
    pending: dict[Any, list[Any]] = {}  # by OpNode or leaf: its outputs' gradients, so far
    ours: set[Any] = set()  # (OpNode or leaf, index) where the engine allocated what is pending
    fresh: set[TensorNode] = set()  # leaves whose gradient nobody else holds
    queue: list[tuple[int, OpNode]] = []
    paths = None if into is None else paths_between(roots, into, since)

    def receive(node: TensorNode, gradient: Any, keep: bool, owned: bool) -> None:
        if gradient is not None and (into is None or node in into):
            values.accumulate(into[node] if into else node, gradient, keep, owned)

    opnode = start = OpNode(Op, {}, roots, ())  # as if an op of the roots had given the seeds
    gos: Any = ()
    given: Any = [gradient for _, gradient in seeds]
    with building(create):
        while True:
            # Add what the op gave for each of its inputs to what is pending.
            ways: list[Any] = []  # down from here; they stay when the inputs go
            for x, g in zip(opnode.inputs, given):  # noqa: B905 (strict takes longer)
                if not isinstance(x, TensorNode):
                    ways.append(None)
                    continue
                to: Any = x.source or x
                ways.append(to)
                if g is None or not x.requires_grad:
                    continue
                i, like, is_new = x.index, x.value, False
                if type(g) is not type(like) or g.dtype is not like.dtype or g.shape != like.shape:
                    fitted = values.fitted(opnode.op, g, like, gos)
                    is_new, g = fitted is not g, fitted
                sums = pending.get(to)
                if sums is None:
                    if paths is not None and to not in paths:
                        continue
                    if to is not x:
                        heapq.heappush(queue, (-to.order, to))
                    elif not create and opnode is not start and values.is_only(g):
                        fresh.add(x)
                    pending[to] = sums = [None] if to is x else [None] * len(to.refs)
                if sums[i] is None:
                    sums[i] = g
                elif (to, i) in ours:
                    sums[i] += g
                    continue
                else:
                    sums[i], is_new = values.array(sums[i] + g), True
                if is_new:
                    ours.add((to, i))
            if not (retain or create):
                opnode.context, opnode.arrays, opnode.inputs = None, (), ways
            x = g = like = sums = fitted = given = None  # nothing of it is held from here on

            # On to the next op of which there is a way down.
            while queue:
                _, opnode = heapq.heappop(queue)
                gos = pending.pop(opnode)
                if opnode.hooks:
                    gos = hooked(opnode, gos)
                for ref in opnode.refs:
                    if (output := ref()) is not None:
                        receive(output, gos[output.index], False, False)
                asked = None if paths is None else paths[opnode]
                if asked is None or True in asked:
                    break
            else:
                break
            given = _gradients(opnode, gos, create, asked)
        for leaf, sums in pending.items():
            total = hooked(leaf, sums)[0] if leaf.hooks else sums[0]
            owned = (leaf, 0) in ours and total is sums[0]
            receive(leaf, total, owned or (leaf in fresh and total is sums[0]), owned)


def _gradients(opnode: OpNode, gos: list[Any], create: bool, asked: Any) -> Sequence[Any]:
    """What the op's backward makes of the gradients of the outputs: those of the inputs."""
    op, context = opnode.op, opnode.context
    if context is None:
        raise RuntimeError(
            f"backward came to a {op.__name__} whose graph an earlier backward pass released; "
            "call that one with retain_graph=True"
        )
    if asked:
        context = {**context, "needs": asked}
    if watchers:
        for watcher in watchers:
            watcher.before_backward(opnode)
    if opnode.specs:
        gos = values.with_zeros(opnode, gos)
    if create:
        from .higher import as_nodes, with_nodes  # which are built on this file

        context, gos = with_nodes(opnode, context), as_nodes(gos)
    try:
        given = op.backward(context, *gos)
    except Exception as error:
        error.add_note(f"in {op.__name__}.backward{values.memory(error, gos)}")
        raise
    if type(given) is not tuple:
        given = tuple(given) if isinstance(given, list) else (given,)
    if len(given) != len(opnode.inputs):
        n, expected = len(given), len(opnode.inputs)
        raise ValueError(f"{op.__name__}.backward gave {n} gradients for {expected} inputs")
    if create:
        given = as_nodes(given)
    if watchers:
        for watcher in watchers:
            watcher.after_backward(opnode, gos, given)
    return given
