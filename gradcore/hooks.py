"""What is called as graphs are built and gradients computed: hooks on nodes, and watchers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from . import values

Hook = Callable[[Any], Any]


class Handle:
    """What registering a hook gives: `remove()` takes it off again; so does leaving a `with`."""

    def __init__(self, hooks: dict[object, Any], hook: Any) -> None:
        self._hooks, self._key = hooks, object()  # not itself: that were a reference cycle
        hooks[self._key] = hook

    def remove(self) -> None:
        """Take the hook off; once more does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def hook_gradient(node: Any, hook: Hook) -> Handle:
    """Have the node's complete gradient go through the hook."""
    if not node.requires_grad:
        raise ValueError("register_hook: this node requires no gradient, so no pass has one")
    holder = node.source or node  # a hook goes on where its node is dropped
    holder.hooks = {} if holder.hooks is None else holder.hooks
    return Handle(holder.hooks, (node.index, hook))


def hooked(of: Any, gradients: list[Any]) -> list[Any]:
    """The gradients of the outputs of an OpNode, or of a leaf, after its hooks."""
    gradients = list(gradients)
    for i, hook in list(of.hooks.values()):
        old = gradients if i is None else [gradients[i]]  # None: a hook on all of them
        new = hook(gradients) if i is None else [None if old[0] is None else hook(old[0])]
        for k, (x, g) in enumerate(zip(old, new, strict=True)):
            if g is not None:
                values.check_gradient(g, values.unwrap(x))
                gradients[k if i is None else i] = g
    return gradients


class Watcher(Protocol):
    """What is told of all ops, in every thread, while `watching` it."""

    def after_forward(self, op: Any, inputs: Any, outputs: Any) -> None: ...
    def before_backward(self, opnode: Any) -> None: ...
    def after_backward(self, opnode: Any, gos: Any, gradients: Any) -> None: ...


watchers: list[Watcher] = []


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    watchers.append(watcher)
    try:
        yield
    finally:
        watchers.remove(watcher)
