"""Whether graphs are built, whether a transform runs a function to differentiate it, and whether a
backward pass runs one again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

__all__ = [
    "building",
    "differentiating",
    "is_building",
    "is_differentiating",
    "is_recomputing",
    "no_grad",
    "recomputing",
]

is_building: ContextVar[bool] = ContextVar("is_building", default=True)
is_differentiating: ContextVar[bool] = ContextVar("is_differentiating", default=False)
is_recomputing: ContextVar[bool] = ContextVar("is_recomputing", default=False)


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


@contextmanager
def differentiating() -> Iterator[None]:
    """Inside, graphs are built, also under `no_grad()`, and transforms give nodes."""
    token = is_differentiating.set(True)
    try:
        with building(True):
            yield
    finally:
        is_differentiating.reset(token)


@contextmanager
def recomputing() -> Iterator[None]:
    """Inside, what was computed before is computed again: nothing takes note of it twice."""
    token = is_recomputing.set(True)
    try:
        yield
    finally:
        is_recomputing.reset(token)
