"""The error function and its kin."""

from __future__ import annotations

import math

from ...backends import backend_of
from ..unary import OfInput

__all__ = ["Erf", "Erfc"]


class Erf(OfInput):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x."""

    function = lambda xp, x: backend_of(x).erf(x)
    gradient = lambda xp, go, x: go * (2 / math.sqrt(math.pi)) * xp.exp(-x * x)


class Erfc(OfInput):
    """1 - erf(x), exact where erf(x) is close to 1."""

    function = lambda xp, x: backend_of(x).erfc(x)
    gradient = lambda xp, go, x: go * (-2 / math.sqrt(math.pi)) * xp.exp(-x * x)
