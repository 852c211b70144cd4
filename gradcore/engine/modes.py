"""Modes of the running thread or task: is a graph built? Does a transform, such as `grad`, run a
function to differentiate it? Does a backward pass run a checkpointed function again?"""

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
    """Inside, build graphs, or do not."""
    token = is_building.set(whether)
    try:
        yield
    finally:
        is_building.reset(token)


def no_grad() -> AbstractContextManager[None]:
    """Inside `with no_grad():` build no graph; results require no gradient."""
    return building(False)


@contextmanager
def differentiating() -> Iterator[None]:
    """Inside, build graphs, also under `no_grad()`, and have transforms give nodes."""
    token = is_differentiating.set(True)
    try:
        with building(True):
            yield
    finally:
        is_differentiating.reset(token)


@contextmanager
def recomputing() -> Iterator[None]:
    """Inside, compute again what was computed before: running statistics, for example, must not be
    updated a second time."""
    token = is_recomputing.set(True)
    try:
        yield
    finally:
        is_recomputing.reset(token)
