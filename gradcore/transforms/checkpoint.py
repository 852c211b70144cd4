"""Checkpoint functions: compute their values a second time instead of keeping them in memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..backends import random
from ..engine.arrays import is_node
from ..engine.hooks import watchers
from ..engine.modes import building, is_building, recomputing
from ..engine.trees import leaves, tree_map
from ..graph import Context, Op, TensorNode, gradients, op_counter
from ..ops import Id
from ..replay.recording import each_replay
from .derivatives import Argument, from_outside

__all__ = ["Call", "Checkpoint", "checkpoint"]


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `f` so that its intermediate values are not kept: the backward pass calls `f` again to
    get them (https://arxiv.org/abs/1604.06174).

        for block in blocks:
            x = checkpoint(block)(x)

    Args:
        f: a function or module that takes trees of nodes, and anything else, and gives a tree. The
            second call must compute the same. gradcore takes care of the random numbers of the
            host's generator, as dropout draws them: the second call draws the same. Running
            statistics of batch norm change in the first call only. Nodes that `f` closes over,
            such as a module's parameters, get gradients too. Its arguments that have a gradient
            stay as they are for the caller, also where `f` says `x += y`.

    Raises (in the backward pass):
        RuntimeError: a node that `f` closes over was given another value after the first call.

    Example:
        >>> block = gradcore.checkpoint(lambda x: gradcore.tanh(gradcore.tanh(x)))
        >>> x = TensorNode([0.5, 1.0])
        >>> block(x).sum().backward()  # calls the function again
        >>> print(x.grad.round(3))
        [0.64  0.247]
    """

    @functools.wraps(f, updated=())
    def checkpointed(*args: Any, **constants: Any) -> Any:
        if not is_building.get():
            return f(*args, **constants)
        call = Call(f, args, constants)
        starts = [Argument(x.value) for x in call.given]
        result = call(starts)
        ys = call.differentiable(result)
        if not ys:
            return result
        call.used = {x: x.value for x in from_outside(ys, call.first) if x not in {*starts}}
        values = [y.value for y in ys]
        outputs = iter(Checkpoint.do_forward(*call.given, *call.used, call=call, values=values))
        return tree_map(lambda y: next(outputs) if _has_gradient(y) else y, result)

    return checkpointed


class Call:
    """One call of a function, which can be repeated with other nodes as arguments.

    Attributes:
        given: the nodes in the arguments that require a gradient.
        used: the other nodes that the function used, with the value that each had at that time.
        gives: for each leaf of the first call's result, whether it requires a gradient.
        random: the state of the host's generator before the call.
        first: an order. All OpNodes that the latest call made have a higher one.
    """

    def __init__(self, f: Callable[..., Any], *arguments: Any) -> None:
        self.f, self.arguments = f, arguments
        self.given = [x for _, x in leaves(arguments) if _has_gradient(x)]
        self.used: dict[TensorNode, Any] = {}
        self.gives: list[bool] = []
        self.random: dict[str, Any] = {}
        each_replay(functools.partial(_note_random_numbers, self.random))
        self.first = 0

    def __call__(self, xs: Sequence[TensorNode]) -> Any:
        """Call the function, with the xs in place of the nodes given."""
        self.first = next(op_counter)
        # Not by what requires a gradient now: somebody may have changed that.
        new, given = iter(xs), {*self.given}

        def replaced(x: Any) -> Any:
            return next(new) if isinstance(x, TensorNode) and x in given else x

        args, constants = tree_map(replaced, self.arguments)
        with building(True):
            result = self.f(*args, **constants)
        self.gives = self.gives or [_has_gradient(y) for _, y in leaves(result)]
        return result

    def differentiable(self, result: Any) -> list[TensorNode]:
        """List the leaves of a result that required a gradient in the first call."""
        return [y for (_, y), gives in zip(leaves(result), self.gives, strict=True) if gives]


class Checkpoint(Op):
    """The results of a call. Of the call itself only its inputs are kept."""

    @staticmethod
    def forward(context: Context, *xs: Any, call: Call, values: Any = None) -> Any:
        context["xs"], context["call"] = xs, call
        if values is None:
            values = [y.value for _, y in leaves(call(list(map(TensorNode, xs))))]
        return tuple(values)

    @staticmethod
    def backward(context: Context, *gos: Any) -> Any:
        call, n = context["call"], len(context["call"].given)
        xs = context["xs"][:n]
        if any(node.value is not value for node, value in call.used.items()):
            raise RuntimeError("checkpoint: a node that the function uses was given another value")
        # This backward pass ends at new nodes. Where the inputs are nodes (in a gradient of a
        # gradient), the new ones are computed from them, so that the next pass goes on.
        starts = [Id.do_forward(x) if is_node(x) else Argument(x) for x in xs]
        with _random_numbers_again(call.random), recomputing():
            ys = call.differentiable(call(starts))
        for watcher in watchers:
            watcher.after_recomputing(call, [y.value for y in ys])
        seeds = list(zip(ys, gos, strict=True))
        create = any(map(is_node, gos))
        wanted = [*starts, *call.used]
        return tuple(gradients(seeds, wanted, create, retain=create, since=call.first))


@contextmanager
def _random_numbers_again(state: dict[str, Any]) -> Iterator[None]:
    """Inside the block, draw the random numbers that follow `state`. Afterwards go on as before."""
    now: dict[str, Any] = {}
    each_replay(lambda: _note_random_numbers(now))
    each_replay(lambda: random.set_state(state))
    try:
        yield
    finally:
        each_replay(lambda: random.set_state(now))


def _note_random_numbers(state: dict[str, Any]) -> None:
    """Copy the generator's state into the dictionary, which a captured step may do many times."""
    state.update(random.get_state())


def _has_gradient(x: Any) -> bool:
    return isinstance(x, TensorNode) and x.requires_grad
