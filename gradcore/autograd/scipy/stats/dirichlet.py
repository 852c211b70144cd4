"""The Dirichlet distribution."""

from __future__ import annotations

from typing import Any

from .... import numpy as np
from .. import special
from ..host import on_host, scipy
from .common import arrays, exp_of

__all__ = ["logpdf", "pdf", "rvs"]


def logpdf(x: Any, alpha: Any) -> Any:
    """The logarithm of the density at probabilities x (K,) or (K, N), for alpha (K,). Of K - 1
    probabilities the last is what is left."""
    x, alpha = map(np.asarray, arrays(x, alpha))
    if x.shape[0] + 1 == alpha.shape[0]:
        x = np.concatenate([x, 1.0 - np.sum(x, axis=0, keepdims=True)])
    log_norm = special.gammaln(np.sum(alpha)) - np.sum(special.gammaln(alpha))
    powers = np.reshape(alpha - 1.0, (-1,) + (1,) * (x.ndim - 1))
    return log_norm + np.sum(special.xlogy(powers, x), axis=0)


pdf = exp_of(logpdf, "The density at probabilities x (K,) or (K, N), for alpha (K,).")


def rvs(alpha: Any, size: Any = 1, random_state: Any = None) -> Any:
    """Draw samples (size, K), by SciPy on the host."""
    return on_host(scipy("stats").dirichlet.rvs)(alpha, size, random_state)
