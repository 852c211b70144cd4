"""Special functions of each element by itself, with the names of torch.special. Integers become
float32."""

from __future__ import annotations

from .. import ops
from ..engine.arrays import namespace
from ..graph import TensorNode
from .common import NodeOrArray, floating

__all__ = ["digamma", "erf", "erfc", "lgamma", "polygamma"]


def erf(x: NodeOrArray) -> TensorNode:
    """Compute the error function: 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x."""
    return ops.Erf.do_forward(floating(x))


def erfc(x: NodeOrArray) -> TensorNode:
    """Compute 1 - erf(x), exactly even where the result is close to 0."""
    return ops.Erfc.do_forward(floating(x))


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


# SciPy looks for these names in the namespace of a node.


def entr(x: NodeOrArray) -> TensorNode:
    """Compute -x log(x), whose sum is the entropy: 0 at 0, and -inf below 0."""
    xp = namespace(x)
    y = -x * xp.log(xp.where(x > 0, x, 1.0))
    return xp.where(x < 0, -xp.inf, y)


def expit(x: NodeOrArray) -> TensorNode:
    """Compute the logistic sigmoid, 1 / (1 + exp(-x))."""
    return ops.Sigmoid.do_forward(floating(x))


gammaln, psi = lgamma, digamma
