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


def legend(dot: str) -> list[str]:
    """The words of the legend."""
    return re.findall(r">([^<>]+)</TD>", dot)


def texts(dot: str) -> list[str]:
    """All lines of text in the drawing."""
    written = [*labels(dot).values(), *frames(dot), *legend(dot)]
    return [line for text in written for line in text.split(r"\n") if line]


def styles(dot: str) -> dict[str, str]:
    """The styles of ops and values, by their labels."""
    return dict(re.findall(r'^n\d+ \[label="((?:[^"\\]|\\.)*)", (.*)\]$', dot, re.MULTILINE))
