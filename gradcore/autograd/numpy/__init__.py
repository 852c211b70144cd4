"""autograd.numpy's names: those of gradcore.numpy, and for the rest NumPy's own functions, which
take no nodes that have a gradient."""

from __future__ import annotations

from typing import Any

import numpy as _numpy
from numpy import __version__ as __version__

from ... import numpy as _ours
from . import fft as fft
from . import linalg as linalg
from . import random as random

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    if hasattr(_ours, name):
        return getattr(_ours, name)
    return getattr(_numpy, name)


def __dir__() -> list[str]:
    return sorted({*dir(_ours), *dir(_numpy)})
