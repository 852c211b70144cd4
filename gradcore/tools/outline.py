"""Sort the ops of a graph into modules, and many parts of one module into few groups."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .folding import Group, Place

__all__ = ["outline"]

_UNITS = 48  # what has more parts is divided into groups


def outline(paths: Sequence[Place], names: Sequence[str]) -> tuple[list[dict[str, Any]], list[int]]:
    """Sort the ops into modules, and many parts of one module into groups.

    Args:
        paths: for each op the modules that it is in, from the outermost.
        names: of the ops.

    Returns:
        The groups, each with a name and its parts; and the outermost parts. A part is the number of
        an op, or -1 - n for the group number n.
    """
    root: list[int] = []
    groups: list[dict[str, Any]] = []
    found: dict[Group, int] = {}
    for i, path in enumerate(paths):
        parts, outer = root, ""
        for group in path:
            if group not in found:
                found[group] = len(groups)
                inner = group.path.removeprefix(f"{outer}.")
                name = f"{inner}: {group.name}" if inner else group.name
                groups.append({"name": name, "module": True, "path": group.path, "parts": []})
                parts.append(-1 - found[group])
            parts, outer = groups[found[group]]["parts"], group.path
        parts.append(i)
    for k in range(len(groups)):
        groups[k]["parts"] = _divided(groups[k]["parts"], groups, names)
    return groups, _divided(root, groups, names)


def _divided(parts: list[int], groups: list[dict[str, Any]], ops: Sequence[str]) -> list[int]:
    """Put many parts of one group into few groups, which this appends to the list."""
    if len(parts) <= _UNITS:
        return parts
    names = [
        ops[part] if part >= 0 else str(groups[-1 - part]["name"]).rpartition(": ")[2]
        for part in parts
    ]
    period = _period(names)
    size = max(math.ceil(len(parts) / 40), 40)
    size = math.ceil(size / period) * period
    result = []
    for start in range(0, len(parts), size):
        text = _pattern(names[start : start + size], period)
        groups.append({"name": text, "parts": _divided(parts[start : start + size], groups, ops)})
        result.append(-len(groups))
    return result


def _period(names: Sequence[str]) -> int:
    """Find the length of the piece of at most 20 names that most of the names repeat; else 1."""
    n = len(names)
    for period in range(1, 21):
        if sum(a == b for a, b in zip(names, names[period:], strict=False)) >= 0.9 * (n - period):
            return period
    return 1


def _pattern(names: Sequence[str], period: int) -> str:
    """Name a group of parts: `20 x (MatrixMultiply, Tanh)`, or the first and the last."""
    piece, times = names[:period], len(names) // period
    if times > 1 and list(names) == list(piece) * times:
        shown = ", ".join(_short(piece))
        sign = "\N{MULTIPLICATION SIGN}"
        return f"{times} {sign} ({shown})" if period > 1 else f"{times} {sign} {shown}"
    return f"{names[0]} … {names[-1]}"


def _short(names: Sequence[str]) -> Iterable[str]:
    """Leave out the middle of a long list."""
    return names if len(names) <= 3 else [*names[:2], "…", names[-1]]
