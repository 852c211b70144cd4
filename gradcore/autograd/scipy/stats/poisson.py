"""The Poisson distribution."""

from __future__ import annotations

from typing import Any

from .... import numpy as np
from .. import special
from .common import arrays, exp_of, inside

__all__ = ["cdf", "logpmf", "pmf"]


def logpmf(k: Any, mu: Any) -> Any:
    """The logarithm of the probability of k events, of which mu are expected."""
    k, mu = arrays(k, mu)
    is_count = (k >= 0) & (np.floor(k) == k)
    return inside(is_count, k, 0.0, lambda k: special.xlogy(k, mu) - mu - special.gammaln(k + 1.0))


pmf = exp_of(logpmf, "The probability of k events, of which mu are expected.")


def cdf(k: Any, mu: Any) -> Any:
    """The probability of at most k events, of which mu are expected."""
    k, mu = arrays(k, mu)
    return np.where(k >= 0, special.gammaincc(np.floor(np.maximum(k, 0.0)) + 1.0, mu), 0.0)
