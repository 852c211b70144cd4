"""Call users' functions while graphs are built and gradients computed: hooks on nodes, and watchers
of all ops and of leaves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from operator import getitem
from typing import Any, Protocol
from weakref import ref

from .arrays import check_gradient, conj, copied, is_node, value_of
from .ownership import is_alone
from .protocols import Node, OpApplication

__all__ = [
    "Handle",
    "Hook",
    "LeafWatcher",
    "Watcher",
    "hook_gradient",
    "hooked",
    "leaf_watchers",
    "living_leaf_watchers",
    "watch_leaves",
    "watchers",
    "watching",
]

Hook = Callable[[Any], Any]


class Handle:
    """The result of registering a hook: `remove()` takes the hook off; so does leaving a `with`."""

    def __init__(self, hooks: dict[object, Any], hook: Any) -> None:
        # The key is an object of its own: with the handle as key, the node's hooks would refer to
        # the handle and the handle to the hooks, a reference cycle.
        self._hooks, self._key = hooks, object()
        hooks[self._key] = hook

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def hook_gradient(node: Node, hook: Hook) -> Handle:
    """Have the node's complete gradient go through the hook in each pass."""
    if not node.requires_grad:
        raise ValueError("register_hook: this node requires no gradient, so no pass has one")
    holder = node.source or node  # the source keeps the hook where the node itself is dropped
    holder.hooks = {} if holder.hooks is None else holder.hooks
    return Handle(holder.hooks, (node.index, hook))


def hooked(of: OpApplication | Node, gradients: list[Any]) -> list[Any]:
    """Send the gradients of the outputs of an OpNode, or of a leaf, through its hooks. A hook may
    change what it is given in place, so other nodes' gradients are not in that memory."""
    gradients = [
        gradients[i]
        if gradients[i] is None or is_node(gradients[i]) or is_alone(gradients, i, getitem)
        else copied(gradients[i])
        for i in range(len(gradients))  # not by way of a variable, which would be another holder
    ]
    gradients = [*map(conj, gradients)]  # complex ones, as people see them
    for i, hook in list(of.hooks.values()):
        # A hook registered under the index None takes the gradients of all outputs at once.
        old = gradients if i is None else [gradients[i]]
        new = hook(gradients) if i is None else [None if old[0] is None else hook(old[0])]
        for k, (x, g) in enumerate(zip(old, new, strict=True)):
            if g is not None:
                check_gradient(g, value_of(x))
                gradients[k if i is None else i] = g
    return [*map(conj, gradients)]


class Watcher(Protocol):
    """An object whose methods are called for all ops, in every thread, inside `watching`. Each is
    given the `Op` class, or the `OpNode` that applies it."""

    def after_forward(self, op: Any, inputs: Any, outputs: Any) -> None: ...
    def before_backward(self, opnode: Any) -> None: ...
    def after_backward(self, opnode: Any, gos: Any, gradients: Any) -> None: ...
    def after_recomputing(self, call: Any, values: Any) -> None: ...  # of checkpoint's


watchers: list[Watcher] = []


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Inside, have the watcher's methods called."""
    watchers.append(watcher)
    try:
        yield
    finally:
        watchers.remove(watcher)


class LeafWatcher(Protocol):
    """An object whose methods are called in each backward pass that some of its leaves take part
    in: it may begin to send a gradient to other processes while the pass goes on. Passes that
    compute the gradients of chosen nodes, as `grad` does, leave `.grad` as it is and call nothing.
    """

    @property
    def leaves(self) -> Collection[Any]:
        """The leaves that it is to be told of."""
        ...

    def before_pass(self) -> None: ...
    def after_leaf(self, leaf: Any) -> None: ...  # its `.grad` has all that the pass adds to it
    def after_pass(self) -> None: ...


leaf_watchers: dict[int, ref[LeafWatcher]] = {}  # by id, while they live


def watch_leaves(watcher: LeafWatcher) -> None:
    """Have the watcher's methods called, as long as somebody holds it."""
    at = id(watcher)
    leaf_watchers[at] = ref(watcher, lambda _: leaf_watchers.pop(at, None))


def living_leaf_watchers() -> list[LeafWatcher]:
    """List the watchers in `leaf_watchers`, to which other threads may add."""
    return [watcher for held in [*leaf_watchers.values()] if (watcher := held())]
