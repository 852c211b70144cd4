"""Hooks on modules: what is called before and after `forward`, and after backward."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from ..graph import TensorNode
from ..modes import is_building
from ..ops import Tie
from ..values import flat

Hook = Callable[..., Any]


class Forward(Protocol):
    """A module, of which hooks need `forward` alone."""

    def forward(self, *inputs: Any, **options: Any) -> Any: ...


class Hooks:
    """The hooks of one module."""

    def __init__(self) -> None:
        self.before: dict[object, Hook] = {}
        self.after: dict[object, Hook] = {}
        self.backward: dict[object, Hook] = {}

    def call(self, module: Forward, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """`forward`, with the hooks."""
        for hook in list(self.before.values()):
            new = hook(module, inputs)
            if new is not None:
                inputs = new if isinstance(new, tuple) else (new,)
        end: Any = _Backward(module, list(self.backward.values())) if self.backward else None
        output = module.forward(*(end.tied(inputs) if end else inputs), **options)
        for hook in list(self.after.values()):
            new = hook(module, inputs, output)
            output = output if new is None else new
        if end:
            end.watch(output)
        return output


class _Backward:
    """What backward hooks need of one call: the gradients of its outputs, until those of its
    inputs are there too."""

    def __init__(self, module: Forward, hooks: list[Hook]) -> None:
        self.module, self.hooks = module, hooks
        self.places: list[int] = []  # of the inputs that have a gradient, among all
        self.count = 0  # of all
        self.of_outputs: list[Any] = []

    def tied(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs, as nodes whose gradients are complete at the same time."""
        self.count = len(inputs)
        if is_building.get():
            self.places = [i for i, x in enumerate(inputs) if _has_gradient(x)]
        if not self.places:
            return inputs
        tied = Tie.do_forward(*[inputs[i] for i in self.places])
        tied[0].source.hooks = {self: (None, self.finish)}  # a Handle would refer back to it
        nodes = dict(zip(self.places, tied, strict=True))
        return tuple([nodes.get(i, x) for i, x in enumerate(inputs)])

    def watch(self, output: Any) -> None:
        """Note the gradients of the outputs."""
        nodes = [y for y in flat((output,)) if _has_gradient(y)]
        self.of_outputs = [None] * len(nodes)
        for i, y in enumerate(nodes):
            y.register_hook(functools.partial(self.note, i))

    def note(self, i: int, gradient: Any) -> None:
        self.of_outputs[i] = gradient
        if not self.places and all(g is not None for g in self.of_outputs):
            self.finish([])

    def finish(self, gradients: list[Any]) -> list[Any]:
        """Call the hooks; the gradients of the inputs that have one go through them."""
        for hook in self.hooks:
            of_inputs: list[Any] = [None] * self.count
            for i, g in zip(self.places, gradients, strict=True):
                of_inputs[i] = g
            new = hook(self.module, tuple(of_inputs), tuple(self.of_outputs))
            if new is not None:
                new = new if isinstance(new, tuple) else (new,)
                gradients = [new[i] for i in self.places]
        self.of_outputs = [None] * len(self.of_outputs)
        return gradients


def _has_gradient(x: Any) -> bool:
    return isinstance(x, TensorNode) and x.requires_grad
