"""Student's t distribution."""

from __future__ import annotations

from math import pi
from typing import Any

from .... import numpy as np
from .. import special
from .common import arrays, exp_of

__all__ = ["cdf", "logcdf", "logpdf", "pdf"]


def logpdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the density, for df degrees of freedom."""
    x, df, loc, scale = arrays(x, df, loc, scale)
    half = 0.5 * (df + 1.0)
    log_norm = special.gammaln(half) - special.gammaln(0.5 * df) - 0.5 * np.log(df * pi)
    return log_norm - np.log(scale) - half * np.log1p(((x - loc) / scale) ** 2 / df)


pdf = exp_of(logpdf, "The density, for df degrees of freedom.")


def cdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The probability of at most x, for df degrees of freedom."""
    x, df, loc, scale = arrays(x, df, loc, scale)
    return special.stdtr(df, (x - loc) / scale)


def logcdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the probability of at most x, for df degrees of freedom."""
    return np.log(cdf(x, df, loc, scale))
