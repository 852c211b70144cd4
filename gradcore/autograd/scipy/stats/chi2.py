"""The chi-squared distribution: the gamma distribution of x / 2 with a = df / 2."""

from __future__ import annotations

from math import log
from typing import Any

from . import gamma
from .common import arrays, exp_of

__all__ = ["cdf", "logpdf", "pdf"]


def logpdf(x: Any, df: Any) -> Any:
    """The logarithm of the density, for df degrees of freedom and x from 0 on."""
    x, df = arrays(x, df)
    return gamma.logpdf(0.5 * x, 0.5 * df) - log(2.0)


pdf = exp_of(logpdf, "The density, for df degrees of freedom and x from 0 on.")


def cdf(x: Any, df: Any) -> Any:
    """The probability of at most x, for df degrees of freedom."""
    x, df = arrays(x, df)
    return gamma.cdf(0.5 * x, 0.5 * df)
