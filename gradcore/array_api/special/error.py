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
    """Compute the error function: 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x.

    Example:
        >>> print(gradcore.erf(TensorNode([-1.0, 0.0, 0.5])).value.round(3))
        [-0.843  0.     0.52 ]
    """
    return ops.Erf.do_forward(floating(x))


def erfc(x: NodeOrArray) -> TensorNode:
    """Compute 1 - erf(x), exactly even where the result is close to 0.

    Example:
        >>> print(gradcore.erfc(TensorNode([-1.0, 0.0, 0.5])).value.round(3))
        [1.843 1.    0.48 ]
    """
    return ops.Erfc.do_forward(floating(x))


def erfcx(x: NodeOrArray) -> TensorNode:
    """Compute exp(x²) erfc(x), also where erfc(x) is 0.

    Example:
        >>> print(gradcore.special.erfcx([0.0, 1.0, 100.0]).value.round(4))
        [1.     0.4276 0.0056]
    """
    return ops.Erfcx.do_forward(floating(x))


def erfinv(x: NodeOrArray) -> TensorNode:
    """Compute the y with erf(y) = x: infinite at -1 and 1, NaN beyond.

    Example:
        >>> print(gradcore.special.erfinv([-0.5, 0.0, 0.5]).value.round(3))
        [-0.477  0.     0.477]
    """
    return ops.Erfinv.do_forward(floating(x))


def erfcinv(x: NodeOrArray) -> TensorNode:
    """Compute the y with erfc(y) = x: infinite at 0 and 2, NaN beyond.

    Example:
        >>> print(gradcore.special.erfcinv([0.5, 1.0, 1.5]).value.round(3))
        [ 0.477  0.    -0.477]
    """
    return ops.Erfcinv.do_forward(floating(x))


def ndtr(x: NodeOrArray) -> TensorNode:
    """Compute the probability that a standard normal variable is below x.

    Example:
        >>> x = TensorNode([-1.96, 0.0, 1.96])
        >>> print(gradcore.special.ndtr(x).value.round(3))
        [0.025 0.5   0.975]
    """
    return ops.Ndtr.do_forward(floating(x))


def log_ndtr(x: NodeOrArray) -> TensorNode:
    """Compute log(ndtr(x)), also where ndtr(x) is close to 0 or 1.

    Example:
        >>> print(gradcore.special.log_ndtr([-10.0, 0.0, 2.0]).value.round(3))
        [-5.3231e+01 -6.9300e-01 -2.3000e-02]
    """
    return ops.LogNdtr.do_forward(floating(x))


def ndtri(x: NodeOrArray) -> TensorNode:
    """Compute the y with ndtr(y) = x: infinite at 0 and 1, NaN beyond.

    Example:
        >>> print(gradcore.special.ndtri([0.025, 0.5, 0.975]).value.round(3))
        [-1.96  0.    1.96]
    """
    return ops.Ndtri.do_forward(floating(x))


def ndtri_exp(x: NodeOrArray) -> TensorNode:
    """Compute the y with log_ndtr(y) = x: infinite at -inf and 0, NaN above.

    Example:
        >>> print(gradcore.special.ndtri_exp([-1000.0, -0.5]).value.round(3))
        [-44.616   0.27 ]
    """
    return ops.NdtriExp.do_forward(floating(x))
