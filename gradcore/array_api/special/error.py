"""The error function and its kin."""

from __future__ import annotations

from ... import ops
from ...graph import TensorNode
from ..common import NodeOrArray
from .common import floating

__all__ = [
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "log_ndtr",
    "ndtr",
    "ndtri",
    "ndtri_exp",
]


def erf(x: NodeOrArray) -> TensorNode:
    """Compute the error function: 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x."""
    return ops.Erf.do_forward(floating(x))


def erfc(x: NodeOrArray) -> TensorNode:
    """Compute 1 - erf(x), exactly even where the result is close to 0."""
    return ops.Erfc.do_forward(floating(x))


def erfcx(x: NodeOrArray) -> TensorNode:
    """Compute exp(x²) erfc(x), also where erfc(x) is 0."""
    return ops.Erfcx.do_forward(floating(x))


def erfinv(x: NodeOrArray) -> TensorNode:
    """Compute the y with erf(y) = x: infinite at -1 and 1, NaN beyond."""
    return ops.Erfinv.do_forward(floating(x))


def erfcinv(x: NodeOrArray) -> TensorNode:
    """Compute the y with erfc(y) = x: infinite at 0 and 2, NaN beyond."""
    return ops.Erfcinv.do_forward(floating(x))


def ndtr(x: NodeOrArray) -> TensorNode:
    """Compute the probability that a standard normal variable is below x."""
    return ops.Ndtr.do_forward(floating(x))


def log_ndtr(x: NodeOrArray) -> TensorNode:
    """Compute log(ndtr(x)), also where ndtr(x) is close to 0 or 1."""
    return ops.LogNdtr.do_forward(floating(x))


def ndtri(x: NodeOrArray) -> TensorNode:
    """Compute the y with ndtr(y) = x: infinite at 0 and 1, NaN beyond."""
    return ops.Ndtri.do_forward(floating(x))


def ndtri_exp(x: NodeOrArray) -> TensorNode:
    """Compute the y with log_ndtr(y) = x: infinite at -inf and 0, NaN above."""
    return ops.NdtriExp.do_forward(floating(x))
