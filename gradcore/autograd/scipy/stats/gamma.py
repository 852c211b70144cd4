"""The gamma distribution."""

from __future__ import annotations

from typing import Any

from .... import numpy as np
from .. import special
from .common import arrays, exp_of, inside

__all__ = ["cdf", "logpdf", "pdf"]


def logpdf(x: Any, a: Any) -> Any:
    """The logarithm of the density, for x from 0 on."""
    x, a = arrays(x, a)
    return inside(x >= 0.0, x, 1.0, lambda x: special.xlogy(a - 1.0, x) - x - special.gammaln(a))


pdf = exp_of(logpdf, "The density, for x from 0 on.")


def cdf(x: Any, a: Any) -> Any:
    """The probability of at most x."""
    x, a = arrays(x, a)
    return special.gammainc(a, np.maximum(x, 0.0))
