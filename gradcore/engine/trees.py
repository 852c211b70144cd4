"""Trees: nested dictionaries, lists and tuples. Everything else in them is a leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["leaves", "tree_map"]


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Give each leaf with its path, as in `['w'][0]`. `None` is an empty tree."""
    if isinstance(tree, dict):
        for key, entry in tree.items():
            yield from leaves(entry, f"{path}[{key!r}]")
    elif isinstance(tree, list | tuple):
        for i, entry in enumerate(tree):
            yield from leaves(entry, f"{path}[{i}]")
    elif tree is not None:
        yield path, tree


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Make a tree like `tree`, with `function(leaf, ...)` in place of each leaf. The function's
    further arguments are the leaves of the other trees at the same path.

    Raises:
        ValueError: another tree has another structure.
    """
    if not isinstance(tree, dict | list | tuple):
        return None if tree is None else function(tree, *others)
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    for other in others:
        has = list(other) if isinstance(other, dict) else list(range(_length(other)))
        if isinstance(other, dict) != isinstance(tree, dict) or {*has} != {*keys}:
            found, expected = (type(x).__name__ for x in (other, tree))
            raise ValueError(f"expected a {expected} with {keys}, not a {found} with {has}")
    entries = [tree_map(function, tree[k], *[other[k] for other in others]) for k in keys]
    if isinstance(tree, dict):
        return dict(zip(keys, entries, strict=True))
    return type(tree)(*entries) if hasattr(tree, "_fields") else type(tree)(entries)


def _length(x: Any) -> int:
    return len(x) if isinstance(x, list | tuple) else 0
