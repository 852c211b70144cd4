"""What goes into a checkpoint, and comes back out of it."""

from __future__ import annotations

from .backends import Array, backend_of


def copied(x: Array, like: Array | None = None) -> Array:
    """A copy of the array `x`, with memory of its own.

    Args:
        x: an array of any backend.
        like: where the copy goes, and in which dtype: those of this array; `None`: those of `x`.
    """
    if like is None:
        return backend_of(x).xp.asarray(x, device=x.device, copy=True)
    host = backend_of(x).to_numpy(x)
    return backend_of(like).xp.asarray(host, dtype=like.dtype, device=like.device, copy=True)
