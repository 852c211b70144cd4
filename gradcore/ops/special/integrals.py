"""Integrals of elementary functions."""

from __future__ import annotations

from operator import index

from ...backends import Array, backend_of
from ...graph import Context, Op
from ..unary import OfInput
from .elementary import Exprel

__all__ = ["ExpIntegral", "Expi", "Spence"]


class ExpIntegral(Op):
    """The integral of exp(-x t) / t^n over t from 1 to infinity, for a whole number n."""

    @staticmethod
    def forward(context: Context, x: Array, *, n: int) -> Array:
        context["x"], context["n"] = x, index(n)
        return backend_of(x).expn(index(n), x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return -go * ExpIntegral.apply(context["x"], n=context["n"] - 1)


class Expi(OfInput):
    """The principal value of the integral of exp(t) / t over t from -inf to x; -inf at 0."""

    function = lambda xp, x: backend_of(x).expi(x)
    gradient = lambda xp, go, x: go * xp.exp(x) / x


class Spence(OfInput):
    """The integral of log(t) / (1 - t) over t from 1 to x, the dilogarithm of 1 - x."""

    function = lambda xp, x: backend_of(x).spence(x)
    # This is log(x) / (1 - x), also where x is 1 or close to 1.
    gradient = lambda xp, go, x: -go / Exprel.apply(xp.log(x))
