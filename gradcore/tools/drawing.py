"""Drawings of computation graphs, in DOT, the language of Graphviz (https://graphviz.org)."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from ..engine.arrays import NUMBER_TYPES, flat
from ..graph import TensorNode
from .folding import Folding, Group, Key

__all__ = [
    "COMPUTED",
    "CONSTANT",
    "DOT",
    "GENERAL",
    "MODULE",
    "NUMBER",
    "OP",
    "PARAMETER",
    "ROOT",
    "STRAIGHT",
    "Drawing",
    "draw",
]

GENERAL = """\
  graph [fontname="Helvetica", fontsize=11, fontcolor="#555555", color="#aaaaaa", style=rounded,
         labeljust=l, nodesep=0.25, ranksep=0.3]
  node [fontname="Helvetica", fontsize=11, color="#444444", height=0.3, margin="0.1,0.04"]
  edge [fontname="Helvetica", fontsize=9, fontcolor="#555555", color="#444444", arrowsize=0.6]
"""
OP = 'shape=box, style=filled, fillcolor="#fff3c9"'
MODULE = 'shape=box, style="filled,rounded", fillcolor="#e4f3df", height=0.45'
NUMBER = "shape=plain"
PARAMETER = 'style=filled, fillcolor="#cfe2f7"'
CONSTANT = 'style=filled, fillcolor="#e6e6e6"'
COMPUTED = 'style=filled, fillcolor="#ffffff"'
ROOT = 'style=filled, fillcolor="#f9cfc0", penwidth=2'
DOT = "shape=circle, height=0.12, width=0.12"
STRAIGHT = 3  # the weight of edges that dot is to keep straight


class Drawing:
    """A drawing, as text in DOT; in notebooks, where Graphviz is installed, as a picture.

    Attributes:
        dot: the text.
    """

    def __init__(self, dot: str) -> None:
        self.dot = dot

    def save(self, path: str | Path) -> None:
        """Write a file, of the kind that its name says: .dot, .gv, .svg or .png.

        Raises:
            ValueError: it is of another kind.
            RuntimeError: .svg and .png need Graphviz, and that was not found.
        """
        path = Path(path)
        kind = path.suffix.lower()[1:]
        if kind not in ("dot", "gv", "svg", "png"):
            raise ValueError(f"draw: {path} ends in none of .dot, .gv, .svg and .png")
        path.write_bytes(self.dot.encode() if kind in ("dot", "gv") else self._picture(kind))

    def _picture(self, kind: str) -> bytes:
        program = shutil.which("dot")
        if not program:
            raise RuntimeError(
                f"draw: .{kind} needs Graphviz, whose program `dot` was not found; install it "
                "(apt install graphviz, brew install graphviz, conda install graphviz, "
                "https://graphviz.org/download) or write .dot, which needs nothing"
            )
        done = subprocess.run([program, f"-T{kind}"], input=self.dot.encode(), capture_output=True)
        if done.returncode:
            raise RuntimeError(f"draw: dot failed: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def __str__(self) -> str:
        return self.dot

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        bundle = {"text/plain": self.dot}
        with suppress(RuntimeError):
            bundle["image/svg+xml"] = self._picture("svg").decode()
        return bundle


def draw(
    nodes: Any,
    path: str | Path | None = None,
    *,
    max_ops: int | None = 60,
    direction: str = "TB",
) -> Drawing:
    """Draw what the nodes were computed from: values round, ops square, modules as frames.

    `nodes` are red, parameters blue, and other nodes and arrays that no op computed grey. The
    edges have the shapes, once for each value that is computed, and dtypes where most have
    another. A value has the name of its node, or else, for parameters, its name in the module. A
    graph that a backward pass released has no shapes and no constants any more: draw before, or
    with `retain_graph=True`.

    Args:
        nodes: a node, or several in lists and tuples.
        path: a file to write too; it ends in .dot, .gv, .svg or .png.
        max_ops: a graph of more ops is folded: modules become boxes, the innermost first, and
            what is repeated is drawn once, until at most so many boxes are left. `None`: never.
        direction: of the data: "TB" for top to bottom, "BT", "LR" or "RL".

    Raises:
        TypeError: `nodes` has something else than nodes.
        ValueError: there is no such direction or kind of file.
        RuntimeError: .svg and .png need Graphviz, and that was not found.
    """
    roots = list(flat([nodes]))
    for node in roots or [None]:
        if not isinstance(node, TensorNode):
            found = type(node).__name__ if roots else "nothing"
            raise TypeError(f"draw: expected nodes, such as a loss, not {found}")
    if direction not in ("TB", "BT", "LR", "RL"):
        raise ValueError(f"draw: direction = {direction!r}, expected 'TB', 'BT', 'LR' or 'RL'")
    graph = Folding(roots)
    if max_ops is None or len(graph.ops) <= max_ops:
        while graph.open():
            pass
    else:
        graph.fold(max_ops)
    drawing = Drawing(_dot(graph, [graph.key(node) for node in roots], direction))
    if path is not None:
        drawing.save(path)
    return drawing


def _dot(graph: Folding, roots: list[Key], direction: str) -> str:
    units = graph.units()
    unit_of = {i: unit for unit, ops in units.items() for i in ops}
    frames = {unit: graph.frames(ops[0]) for unit, ops in units.items()}
    ends = {graph.drawn_as(key): graph.things[key] for key in roots}
    things = dict(ends)  # the values that are drawn
    places: dict[Key, tuple[Group, ...]] = dict.fromkeys(ends, ())  # the frames around them
    inside: dict[Any, dict[Key, int]] = {}  # the parameters that are in boxes, and their sizes
    edges: list[tuple[Key, Any]] = []

    for unit, ops in units.items():
        is_box, seen = isinstance(unit, Group), set()
        for original in [key for i in ops for key in graph.inputs[i]]:
            key, thing = graph.drawn_as(original), graph.things[original]
            is_parameter = id(thing) in graph.names
            if is_box and is_parameter:
                inside.setdefault(unit, {})[key] = thing.size
            hidden = is_parameter or type(thing) in NUMBER_TYPES or unit_of.get(key[0]) is unit
            if (is_box and hidden) or ((is_box or unit in graph.times) and key in seen):
                continue
            seen.add(key)
            edges.append((key, unit))
            things.setdefault(key, thing)
            made = frames[unit_of[key[0]]] if key[0] >= 0 else frames[unit]
            places[key] = _common(places.get(key, made), frames[unit])
    _move_out(graph, things, places)

    text = _Text()
    for unit, place in frames.items():
        if isinstance(unit, Group):
            label, style = _title(graph, unit, place), MODULE
            if unit in inside:
                each = " each" if unit in graph.times else ""
                label += f"\n{sum(inside[unit].values()):,} parameters{each}"
        else:
            label, style = graph.ops[unit].op.__name__, OP
            label += f" {graph.times[unit]}" if unit in graph.times else ""
        text.add(unit, place, label, style)

    dtypes = Counter(map(_dtype, things.values()))
    usual = max(dtypes, key=lambda dtype: (dtype != "", dtypes[dtype]))
    used = {key for key, _ in edges}
    for key, thing in things.items():
        label = getattr(thing, "name", None) or _below(graph.names.get(id(thing), ""), places[key])
        style = (
            COMPUTED
            if key[0] >= 0
            else PARAMETER
            if getattr(thing, "requires_grad", False)
            else CONSTANT
        )
        if type(thing) in NUMBER_TYPES:
            label, style = repr(thing), NUMBER
        elif key[0] < 0 and key not in used:  # there is no edge for the shape
            label = "\n".join(filter(None, [label, _shape(thing, usual)]))
        elif not label:
            style = f"{style}, {DOT}"
        style = f"{style}, {ROOT}" if key in ends else style
        text.add(key, places[key], label, style)
        if key[0] >= 0:
            text.arrow(unit_of[key[0]], key, _shape(thing, usual), STRAIGHT)
    for key, unit in edges:
        if key[0] >= 0:
            text.arrow(key, unit, "", STRAIGHT)
        else:
            text.arrow(key, unit, _shape(things[key], usual))
    titles = {
        group: _title(graph, group, place[:n])
        for place in text.lines
        for n, group in enumerate(place)
    }
    return text.dot(direction, titles)


def _move_out(graph: Folding, things: dict[Key, Any], places: dict[Key, tuple[Group, ...]]) -> None:
    """Take data out of the frames of modules, and what repetitions share out of theirs."""
    pairs = [pair for pair in graph.repeated_inputs() if pair[0][0] == pair[1][0] == -1]
    shared = {drawn for drawn, other in pairs if drawn == other}
    own = {drawn for drawn, other in pairs if drawn != other}
    for key, thing in things.items():
        repeated = [frame in graph.times for frame in places[key]]
        if key[0] < 0 and key in shared and True in repeated:
            places[key] = places[key][: repeated.index(True)]
        elif key[0] < 0 and type(thing) not in NUMBER_TYPES and id(thing) not in graph.names:
            last = len(repeated) - repeated[::-1].index(True) if True in repeated else 0
            places[key] = places[key][: last if key in own else 0]


class _Text:
    """The lines of a drawing, each within its frames."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.lines: dict[tuple[Group, ...], list[str]] = {(): []}
        self.edges: list[str] = []

    def add(self, thing: Any, place: tuple[Group, ...], label: str, style: str) -> None:
        """Something round or square."""
        self.names[thing] = name = f"n{len(self.names)}"
        for n in range(len(place) + 1):
            self.lines.setdefault(place[:n], [])
        self.lines[place].append(f"{name} [label={_quoted(label)}, {style}]")

    def arrow(self, start: Any, end: Any, label: str, weight: int = 1) -> None:
        edge = f"{self.names[start]} -> {self.names[end]}"
        label = f" {label}" if label else ""  # or it touches the line
        self.edges.append(f"{edge} [label={_quoted(label)}, weight={weight}]")

    def dot(self, direction: str, titles: dict[Group, str]) -> str:
        inner: dict[tuple[Group, ...], list[tuple[Group, ...]]] = {}
        for place in self.lines:
            if place:
                inner.setdefault(place[:-1], []).append(place)
        done = ["digraph {", f"rankdir={direction}", GENERAL]
        stack: list[Any] = [()]
        while stack:
            place = stack.pop()
            if place is None:
                done.append("}")
                continue
            if place:
                label = _quoted(titles[place[-1]])
                done.append(f"subgraph cluster{len(done)} {{ label={label}")
                stack.append(None)
            done += self.lines[place]
            stack += reversed(inner.get(place, []))
        return "\n".join([*done, *self.edges, "}", ""])


def _common(first: tuple[Group, ...], second: tuple[Group, ...]) -> tuple[Group, ...]:
    """The frames around both."""
    pairs = zip(first, second, strict=False)
    return tuple([a for a, _ in takewhile(lambda pair: pair[0] is pair[1], pairs)])


def _title(graph: Folding, group: Group, place: tuple[Group, ...]) -> str:
    times = graph.times.get(group, "")
    path = "" if times else _below(group.path, place)
    return ": ".join(filter(None, [path, f"{group.name} {times}".strip()]))


def _below(name: str, place: tuple[Group, ...]) -> str:
    """The name of something in a module, in the frame of that module."""
    for group in reversed(place):
        if group.path and name.startswith(f"{group.path}."):
            return name.removeprefix(f"{group.path}.")
    return name


def _dtype(thing: Any) -> str:
    return str(thing.dtype).rpartition(".")[2] if hasattr(thing, "dtype") else ""


def _shape(thing: Any, usual: str) -> str:
    """The shape, and the dtype if it is not the usual one."""
    shape, dtype = getattr(thing, "shape", ()), _dtype(thing)
    text = str(tuple(shape)) if shape else ""
    return text if dtype == usual else f"{text} {dtype}".strip()


def _quoted(text: str) -> str:
    """A string in DOT, which knows backslashes and HTML's entities."""
    text = "".join(
        [c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text]
    )
    for c, escaped in (("\\", "\\\\"), ("&", "&amp;"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(c, escaped)
    return f'"{text}"'
