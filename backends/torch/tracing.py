"""Whether a step is being traced: tensors then stand for those of later calls, and no kernel may
choose by the numbers in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..types import Array

__all__ = ["UNKNOWN", "check_copies", "is_readable", "is_traced", "tracing"]

UNKNOWN = "it is traced, and what it computes can't be read"  # an error's message

_is_tracing: ContextVar[bool] = ContextVar("is_tracing", default=False)


def is_traced() -> bool:
    return _is_tracing.get()


def check_copies() -> None:
    """Refuse to copy from the host, where a step is traced: the copy would be a constant of it.

    Raises:
        RuntimeError: a step is traced.
    """
    if _is_tracing.get():
        raise RuntimeError("it is traced, and nothing can be copied to its device")


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
