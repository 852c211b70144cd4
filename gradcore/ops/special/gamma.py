"""The gamma function and its kin. Their gradients consist of the same functions."""

from __future__ import annotations

import math

from ...backends import Array, backend_of
from ...engine.arrays import is_integer, namespace
from ...graph import Context, Op, needs
from ..by_definition import differentiated_by_elements
from ..unary import OfInput

__all__ = ["BetaLn", "Digamma", "Gamma", "LogGamma", "Polygamma", "Zeta"]


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


class Gamma(Op):
    """The gamma function: (x - 1)! for positive integers, NaN at -1, -2, ..."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["x"], context["y"] = x, backend_of(x).gamma(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go * context["y"] * Digamma.apply(context["x"])


class BetaLn(Op):
    """The logarithm of |B(a, b)|, where B(a, b) = gamma(a) gamma(b) / gamma(a + b)."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        context["a"], context["b"] = a, b
        return backend_of(a).betaln(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b = context["a"], context["b"]
        both = Digamma.apply(a + b)
        ga = go * (Digamma.apply(a) - both) if needs(context, 0) else None
        return ga, go * (Digamma.apply(b) - both) if needs(context, 1) else None


class Zeta(Op):
    """Hurwitz' zeta function: the sum of (q + k)^-s over k = 0, 1, ...; for q = 1, Riemann's."""

    @staticmethod
    def forward(context: Context, s: Array, q: Array) -> Array:
        context["s"], context["q"], context["y"] = s, q, backend_of(s).zeta(s, q)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        s, q, y, gs = context["s"], context["q"], context["y"], None
        if needs(context, 0):
            is_known = abs(y) < math.inf  # so also where the definition gives a constant
            seed = namespace(go).where(is_known, go, math.nan)
            gs = differentiated_by_elements("zeta", (s, q), seed)[0]
        return gs, -go * s * Zeta.apply(s + 1, q) if needs(context, 1) else None
