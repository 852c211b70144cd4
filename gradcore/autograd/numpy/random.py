"""autograd.numpy.random's names: those of gradcore.numpy.random, and for the rest NumPy's own."""

from __future__ import annotations

from typing import Any

from numpy import random as _numpy

from ...numpy import random as _ours

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    return getattr(_ours if hasattr(_ours, name) else _numpy, name)
