"""autograd.numpy.fft's names: those of gradcore.numpy.fft, and for the rest NumPy's own."""

from __future__ import annotations

from typing import Any

import numpy as _numpy

from ... import numpy as _ours

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    ours = getattr(_ours, "fft", None)
    return getattr(ours, name) if hasattr(ours, name) else getattr(_numpy.fft, name)
