"""Incomplete gamma and beta functions, and their inverses.

Gradients of x are densities. Gradients of the parameters come from the definition of the kernel, an
integral whose terms are differentiated one by one.
"""

from __future__ import annotations

from ...backends import Array, backend_of
from ...engine.arrays import namespace
from ...graph import Context, Op, needs
from ..by_definition import differentiated_by_elements
from .gamma import BetaLn, Digamma

__all__ = [
    "BetaDensity",
    "BetaInc",
    "BetaIncC",
    "BetaIncCInv",
    "BetaIncInv",
    "GammaDensity",
    "GammaInc",
    "GammaIncC",
    "GammaIncCInv",
    "GammaIncInv",
    "StudentT",
    "StudentTInv",
]


def _of_parameters(
    context: Context, kernel: str, inputs: tuple[Array, ...], go: Array
) -> list[Array | None]:
    """Compute the gradients of all inputs of a kernel but the last, x, from its definition; NaN
    where the op's output is NaN."""
    count = len(inputs) - 1
    if not [i for i in range(count) if needs(context, i)]:
        return [None] * count
    y, xp = context["y"], namespace(go)
    seed = go * xp.where(y == y, xp.ones_like(y), y)
    found = differentiated_by_elements(kernel, inputs, seed)
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
        a, b, x, xp = context["a"], context["b"], context["x"], namespace(go)
        ga = gb = gx = None
        g = go * context["y"]
        both = Digamma.apply(a + b)
        if needs(context, 0):
            ga = g * (xp.log(x) - Digamma.apply(a) + both)
        if needs(context, 1):
            gb = g * (xp.log1p(-x) - Digamma.apply(b) + both)
        if needs(context, 2):
            gx = g * ((a - 1) / x - (b - 1) / (1 - x))
        return ga, gb, gx


class GammaIncInv(Op):
    """The x at which P(a, x) is p.

    Args:
        known: x, if it is known; then p does not matter.
    """

    @staticmethod
    def forward(context: Context, a: Array, p: Array, *, known: Array | None = None) -> Array:
        context["a"] = a
        context["y"] = backend_of(a).gammaincinv(a, p) if known is None else known
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        inputs = context["a"], context["y"]
        gp = go / GammaDensity.apply(*inputs)
        return *_of_parameters(context, "gammainc", inputs, -gp), gp


class GammaIncCInv(Op):
    """The x at which Q(a, x) is p."""

    @staticmethod
    def forward(context: Context, a: Array, p: Array) -> Array:
        context["a"] = a
        context["y"] = backend_of(p).gammainccinv(a, p)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        inputs = context["a"], context["y"]
        gp = go / GammaDensity.apply(*inputs)
        return *_of_parameters(context, "gammaincc", inputs, gp), -gp


class BetaIncInv(Op):
    """The x at which I(a, b, x) is p.

    Args:
        known: x, if it is known; then p does not matter.
    """

    @staticmethod
    def forward(
        context: Context, a: Array, b: Array, p: Array, *, known: Array | None = None
    ) -> Array:
        context["a"], context["b"] = a, b
        context["y"] = backend_of(a).betaincinv(a, b, p) if known is None else known
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        inputs = context["a"], context["b"], context["y"]
        gp = go / BetaDensity.apply(*inputs)
        return *_of_parameters(context, "betainc", inputs, -gp), gp


class BetaIncCInv(Op):
    """The x at which 1 - I(a, b, x) is p."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array, p: Array) -> Array:
        context["a"], context["b"] = a, b
        context["y"] = backend_of(p).betainccinv(a, b, p)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        inputs = context["a"], context["b"], context["y"]
        gp = go / BetaDensity.apply(*inputs)
        return *_of_parameters(context, "betaincc", inputs, gp), -gp


class StudentT(Op):
    """The distribution function of Student's t with df degrees of freedom."""

    @staticmethod
    def forward(context: Context, df: Array, t: Array) -> Array:
        context["df"], context["t"], context["y"] = df, t, backend_of(t).stdtr(df, t)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        df, t = context["df"], context["t"]
        gt = go * _student_density(df, t) if needs(context, 1) else None
        return *_of_parameters(context, "stdtr", (df, t), go), gt


class StudentTInv(Op):
    """The t at which Student's distribution function is p."""

    @staticmethod
    def forward(context: Context, df: Array, p: Array) -> Array:
        context["df"], context["y"] = df, backend_of(p).stdtrit(df, p)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        df, t = context["df"], context["y"]
        gp = go / _student_density(df, t)
        return *_of_parameters(context, "stdtr", (df, t), -gp), gp


def _student_density(df: Array, t: Array) -> Array:
    """Compute (1 + t^2 / df)^(-(df + 1) / 2) / (sqrt(df) B(1 / 2, df / 2))."""
    xp, half = namespace(df, t), 0.5 * df
    logs = (half + 0.5) * xp.log1p(t * t / df) + 0.5 * xp.log(df)
    return xp.exp(-logs - BetaLn.apply(half, xp.full_like(half, 0.5)))
