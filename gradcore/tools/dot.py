"""Write a drawing in DOT, the language of Graphviz (https://graphviz.org)."""

from __future__ import annotations

from collections.abc import Hashable

from .folding import Group, Place

__all__ = ["Text"]

_GENERAL = """\
  graph [fontname="Helvetica", fontsize=11, fontcolor="#555555", color="#aaaaaa", style=rounded,
         labeljust=l, nodesep=0.25, ranksep=0.3]
  node [fontname="Helvetica", fontsize=11, color="#444444", height=0.3, margin="0.1,0.04"]
  edge [fontname="Helvetica", fontsize=9, fontcolor="#555555", color="#444444", arrowsize=0.6]
"""


class Text:
    """The lines of a drawing, each within its frames."""

    def __init__(self) -> None:
        self.names: dict[Hashable, str] = {}
        self.lines: dict[Place, list[str]] = {(): []}
        self.edges: list[str] = []

    def add(self, thing: Hashable, place: Place, label: str, style: str) -> None:
        """Draw a box or an ellipse for `thing`, within the frames of `place`."""
        self.names[thing] = name = f"n{len(self.names)}"
        for n in range(len(place) + 1):
            self.lines.setdefault(place[:n], [])
        self.lines[place].append(f"{name} [label={_quoted(label)}, {style}]")

    def arrow(self, start: Hashable, end: Hashable, label: str = "", weight: int = 1) -> None:
        """Draw an arrow between two things that were added."""
        edge = f"{self.names[start]} -> {self.names[end]}"
        label = f" {label}" if label else ""  # without the blank, the label touches the line
        self.edges.append(f"{edge} [label={_quoted(label)}, weight={weight}]")

    def groups(self) -> dict[Group, Place]:
        """List the groups that have frames, each with the frames around its own."""
        return {group: place[:n] for place in self.lines for n, group in enumerate(place)}

    def dot(self, direction: str, titles: dict[Group, str]) -> str:
        """Put the lines together, those of each frame inside the lines of the frame around it."""
        inner: dict[Place, list[Place]] = {}
        for frame in self.lines:
            if frame:
                inner.setdefault(frame[:-1], []).append(frame)
        done = ["digraph {", f"rankdir={direction}", _GENERAL]
        stack: list[Place | None] = [()]
        while stack:
            place = stack.pop()
            if place is None:  # all of a frame is written
                done.append("}")
                continue
            if place:
                label = _quoted(titles[place[-1]])
                done.append(f"subgraph cluster{len(done)} {{ label={label}")
                stack.append(None)
            done += self.lines[place]
            stack += reversed(inner.get(place, []))
        return "\n".join([*done, *self.edges, "}", ""])


def _quoted(text: str) -> str:
    """Quote a text for DOT, which reads backslashes and the entities of HTML."""
    text = "".join(
        [c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text]
    )
    for c, escaped in (("\\", "\\\\"), ("&", "&amp;"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(c, escaped)
    return f'"{text}"'
