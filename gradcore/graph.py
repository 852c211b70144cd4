"""The computation graph, and backpropagation through it. Start reading gradcore here.

A `TensorNode` holds a value. An `OpNode` is one application of an `Op` to some nodes; it is the
`source` of the nodes that come out. The arrows point backwards, from a result to what it was
made of, so a graph lives exactly as long as someone holds its result:

    loss --source--> OpNode(Sum) --inputs--> y --source--> OpNode(Sigmoid) --inputs--> x

`loss.backward()` follows the arrows and computes for each node the gradient: the derivative of
the loss with respect to each element of the node's value. `backpropagate`, at the end, does it.

The folder `engine/` has the parts that this file stands on; no file there imports this one.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar

from .backends import BACKEND_OF_TYPE, Array
from .engine.arrays import (
    REAL_FLOATING,
    accepted,
    as_value,
    check_gradient,
    check_numeric,
    describe,
    fits,
    is_complex,
    is_discrete,
    is_floating,
    namespace,
    node_or_array,
)
from .engine.gradients import Pending, note_late, with_zeros
from .engine.hooks import Handle, Hook, hook_gradient, leaf_watchers, living_leaf_watchers, watchers
from .engine.inputs import EXPLAINED, as_output, explained, memory, op_inputs_and_mask
from .engine.methods import Listed
from .engine.modes import building, is_building
from .engine.operators import Operators
from .engine.second_order import as_nodes, with_nodes
from .engine.traversal import ancestors, apply_assignments, first_uses, paths_between

__all__ = [
    "Context",
    "Op",
    "OpNode",
    "TensorNode",
    "backpropagate",
    "given",
    "gradients",
    "needs",
    "op_counter",
]

Context = dict[str, Any]  # what an op's forward saves for its backward, and the engine's `_needs`

op_counter = itertools.count()  # numbers the OpNodes in the order in which they are made


class TensorNode(Operators, metaclass=Listed):
    """A value in the graph.

    Args:
        value: an array of any backend, which keeps its dtype and stays where it is; or numbers
            in (nested) lists, which become a float32 or integer array of the default backend.
            `.value` may be assigned, and changed in place, between passes.
        source: the OpNode that produced the value; `None` for parameters and data.
        name: a name for messages and drawings.
        requires_grad: whether backward passes compute the gradient; `None` means: if the value
            is floating, real or complex.

    Raises:
        TypeError: `requires_grad=True` for a value that is not floating; or the value is a
            tensor of PyTorch that requires a gradient there.

    Example:
        >>> x = TensorNode([1.0, 2.0])
        >>> loss = (x * x).sum()
        >>> loss.backward()
        >>> print(x.grad)
        [2. 4.]
    """

    __slots__ = ("_frozen", "_grad", "_owned", "_requires_grad", "born", "hooks", "index", "name",
                 "source")  # fmt: skip

    def __init__(
        self,
        value: Any,
        source: OpNode | None = None,
        name: str | None = None,
        requires_grad: bool | None = None,
    ) -> None:
        is_node = isinstance(value, TensorNode)
        if not is_node:
            value = accepted("TensorNode", value)
        if type(value) not in BACKEND_OF_TYPE:
            value = value._leaf_value(requires_grad) if is_node else as_value(value)
        if requires_grad is None:
            requires_grad = is_floating(value)
        elif requires_grad and not is_floating(value):
            raise TypeError(f"only floating values have gradients, not {value.dtype}")
        if not requires_grad:
            check_numeric(value)
        self._fill(value, source, name, bool(requires_grad))

    def _fill(self, value: Array, source: OpNode | None, name: str | None, needs: bool) -> None:
        self.value = value
        self.source = source
        self.name = name
        self._requires_grad = needs
        self.hooks: Any = None  # functions that the gradient goes through; see register_hook
        self._grad: Any = None
        # Whether the engine may add to _grad in place (see ownership.py); `None`: _grad is what was
        # read before any pass, zeros unless somebody has written to them.
        self._owned: bool | None = False
        self._view = self._views = None
        self.index = 0  # which of the source's outputs this node is
        if source:
            self.index = len(source.refs)
            source.refs.append(weakref.ref(self))
        else:  # no OpNode of a lower order uses this node; array_api/assignment.py asks
            self.born = next(op_counter)

    @property
    def requires_grad(self) -> bool:
        """Whether passes compute the gradient. Of a node that no op computed it may be set: ops
        applied before took the node for what it was then."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, needs: bool) -> None:
        if needs and not is_floating(self.value):
            raise TypeError(f"only floating values have gradients, not {self.value.dtype}")
        if self.source and self._requires_grad and not needs:
            op = self.source.op.__name__
            problem = f"requires_grad: {op} computed this node, of nodes that require a gradient"
            raise ValueError(f"{problem}; for a constant say stop_gradient(x)")
        if needs and not (self._requires_grad or self.source):
            note_late(self)
        if self._requires_grad and not needs:
            self._frozen = True
        self._requires_grad = bool(needs)

    @property
    def grad(self) -> Any:
        """An array like the value (a node, after `create_graph`). Before any pass these are zeros;
        what you write to them stays, and passes add to it. Of complex values, the real part is the
        derivative by the real part, and the imaginary part that by the imaginary part.

        Example:
            >>> x = TensorNode([1.0, 2.0])
            >>> (x * 3.0).sum().backward()
            >>> (x * 4.0).sum().backward()  # adds to what is there
            >>> print(x.grad)
            [7. 7.]
        """
        if self._grad is None or (self._owned is None and not fits(self._grad, self.value)):
            self._grad, self._owned = namespace(self.value).zeros_like(self.value), None
        return self._grad

    @grad.setter
    def grad(self, gradient: Any) -> None:
        check_gradient(gradient, self.value)
        self._grad, self._owned = gradient, False

    @property
    def has_grad(self) -> bool:
        """Whether a pass has computed the gradient, or somebody set or wrote to it, since
        `zero_grad`. Reading zeros does not count."""
        if self._owned is None and self._grad is not None:
            return bool(namespace(self._grad).any(self._grad != 0))
        return self._grad is not None

    def backward(self, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Compute the gradient of this scalar with respect to every node that it depends on.

        The gradient is added to the `.grad` of the nodes that have no source, such as
        parameters, and of all other nodes that the caller still holds.

        Args:
            retain_graph: keep the graph for a second pass. By default the pass releases each
                OpNode as soon as its gradients are computed, which saves memory.
            create_graph: make the gradients nodes, with a graph of their own, to take gradients
                of gradients; implies `retain_graph`. A node's gradient then refers back to the
                node: call this node's `zero_grad()` at the end to free the memory.

        Raises:
            ValueError: this node has more than one element, is complex, or depends on nothing
                that requires a gradient.
            RuntimeError: an earlier pass released the graph.

        Example:
            >>> x = TensorNode(3.0)
            >>> (x**3).backward(create_graph=True)  # x.grad is the node 3 x²
            >>> slope = x.grad
            >>> x.zero_grad()
            >>> slope.backward()
            >>> print(slope.value, x.grad)
            27.0 18.0
        """
        if prod(self.value.shape) != 1:
            has = f"this node has shape {self.shape}; sum it first, as in x.sum()"
            raise ValueError(f"backward starts from a scalar, and {has}")
        if is_complex(self.value):
            has = f"this node is {self.dtype}; take abs(x) or the namespace's real(x) first"
            raise ValueError(f"backward starts from a real number, and {has}")
        if not self.requires_grad:
            problem = "depends on nothing that requires a gradient, or was computed under no_grad()"
            advice = "compute it from a floating TensorNode that requires a gradient"
            raise ValueError(f"backward: this node {problem}; {advice}")
        one = namespace(self.value).ones_like(self.value)
        seed = TensorNode(one, requires_grad=False) if create_graph else one
        backpropagate([(self, seed)], retain_graph, create_graph)

    def register_hook(self, hook: Hook) -> Handle:
        """Call `hook(gradient)` in each pass, once this node's gradient is complete. Unless the
        hook returns `None`, its result replaces the gradient. The handle's `remove()` takes the
        hook off.

        Example:
            >>> x = TensorNode([1.0, 2.0])
            >>> handle = x.register_hook(lambda gradient: gradient * 10.0)
            >>> (x * x).sum().backward()
            >>> print(x.grad)
            [20. 40.]
        """
        return hook_gradient(self, hook)

    def zero_grad(self) -> None:
        """Set the gradients of this node, and of every node that it depends on, to zero."""
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
            opnode.context, opnode.arrays, opnode.inputs = None, (), ()

    def __repr__(self) -> str:
        return f"TensorNode({self._text('TensorNode(')}, {self.summary()})"

    def summary(self) -> str:
        """Say all but the values: name, dtype, shape, backend and device, and the op that gave the
        node."""
        x = node_or_array(self.value)
        backend = BACKEND_OF_TYPE[type(x)]
        parts = [f"name {self.name!r}" if self.name else "", describe(x)]
        parts += [f"{backend.name} on {x.device}"] if backend.several_devices else []
        parts += [f"source {self.source.op.__name__}"] if self.source else []
        return ", ".join(filter(None, parts))


class OpNode:
    """One application of an op.

    Attributes:
        op: the `Op` class.
        context: what the op's forward saved for its backward; `None` once released.
        inputs: the nodes and constants that the op was applied to. A released OpNode has, in
            place of each node, the OpNode that computed it, and `None` in place of constants.
        order: a number, larger than that of every OpNode that this one depends on.

    Example:
        >>> y = TensorNode([1.0, 2.0]) * 3.0
        >>> y.source, y.source.op.__name__, y.source.inputs[1]
        (OpNode(Multiply), 'Multiply', 3.0)
    """

    __slots__ = ("__weakref__", "arrays", "calls", "context", "hooks", "inputs", "op", "order",
                 "refs", "specs")  # fmt: skip

    def __init__(
        self, op: type[Op], context: Context, inputs: Sequence[Any], arrays: Sequence[Array]
    ) -> None:
        self.op = op
        self.context: Context | None = context
        self.inputs = inputs
        self.arrays = arrays  # the values of the inputs, as forward was given them
        self.order = next(op_counter)
        self.hooks: Any = None  # functions that the outputs' gradients go through
        self.calls: Any = None  # the calls of modules that ended here; see nn.Module.__call__
        # To the outputs; weak, because the outputs refer to this OpNode as their source, and
        # Python frees a reference cycle only when its garbage collector runs.
        self.refs: list[weakref.ref[TensorNode]] = []
        self.specs: Sequence[Any] = ()  # of several outputs: the id, shape, dtype, device of each

    @property
    def outputs(self) -> tuple[TensorNode, ...]:
        """The nodes that came out of the op, as far as somebody still holds them."""
        return tuple([node for ref in self.refs if (node := ref()) is not None])

    def __repr__(self) -> str:
        return f"OpNode({self.op.__name__})"


class Op:
    """A function and its gradient, on raw arrays. Never instantiated.

    Attributes:
        real_only: whether the op is for real numbers. If so, complex outputs that have a gradient
            are refused.
        takes_none: whether `backward` of an op of several outputs takes `None` for an output that
            the loss does not depend on; else it is given zeros, which take memory.

    Example:
        >>> class Cube(gradcore.Op):
        ...     @staticmethod
        ...     def forward(context, x):
        ...         context["x"] = x
        ...         return x**3
        ...
        ...     @staticmethod
        ...     def backward(context, go):
        ...         return go * 3 * context["x"] ** 2
        >>> print(gradcore.grad(Cube.do_forward)(2.0))
        12.0
    """

    real_only: ClassVar[bool] = False
    takes_none: ClassVar[bool] = False

    def __init__(self, *_: Any, **__: Any) -> None:
        name = type(self).__name__
        raise TypeError(f"{name}: an op is not called; say {name}.do_forward(...)")

    @staticmethod
    def forward(context: Context, *arrays: Any, **constants: Any) -> Any:
        """Compute the output, or a tuple of outputs.

        Args:
            context: a dictionary, in which to save what `backward` needs. For gradients of
                gradients, each floating array saved must be an input or an output of this op.
            arrays: the inputs.
            constants: whatever else the op must know; these get no gradient.
        """
        raise NotImplementedError

    @staticmethod
    def backward(context: Context, *goutputs: Any) -> Any:
        """Compute the gradient of the loss with respect to each input.

        Args:
            context: what `forward` saved.
            goutputs: the gradient of the loss with respect to each output. Of a complex output y
                it is the g for which the loss changes by the real part of the sum of g dy.

        Returns:
            An array, or a tuple with one array for each input. Each has its input's dtype, and
            the input's shape or the shape that the input was broadcast to. `None` stands for
            zero. A new array may become a node's `.grad`, so the op must not change it later.
        """
        raise NotImplementedError("an op without backward was asked for a gradient; write one")

    @classmethod
    def do_forward(cls, *inputs: Any, **constants: Any) -> Any:
        """Apply the op to nodes, and to arrays and numbers as constants; build the graph.

        Returns:
            A TensorNode, or a tuple of them if the op has several outputs. Errors of `forward`
            are raised again with the op and its inputs named.

        Example:
            >>> y = gradcore.Multiply.do_forward(TensorNode([2.0, 3.0]), np.array([4.0, 5.0]))
            >>> print(y.value, y.source)
            [ 8. 15.] OpNode(Multiply)
        """
        arrays, mask = op_inputs_and_mask(cls, inputs)
        building = True in mask and is_building.get()
        context: Context = {"_needs": mask} if building and False in mask else {}
        try:
            results = cls.forward(context, *arrays, **constants)
        except EXPLAINED as error:
            if str(error).startswith(cls.__name__):
                raise
            raise explained(error, cls.__name__, arrays) from error

        opnode = OpNode(cls, context, inputs, arrays) if building else None
        if type(results) in BACKEND_OF_TYPE:
            outputs: Any = _output(results, opnode)
        elif isinstance(results, tuple):
            results = [as_output(cls, y, context) for y in results]
            outputs = tuple([_output(y, opnode) for y in results])
            if opnode:
                opnode.specs = [(id(y), y.shape, y.dtype, y.device) for y in results]
        else:
            outputs = _output(as_output(cls, results, context), opnode)
        if watchers:
            for watcher in watchers:
                watcher.after_forward(cls, inputs, outputs)
        return outputs

    @classmethod
    def apply(cls, *inputs: Any, **constants: Any) -> Any:
        """Apply the op: nodes in, nodes out, as `do_forward`; only arrays in, arrays out."""
        for x in inputs:
            if isinstance(x, Operators):
                return cls.do_forward(*inputs, **constants)
        return cls.forward({}, *inputs, **constants)


def _output(value: Array, source: OpNode | None) -> TensorNode:
    """Make the node of an op's output; without a source, a constant."""
    node = object.__new__(TensorNode)  # without the checks of __init__, in half the time
    node._fill(value, source, None, source is not None and REAL_FLOATING[type(value), value.dtype])
    if source and not (node._requires_grad or is_discrete(value)):
        if source.op.real_only:
            raise TypeError(
                f"{source.op.__name__} is for real numbers, and was given complex ones; apply it "
                "to the real and imaginary parts, or to abs(x)"
            )
        node._requires_grad = True
    return node


def needs(context: Context, i: int) -> bool:
    """Whether `backward` is asked for the gradient of input `i`. An op whose gradients are
    expensive gives `None` in place of a gradient that nobody asks for.

    Example:
        >>> class Product(gradcore.Multiply):
        ...     @staticmethod
        ...     def backward(context, go):
        ...         print(gradcore.needs(context, 0), gradcore.needs(context, 1))
        ...         return gradcore.Multiply.backward(context, go)
        >>> Product.do_forward(TensorNode(2.0), 3.0).backward()  # 3.0 is a constant
        True False
    """
    # Under this key the engine notes in a context, for each input, whether its gradient is wanted;
    # the key is absent if all are. (A named constant would make a chain of products 3 % slower.)
    return "_needs" not in context or context["_needs"][i]


def given(context: Context, i: int) -> bool:
    """Whether the loss depends on output i of an op of several: else its gradient is zeros that
    the engine has filled in."""
    return "_given" not in context or context["_given"][i]


def backpropagate(
    seeds: Sequence[tuple[TensorNode, Any]],
    retain: bool,
    create: bool,
    into: Mapping[TensorNode, TensorNode] | None = None,
    since: int = 0,
) -> None:
    """Send gradients from the seeds, pairs of a node and its gradient, to all they depend on.

    The pass visits an OpNode when the gradients of all its outputs are complete. OpNodes are
    made after those that they depend on, so visiting the newest first ensures completeness.

    Args:
        retain: keep the graph for another pass.
        create: compute with nodes, so that the gradients have a graph of their own.
        into: for each wanted node, the node whose `.grad` receives the gradient. The pass visits
            only the paths to wanted nodes, and changes no other `.grad`. `None`: all nodes that
            somebody holds receive their own gradients.
        since: visit only OpNodes of this order and above.
    """
    roots = [node for node, _ in seeds]
    apply_assignments(roots)
    for node in roots:
        # PyTorch would note all that follows; so it has since a tensor with a graph was assigned.
        accepted("backward: the .value assigned to a node that this one depends on", node.value)
    paths = None if into is None else paths_between(roots, into, since)
    pending = Pending(into, paths)
    # Add the seeds as if an op with the roots as inputs had given them: they are checked the same.
    pending.add(OpNode(Op, {}, roots, ()), [gradient for _, gradient in seeds], ())
    # Who is told of leaves, and by which OpNode the last part of a leaf's gradient comes.
    watching = living_leaf_watchers() if leaf_watchers and into is None else []
    told = [(watcher, first_uses(roots, watcher.leaves)) for watcher in watching]
    told = [(watcher, uses) for watcher, uses in told if uses]
    for watcher, _ in told:
        watcher.before_pass()
    with building(create):
        for opnode, gos, asked in pending.complete():
            sources = pending.add(opnode, _input_gradients(opnode, gos, create, asked), gos)
            if not (retain or create):  # release it; the way further down stays
                opnode.context, opnode.arrays, opnode.inputs = None, (), sources
            for watcher, uses in told:
                for leaf in uses.get(opnode, ()):
                    pending.settle([leaf])
                    watcher.after_leaf(leaf)
        pending.settle(list(pending.sums))
    for watcher, _ in told:
        watcher.after_pass()


def _input_gradients(
    opnode: OpNode, gos: Sequence[Any], create: bool, asked: Sequence[bool] | None
) -> Sequence[Any]:
    """Call the op's backward: from the gradients of the outputs to those of the inputs.

    Args:
        asked: for each input, whether its gradient is wanted; `None`: as `forward` noted it.
    """
    op, context = opnode.op, opnode.context
    if context is None:
        raise RuntimeError(
            f"backward came to {op.__name__}, whose graph an earlier backward pass released; "
            "compute the loss anew, or call that pass with retain_graph=True"
        )
    if asked:
        context = {**context, "_needs": asked}
    if watchers:
        for watcher in watchers:
            watcher.before_backward(opnode)
    if opnode.specs:
        context = {**context, "_given": [g is not None for g in gos]}
        gos = list(gos) if op.takes_none else with_zeros(opnode, gos)
    if create:
        context, gos = with_nodes(opnode, context, TensorNode), as_nodes(gos, TensorNode)
    try:
        given = op.backward(context, *gos)
    except Exception as error:
        error.add_note(f"in {op.__name__}.backward{memory(error, gos)}")
        raise
    if type(given) is not tuple:
        given = tuple(given) if isinstance(given, list) else (given,)
    if len(given) != len(opnode.inputs):
        n, expected = len(given), len(opnode.inputs)
        raise ValueError(f"{op.__name__}.backward gave {n} gradients for {expected} inputs")
    if create:
        given = as_nodes(given, TensorNode)
    if watchers:
        for watcher in watchers:
            watcher.after_backward(opnode, gos, given)
    return given


def gradients(
    seeds: Sequence[tuple[TensorNode, Any]],
    wanted: Sequence[TensorNode],
    create: bool = False,
    retain: bool = True,
    since: int = 0,
) -> list[Any]:
    """Compute the gradients of `wanted`, nodes anywhere in a graph, and of no others.

    Args:
        seeds: the nodes that the pass starts from, each with its gradient.
        create: return nodes that have a graph of their own.
        retain: keep the graph for another pass.
        since: go through OpNodes of this order and above only.

    Returns:
        For each wanted node an array or node, or `None` where no seed depends on it.
    """
    if create:
        seeds = [(y, as_nodes([g], TensorNode)[0]) for y, g in seeds]
    into = {node: TensorNode(node.value) for node in wanted}
    backpropagate(seeds, retain, create, into, since)
    return [into[node].grad if into[node].has_grad else None for node in wanted]
