"""autograd.numpy.linalg's names: those of gradcore.numpy.linalg, and for the rest NumPy's own."""

from __future__ import annotations

from typing import Any

from numpy import linalg as _numpy

from ...numpy import linalg as _ours

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    return getattr(_ours if hasattr(_ours, name) else _numpy, name)
