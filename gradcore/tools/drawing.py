"""Draw computation graphs."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from ..engine.arrays import NUMBER_TYPES, flat
from ..graph import TensorNode
from .dot import Text
from .folding import Folding, Group, Key, Place, Unit

__all__ = ["Drawing", "draw"]

# Styles, in the words of DOT.
_OP = 'shape=box, style=filled, fillcolor="#fff3c9"'
_MODULE = 'shape=box, style="filled,rounded", fillcolor="#e4f3df", height=0.45'
_NUMBER = "shape=plain"
_PARAMETER = 'style=filled, fillcolor="#cfe2f7"'
_CONSTANT = 'style=filled, fillcolor="#e6e6e6"'
_COMPUTED = 'style=filled, fillcolor="#ffffff"'
_ROOT = 'style=filled, fillcolor="#f9cfc0", penwidth=2'
_DOT = "shape=circle, height=0.12, width=0.12"  # of a value without a name
_STRAIGHT = 3  # the weight of edges that Graphviz should keep straight


class Drawing:
    """A drawing: a text in DOT, which notebooks show as a picture where Graphviz is installed.

    Attributes:
        dot: the text.
    """

    def __init__(self, dot: str) -> None:
        self.dot = dot

    def save(self, path: str | Path) -> None:
        """Write a file; its name ends in .dot, .gv, .svg or .png, and says what is written.

        Raises:
            ValueError: the name ends otherwise.
            RuntimeError: .svg and .png need Graphviz, which was not found.
        """
        path = Path(path)
        kind = path.suffix.lower()[1:]
        if kind not in ("dot", "gv", "svg", "png"):
            raise ValueError(f"draw: {path} ends in none of .dot, .gv, .svg and .png")
        path.write_bytes(self.dot.encode() if kind in ("dot", "gv") else self._picture(kind))

    def _picture(self, kind: str) -> bytes:
        import shutil
        import subprocess

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
    """Draw the graph that computed the nodes: values round, ops square, modules as frames.

    The nodes given are red, parameters blue, and other data and constants grey. Edges show
    shapes, once for each value, and a dtype where it is not that of most values. A value has the
    name of its node; a parameter without one has its name in the module. Draw before
    `backward()`, or call that with `retain_graph=True`: a released graph has no shapes and no
    constants.

    Args:
        nodes: a node, or several in lists and tuples.
        path: a file to write as well; its name ends in .dot, .gv, .svg or .png.
        max_ops: fold a graph of more ops until at most so many boxes and ops are drawn: modules
            become boxes, the innermost first, and what repeats is drawn once. `None`: never fold.
        direction: where the data flows: "TB" from top to bottom, "BT", "LR" or "RL".

    Raises:
        TypeError: `nodes` has something that is not a node.
        ValueError: there is no such direction or kind of file.
        RuntimeError: .svg and .png need Graphviz, which was not found.

    Example:
        >>> w, x = TensorNode([2.0, 3.0], name="w"), TensorNode([1.0, 5.0], name="x")
        >>> drawing = gradcore.draw((w * x).sum(), "loss.dot")  # "loss.svg" needs Graphviz
        >>> print("Multiply" in drawing.dot)
        True
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
    drawing = Drawing(_Scene(graph, roots).dot(direction))
    if path is not None:
        drawing.save(path)
    return drawing


class _Scene:
    """What a drawing shows: units (ops and boxes), values, and edges from values to units.

    Attributes:
        values: the nodes, arrays and numbers that are drawn, by key.
        places: for each of these, the frames that it is drawn in.
        edges: the pairs of a value and a unit that takes the value as an input.
        used: the values that have edges.
    """

    def __init__(self, graph: Folding, roots: list[TensorNode]) -> None:
        self.graph = graph
        self.units = graph.units()
        self.unit_of = {i: unit for unit, ops in self.units.items() for i in ops}
        self.frames = {unit: graph.frames(ops[0]) for unit, ops in self.units.items()}
        self.values: dict[Key, Any] = {graph.drawn_as(graph.key(node)): node for node in roots}
        self.roots = frozenset(self.values)
        self.places: dict[Key, Place] = dict.fromkeys(self.values, ())
        self.edges: list[tuple[Key, Unit]] = []
        self.used: set[Key] = set()
        for unit, ops in self.units.items():
            self._add_inputs(unit, ops)
        self._move_leaves_out()

    def _add_inputs(self, unit: Unit, ops: list[int]) -> None:
        """Add the edges to a unit, and the values at their other ends."""
        is_box, seen = isinstance(unit, Group), set()
        for original in [key for i in ops for key in self.graph.inputs[i]]:
            key, value = self.graph.drawn_as(original), self.graph.things[original]
            if is_box and self._is_inside(unit, key, value):
                continue
            # Only an op that stands for itself has an edge for each time that it takes a value.
            if key in seen and (is_box or unit in self.graph.times):
                continue
            seen.add(key)
            self.edges.append((key, unit))
            self.used.add(key)
            self.values.setdefault(key, value)
            made = self.frames[self.unit_of[key[0]]] if key[0] >= 0 else self.frames[unit]
            self.places[key] = _common(self.places.get(key, made), self.frames[unit])

    def _is_inside(self, box: Unit, key: Key, value: Any) -> bool:
        """Whether a box hides an input of its ops: parameters, numbers, and what it computes."""
        is_leaf = self._is_parameter(value) or type(value) in NUMBER_TYPES
        return is_leaf or self.unit_of.get(key[0]) is box

    def _is_parameter(self, value: Any) -> bool:
        return id(value) in self.graph.names

    def _move_leaves_out(self) -> None:
        """Take data out of the frames of modules, and what repetitions share out of theirs."""
        pairs = self.graph.repeated_inputs()
        leaves = [(drawn, other) for drawn, other in pairs if drawn[0] == other[0] == -1]
        shared = {drawn for drawn, other in leaves if drawn == other}
        own = {drawn for drawn, other in leaves if drawn != other}  # each repetition has another
        for key, value in self.values.items():
            if key[0] >= 0:
                continue
            place = self.places[key]
            repeated = [n for n, frame in enumerate(place) if frame in self.graph.times]
            if key in shared and repeated:
                self.places[key] = place[: repeated[0]]
            elif not (self._is_parameter(value) or type(value) in NUMBER_TYPES):
                self.places[key] = place[: repeated[-1] + 1] if key in own and repeated else ()

    # -- The text -----------------------------------------------------------------------------

    def dot(self, direction: str) -> str:
        """Write the scene in DOT."""
        text = Text()
        for unit, place in self.frames.items():
            text.add(unit, place, *self._unit(unit, place))
        dtype = self._usual_dtype()
        for key, value in self.values.items():
            text.add(key, self.places[key], *self._value(key, value, dtype))
            if key[0] >= 0:
                text.arrow(self.unit_of[key[0]], key, _shape(value, dtype), _STRAIGHT)
        for key, unit in self.edges:
            if key[0] >= 0:
                text.arrow(key, unit, weight=_STRAIGHT)
            else:
                text.arrow(key, unit, _shape(self.values[key], dtype))
        titles = {group: self._title(group, place) for group, place in text.groups().items()}
        return text.dot(direction, titles)

    def _unit(self, unit: Unit, place: Place) -> tuple[str, str]:
        """Choose the label and the style of a unit."""
        if isinstance(unit, Group):
            return self._title(unit, place) + self._parameters(unit), _MODULE
        return f"{self.graph.ops[unit].op.__name__} {self.graph.times.get(unit, '')}".strip(), _OP

    def _title(self, group: Group, place: Place) -> str:
        """Say what a box or frame is: `layer1: Linear(6, 5)`, or `Block` and how many."""
        times = self.graph.times.get(group, "")
        path = "" if times else _below(group.path, place)
        return ": ".join(filter(None, [path, f"{group.name} {times}".strip()]))

    def _parameters(self, box: Group) -> str:
        """Say, in a line of its own, how many parameters a box has, if it has any."""
        graph = self.graph
        keys = [key for i in self.units[box] for key in graph.inputs[i]]
        inside = {
            graph.drawn_as(key): graph.things[key].size
            for key in keys
            if self._is_parameter(graph.things[key])
        }
        each = " each" if box in graph.times else ""
        return f"\n{sum(inside.values()):,} parameters{each}" if inside else ""

    def _value(self, key: Key, value: Any, usual: str) -> tuple[str, str]:
        """Choose the label and the style of a value; `usual` is the dtype that is not shown."""
        path = _below(self.graph.names.get(id(value), ""), self.places[key])
        label, style = getattr(value, "name", None) or path, _CONSTANT
        if key[0] >= 0:
            style = _COMPUTED
        elif getattr(value, "requires_grad", False):
            style = _PARAMETER
        if type(value) in NUMBER_TYPES:
            label, style = repr(value), _NUMBER
        elif key[0] < 0 and key not in self.used:  # there is no edge for the shape
            label = "\n".join(filter(None, [label, _shape(value, usual)]))
        elif not label:
            style = f"{style}, {_DOT}"
        return label, f"{style}, {_ROOT}" if key in self.roots else style

    def _usual_dtype(self) -> str:
        """Find the dtype that most of the values have."""
        dtypes = Counter(map(_dtype, self.values.values()))
        return max(dtypes, key=lambda dtype: (dtype != "", dtypes[dtype]))


def _common(first: Place, second: Place) -> Place:
    """List the frames that are around both places."""
    pairs = zip(first, second, strict=False)
    return tuple([a for a, _ in takewhile(lambda pair: pair[0] is pair[1], pairs)])


def _below(name: str, place: Place) -> str:
    """Shorten a name such as `layer1.w` to `w` in the frame of the module `layer1`."""
    for group in reversed(place):
        if group.path and name.startswith(f"{group.path}."):
            return name.removeprefix(f"{group.path}.")
    return name


def _dtype(thing: Any) -> str:
    """Name the dtype of a node or array; of a number there is none."""
    return str(thing.dtype).rpartition(".")[2] if hasattr(thing, "dtype") else ""


def _shape(thing: Any, usual: str) -> str:
    """Write the shape, and the dtype if it is not the usual one."""
    shape, dtype = getattr(thing, "shape", ()), _dtype(thing)
    text = str(tuple(shape)) if shape else ""
    return text if dtype == usual else f"{text} {dtype}".strip()
