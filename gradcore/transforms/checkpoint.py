"""Gradient checkpointing: memory for time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..backends import random
from ..engine.arrays import is_node
from ..engine.modes import building, is_building, recomputing
from ..engine.traversal import ancestors
from ..engine.trees import leaves, tree_map
from ..graph import Context, Op, TensorNode, gradients, op_counter
from ..ops import Id
from ..replay.recording import each_replay

__all__ = ["Call", "Checkpoint", "checkpoint"]


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function `f`, but without what it computes on the way being kept for the backward pass:
    that calls `f` again (https://arxiv.org/abs/1604.06174).

        for block in blocks:
            x = checkpoint(block)(x)

    Args:
        f: a function, or module, that takes trees of nodes and anything else, and gives a tree.
            It must give the same again: what it draws from the host's generator, as dropout does,
            it is given again, and batch norm's running statistics change once. Nodes that it uses
            without being given them, such as its parameters, get gradients too.

    Raises (in the backward pass):
        RuntimeError: a node that `f` uses was given another value since.
    """

    @functools.wraps(f, updated=())
    def checkpointed(*args: Any, **constants: Any) -> Any:
        if not is_building.get():
            return f(*args, **constants)
        call = Call(f, args, constants)
        starts = [TensorNode(x.value) for x in call.given]
        result = call(starts)
        ys = [y for _, y in leaves(result) if _has_gradient(y)]
        if not ys:
            return result
        call.used = {x: x.value for x in _from_outside(ys, call.first) if x not in {*starts}}
        values = [y.value for y in ys]
        outputs = iter(Checkpoint.do_forward(*call.given, *call.used, call=call, values=values))
        return tree_map(lambda y: next(outputs) if _has_gradient(y) else y, result)

    return checkpointed


class Call:
    """A call of a function, which can be made again with other nodes in place of those given.

    Attributes:
        given: the nodes in the arguments for which there are gradients.
        used: those that the function uses besides, each with its value then.
        first: all that the latest call made has an order above this.
    """

    def __init__(self, f: Callable[..., Any], *arguments: Any) -> None:
        self.f, self.arguments = f, arguments
        self.given = [x for _, x in leaves(arguments) if _has_gradient(x)]
        self.used: dict[TensorNode, Any] = {}
        self.random: dict[str, Any] = {}
        each_replay(functools.partial(_note_random_numbers, self.random))
        self.first = 0

    def __call__(self, xs: Sequence[Any]) -> Any:
        self.first = next(op_counter)
        new = iter(xs)
        args, constants = tree_map(lambda x: next(new) if _has_gradient(x) else x, self.arguments)
        with building(True):
            return self.f(*args, **constants)


class Checkpoint(Op):
    """What a call gives, where nothing that it computes on the way is kept."""

    @staticmethod
    def forward(context: Context, *xs: Any, call: Any, values: Any = None) -> Any:
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
        # Apart from the nodes given, this derivative ends; made of them, further ones go on.
        starts = [Id.do_forward(x) if is_node(x) else TensorNode(x) for x in xs]
        with _random_numbers_again(call.random), recomputing():
            ys = [y for _, y in leaves(call(starts)) if _has_gradient(y)]
        seeds = list(zip(ys, gos, strict=True))
        create = any(map(is_node, gos))
        wanted = [*starts, *call.used]
        return tuple(gradients(seeds, wanted, create, retain=create, since=call.first))


@contextmanager
def _random_numbers_again(state: Any) -> Iterator[None]:
    now: dict[str, Any] = {}
    each_replay(lambda: _note_random_numbers(now))
    each_replay(lambda: random.set_state(state))
    try:
        yield
    finally:
        each_replay(lambda: random.set_state(now))


def _note_random_numbers(state: dict[str, Any]) -> None:
    state.update(random.get_state())


def _from_outside(ys: Sequence[TensorNode], first: int) -> list[TensorNode]:
    """The nodes that the ys were made of, as far as ops of an order above `first` made them."""
    nodes = [x for opnode in ancestors(ys, first) for x in opnode.inputs]
    found = dict.fromkeys(filter(_has_gradient, (*nodes, *ys)))
    return [x for x in found if x.source is None or x.source.order < first]


def _has_gradient(x: Any) -> bool:
    return isinstance(x, TensorNode) and x.requires_grad
