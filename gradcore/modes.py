"""Whether graphs are built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

is_building: ContextVar[bool] = ContextVar("is_building", default=True)


@contextmanager
def building(whether: bool) -> Iterator[None]:
    """Inside, graphs are built, or they are not."""
    token = is_building.set(whether)
    try:
        yield
    finally:
        is_building.reset(token)


def no_grad() -> AbstractContextManager[None]:
    """Inside `with no_grad():` no graph is built, and results require no gradient."""
    return building(False)
