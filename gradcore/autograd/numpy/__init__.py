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

__all__ = ["fft", "linalg", "make_diagonal", "random", "where"]


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Take x where the condition holds, and y elsewhere; without both, give the indices where the
    condition holds.

    Example:
        >>> x = np.array([-2.0, 3.0])
        >>> print(where(x > 0, x, 0.0), *where(x > 0))
        [0. 3.] [1]
    """
    return _ours.nonzero(condition) if x is None else _ours.where(condition, x, y)


def make_diagonal(D: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Make matrices (..., N, N) with the diagonals D (..., N), in the last two axes.

    Raises:
        NotImplementedError: `offset` is not 0, or the axes are others than -1 and -2.

    Example:
        >>> print(make_diagonal(np.array([1.0, 2.0]), axis1=-1, axis2=-2))
        [[1. 0.]
         [0. 2.]]
    """
    if (offset, axis1, axis2) != (0, -1, -2):
        raise NotImplementedError("make_diagonal takes offset=0, axis1=-1, axis2=-2 only")
    D = _ours.asarray(D)
    return _ours.where(_ours.eye(D.shape[-1]) == 1.0, D[..., None], 0.0)


def __getattr__(name: str) -> Any:
    return getattr(_ours if hasattr(_ours, name) else _numpy, name)


def __dir__() -> list[str]:
    return sorted({*dir(_ours), *dir(_numpy)})
