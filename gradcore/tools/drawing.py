"""Draw computation graphs."""

from __future__ import annotations

import re
from collections import Counter
from itertools import takewhile
from math import prod
from pathlib import Path
from typing import Any

from ..engine.arrays import NUMBER_TYPES, backend_or_none, flat
from ..graph import TensorNode
from .dot import Text
from .folding import Folding, Group, Key, Place, Unit

__all__ = ["Drawing", "draw"]

# What a drawing shows, by the words of its legend: the style, in the words of DOT. The fills are
# light tints of Okabe and Ito's colours, which the colour-blind tell apart; shapes and borders tell
# the kinds apart too (https://jfly.uni-koeln.de/color).
_STYLES = {
    "parameter": 'shape=ellipse, style=filled, fillcolor="#fbdca6", peripheries=2',
    "frozen parameter": 'shape=ellipse, style="filled,dashed", fillcolor="#fbdca6", peripheries=2',
    "input": 'shape=ellipse, style=filled, fillcolor="#c9e6f8"',
    "constant": 'shape=ellipse, style="filled,dashed", fillcolor="#eeeeee"',
    "op": 'shape=box, style=filled, fillcolor="#fdf8cf"',
    "module": 'shape=box, style="filled,rounded", fillcolor="#cdebe0", height=0.45',
    "computed value": 'shape=box, style="filled,rounded", fillcolor="#ffffff", fontsize=10',
}
_DRAWN = 'fillcolor="#f0c8e0", penwidth=2.5'  # of the nodes that `draw` was given, beside these
_UNKNOWN = ", width=0.12, height=0.12"  # of a value without a text
_STRAIGHT = 3  # the weight of edges that Graphviz should keep straight
_FEW = 4  # elements that are shown one by one

_ENDINGS = (".svg", ".pdf", ".png", ".dot", ".gv")
_NO_GRAPHVIZ = (
    "needs Graphviz, whose program `dot` was not found. Install it (Debian, Ubuntu: sudo apt "
    "install graphviz; Fedora: sudo dnf install graphviz; macOS: brew install graphviz; Windows: "
    "winget install graphviz; conda: conda install graphviz) and start a new terminal, or "
    "call gradcore.show(loss, 'loss.html'), which needs no Graphviz"
)


class Drawing:
    """A drawing: a text in DOT, which notebooks show as a picture where Graphviz is installed.

    Attributes:
        dot: the text.
    """

    def __init__(self, dot: str) -> None:
        self.dot = dot

    def save(self, path: str | Path) -> None:
        """Write a file; its name ends in .svg, .pdf, .png, .dot or .gv, and says what is written.

        Raises:
            ValueError: the name ends otherwise.
            RuntimeError: .svg, .pdf and .png need Graphviz, which was not found.
        """
        path = Path(path)
        kind = _ending(path)
        text = self.dot.encode() if kind in (".dot", ".gv") else self._picture(kind[1:])
        path.write_bytes(text)

    def _picture(self, kind: str) -> bytes:
        import shutil
        import subprocess

        program = shutil.which("dot")
        if not program:
            raise RuntimeError(f"draw: .{kind} {_NO_GRAPHVIZ}")
        done = subprocess.run([program, f"-T{kind}"], input=self.dot.encode(), capture_output=True)
        if done.returncode:
            said = " ".join(done.stderr.decode(errors="replace").split())
            raise RuntimeError(f"draw: Graphviz failed: {said}; write .dot to see its input")
        return done.stdout

    def __str__(self) -> str:
        return self.dot

    def __repr__(self) -> str:
        return (
            f"<Drawing, {len(self.dot):,} characters of DOT: .save('graph.svg') writes a picture>"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        try:
            return {"text/plain": repr(self), "image/svg+xml": self._picture("svg").decode()}
        except RuntimeError as error:  # a notebook would show a traceback
            return {"text/plain": str(error)}


def _ending(path: Path) -> str:
    """Give the ending of a file's name, which says what to write."""
    kind = path.suffix.lower()
    if kind not in _ENDINGS:
        advice = (
            "gradcore.show(loss, path) writes .html"
            if kind in (".html", ".htm")
            else (f"call it {path.stem or 'graph'}.svg, for example")
        )
        expected = f"{', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}"
        raise ValueError(f"draw: path = {str(path)!r} does not end in {expected}; {advice}")
    return kind


def draw(
    nodes: Any,
    path: str | Path | None = None,
    *,
    max_ops: int | None = 60,
    direction: str = "TB",
) -> Drawing:
    """Draw the graph that computed the nodes: values round, ops square, modules as frames.

    A legend names the colours. Parameters of modules are orange and have a double border; other
    leaves that get a gradient are blue; constants are grey and dashed; the nodes given are pink and
    have a thick border. A value shows its name and shape, and its dtype where it is not that of
    most values; a parameter without a name has that in the module. A constant of few elements shows
    them. Draw before `backward()`, or call that with `retain_graph=True`: a released graph has no
    shapes and no constants.

    Args:
        nodes: a node, or several in lists and tuples.
        path: a file to write as well; its name ends in .svg, .pdf, .png, .dot or .gv.
        max_ops: fold a graph of more ops until at most so many boxes and ops are drawn: modules
            become boxes, the innermost first, and what repeats is drawn once. `None`: never fold;
            Graphviz then takes minutes for a thousand ops.
        direction: where the data flows: "TB" from top to bottom, "BT", "LR" or "RL".

    Raises:
        TypeError: `nodes` has something that is not a node.
        ValueError: there is no such direction or kind of file.
        RuntimeError: .svg, .pdf and .png need Graphviz, which was not found.

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
            raise TypeError(
                f"draw: nodes: expected a TensorNode, such as a loss, or a list of them, not "
                f"{found}; call draw(loss, 'loss.svg')"
            )
    if direction not in ("TB", "BT", "LR", "RL"):
        raise ValueError(f"draw: direction = {direction!r}, expected 'TB', 'BT', 'LR' or 'RL'")
    if path is not None:
        _ending(Path(path))
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
            # Only an op and a value that stand for themselves have an edge for each use.
            stands_for_others = is_box or unit in self.graph.times or key != original
            if key in seen and stands_for_others:
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
                text.arrow(self.unit_of[key[0]], key, _STRAIGHT)
        for key, unit in self.edges:
            text.arrow(key, unit, _STRAIGHT if key[0] >= 0 else 1)
        titles = {group: self._title(group, place) for group, place in text.groups().items()}
        kinds = {self._kind(key, value) for key, value in self.values.items()}
        kinds |= {"module" if isinstance(unit, Group) else "op" for unit in self.units}
        legend = {kind: style for kind, style in _STYLES.items() if kind in kinds}
        return text.dot(direction, titles, {**legend, "drawn node": _DRAWN})

    def _unit(self, unit: Unit, place: Place) -> tuple[str, str]:
        """Choose the label and the style of a unit."""
        if isinstance(unit, Group):
            return self._title(unit, place) + self._parameters(unit), _STYLES["module"]
        times = self.graph.times.get(unit, "")
        return f"{self.graph.ops[unit].op.__name__} {times}".strip(), _STYLES["op"]

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

    def _kind(self, key: Key, value: Any) -> str:
        """Choose the kind of a value, by the words of the legend."""
        if key[0] >= 0:
            return "computed value"
        if self._is_parameter(value):
            return "parameter" if value.requires_grad else "frozen parameter"
        return "input" if getattr(value, "requires_grad", False) else "constant"

    def _value(self, key: Key, value: Any, usual: str) -> tuple[str, str]:
        """Choose the label and the style of a value; `usual` is the dtype that is not shown."""
        path = _below(self.graph.names.get(id(value), ""), self.places[key])
        name, style = getattr(value, "name", None) or path, _STYLES[self._kind(key, value)]
        shown = _shape(value, usual) if name or key[0] >= 0 else _elements(value, usual)
        label = "\n".join(filter(None, [name, shown]))
        style = style if label else f"{style}{_UNKNOWN}"
        return label, f"{style}, {_DRAWN}" if key in self.roots else style

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
    dtype = _dtype(thing)
    text = str(tuple(thing.shape)) if dtype else ""
    return text if dtype == usual else f"{text} {dtype}".strip()


def _elements(thing: Any, usual: str) -> str:
    """Write what is in a number or a small array; of a large one, the shape."""
    value = thing.value if isinstance(thing, TensorNode) else thing
    backend = backend_or_none(value)
    if backend and prod(value.shape) > _FEW:
        return _shape(thing, usual)
    text = repr(backend.to_numpy(backend.asarray(value)).tolist() if backend else value)
    text = re.sub(r"[\d.]{8,}(e[-+]\d+)?", lambda long: f"{float(long[0]):.4g}", text)
    dtype = _dtype(thing)
    return text if dtype in ("", usual) else f"{text} {dtype}"
