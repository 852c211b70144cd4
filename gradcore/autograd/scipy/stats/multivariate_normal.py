"""The normal distribution of several dimensions."""

from __future__ import annotations

from math import e, log, pi
from typing import Any

from .... import numpy as np
from ....transforms import stop_gradient
from .common import arrays, exp_of

__all__ = ["entropy", "logpdf", "pdf"]


def _parameters(x: Any, mean: Any, cov: Any) -> tuple[Any, Any, Any]:
    """Make of x points (..., D), and of the covariance a matrix (D, D)."""
    mean, cov = 0.0 if mean is None else mean, 1.0 if cov is None else cov
    x, mean, cov = map(np.asarray, arrays(x, mean, cov))
    size = max([np.size(mean), *cov.shape[-1:]])
    if cov.ndim < 2:
        cov = cov * np.eye(size)
    if x.ndim == 0 or (x.ndim == 1 and size == 1):
        x = np.expand_dims(x, -1)
    return x, mean, cov


def logpdf(x: Any, mean: Any = None, cov: Any = 1.0, allow_singular: bool = False) -> Any:
    """The logarithm of the density at points x (..., D). The gradient by the covariance is that of
    a matrix whose elements are all free.

    Args:
        allow_singular: whether the covariance may be singular, as by scipy.stats; there is no
            gradient by it then.
    """
    x, mean, cov = _parameters(x, mean, cov)
    away, dims = x - mean, cov.shape[-1]
    if not allow_singular:
        solved = np.linalg.solve(cov, np.reshape(away, (-1, dims)).T).T
        squares = np.sum(away * np.reshape(solved, np.shape(away)), axis=-1)
        return -0.5 * (dims * log(2.0 * pi) + np.linalg.slogdet(cov)[1] + squares)
    cov = stop_gradient(cov)
    values, vectors = np.linalg.eigh(cov)
    smallest = 1e6 * float(np.finfo(values.dtype).eps) * np.max(np.abs(values))
    kept = values > smallest
    along = away @ vectors
    squares = np.sum(np.where(kept, along**2 / np.where(kept, values, 1.0), 0.0), axis=-1)
    log_det = np.sum(np.log(np.where(kept, values, 1.0)))
    rank = np.sum(np.where(kept, 1.0, 0.0))
    density = -0.5 * (rank * log(2.0 * pi) + log_det + squares)
    outside = np.any(np.where(kept, 0.0, np.abs(along)) > smallest**0.5, axis=-1)
    return np.where(outside, -np.inf, density)


pdf = exp_of(logpdf, "The density at points x (..., D).")


def entropy(mean: Any = None, cov: Any = 1.0) -> Any:
    """The differential entropy, in nats."""
    _, _, cov = _parameters(0.0 if mean is None else mean, mean, cov)
    return 0.5 * (cov.shape[-1] * log(2.0 * pi * e) + np.linalg.slogdet(cov)[1])
