"""Special functions. Their gradients are made of the same functions."""

from __future__ import annotations

import math
from typing import Any

from ..backends import backend_of
from ..engine.arrays import is_floating, namespace
from ..graph import Context, Op


def _floating(x: Any) -> Any:
    """x, refused if it is of integers: their functions are not integers."""
    if not is_floating(x):
        raise TypeError(f"expected real floating, not {x.dtype}")
    return x


class Erf(Op):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return backend_of(x).erf(_floating(x))

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x = context["x"]
        return go * (2 / math.sqrt(math.pi)) * namespace(go).exp(-x * x)


class Erfc(Op):
    """1 - erf(x), exact where that is close to 0."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return backend_of(x).erfc(_floating(x))

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x = context["x"]
        return go * (-2 / math.sqrt(math.pi)) * namespace(go).exp(-x * x)


class LogGamma(Op):
    """The logarithm of |gamma(x)|; infinite at 0, -1, -2, ..."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return backend_of(x).lgamma(_floating(x))

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go * Digamma.apply(context["x"])


class Digamma(Op):
    """The derivative of LogGamma."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return backend_of(x).digamma(_floating(x))

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go * Polygamma.apply(context["x"], n=1)


class Polygamma(Op):
    """The derivative of order n, at least 1, of Digamma."""

    @staticmethod
    def forward(context: Context, x: Any, *, n: int) -> Any:
        if type(n) is not int or n < 1:
            raise ValueError(f"n = {n!r}, expected a positive integer")
        context["x"], context["n"] = x, n
        return backend_of(x).polygamma(n, _floating(x))

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go * Polygamma.apply(context["x"], n=context["n"] + 1)
