"""Special functions, of each element by itself, as in torch.special."""

from __future__ import annotations

from typing import Any

from . import ops
from .graph import TensorNode

__all__ = [
    "digamma",
    "erf",
    "erfc",
    "lgamma",
    "polygamma",
]


def erf(x: Any) -> TensorNode:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x."""
    return ops.Erf.do_forward(x)


def erfc(x: Any) -> TensorNode:
    """1 - erf(x), exact also where that is close to 0."""
    return ops.Erfc.do_forward(x)


def lgamma(x: Any) -> TensorNode:
    """The logarithm of |gamma(x)|; infinite at 0, -1, -2, ..."""
    return ops.LogGamma.do_forward(x)


def digamma(x: Any) -> TensorNode:
    """The derivative of `lgamma`; -inf at 0 and NaN at -1, -2, ..."""
    return ops.Digamma.do_forward(x)


def polygamma(n: int, x: Any) -> TensorNode:
    """The derivative of order n of `digamma`; infinite at 0, -1, -2, ... for n > 0.

    Raises:
        ValueError: n is not an integer of at least 0.
    """
    return digamma(x) if n == 0 else ops.Polygamma.do_forward(x, n=n)
