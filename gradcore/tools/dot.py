"""Write a drawing in DOT, the language of Graphviz (https://graphviz.org)."""

from __future__ import annotations

import re
from collections.abc import Hashable

from .folding import Group, Place

__all__ = ["Text"]

_GENERAL = """\
  graph [fontname="Helvetica", fontsize=11, fontcolor="#333333", color="#888888", style=rounded,
         labeljust=l, nodesep=0.25, ranksep=0.3]
  node [fontname="Helvetica", fontsize=11, color="#444444", height=0.3, margin="0.1,0.04"]
  edge [color="#444444", arrowsize=0.6]
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

    def arrow(self, start: Hashable, end: Hashable, weight: int = 1) -> None:
        """Draw an arrow between two things that were added."""
        self.edges.append(f"{self.names[start]} -> {self.names[end]} [weight={weight}]")

    def groups(self) -> dict[Group, Place]:
        """List the groups that have frames, each with the frames around its own."""
        return {group: place[:n] for place in self.lines for n, group in enumerate(place)}

    def dot(self, direction: str, titles: dict[Group, str], legend: dict[str, str]) -> str:
        """Put the lines together, those of each frame inside the lines of the frame around it.

        Args:
            titles: of the frames.
            legend: the styles, by what they mean.
        """
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
        return "\n".join([*done, *self.edges, _legend(legend), "}", ""])


def _legend(styles: dict[str, str]) -> str:
    """Write the legend as the label of the drawing: below it, where it crosses nothing."""
    cells = []
    for text, style in styles.items():
        fill = re.findall(r'fillcolor="(.*?)"', style)[0]
        looks = [look for look in ("rounded", "dashed") if look in style]
        looks += ["rounded"] * ("ellipse" in style)
        border = 2 if "penwidth" in style else 1
        cell = f'BORDER="{border}" STYLE="{",".join(looks)}" BGCOLOR="{fill}"'
        cell = f"<TD {cell}>{text}</TD>"
        if "peripheries=2" in style:
            outer = f'BORDER="1" CELLBORDER="1" CELLSPACING="2" STYLE="{",".join(looks)}"'
            cell = f"<TD><TABLE {outer}><TR>{cell}</TR></TABLE></TD>"
        cells.append(cell)
    table = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="3">'
    text = f"<{table}<TR>{''.join(cells)}</TR></TABLE>>"
    return f"labelloc=b; fontsize=9; label={text}"


def _quoted(text: str) -> str:
    """Quote a text for DOT, which reads backslashes and the entities of HTML."""
    text = "".join(
        [c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text]
    )
    for c, escaped in (("\\", "\\\\"), ("&", "&amp;"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(c, escaped)
    return f'"{text}"'
