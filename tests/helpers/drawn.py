"""What a drawing shows, read from its DOT text."""

from __future__ import annotations

import re


def labels(dot: str) -> dict[str, str]:
    return dict(re.findall(r'^(n\d+) \[label="((?:[^"\\]|\\.)*)"', dot, re.MULTILINE))


def frames(dot: str) -> list[str]:
    return re.findall(r'^subgraph \w+ \{ label="(.*)"', dot, re.MULTILINE)


def edges(dot: str) -> list[tuple[str, str]]:
    """The edges, by the labels of what they join."""
    names = labels(dot)
    return [(names[a], names[b]) for a, b in re.findall(r"^(n\d+) -> (n\d+)", dot, re.MULTILINE)]


def shapes(dot: str) -> list[tuple[str, str]]:
    """The edges that have a shape: the label of the op at one end, and the shape."""
    names = labels(dot)
    found = re.findall(r'^(n\d+) -> (n\d+) \[label=" ([^"]+)"', dot, re.MULTILINE)
    ops = {name for name in names if re.search(rf"^{name} .*shape=box", dot, re.MULTILINE)}
    return [(names[a if a in ops else b], shape) for a, b, shape in found]
