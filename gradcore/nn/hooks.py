"""Hooks on modules: functions called before and after `forward`, and after a backward pass."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from ..engine.arrays import flat
from ..engine.modes import is_building
from ..graph import TensorNode
from ..ops import Tie

__all__ = ["Hook", "Hooks"]

Hook = Callable[..., Any]


class _HasForward(Protocol):
    """A module, as hooks see it."""

    def forward(self, *inputs: Any, **options: Any) -> Any: ...


class Hooks:
    """The hooks of one module."""

    def __init__(self) -> None:
        self.before: dict[object, Hook] = {}
        self.after: dict[object, Hook] = {}
        self.backward: dict[object, Hook] = {}

    def call(self, module: _HasForward, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call the module's `forward` and the hooks around it; return the output."""
        for hook in list(self.before.values()):
            new = hook(module, inputs)
            if new is not None:
                inputs = new if isinstance(new, tuple) else (new,)
        backward = _Backward(module, list(self.backward.values())) if self.backward else None
        output = module.forward(*(backward.tied(inputs) if backward else inputs), **options)
        for hook in list(self.after.values()):
            new = hook(module, inputs, output)
            output = output if new is None else new
        if backward:
            backward.watch(output)
        return output


class _Backward:
    """The backward hooks of one call of a module, and the gradients that they are to be given.

    The gradients of the outputs are kept until those of the inputs are complete too.
    """

    def __init__(self, module: _HasForward, hooks: list[Hook]) -> None:
        self.module, self.hooks = module, hooks
        self.count = 0  # of the inputs
        self.places: list[int] = []  # among the inputs, of those that have a gradient
        self.of_outputs: list[Any] = []

    def tied(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Replace the inputs by nodes of one op, whose gradients are complete at the same time."""
        self.count = len(inputs)
        if is_building.get():
            self.places = [i for i, x in enumerate(inputs) if _has_gradient(x)]
        if not self.places:
            return inputs
        tied = Tie.do_forward(*[inputs[i] for i in self.places])
        # Written here and not by a Handle, which would refer back to the op: a reference cycle.
        tied[0].source.hooks = {self: (None, self.finish)}
        nodes = dict(zip(self.places, tied, strict=True))
        return tuple([nodes.get(i, x) for i, x in enumerate(inputs)])

    def watch(self, output: Any) -> None:
        """Have the gradients of the outputs noted when a backward pass has them."""
        nodes = [y for y in flat((output,)) if _has_gradient(y)]
        self.of_outputs = [None] * len(nodes)
        for i, y in enumerate(nodes):
            y.register_hook(functools.partial(self.note, i))

    def note(self, i: int, gradient: Any) -> None:
        """Keep the gradient of output `i`; the last calls the hooks, if no input has a gradient."""
        self.of_outputs[i] = gradient
        if not self.places and all(g is not None for g in self.of_outputs):
            self.finish([])

    def finish(self, gradients: list[Any]) -> list[Any]:
        """Call the hooks with all gradients; return those of the inputs in `places`."""
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
