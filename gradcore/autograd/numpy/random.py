"""autograd.numpy.random's names: those of gradcore.numpy.random, and for the rest NumPy's own."""

from __future__ import annotations

from typing import Any

import numpy as _numpy

from ... import numpy as _ours

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    ours = getattr(_ours, "random", None)
    return getattr(ours, name) if hasattr(ours, name) else getattr(_numpy.random, name)
