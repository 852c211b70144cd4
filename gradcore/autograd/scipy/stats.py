"""autograd.scipy.stats: densities and distribution functions of NumPy's names, differentiable."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import e, log, pi
from typing import Any

from ... import numpy as np
from ...engine.arrays import is_node, namespace
from ...transforms import stop_gradient
from . import special
from .host import on_host, scipy

__all__ = ["beta", "chi2", "dirichlet", "gamma", "multivariate_normal", "norm", "poisson", "t"]


class _Distribution:
    """The functions of a distribution. `import gradcore.autograd.scipy.stats.norm` finds them too,
    as programs for autograd import them."""

    logpdf: Callable[..., Any]

    def __init_subclass__(cls) -> None:
        sys.modules[f"{__name__}.{cls.__name__}"] = cls  # type: ignore[assignment]

    @classmethod
    def pdf(cls, *args: Any, **kwargs: Any) -> Any:
        """The density."""
        return np.exp(cls.logpdf(*args, **kwargs))


def _arrays(*xs: Any) -> list[Any]:
    """Make arrays of lists; nodes, arrays and numbers stay. If there is a node, make constants of
    all others, so that operators between them are gradcore's."""
    xs = tuple([x if isinstance(x, int | float) else np.asarray(x) for x in xs])
    nodes = [x for x in xs if is_node(x)]
    return [_constant(x, nodes[0]) if nodes and not is_node(x) else x for x in xs]


def _constant(x: Any, like: Any) -> Any:
    is_number = isinstance(x, int | float)
    return namespace(like).asarray(x, dtype=like.dtype if is_number else None, device=like.device)


def _inside(support: Any, x: Any, safe: float, logpdf: Callable[[Any], Any]) -> Any:
    """Compute `logpdf(x)` where x is in the support, and -inf elsewhere, with gradients of 0.

    Args:
        support: booleans like x.
        safe: a number in the support, for which `logpdf` is computed in place of other x.
    """
    return np.where(support, logpdf(np.where(support, x, safe)), -np.inf)


# -- Distributions of one number ------------------------------------------------------------------


class beta(_Distribution):
    """The beta distribution.

    Example:
        >>> print(beta.pdf(0.5, 2.0, 2.0).round(3), gradcore.grad(beta.logpdf)(0.5, 2.0, 2.0))
        1.5 0.0
    """

    @staticmethod
    def logpdf(x: Any, a: Any, b: Any) -> Any:
        """The logarithm of the density, for x from 0 to 1."""
        x, a, b = _arrays(x, a, b)

        def log_density(x: Any) -> Any:
            powers = special.xlogy(a - 1.0, x) + special.xlog1py(b - 1.0, -x)
            return powers - special.betaln(a, b)

        return _inside((x >= 0.0) & (x <= 1.0), x, 0.5, log_density)

    @staticmethod
    def cdf(x: Any, a: Any, b: Any) -> Any:
        """The probability of at most x."""
        x, a, b = _arrays(x, a, b)
        return special.betainc(a, b, np.clip(x, 0.0, 1.0))


class gamma(_Distribution):
    """The gamma distribution.

    Example:
        >>> print(gamma.pdf(1.0, 2.0).round(3), gradcore.grad(gamma.logpdf)(1.0, 2.0).round(3))
        0.368 0.0
    """

    @staticmethod
    def logpdf(x: Any, a: Any) -> Any:
        """The logarithm of the density, for x from 0 on."""
        x, a = _arrays(x, a)
        log_density = lambda x: special.xlogy(a - 1.0, x) - x - special.gammaln(a)  # noqa: E731
        return _inside(x >= 0.0, x, 1.0, log_density)

    @staticmethod
    def cdf(x: Any, a: Any) -> Any:
        """The probability of at most x."""
        x, a = _arrays(x, a)
        return special.gammainc(a, np.maximum(x, 0.0))


class chi2(_Distribution):
    """The chi-squared distribution: the gamma distribution of x / 2 with a = df / 2.

    Example:
        >>> print(chi2.pdf(2.0, 2.0).round(3), gradcore.grad(chi2.logpdf)(2.0, 2.0).round(3))
        0.184 -0.5
    """

    @staticmethod
    def logpdf(x: Any, df: Any) -> Any:
        """The logarithm of the density, for df degrees of freedom and x from 0 on."""
        x, df = _arrays(x, df)
        return gamma.logpdf(0.5 * x, 0.5 * df) - log(2.0)

    @staticmethod
    def cdf(x: Any, df: Any) -> Any:
        """The probability of at most x, for df degrees of freedom."""
        x, df = _arrays(x, df)
        return gamma.cdf(0.5 * x, 0.5 * df)


class norm(_Distribution):
    """The normal distribution.

    Example:
        >>> print(norm.pdf(0.0).round(3), norm.cdf(0.0))
        0.399 0.5
        >>> print(gradcore.grad(norm.logpdf)(2.0), gradcore.grad(norm.cdf)(0.0).round(3))
        -2.0 0.399
    """

    @staticmethod
    def logpdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """The logarithm of the density."""
        x, loc, scale = _arrays(x, loc, scale)
        return -0.5 * ((x - loc) / scale) ** 2 - np.log(scale) - 0.5 * log(2.0 * pi)

    @staticmethod
    def cdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """The probability of at most x."""
        return special.ndtr(_standard(x, loc, scale))

    @staticmethod
    def sf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """The probability of more than x."""
        return special.ndtr(-_standard(x, loc, scale))

    @staticmethod
    def logcdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """The logarithm of the probability of at most x."""
        return special.log_ndtr(_standard(x, loc, scale))

    @staticmethod
    def logsf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """The logarithm of the probability of more than x."""
        return special.log_ndtr(-_standard(x, loc, scale))


def _standard(x: Any, loc: Any, scale: Any) -> Any:
    x, loc, scale = _arrays(x, loc, scale)
    return (x - loc) / scale


class poisson(_Distribution):
    """The Poisson distribution.

    Example:
        >>> print(poisson.pmf(3, 2.0).round(3), gradcore.grad(poisson.logpmf, 1)(3, 2.0))
        0.18 0.5
    """

    @staticmethod
    def logpmf(k: Any, mu: Any) -> Any:
        """The logarithm of the probability of k events, of which mu are expected."""
        k, mu = _arrays(k, mu)
        log_mass = lambda k: special.xlogy(k, mu) - mu - special.gammaln(k + 1.0)  # noqa: E731
        return _inside((k >= 0) & (np.floor(k) == k), k, 0.0, log_mass)

    @staticmethod
    def pmf(k: Any, mu: Any) -> Any:
        """The probability of k events, of which mu are expected."""
        return np.exp(poisson.logpmf(k, mu))

    @staticmethod
    def cdf(k: Any, mu: Any) -> Any:
        """The probability of at most k events, of which mu are expected."""
        k, mu = _arrays(k, mu)
        return np.where(k >= 0, special.gammaincc(np.floor(np.maximum(k, 0.0)) + 1.0, mu), 0.0)


class t(_Distribution):
    """Student's t distribution.

    Example:
        >>> print(t.pdf(0.0, 3.0).round(3), gradcore.grad(t.logpdf)(1.0, 3.0).round(3))
        0.368 -1.0
    """

    @staticmethod
    def logpdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """The logarithm of the density, for df degrees of freedom."""
        x, df, loc, scale = _arrays(x, df, loc, scale)
        half = 0.5 * (df + 1.0)
        log_norm = special.gammaln(half) - special.gammaln(0.5 * df) - 0.5 * np.log(df * pi)
        return log_norm - np.log(scale) - half * np.log1p(((x - loc) / scale) ** 2 / df)

    @staticmethod
    def cdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """The probability of at most x, for df degrees of freedom."""
        x, df, loc, scale = _arrays(x, df, loc, scale)
        return special.stdtr(df, (x - loc) / scale)

    @staticmethod
    def logcdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """The logarithm of the probability of at most x, for df degrees of freedom."""
        return np.log(t.cdf(x, df, loc, scale))


# -- Distributions of several numbers -------------------------------------------------------------


class dirichlet(_Distribution):
    """The Dirichlet distribution.

    Example:
        >>> print(dirichlet.pdf(np.array([0.2, 0.3, 0.5]), np.array([1.0, 1.0, 1.0])).round(3))
        2.0
    """

    @staticmethod
    def logpdf(x: Any, alpha: Any) -> Any:
        """The logarithm of the density at probabilities x (K,) or (K, N), for alpha (K,). Of K - 1
        probabilities the last is what is left."""
        x, alpha = map(np.asarray, _arrays(x, alpha))
        if x.shape[0] + 1 == alpha.shape[0]:
            x = np.concatenate([x, 1.0 - np.sum(x, axis=0, keepdims=True)])
        log_norm = special.gammaln(np.sum(alpha)) - np.sum(special.gammaln(alpha))
        powers = np.reshape(alpha - 1.0, (-1,) + (1,) * (x.ndim - 1))
        return log_norm + np.sum(special.xlogy(powers, x), axis=0)

    @staticmethod
    def rvs(alpha: Any, size: Any = 1, random_state: Any = None) -> Any:
        """Draw samples (size, K), by SciPy on the host."""
        return on_host(scipy("stats").dirichlet.rvs)(alpha, size, random_state)


class multivariate_normal(_Distribution):
    """The normal distribution of several dimensions.

    Example:
        >>> x, mean, cov = np.array([1.0, 1.0]), np.zeros(2), np.eye(2)
        >>> print(multivariate_normal.logpdf(x, mean, cov).round(3))
        -2.838
        >>> print(gradcore.grad(multivariate_normal.logpdf)(x, mean, cov))
        [-1. -1.]
    """

    @staticmethod
    def logpdf(x: Any, mean: Any = None, cov: Any = 1.0, allow_singular: bool = False) -> Any:
        """The logarithm of the density at points x (..., D). The gradient by the covariance is that
        of a matrix whose elements are all free.

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

    @staticmethod
    def entropy(mean: Any = None, cov: Any = 1.0) -> Any:
        """The differential entropy, in nats."""
        _, _, cov = _parameters(0.0 if mean is None else mean, mean, cov)
        return 0.5 * (cov.shape[-1] * log(2.0 * pi * e) + np.linalg.slogdet(cov)[1])


def _parameters(x: Any, mean: Any, cov: Any) -> tuple[Any, Any, Any]:
    """Make of x points (..., D), and of the covariance a matrix (D, D)."""
    mean, cov = 0.0 if mean is None else mean, 1.0 if cov is None else cov
    x, mean, cov = map(np.asarray, _arrays(x, mean, cov))
    size = max([np.size(mean), *cov.shape[-1:]])
    if cov.ndim < 2:
        cov = cov * np.eye(size)
    if x.ndim == 0 or (x.ndim == 1 and size == 1):
        x = np.expand_dims(x, -1)
    return x, mean, cov
