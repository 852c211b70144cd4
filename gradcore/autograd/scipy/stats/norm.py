"""The normal distribution."""

from __future__ import annotations

from math import log, pi
from typing import Any

from .... import numpy as np
from .. import special
from .common import arrays, exp_of

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]


def _standard(x: Any, loc: Any, scale: Any) -> Any:
    x, loc, scale = arrays(x, loc, scale)
    return (x - loc) / scale


def logpdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the density."""
    x, loc, scale = arrays(x, loc, scale)
    return -0.5 * ((x - loc) / scale) ** 2 - np.log(scale) - 0.5 * log(2.0 * pi)


pdf = exp_of(logpdf, "The density.")


def cdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The probability of at most x."""
    return special.ndtr(_standard(x, loc, scale))


def sf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The probability of more than x."""
    return special.ndtr(-_standard(x, loc, scale))


def logcdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the probability of at most x."""
    return special.log_ndtr(_standard(x, loc, scale))


def logsf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the probability of more than x."""
    return special.log_ndtr(-_standard(x, loc, scale))
