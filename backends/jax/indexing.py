"""Keys of arrays and indices, which JAX clamps where they are out of range."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..base import Backend
from ..definitions.indexing import index_error
from ..types import Array

__all__ = ["JaxIndexing", "checks_noted", "found", "raise_index_errors"]

Check = tuple[str, int, int]  # what is checked, the size, and the start

# What the compiled steps of late have found: the smallest and the largest index of each check.
found: list[tuple[list[Check], jax.Array]] = []
LATE = 8  # steps, before one is waited for

_noted: ContextVar[list[tuple[Check, jax.Array]] | None] = ContextVar("checks", default=None)


@contextmanager
def checks_noted() -> Iterator[list[tuple[Check, jax.Array]]]:
    """In the block, list the checks of a step that is traced, each with what it finds."""
    noted: list[tuple[Check, jax.Array]] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def raise_index_errors() -> None:
    """Raise the error of a compiled step that is done, if an index was out of range.

    Raises:
        IndexError: the first index that was.
    """
    while found and (found[0][1].is_ready() or len(found) > LATE):
        checks, in_use = found.pop(0)
        ranges = np.asarray(in_use).tolist()  # JAX's own `tolist` takes six times as long
        for (what, size, start), (low, high) in zip(checks, ranges, strict=True):
            if low < start or high >= size:
                raise index_error(what, low if low < start else high, size, start)


class JaxIndexing(Backend):
    """Check keys and indices, and give a new array in place of assigning."""

    def check_indices(self, what: str, indices: Array, size: int, start: int = 0) -> None:
        self.check_integers(what, indices)
        if not indices.size:
            return
        if isinstance(indices, Tracer):  # which has no numbers yet to look at
            if (noted := _noted.get()) is not None:
                noted.append(((what, size, start), jnp.stack([indices.min(), indices.max()])))
            return
        host = np.asarray(indices)
        low, high = int(host.min()), int(host.max())
        if low < start or high >= size:
            raise index_error(what, low if low < start else high, size, start)

    def getitem(self, x: Array, key: Any) -> Array:
        _check_key(key, x.shape)
        return x[key]

    def setitem(self, x: Array, key: Any, y: Any) -> Array:
        _check_key(key, x.shape)
        return x.at[key].set(y)


def _check_key(key: Any, shape: tuple[int, ...]) -> None:
    """Raise IndexError unless the integers in a key are in range."""
    entries = key if isinstance(key, tuple) else (key,)
    axes = sum(k is not None and k is not ... for k in entries)
    axis = 0
    for k in entries:
        if k is ...:
            axis += len(shape) - axes
        elif k is not None:
            is_integer = isinstance(k, int | np.integer)
            if is_integer and axis < len(shape) and not -shape[axis] <= k < shape[axis]:
                raise IndexError(
                    f"index {k} is out of bounds for axis {axis} with size {shape[axis]}"
                )
            axis += 1
