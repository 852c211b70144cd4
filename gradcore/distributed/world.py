"""The processes of this run."""

from __future__ import annotations

from .communicator import Communicator

__all__ = ["world"]


def world() -> Communicator:
    """Give the exchanges between the processes of this run."""
    return Communicator()
