"""The gamma function and its kin. Their gradients consist of the same functions."""

from __future__ import annotations

from ...backends import Array, backend_of
from ...engine.arrays import is_integer
from ...graph import Context, Op
from ..unary import OfInput

__all__ = ["Digamma", "LogGamma", "Polygamma"]


class LogGamma(OfInput):
    """The logarithm of |gamma(x)|; infinite at 0, -1, -2, ..."""

    function = lambda xp, x: backend_of(x).lgamma(x)
    gradient = lambda xp, go, x: go * Digamma.apply(x)


class Digamma(OfInput):
    """The derivative of LogGamma."""

    function = lambda xp, x: backend_of(x).digamma(x)
    gradient = lambda xp, go, x: go * Polygamma.apply(x, n=1)


class Polygamma(Op):
    """The derivative of order n >= 1 of Digamma."""

    @staticmethod
    def forward(context: Context, x: Array, *, n: int) -> Array:
        if not is_integer(n) or n < 1:
            raise ValueError(f"n = {n!r}, expected a positive integer")
        context["x"], context["n"] = x, int(n)
        return backend_of(x).polygamma(int(n), x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go * Polygamma.apply(context["x"], n=context["n"] + 1)
