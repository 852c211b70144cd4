"""The Bessel functions of whole order. Their gradients are those of the neighboring orders,
https://dlmf.nist.gov/10.6.E1 and https://dlmf.nist.gov/10.29.E2."""

from __future__ import annotations

from operator import index

from ...backends import Array, backend_of
from ...engine.arrays import namespace
from ...graph import Context, Op

__all__ = ["BesselI", "BesselJ", "BesselK", "BesselY"]


def _neighbors(op: type[Op], x: Array, n: int, sign: int, **options: bool) -> Array:
    """Compute half of the order before n plus `sign` times the order after. The order before 0 is
    `sign` times order 1."""
    after = sign * op.apply(x, n=n + 1, **options)
    return 0.5 * (op.apply(x, n=n - 1, **options) + after) if n else after


class BesselJ(Op):
    """The Bessel function J of order n."""

    @staticmethod
    def forward(context: Context, x: Array, *, n: int) -> Array:
        context["x"], context["n"] = x, index(n)
        return backend_of(x).jn(index(n), x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go * _neighbors(BesselJ, context["x"], context["n"], -1)


class BesselY(Op):
    """The Bessel function Y of order n: -inf at 0, NaN below."""

    @staticmethod
    def forward(context: Context, x: Array, *, n: int) -> Array:
        context["x"], context["n"] = x, index(n)
        return backend_of(x).yn(index(n), x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go * _neighbors(BesselY, context["x"], context["n"], -1)


class BesselI(Op):
    """The modified Bessel function I of order n; if `scaled`, times exp(-|x|)."""

    @staticmethod
    def forward(context: Context, x: Array, *, n: int, scaled: bool = False) -> Array:
        context["x"], context["n"], context["scaled"] = x, index(n), scaled
        backend = backend_of(x)
        context["y"] = (backend.ive if scaled else backend.iv)(index(n), x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        x, y, n, scaled = (context[key] for key in ("x", "y", "n", "scaled"))
        slope = _neighbors(BesselI, x, n, 1, scaled=scaled)
        return go * (slope - namespace(go).sign(x) * y if scaled else slope)


class BesselK(Op):
    """The modified Bessel function K of order n: infinite at 0, NaN below; if `scaled`, times
    exp(x)."""

    @staticmethod
    def forward(context: Context, x: Array, *, n: int, scaled: bool = False) -> Array:
        context["x"], context["n"], context["scaled"] = x, index(n), scaled
        backend = backend_of(x)
        context["y"] = (backend.kve if scaled else backend.kv)(index(n), x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        x, y, n, scaled = (context[key] for key in ("x", "y", "n", "scaled"))
        slope = _neighbors(BesselK, x, n, 1, scaled=scaled)
        return go * (y - slope if scaled else -slope)
