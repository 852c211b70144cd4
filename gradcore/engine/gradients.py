"""Gradients on their way down: the ledger of a backward pass, and the shape, dtype and backend that
each gradient must have.

Of a complex node, what ops give one another is the gradient g for which the loss changes by the
real part of the sum of g dx. So the backward of an op with a complex derivative has no conjugate:
that of a * b gives go * b. What people see, in `.grad` and in hooks, is the conjugate of g, the
direction in which the loss grows fastest, as in PyTorch.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from operator import getitem
from typing import Any

from ..backends import Array, backend_of
from ..backends.definitions.common import is_half
from ..backends.types import DType
from .arrays import (
    COMPLEX,
    accepted,
    backend_or_none,
    conj,
    is_complex,
    is_floating,
    namespace,
    node_or_array,
    real_dtype,
    widened,
)
from .hooks import hooked
from .operators import Operators
from .ownership import is_alone
from .protocols import OpApplication

__all__ = ["Pending", "note_late", "with_zeros"]

# The nodes whose `requires_grad` became True after they were made, by id, while they live. An op
# applied before took such a node for a constant, as its context notes; the pass does so too.
late: dict[int, weakref.ref[Any]] = {}


def note_late(node: Any) -> None:
    """Note that the node requires a gradient from now on."""
    at = id(node)
    late[at] = weakref.ref(node, lambda _: late.pop(at, None))


class Pending:
    """The ledger of a backward pass: it keeps, for each gradient not yet complete, the sum so far.

    Args:
        into: for each wanted node, the node whose `.grad` receives the gradient; `None`: each node
            that somebody holds receives its own.
        paths: the OpNodes and leaves on the way to wanted nodes, and which inputs of each lead
            there; `None`: all.

    Attributes:
        sums: by OpNode, one sum for each of its outputs; by leaf (a node that no op computed), a
            list of one.
        owned: the sums, as pairs of a key of `sums` and an index, whose array the engine
            allocated. The engine adds in place only to these arrays; see ownership.py.
        halves: the dtypes of sums of 16-bit gradients, which are in float32 until they are taken
            out, by the same pairs.
        queue: a heap of the OpNodes in `sums`, the newest first.
    """

    def __init__(
        self, into: Mapping[Any, Any] | None, paths: Mapping[Any, Sequence[bool]] | None
    ) -> None:
        self.into, self.paths = into, paths
        self.sums: dict[Any, list[Any]] = {}
        self.owned: set[tuple[Any, int]] = set()
        self.halves: dict[tuple[Any, int], DType] = {}
        self.queue: list[tuple[int, OpApplication]] = []

    def add(self, opnode: OpApplication, given: Sequence[Any], gos: Sequence[Any]) -> list[Any]:
        """Add the gradients that the op gave, one for each of its inputs, to what has come so far.

        Args:
            gos: the gradients of the op's outputs.

        Returns:
            For each input, what its gradients are filed under: the OpNode that computed it, or
            the leaf itself; of a constant, `None`.
        """
        sums, paths = self.sums, self.paths
        sources: list[Any] = []
        if late and "_needs" in opnode.context:
            given = [g if n else None for g, n in zip(given, opnode.context["_needs"], strict=True)]
        for x, g in zip(opnode.inputs, given):  # noqa: B905 (strict takes longer)
            if not isinstance(x, Operators):
                sources.append(None)
                continue
            source: Any = x.source or x
            sources.append(source)
            if g is None or not x._requires_grad:
                continue
            i, value, is_new = x.index, x.value, False
            if type(g) is not type(value) or g.dtype is not value.dtype or g.shape != value.shape:
                fitted = _fitted(opnode.op, g, value, gos)
                is_new, g = fitted is not g, fitted
            if paths is not None and source not in paths:
                continue
            if source in sums:
                so_far = sums[source]
            elif source is x:
                so_far = sums[source] = [None]
            else:
                so_far = sums[source] = [None] * len(source.refs)
                heappush(self.queue, (-source.order, source))
            if so_far[i] is None:
                so_far[i] = g
                is_new = is_new and not is_half(g)  # which is not to be added to as it is
            elif (source, i) in self.owned:
                so_far[i] += g
                continue
            else:
                if is_half(g):  # add up in float32, and round once
                    self.halves[source, i], so_far[i] = g.dtype, widened(so_far[i])
                both = so_far[i], g
                has_node = isinstance(both[0], Operators) or isinstance(g, Operators)
                add = namespace(*both).add if has_node else backend_of(g).add
                so_far[i] = node_or_array(add(*both))
                is_new = True
            if is_new:
                self.owned.add((source, i))
        return sources

    def complete(self) -> Iterator[tuple[Any, list[Any], Sequence[bool] | None]]:
        """Take out, one after the other, the newest OpNode: its outputs' gradients are complete,
        because all OpNodes that could still add to them are newer, and were taken before.

        Gradients go through the outputs' hooks, and to the outputs that somebody holds.

        Yields:
            The OpNode, the gradients of its outputs, and for each input whether its gradient is
            wanted (`None`: all are). OpNodes without such an input are skipped.
        """
        sums, queue, paths = self.sums, self.queue, self.paths
        while queue:
            opnode = heappop(queue)[1]
            gos = sums.pop(opnode)
            if self.halves:
                self._round(opnode, gos)
            if opnode.hooks:
                gos = hooked(opnode, gos)
            for ref in opnode.refs:
                if (output := ref()) is not None:
                    g = gos[output.index]
                    self._deliver(output, g, keep=isinstance(g, Operators), owned=False)
            if paths is None:
                yield opnode, gos, None
            elif True in (asked := paths[opnode]):
                yield opnode, gos, asked

    def settle(self, leaves: Iterable[Any]) -> None:
        """Take out the gradients of leaves to which no OpNode will add any more, and deliver them.
        A leaf that has got no gradient is left out."""
        for leaf in leaves:
            if leaf not in self.sums:
                continue
            total, owned = self.sums.pop(leaf), (leaf, 0) in self.owned
            if self.halves:
                self._round(leaf, total)
            if leaf.hooks:  # which may keep what they are given, and give what they keep
                self._deliver(leaf, hooked(leaf, total)[0], keep=False, owned=False)
                continue
            keep = owned or is_alone(total, 0, getitem)
            self._deliver(leaf, total[0], keep=keep, owned=owned)

    def _round(self, source: Any, sums: list[Any]) -> None:
        """Round those of the sums that are in float32 in place of 16 bits."""
        for i, g in enumerate(sums):
            if (dtype := self.halves.pop((source, i), None)) is not None:
                sums[i] = namespace(g).astype(g, dtype)

    def _deliver(self, node: Any, gradient: Any, *, keep: bool, owned: bool) -> None:
        """Add the gradient to `node.grad`, or to that of the node that `into` names.

        Args:
            keep: whether a first gradient may become `.grad` without a copy.
            owned: whether the engine allocated the gradient, so that the next one may be added to
                it in place.
        """
        if gradient is None:
            return
        if self.into is not None:
            if node not in self.into:
                return
            node = self.into[node]
        elif COMPLEX[type(node.value), node.value.dtype]:  # not `is_complex`, which takes longer
            gradient, keep, owned = conj(gradient), True, not isinstance(gradient, Operators)
        if node._grad is None and keep:
            node._grad, node._owned = gradient, owned
        elif node._grad is None:
            xp = namespace(gradient)
            node._grad = xp.asarray(gradient, device=gradient.device, copy=True)
            node._owned = True
        elif node._owned and not isinstance(gradient, Operators):
            node._grad += gradient
        else:  # not `node._grad`: zeros that were read may be of another shape than the value now
            node._grad, node._owned = node_or_array(node.grad + gradient), True


def _fitted(op: Any, g: Any, value: Array, gos: Sequence[Any]) -> Any:
    """Bring the gradient `g` to the shape and dtype of the input's value: undo broadcasting and
    promotion. Of what a complex result depends on by a real input, that is the real part.

    Raises:
        ValueError, TypeError: `g` fits the value under no broadcasting and no promotion.
    """
    if type(g) is type(value) and g.shape == value.shape and g.dtype == value.dtype:
        return g
    is_node = isinstance(g, Operators)
    raw = g.value if is_node else g
    if type(raw) is not type(value):
        raw = accepted(op.__name__, raw)
        if backend_or_none(raw) is not backend_of(value):
            raise TypeError(
                f"{op.__name__}.backward gave {type(raw).__module__}.{type(raw).__name__}, "
                f"expected an array of {backend_of(value).name}"
            )
        if not is_node:
            g = raw = node_or_array(raw)
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
    if not is_floating(value):
        # Somebody gave a node that requires a gradient such a value: rounding would be wrong.
        found = f"its input has {dtype} numbers"
        raise TypeError(f"{op.__name__}.backward: {found}; gradients are of floating numbers")
    if op.real_only and is_complex(value):
        raise TypeError(f"{op.__name__} is for real numbers; its input has {dtype} numbers")
    if raw.dtype != dtype:
        # Right if the op promoted this input to what its output has, and wrong otherwise.
        given, asked = real_dtype(raw), real_dtype(value)
        outputs = [real_dtype(go) for go in gos if go is not None]
        if given != asked and (all(y == asked for y in outputs) or given not in outputs):
            raise TypeError(
                f"{op.__name__}.backward gave a gradient of {raw.dtype}, expected {dtype}"
            )
        xp, takes_part = namespace(g), is_complex(raw) and not is_complex(value)
        g = xp.astype(xp.real(g) if takes_part else g, dtype)  # a copy: the part may be a view
    return g


def with_zeros(opnode: OpApplication, gos: Sequence[Any]) -> list[Any]:
    """Replace `None` among the gradients of several outputs by zeros: the loss does not depend on
    that output."""
    xp, pairs = namespace(*opnode.arrays), zip(gos, opnode.specs, strict=True)
    return [xp.zeros(s[1], dtype=s[2], device=s[3]) if g is None else g for g, s in pairs]
