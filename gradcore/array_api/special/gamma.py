"""The gamma function and its kin."""

from __future__ import annotations

from ... import ops
from ...graph import TensorNode
from ..common import NodeOrArray, floating

__all__ = ["digamma", "gammaln", "lgamma", "polygamma", "psi"]


def lgamma(x: NodeOrArray) -> TensorNode:
    """Compute the logarithm of |gamma(x)|, which is infinite at 0, -1, -2, ..."""
    return ops.LogGamma.do_forward(floating(x))


def digamma(x: NodeOrArray) -> TensorNode:
    """Compute the derivative of `lgamma`, which is -inf at 0 and NaN at -1, -2, ..."""
    return ops.Digamma.do_forward(floating(x))


def polygamma(n: int, x: NodeOrArray) -> TensorNode:
    """Compute the derivative of order n of `digamma`; for n > 0 it is infinite at 0, -1, -2, ...

    Raises:
        ValueError: n is not an integer of at least 0.
    """
    return digamma(x) if n == 0 else ops.Polygamma.do_forward(floating(x), n=n)


# SciPy's names.
gammaln, psi = lgamma, digamma
