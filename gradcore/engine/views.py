"""What a node that is a view remembers of its base; array_api/views.py says what views are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

__all__ = ["View", "view_of", "views_kept"]


class View(NamedTuple):
    """How a view was taken from its base: by `op` and constants; with the values that both had.

    Where one of them was given another value by the user (`x.value = ...`), the view is one no
    longer.
    """

    base: Any
    op: Any
    constants: dict[str, Any]
    base_value: Any
    value: Any


def view_of(x: Any) -> View | None:
    """Find of what the node x is a view, if it still is one."""
    of: View | None = x._view
    is_one = of is not None and x.value is of.value and of.base.value is of.base_value
    return of if is_one else None


@contextmanager
def views_kept(nodes: Iterable[Any]) -> Iterator[None]:
    """Let those of the nodes that are views still be views afterwards, though inside they and their
    bases are given other arrays, of the same numbers."""
    views = [(x, of) for x in nodes if (of := view_of(x))]
    yield
    for x, of in views:
        x._view = of._replace(base_value=of.base.value, value=x.value)
