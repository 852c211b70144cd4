"""What a drawing of a graph shows: all of it, or modules as boxes and repetitions once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ..engine.arrays import NUMBER_TYPES, describe
from ..engine.traversal import ancestors
from ..graph import OpNode, TensorNode

__all__ = ["LONGEST", "TIMES", "Folding", "Group", "Key"]

LONGEST = 64  # the longest pattern, in ops and boxes, that is looked for

TIMES = "\N{MULTIPLICATION SIGN}"

# An output of an op is known by the number of the op and its place among the outputs; what no op
# computed by -1 and something of its own.
Key = tuple[int, Any]


class Group:
    """Ops that are drawn as one box, or as a frame if it is open: a module's call or a pattern."""

    def __init__(self, kind: Any, name: str = "", path: str = "", is_open: bool = False) -> None:
        self.kind, self.name, self.path, self.open = kind, name, path, is_open


class Folding:
    """The graph behind the roots, and the units that it is drawn as.

    A unit is a closed group or the number of an op.

    Attributes:
        ops: the OpNodes, by number, each after those that it depends on.
        inputs: for each op the keys of its inputs.
        things: by key, the node, array or number; an OpNode stands for nodes that were let go.
        paths: for each op the groups that it is in, from the outermost.
        drawn: the ops that are drawn, the others being repetitions.
        times: for units and frames that stand for several, how many.
        names: of parameters, by id.
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
        self.paths = self._calls()
        self.drawn = list(range(len(self.ops)))
        self.times: dict[Any, str] = {}
        self._same = list(self.drawn)  # the op that is drawn in place of each

    def repetitions(self) -> Iterator[tuple[Key, Key]]:
        """An input of an op that is drawn, and in place of it one of an op that is not."""
        for i in set(range(len(self.ops))).difference(self.drawn):
            drawn = self.inputs[self.drawn_as((i, 0))[0]]
            yield from zip(drawn, self.inputs[i], strict=True)

    def key(self, x: Any) -> Key:
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
        """The key of the value that is drawn for this one."""
        i = key[0]
        while i >= 0 and self._same[i] != i:
            i = self._same[i]
        return i, key[1]

    def units(self) -> dict[Any, list[int]]:
        """The units, and the ops in each."""
        units: dict[Any, list[int]] = {}
        for i in self.drawn:
            unit = next((group for group in self.paths[i] if not group.open), i)
            units.setdefault(unit, []).append(i)
        return units

    def frames(self, i: int) -> tuple[Group, ...]:
        """The open groups around the unit of an op."""
        path = self.paths[i]
        return path[: next((n for n, group in enumerate(path) if not group.open), len(path))]

    def _calls(self) -> list[tuple[Group, ...]]:
        """For each op the module calls that it is in, by `OpNode.calls`: those that end in what
        it led to, and began before it was made."""
        found: dict[int, tuple[type, Any]] = {}
        within: list[frozenset[int]] = [frozenset()] * len(self.ops)
        for i in reversed(range(len(self.ops))):
            call = self.ops[i].calls
            while call:
                call, kind, module, first = call
                found[first] = kind, module()
                within[i] |= {first}
            for j, _ in self.inputs[i] if within[i] else ():
                if j >= 0:
                    later = [first for first in within[i] if first > self.ops[j].order]
                    calls = within[i].difference(later) if later else within[i]
                    within[j] = within[j] | calls if within[j] else calls
        names: dict[int, dict[int, str]] = {}  # by outermost module, of those in it
        for calls in set(within):
            outermost = found[min(calls)][1] if calls else None
            if outermost is not None and id(outermost) not in names:
                modules = type(outermost).named_modules(outermost)
                names[id(outermost)] = {id(module): name for name, module in modules}
                with suppress(ValueError):  # two have one name
                    for name, node in type(outermost).named_parameters(outermost):
                        self.names.setdefault(id(node), name)
        # A module that is one op without parameters says no more than the op.
        plain: dict[int, bool] = {}
        for calls, inputs in zip(within, self.inputs, strict=True):
            trained = [key for key in inputs if getattr(self.things[key], "requires_grad", False)]
            leaves = [self.things[key] for key in trained if key[0] < 0]
            if calls and found[min(calls)][1] is None:  # let go of: these may be its parameters
                self.names |= {id(node): "" for node in leaves if id(node) not in self.names}
            for first in calls:
                plain[first] = first not in plain and all(id(x) not in self.names for x in leaves)
        groups: dict[int, Group] = {}
        chains: dict[frozenset[int], list[int]] = {}
        for calls in set(within):
            chains[calls] = [first for first in sorted(calls) if not plain[first]]
            for first in chains[calls]:
                kind, module = found[first]
                # Most modules show all that is in them; what a class has itself is short.
                text = (
                    repr(module)
                    if module is not None and "__repr__" in vars(kind)
                    else kind.__name__
                )
                text = kind.__name__ if "\n" in text or len(text) > 40 else text
                path = names.get(id(found[min(calls)][1]), {}).get(id(module), "")
                groups.setdefault(first, Group(kind, text, path))
        return [tuple([groups[first] for first in chains[calls]]) for calls in within]

    # -- To fold it ---------------------------------------------------------------------------

    def fold(self, limit: int) -> None:
        """Open groups from the outermost in, and drop repetitions, while that leaves at most
        `limit` units."""
        before = None
        while True:
            while self._drop_repetitions():
                pass
            units = self.units()
            if len(units) > limit and before:
                opened, self.drawn, self.paths, self._same = before
                for group in opened:
                    group.open = False
                return
            if len(units) > limit:  # there is too much outside of modules
                half = max(limit // 2, 1)
                rest = Group(None, f"… {len(units) - 2 * half:,} more")
                for unit in list(units)[half:-half]:
                    for i in units[unit]:
                        self.paths[i] = (rest,)
                return
            before = self.open(), self.drawn, list(self.paths), list(self._same)
            if not before[0]:
                return

    def open(self) -> list[Group]:
        """Open the groups that are drawn as boxes."""
        groups = [unit for unit in self.units() if isinstance(unit, Group)]
        for group in groups:
            group.open = True
        return groups

    def _drop_repetitions(self) -> bool:
        """Where units repeat a pattern, one after the other, keep the first; whether any did."""
        members = self.units()
        units = list(members)
        place = {i: k for k, unit in enumerate(units) for i in members[unit]} | {-1: -1}
        signs, sources = [], []
        for unit in units:
            sign, outside = self._likeness(unit, members[unit])
            signs.append(sign)
            sources.append([place[i] for i in outside])

        def run(start: int, p: int) -> int:
            """How many times what is in `start : start + p` is there."""
            k = start + p
            while k < len(units) and signs[k] == signs[k - p]:
                # Each is made of the same as the last one or, moved on, of what came from that;
                # the first may be made of anything.
                second = k < start + 2 * p
                for a, b in zip(sources[k], sources[k - p], strict=True):
                    if not (a in (b, b + p) or (second and b < start <= a)):
                        return (k - start) // p
                k += 1
            return (k - start) // p

        def enough(start: int, p: int) -> int:
            """How many times are worth a fold."""
            if not follows(start, p):
                return 4
            return 2 if p == 1 and isinstance(units[start], Group) else 3

        def follows(start: int, p: int) -> bool:
            """Whether the second occurrence is made of the first, and not beside it."""
            second = range(start + p, start + 2 * p)
            return any(start <= a < start + p for k in second for a in sources[k])

        dropped: set[int] = set()
        k = 0
        while k < len(units):
            length, period = 0, 1
            for p in range(1, min(LONGEST, (len(units) - k) // 2) + 1):
                if signs[k] == signs[k + p] and length <= 4 * LONGEST:
                    times = run(k, p)
                    if times >= 2 and times * p > length and times >= enough(k, p):
                        length, period = times * p, p
            if length:
                parallel = "" if follows(k, period) else " in parallel"
                self._mark(
                    units[k : k + period], members, f"{TIMES} {length // period:,}{parallel}"
                )
            for n in range(k + period, k + length):
                pairs = zip(members[units[n]], members[units[n - period]], strict=True)
                for i, j in pairs:
                    self._same[i] = self._same[j]
                    dropped.add(i)
            k += length or 1
        self.drawn = [i for i in self.drawn if i not in dropped]
        return bool(dropped)

    def _mark(self, units: list[Any], members: dict[Any, list[int]], times: str) -> None:
        if len(units) == 1:
            self.times[units[0]] = times
            return
        pattern = Group(None, is_open=True)
        self.times[pattern] = times
        for i in [i for unit in units for i in members[unit]]:
            n = len(self.frames(i))
            self.paths[i] = (*self.paths[i][:n], pattern, *self.paths[i][n:])

    def _likeness(self, unit: Any, ops: list[int]) -> tuple[int, list[int]]:
        """A hash of what units must have in common to be repetitions; and the ops, or -1, that
        its inputs from outside come from."""
        within, outside = {i: n for n, i in enumerate(ops)}, []
        parts: list[Any] = [self.frames(ops[0]), self.times.get(unit), getattr(unit, "kind", None)]
        for i in ops:
            parts.append(self.ops[i].op)
            for key in self.inputs[i]:
                source, index = self.drawn_as(key)
                if source in within:
                    parts.append((within[source], index))
                else:
                    outside.append(source)
                    thing = self.things[key]
                    known = type(thing) not in NUMBER_TYPES and not isinstance(thing, OpNode)
                    parts.append(describe(thing) if known else None)
        return hash(tuple(parts)), outside
