"""Special functions, of each element by itself, as in torch.special."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..engine.arrays import namespace
from ..graph import TensorNode

__all__ = ["digamma", "erf", "erfc", "lgamma", "polygamma"]


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


# By these names SciPy finds them, in the namespace of a node.


def entr(x: Any) -> TensorNode:
    """-x log(x), whose sum is the entropy; 0 at 0, and -inf below."""
    xp = namespace(x)
    y = -x * xp.log(xp.where(x > 0, x, 1.0))
    return xp.where(x < 0, -xp.inf, y)


def expit(x: Any) -> TensorNode:
    """1 / (1 + exp(-x)), the logistic sigmoid."""
    return ops.Sigmoid.do_forward(x)


gammaln, psi = lgamma, digamma
