"""Keys of arrays and indices, which JAX clamps where they are out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax.core import Tracer

from ..base import Backend
from ..definitions.indexing import index_error
from ..types import Array, Number

__all__ = ["JaxIndexing"]


class JaxIndexing(Backend):
    """Check keys and indices, and give a new array in place of assigning."""

    def check_indices(self, what: str, indices: Array, size: int, start: int = 0) -> None:
        # In a function that is traced, there are no numbers yet to look at.
        self.check_integers(what, indices)
        if isinstance(indices, Tracer) or not indices.size:
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

    def random_bits(self, key: Number, n: int, device: Any = None) -> Array:
        if isinstance(key, Tracer):
            return super().random_bits(key, n, device)
        words = np.random.Philox(key=int(key)).random_raw(-(-n // 2))
        bits = words.astype("<u8", copy=False).view("<u4")[:n]
        return self.xp.asarray(bits, device=device)


def _check_key(key: Any, shape: tuple[int, ...]) -> None:
    """Raise IndexError unless the integers in a key are in range."""
    entries = key if isinstance(key, tuple) else (key,)
    axes = sum(k is not None and k is not ... for k in entries)
    axis = 0
    for k in entries:
        if k is ...:
            axis += len(shape) - axes
        elif k is not None:
            if isinstance(k, int) and axis < len(shape) and not -shape[axis] <= k < shape[axis]:
                raise IndexError(
                    f"index {k} is out of bounds for axis {axis} with size {shape[axis]}"
                )
            axis += 1
