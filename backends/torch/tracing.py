"""Whether a step is being traced: tensors then stand for those of later calls, and no kernel may
choose by the numbers in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..types import Array

__all__ = ["UNKNOWN", "is_readable", "is_traced", "tracing"]

UNKNOWN = "it is traced, and what it computes can't be read"  # an error's message

_is_tracing: ContextVar[bool] = ContextVar("is_tracing", default=False)


def is_traced() -> bool:
    return _is_tracing.get()


def is_readable(x: Array) -> bool:
    """Say whether a kernel may look at the numbers in x: in the host's memory, and known by now."""
    return x.is_cpu and not _is_tracing.get()


@contextmanager
def tracing() -> Iterator[None]:
    """Inside the block, trace a step."""
    token = _is_tracing.set(True)
    try:
        yield
    finally:
        _is_tracing.reset(token)
