"""Incomplete gamma and beta functions, and their inverses.

Gradients of x are densities. Gradients of the parameters come from the definition of the kernel, an
integral whose terms are differentiated one by one.
"""

from __future__ import annotations

from ...backends import Array, backend_of
from ...engine.arrays import namespace
from ...graph import Context, Op, needs
from ..by_definition import differentiated
from .gamma import Digamma

__all__ = ["BetaDensity", "BetaInc", "BetaIncC", "GammaDensity", "GammaInc", "GammaIncC"]


def _of_parameters(
    context: Context, kernel: str, inputs: tuple[Array, ...], go: Array
) -> list[Array | None]:
    """Compute the gradients of all inputs but the last, x, from the kernel's definition; NaN where
    the output is NaN."""
    count = len(inputs) - 1
    if not [i for i in range(count) if needs(context, i)]:
        return [None] * count
    y, xp = context["y"], namespace(go)
    found = differentiated(kernel, inputs, (go * xp.where(y == y, xp.ones_like(y), y),))
    return list(found[:count])


class GammaInc(Op):
    """P(a, x), the integral from 0 to x of t^(a - 1) exp(-t) / gamma(a)."""

    @staticmethod
    def forward(context: Context, a: Array, x: Array) -> Array:
        context["a"], context["x"], context["y"] = a, x, backend_of(x).gammainc(a, x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, x = context["a"], context["x"]
        gx = go * GammaDensity.apply(a, x) if needs(context, 1) else None
        return *_of_parameters(context, "gammainc", (a, x), go), gx


class GammaIncC(Op):
    """Q(a, x) = 1 - P(a, x), exact where P is close to 1."""

    @staticmethod
    def forward(context: Context, a: Array, x: Array) -> Array:
        context["a"], context["x"], context["y"] = a, x, backend_of(x).gammaincc(a, x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, x = context["a"], context["x"]
        gx = -go * GammaDensity.apply(a, x) if needs(context, 1) else None
        return *_of_parameters(context, "gammaincc", (a, x), go), gx


class GammaDensity(Op):
    """x^(a - 1) exp(-x) / gamma(a)."""

    @staticmethod
    def forward(context: Context, a: Array, x: Array) -> Array:
        context["a"], context["x"], context["y"] = a, x, backend_of(x).gamma_density(a, x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, x, xp = context["a"], context["x"], namespace(go)
        g = go * context["y"]
        ga = g * (xp.log(x) - Digamma.apply(a)) if needs(context, 0) else None
        return ga, g * ((a - 1) / x - 1) if needs(context, 1) else None


class BetaInc(Op):
    """I(a, b, x), the integral from 0 to x of t^(a - 1) (1 - t)^(b - 1) / B(a, b)."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array, x: Array) -> Array:
        context["a"], context["b"], context["x"] = a, b, x
        context["y"] = backend_of(x).betainc(a, b, x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        inputs = context["a"], context["b"], context["x"]
        gx = go * BetaDensity.apply(*inputs) if needs(context, 2) else None
        return *_of_parameters(context, "betainc", inputs, go), gx


class BetaIncC(Op):
    """1 - I(a, b, x), exact where I is close to 1."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array, x: Array) -> Array:
        context["a"], context["b"], context["x"] = a, b, x
        context["y"] = backend_of(x).betaincc(a, b, x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        inputs = context["a"], context["b"], context["x"]
        gx = -go * BetaDensity.apply(*inputs) if needs(context, 2) else None
        return *_of_parameters(context, "betaincc", inputs, go), gx


class BetaDensity(Op):
    """x^(a - 1) (1 - x)^(b - 1) / B(a, b)."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array, x: Array) -> Array:
        context["a"], context["b"], context["x"] = a, b, x
        context["y"] = backend_of(x).beta_density(a, b, x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, x, xp, ga, gb, gx = (
            context["a"],
            context["b"],
            context["x"],
            namespace(go),
            *[None] * 3,
        )
        g = go * context["y"]
        both = Digamma.apply(a + b)
        if needs(context, 0):
            ga = g * (xp.log(x) - Digamma.apply(a) + both)
        if needs(context, 1):
            gb = g * (xp.log1p(-x) - Digamma.apply(b) + both)
        if needs(context, 2):
            gx = g * ((a - 1) / x - (b - 1) / (1 - x))
        return ga, gb, gx
