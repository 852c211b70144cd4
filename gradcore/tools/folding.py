"""Decide what a drawing of a graph shows: all ops, or modules as boxes and repetitions once.

A large graph is folded from the outside in. At first each outermost module is a box, and what
repeats is drawn once. Then all boxes are opened: each becomes a frame around the ops and boxes
inside it. The next boxes are opened in turn, as long as the drawing stays small enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from ..engine.arrays import NUMBER_TYPES, describe
from ..engine.traversal import ancestors
from ..graph import OpNode, TensorNode
from .repetitions import Item, repetitions

__all__ = ["Folding", "Group", "Key", "Place", "Unit"]

# The name of a value: for an output of an op, the number of the op and the place among its outputs;
# for data and parameters, -1 and something that no other value has.
Key = tuple[int, Any]

_TIMES = "\N{MULTIPLICATION SIGN}"


class Group:
    """The ops of a module's call, or of a piece that repeats: drawn as one box or, if the group is
    open, one by one in a frame.

    Attributes:
        kind: the class of the module; `None` where the group is no call.
        name: the text for it, such as `Linear(6, 5)`.
        path: the name of the module in the outermost module, such as `layer1`.
        open: whether the group is a frame.
    """

    def __init__(self, kind: Any, name: str = "", path: str = "", is_open: bool = False) -> None:
        self.kind, self.name, self.path, self.open = kind, name, path, is_open


Unit = int | Group  # what is drawn as one: an op, by its number, or a closed group
Place = tuple[Group, ...]  # the frames around something, from the outermost


class Folding:
    """The graph that computed the roots, and the units that a drawing shows of it.

    Attributes:
        ops: the OpNodes, each after those that it depends on; the number of an op is its place.
        inputs: for each op the keys of its inputs.
        things: by key, the node, array or number; an OpNode stands for nodes that were let go.
        paths: for each op the groups that it is in, from the outermost.
        times: for each unit or frame that stands for several, how many: "x 12".
        names: of parameters, by the id of the node.
    """

    def __init__(self, roots: list[TensorNode]) -> None:
        self.ops = sorted(ancestors(roots), key=lambda opnode: opnode.order)
        self._number = {opnode: i for i, opnode in enumerate(self.ops)}
        self.things: dict[Key, Any] = {}
        for node in [node for opnode in self.ops for node in opnode.outputs]:
            self.key(node)
        # Of a released graph, None is where a constant was.
        self.inputs = [[self.key(x) for x in op.inputs if x is not None] for op in self.ops]
        self.names: dict[int, str] = {}
        self.paths = self._module_paths()
        self.times: dict[Unit, str] = {}
        self._drawn = list(range(len(self.ops)))  # for each op, which one is drawn in its place

    def key(self, x: Any) -> Key:
        """Find the key of a node, array or number, and note what has that key."""
        key: Key
        source = x.source if isinstance(x, TensorNode) else x if isinstance(x, OpNode) else None
        if source is None:
            key = -1, ("number", len(self.things)) if type(x) in NUMBER_TYPES else id(x)
        elif isinstance(x, TensorNode):
            key = self._number[source], x.index
        else:  # let go: which of several outputs it was is not known
            key = self._number[source], 0 if len(source.refs) == 1 else None
        if key not in self.things or not isinstance(x, OpNode):
            self.things[key] = x
        return key

    def drawn_as(self, key: Key) -> Key:
        """Find the key of the value that is drawn in place of this one."""
        i = key[0]
        while i >= 0 and self._drawn[i] != i:
            i = self._drawn[i]
        return i, key[1]

    def repeated_inputs(self) -> Iterator[tuple[Key, Key]]:
        """Pair each input of an op that is drawn with that of each op that it is drawn for."""
        for i, other in enumerate(self._drawn):
            if i != other:
                drawn = self.inputs[self.drawn_as((i, 0))[0]]
                yield from zip(drawn, self.inputs[i], strict=True)

    def units(self) -> dict[Unit, list[int]]:
        """List the units, each with its ops."""
        units: dict[Unit, list[int]] = {}
        for i, drawn in enumerate(self._drawn):
            if i == drawn:
                unit = next((group for group in self.paths[i] if not group.open), i)
                units.setdefault(unit, []).append(i)
        return units

    def frames(self, i: int) -> Place:
        """List the open groups around the unit that op `i` is in."""
        path = self.paths[i]
        return path[: next((n for n, group in enumerate(path) if not group.open), len(path))]

    # -- Modules ------------------------------------------------------------------------------

    def _module_paths(self) -> list[tuple[Group, ...]]:
        """Make a group of each module call; list for each op the groups that it is in. Name the
        parameters."""
        within, calls = self._calls()
        outermost = {first: calls[min(around)] for around in set(within) for first in around}
        names = self._named_modules([call.module for call in outermost.values()])
        self._name_parameters_of_lost_modules(within, outermost)
        trivial = self._trivial_calls(within)
        groups = {}
        for first, call in calls.items():
            if first not in trivial:
                path = names.get((id(outermost[first].module), id(call.module)), "")
                groups[first] = Group(call.kind, call.title(), path)
        paths = {
            around: tuple([groups[first] for first in sorted(around) if first in groups])
            for around in set(within)
        }
        return [paths[around] for around in within]

    def _calls(self) -> tuple[list[frozenset[int]], dict[int, _Call]]:
        """Find the module calls that each op is in, by their numbers, and the calls themselves.

        `OpNode.calls` names the calls that ended with this op. The other ops of such a call are
        those that this op depends on and that were made after the call began. Calls and OpNodes
        are numbered by one counter, so a call is older than an op if its number is smaller.
        """
        calls: dict[int, _Call] = {}
        within: list[frozenset[int]] = [frozenset()] * len(self.ops)
        for i in reversed(range(len(self.ops))):
            ended = self.ops[i].calls
            while ended:
                ended, kind, module, first = ended
                calls[first] = _Call(kind, module())
                within[i] |= {first}
            for j, _ in self.inputs[i] if within[i] else ():
                if j >= 0:
                    later = [first for first in within[i] if first > self.ops[j].order]
                    around = within[i].difference(later) if later else within[i]
                    within[j] = within[j] | around if within[j] else around
        return within, calls

    def _named_modules(self, outermost: list[Any]) -> dict[tuple[int, int], str]:
        """Find the names of the modules in each outermost one, by the ids of both; and name the
        parameters."""
        names: dict[tuple[int, int], str] = {}
        for module in {id(module): module for module in outermost if module is not None}.values():
            # A module may have an attribute with the name of a method.
            for name, inner in type(module).named_modules(module):
                names[id(module), id(inner)] = name
            with suppress(ValueError):  # two parameters have one name
                for name, node in type(module).named_parameters(module):
                    self.names.setdefault(id(node), name)
        return names

    def _trained_leaves(self, i: int) -> list[TensorNode]:
        """List the inputs of op `i` that may be parameters."""
        leaves = [self.things[key] for key in self.inputs[i] if key[0] < 0]
        return [x for x in leaves if getattr(x, "requires_grad", False)]

    def _name_parameters_of_lost_modules(
        self, within: list[frozenset[int]], outermost: dict[int, _Call]
    ) -> None:
        """Note leaves as parameters, without a name, where their module may be one that is gone."""
        for i, around in enumerate(within):
            if around and outermost[min(around)].module is None:
                for x in self._trained_leaves(i):
                    self.names.setdefault(id(x), "")

    def _trivial_calls(self, within: list[frozenset[int]]) -> set[int]:
        """Find the calls of a single op without parameters: their frames would say no more than
        the op."""
        size: Counter[int] = Counter(first for around in within for first in around)
        return {
            first
            for i, around in enumerate(within)
            if not any(id(x) in self.names for x in self._trained_leaves(i))
            for first in around
            if size[first] == 1
        }

    # -- Folding ------------------------------------------------------------------------------

    def open(self) -> list[Group]:
        """Open the groups that are drawn as boxes, and list them."""
        boxes = [unit for unit in self.units() if isinstance(unit, Group)]
        for group in boxes:
            group.open = True
        return boxes

    def fold(self, limit: int) -> None:
        """Draw repetitions once, and open groups from the outermost in while that leaves at most
        `limit` units. Where even the closed groups are more, draw only the first and the last."""
        self._drop_repetitions()
        if len(self.units()) > limit:
            self._drop_the_middle(limit)
            return
        before = list(self._drawn), list(self.paths)
        while opened := self.open():
            self._drop_repetitions()
            if len(self.units()) > limit:
                self._drawn, self.paths = before
                for group in opened:
                    group.open = False
                return
            before = list(self._drawn), list(self.paths)

    def _drop_the_middle(self, limit: int) -> None:
        """Put all units but the first and the last of them in one box."""
        units = self.units()
        half = max(limit // 2, 1)
        rest = Group(None, f"… {len(units) - 2 * half:,} more")
        for unit in list(units)[half:-half]:
            for i in units[unit]:
                self.paths[i] = (rest,)

    def _drop_repetitions(self) -> None:
        """Draw only the first of units that repeat, one after the other. Look again until nothing
        does: of `aaabaaabaaab`, the piece `aaab` is left, and in it `a` repeats."""
        while True:
            members = self.units()
            units = list(members)
            found = repetitions(self._items(members))
            for start, period, times, is_chain in found:
                text = f"{_TIMES} {times:,}" + ("" if is_chain else " in parallel")
                self._mark(units[start : start + period], members, text)
                for n in range(start + period, start + period * times):
                    pairs = zip(members[units[n]], members[units[n - period]], strict=True)
                    for i, j in pairs:
                        self._drawn[i] = self._drawn[j]
            if not found:
                return

    def _mark(self, units: list[Unit], members: dict[Unit, list[int]], times: str) -> None:
        """Note how many times a piece stands there. A piece of several units gets a frame."""
        if len(units) == 1:
            self.times[units[0]] = times
            return
        piece = Group(None, is_open=True)
        self.times[piece] = times
        for i in [i for unit in units for i in members[unit]]:
            n = len(self.frames(i))
            self.paths[i] = (*self.paths[i][:n], piece, *self.paths[i][n:])

    def _items(self, members: dict[Unit, list[int]]) -> list[Item]:
        """Describe the units for the search for repetitions."""
        place = {i: n for n, ops in enumerate(members.values()) for i in ops} | {-1: -1}
        items = []
        for unit, ops in members.items():
            look, outside = self._look(unit, ops)
            items.append(Item(look, [place[i] for i in outside], isinstance(unit, Group)))
        return items

    def _look(self, unit: Unit, ops: list[int]) -> tuple[int, list[int]]:
        """Hash what units must share to repeat each other: ops, edges among them, and the shapes of
        inputs from outside the unit. List the sources of these inputs: ops, or -1 for data."""
        within, outside = {i: n for n, i in enumerate(ops)}, []
        parts: list[Any] = [self.frames(ops[0]), self.times.get(unit), getattr(unit, "kind", None)]
        for i in ops:
            parts.append(self.ops[i].op)
            for key in self.inputs[i]:
                source, index = self.drawn_as(key)
                if source in within:
                    parts.append((within[source], index))
                    continue
                outside.append(source)
                thing = self.things[key]
                known = type(thing) not in NUMBER_TYPES and not isinstance(thing, OpNode)
                parts.append(describe(thing) if known else None)
        return hash(tuple(parts)), outside


class _Call(NamedTuple):
    """A call of a module: the module's class, and the module unless it was let go."""

    kind: type[Any]
    module: Any

    def title(self) -> str:
        """Say what the module is: `Linear(6, 5)` if its class has a short text of its own, else the
        name of the class, as the text of all other modules lists all that is in them."""
        if self.module is not None and "__repr__" in vars(self.kind):
            text = repr(self.module)
            if "\n" not in text and len(text) <= 40:
                return text
        return self.kind.__name__
