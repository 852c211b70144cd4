"""Gradients on their way down: the ledger of a backward pass, and the shape, dtype and backend that
each gradient must have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from operator import getitem
from typing import Any

from ..backends import Array, backend_of
from .arrays import backend_or_none, is_node, namespace, node_or_array, value_of
from .hooks import hooked
from .operators import Operators
from .ownership import is_alone
from .protocols import Node, OpApplication

__all__ = ["Pending", "accumulate", "with_zeros"]


class Pending:
    """The ledger of a backward pass: of each gradient that is not complete, what has come so far.

    Args:
        paths: the OpNodes and leaves to go through; `None`: all.

    Attributes:
        sums: by OpNode, one sum for each of its outputs; by leaf (a node that no op computed), a
            list of one.
        owned: the sums, as pairs of a key of `sums` and an index, whose array the engine
            allocated; only to these the next gradient is added in place. See ownership.py.
        queue: a heap of the OpNodes in `sums`, the newest first.
    """

    def __init__(self, paths: Mapping[Any, Sequence[bool]] | None) -> None:
        self.paths = paths
        self.sums: dict[Any, list[Any]] = {}
        self.owned: set[tuple[Any, int]] = set()
        self.queue: list[tuple[int, OpApplication]] = []

    def add(self, opnode: OpApplication, given: Sequence[Any], gos: Sequence[Any]) -> list[Any]:
        """Add the gradients that the op gave, one for each of its inputs, to what has come so far.

        Args:
            gos: the gradients of the op's outputs.

        Returns:
            For each input, what its gradients are filed under: the OpNode that computed it, or
            the leaf itself; of a constant, `None`.
        """
        sums, paths, owned = self.sums, self.paths, self.owned
        sources: list[Any] = []
        for x, g in zip(opnode.inputs, given):  # noqa: B905 (strict takes longer)
            if not isinstance(x, Operators):
                sources.append(None)
                continue
            source: Any = x.source or x
            sources.append(source)
            if g is None or not x.requires_grad or (paths is not None and source not in paths):
                continue
            i, value, is_new = x.index, x.value, False
            if type(g) is not type(value) or g.dtype is not value.dtype or g.shape != value.shape:
                fitted = _fitted(opnode.op, g, value, gos)
                is_new, g = fitted is not g, fitted
            so_far = sums.get(source)
            if so_far is None:
                if source is x:
                    so_far = sums[source] = [None]
                else:
                    so_far = sums[source] = [None] * len(source.refs)
                    heappush(self.queue, (-source.order, source))
            if so_far[i] is None:
                so_far[i] = g
            elif (source, i) in owned:
                so_far[i] += g
                continue
            else:
                so_far[i], is_new = node_or_array(so_far[i] + g), True
            if is_new:
                owned.add((source, i))
        return sources

    def complete(self) -> Iterator[tuple[Any, list[Any]]]:
        """Take out, one after the other, the newest OpNode and the gradients of its outputs.

        All OpNodes that could still add to these gradients are newer, and were taken before. The
        gradients have gone through the outputs' hooks.
        """
        while self.queue:
            opnode = heappop(self.queue)[1]
            gos = self.sums.pop(opnode)
            yield opnode, hooked(opnode, gos) if opnode.hooks else gos

    def leaves(self) -> Iterator[tuple[Any, Any, bool, bool]]:
        """Take out the gradients of the leaves, once no OpNode is left.

        Yields:
            The leaf, its gradient, whether the gradient may be kept without a copy, and whether
            the engine allocated it.
        """
        for leaf in list(self.sums):
            total = self.sums.pop(leaf)
            owned = (leaf, 0) in self.owned
            if leaf.hooks:
                before = total
                total = hooked(leaf, before)
                owned = owned and total[0] is before[0]
                del before
            yield leaf, total[0], owned or is_node(total[0]) or is_alone(total, 0, getitem), owned


def _fitted(op: type, g: Any, value: Array, gos: Sequence[Any]) -> Any:
    """Bring the gradient `g` to the shape and dtype of the input's value: undo broadcasting and
    promotion.

    Raises:
        ValueError, TypeError: `g` fits the value under no broadcasting and no promotion.
    """
    if type(g) is type(value) and g.shape == value.shape and g.dtype == value.dtype:
        return g
    raw = value_of(g)
    if type(raw) is not type(value):
        if backend_or_none(raw) is not backend_of(value):
            raise TypeError(
                f"{op.__name__}.backward gave {type(raw).__module__}.{type(raw).__name__}, "
                f"expected an array of {backend_of(value).name}"
            )
        g = g if is_node(g) else node_or_array(g)
        raw = value_of(g)
    shape, dtype = tuple(value.shape), value.dtype
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
        g = node_or_array(xp.sum(g, axis=axes, keepdims=True) if axes else g)
    if raw.dtype != dtype:
        # Right if the op promoted this input to what its output has, and wrong otherwise.
        if all(go.dtype == dtype for go in gos) or all(go.dtype != raw.dtype for go in gos):
            raise TypeError(
                f"{op.__name__}.backward gave a gradient of {raw.dtype}, expected {dtype}"
            )
        g = namespace(g).astype(g, dtype)
    return g


def with_zeros(opnode: OpApplication, gos: Sequence[Any]) -> list[Any]:
    """Replace `None` among the gradients of several outputs by zeros: the loss does not depend on
    that output."""
    xp, pairs = namespace(*opnode.arrays), zip(gos, opnode.specs, strict=True)
    return [xp.zeros(s[1], dtype=s[2], device=s[3]) if g is None else g for g, s in pairs]


def accumulate(node: Node, gradient: Any, keep: bool, owned: bool) -> None:
    """Add the gradient to `node.grad`.

    Args:
        keep: whether a first gradient may become `node.grad` without a copy.
        owned: whether the engine allocated the gradient, so that the next one may be added to it
            in place.
    """
    if node._grad is None and (keep or is_node(gradient)):
        node._grad, node._owned = gradient, owned
    elif node._grad is None:
        xp = namespace(gradient)
        node._grad = xp.asarray(gradient, device=gradient.device, copy=True)
        node._owned = True
    elif node._owned and not is_node(gradient):
        node._grad += gradient
    else:
        node._grad, node._owned = node_or_array(node._grad + gradient), True
