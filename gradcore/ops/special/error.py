"""The error function and its kin."""

from __future__ import annotations

import math

from ...backends import Array, backend_of
from ...graph import Context, Op
from ..precision import in_float32
from ..unary import OfInput, OfOutput

__all__ = [
    "Erf",
    "Erfc",
    "Erfcinv",
    "Erfcx",
    "Erfinv",
    "LogNdtr",
    "Ndtr",
    "Ndtri",
    "NdtriExp",
]

ROOT = math.sqrt(math.pi)


class Erf(OfInput):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x."""

    function = lambda xp, x: backend_of(x).erf(x)
    gradient = lambda xp, go, x: go * (2 / ROOT) * xp.exp(-x * x)


class Erfc(OfInput):
    """1 - erf(x), exact where erf(x) is close to 1."""

    function = lambda xp, x: backend_of(x).erfc(x)
    gradient = lambda xp, go, x: go * (-2 / ROOT) * xp.exp(-x * x)


class Erfcx(Op):
    """The derivative of order n of exp(x²) erfc(x)."""

    @staticmethod
    def forward(context: Context, x: Array, *, n: int = 0) -> Array:
        context["x"], context["n"] = x, n
        return backend_of(x).erfcx(n, x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go * Erfcx.apply(context["x"], n=context["n"] + 1)


class Erfinv(OfOutput):
    """The y with erf(y) = x: infinite at -1 and 1, NaN beyond."""

    function = lambda xp, x: backend_of(x).erfinv(x)
    gradient = lambda xp, go, y: go * (ROOT / 2) * xp.exp(y * y)


class Erfcinv(OfOutput):
    """The y with erfc(y) = x: infinite at 0 and 2, NaN beyond."""

    function = lambda xp, x: backend_of(x).erfcinv(x)
    gradient = lambda xp, go, y: go * (-ROOT / 2) * xp.exp(y * y)


class Ndtr(OfInput):
    """The probability that a standard normal variable is below x."""

    function = lambda xp, x: backend_of(x).ndtr(x)
    gradient = lambda xp, go, x: go * (math.sqrt(0.5) / ROOT) * xp.exp(-0.5 * x * x)


@in_float32
class LogNdtr(OfInput):
    """The logarithm of Ndtr, exact far left and right, and so are its first two derivatives."""

    function = lambda xp, x: backend_of(x).log_ndtr(x)
    # This is exp(-x²/2) / Ndtr(x) / sqrt(2 pi), also where both are 0.
    gradient = lambda xp, go, x: go * (math.sqrt(2) / ROOT) / Erfcx.apply(-math.sqrt(0.5) * x)


class Ndtri(OfOutput):
    """The y with Ndtr(y) = x: infinite at 0 and 1, NaN beyond."""

    function = lambda xp, x: backend_of(x).ndtri(x)
    gradient = lambda xp, go, y: go * (math.sqrt(2) * ROOT) * xp.exp(0.5 * y * y)


@in_float32
class NdtriExp(OfOutput):
    """The y with LogNdtr(y) = x: infinite at -inf and 0, NaN above."""

    function = lambda xp, x: backend_of(x).ndtri_exp(x)
    gradient = lambda xp, go, y: go * (ROOT / math.sqrt(2)) * Erfcx.apply(-math.sqrt(0.5) * y)
