"""Modes of the running thread or task: is a graph built? Does a transform, such as `grad`, run a
function to differentiate it? Does a backward pass run a checkpointed function again?"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..backends.contexts import enter

__all__ = [
    "building",
    "differentiating",
    "is_building",
    "is_differentiating",
    "is_recomputing",
    "no_grad",
    "recomputing",
]

# Of `bool`s, or, in blocks in generators, of something that is True or False for who asks.
is_building: ContextVar[Any] = ContextVar("is_building", default=True)
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


class no_grad:  # noqa: N801 (it is called like a function)
    """Inside `with no_grad():`, or in a function decorated with `@no_grad()`, build no graph;
    results require no gradient.

    In a generator the block holds while the generator runs, and not for the loop that takes what
    it yields. In a function decorated with `contextlib.contextmanager` it holds for the `with`
    block, which that function is for.

    Example:
        >>> x = TensorNode([1.0, 2.0])
        >>> with gradcore.no_grad():
        ...     y = x * x
        >>> print(y.value, y.requires_grad)
        [1. 4.] False
    """

    def __init__(self) -> None:
        self._ends: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        self._ends.append(enter(is_building, False, sys._getframe(1)))

    def __exit__(self, *exception: object) -> None:
        self._ends.pop()()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function, a generator function or a coroutine function."""
        if inspect.isasyncgenfunction(function):
            name = function.__name__
            raise TypeError(f"@no_grad(): {name} yields and awaits; say `with no_grad():` inside")

        @functools.wraps(function)
        def computed(*args: Any, **kwargs: Any) -> Any:
            with building(False):
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generated(*args: Any, **kwargs: Any) -> Any:
            return _Steps(function(*args, **kwargs))

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with building(False):
                return await function(*args, **kwargs)

        if inspect.iscoroutinefunction(function):
            return awaited
        return generated if inspect.isgeneratorfunction(function) else computed


class _Steps(Generator[Any, Any, Any]):
    """A generator that builds no graph: each of its steps is in a block of its own."""

    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        self.steps = steps

    def send(self, value: Any, /) -> Any:
        with building(False):
            return self.steps.send(value)

    def throw(self, *error: Any) -> Any:
        with building(False):
            return self.steps.throw(*error)


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
