"""The gamma distribution and those made of it, the exponential and the uniform distribution.

Samples of the gamma and beta distributions have the gradients of the quantile function, at the
probability of the sample (https://arxiv.org/abs/1805.08498), of every order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import array_api, ops
from ..array_api import special
from ..array_api.common import NodeOrArray, Shape
from ..engine.arrays import namespace, raw_array
from ..graph import TensorNode
from . import constraints
from .distribution import Distribution, broadcast, draws, noise

__all__ = ["Beta", "Chi2", "Dirichlet", "Exponential", "Gamma", "StudentT", "Uniform"]


class Gamma(Distribution):
    """The gamma distribution, of density rate^c x^(c - 1) exp(-rate x) / gamma(c).

    Args:
        concentration: c, positive.
        rate: positive.

    Example:
        >>> print(Gamma(3.0, 2.0).mean, Gamma(1.0, 2.0).log_prob(1.0).round(3))  # log(2) - 2
        1.5 -1.307
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative
    has_rsample = True
    concentration: TensorNode
    rate: TensorNode

    def __init__(
        self, concentration: NodeOrArray, rate: NodeOrArray, validate_args: bool | None = None
    ) -> None:
        self._set(validate_args, concentration=concentration, rate=rate)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        return _standard_gamma(self.concentration, self._shape(sample_shape)) / self.rate

    def _log_prob(self, x: TensorNode) -> TensorNode:
        c, log_rate = self.concentration, array_api.log(self.rate)
        return c * log_rate + special.xlogy(c - 1.0, x) - self.rate * x - special.lgamma(c)

    def _cdf(self, x: TensorNode) -> TensorNode:
        return special.gammainc(self.concentration, self.rate * x)

    def _icdf(self, p: TensorNode) -> TensorNode:
        return special.gammaincinv(self.concentration, p) / self.rate

    def entropy(self) -> TensorNode:
        c = self.concentration
        logs = special.lgamma(c) - array_api.log(self.rate)
        return c + logs + (1.0 - c) * special.digamma(c)

    @property
    def mean(self) -> TensorNode:
        return self.concentration / self.rate

    @property
    def mode(self) -> Any:
        return array_api.maximum(self.concentration - 1.0, 0.0) / self.rate

    @property
    def variance(self) -> TensorNode:
        return self.concentration / (self.rate * self.rate)


def _standard_gamma(concentration: TensorNode, shape: Shape) -> TensorNode:
    """Draw from gamma distributions of rate 1; at least the smallest normal number."""
    x = draws(lambda rng, c: rng.standard_gamma(c), shape, concentration, concentration).value
    xp = namespace(x)
    tiny = xp.finfo(x.dtype).smallest_normal
    known = xp.where(x < tiny, tiny, x)
    return ops.GammaIncInv.do_forward(broadcast(concentration, shape), 0.5, known=known)


class Chi2(Gamma):
    """The chi-squared distribution of df degrees of freedom: a gamma distribution.

    Example:
        >>> print(Chi2(3.0).mean, Chi2(3.0).variance)
        3.0 6.0
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        **Gamma.arg_constraints,
        "df": constraints.positive,
    }
    df: TensorNode

    def __init__(self, df: NodeOrArray, validate_args: bool | None = None) -> None:
        self._set(validate_args, df=df)
        self.concentration, self.rate = 0.5 * self.df, self._full(0.5)


class StudentT(Distribution):
    """Student's distribution of df degrees of freedom, times scale, plus loc.

    Example:
        >>> print(StudentT(3.0).log_prob(0.0).exp().round(3), StudentT(3.0).variance)
        0.368 3.0
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True
    df: TensorNode
    loc: TensorNode
    scale: TensorNode

    def __init__(
        self,
        df: NodeOrArray,
        loc: NodeOrArray = 0.0,
        scale: NodeOrArray = 1.0,
        validate_args: bool | None = None,
    ) -> None:
        self._set(validate_args, df=df, loc=loc, scale=scale)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        shape = self._shape(sample_shape)
        z = noise("standard_normal", shape, self.loc)
        chi2 = 2.0 * _standard_gamma(0.5 * self.df, shape)
        return self.loc + self.scale * z * array_api.sqrt(self.df / chi2)

    def _log_prob(self, x: TensorNode) -> TensorNode:
        z, df = (x - self.loc) / self.scale, self.df
        logs = array_api.log(self.scale) + 0.5 * array_api.log(df) + _log_beta(0.5 * df, 0.5)
        return -0.5 * (df + 1.0) * array_api.log1p(z * z / df) - logs

    def _cdf(self, x: TensorNode) -> TensorNode:
        return special.stdtr(self.df, (x - self.loc) / self.scale)

    def _icdf(self, p: TensorNode) -> TensorNode:
        return self.loc + self.scale * special.stdtrit(self.df, p)

    def entropy(self) -> TensorNode:
        half, df = 0.5 * (self.df + 1.0), self.df
        slopes = special.digamma(half) - special.digamma(0.5 * df)
        logs = 0.5 * array_api.log(df) + _log_beta(0.5 * df, 0.5)
        return array_api.log(self.scale) + half * slopes + logs

    @property
    def mean(self) -> Any:
        return array_api.where(self.df.value > 1, self.loc, math.nan)

    @property
    def mode(self) -> TensorNode:
        return self.loc

    @property
    def variance(self) -> Any:
        """scale² df / (df - 2) for df > 2; infinite down to 1, and NaN from there on."""
        raw = self.df.value
        df = array_api.where(raw > 2, self.df, 3.0)
        found = array_api.where(raw > 2, self.scale * self.scale * df / (df - 2.0), math.inf)
        return array_api.where(raw > 1, found, math.nan)


def _log_beta(a: TensorNode, b: Any) -> Any:
    return special.betaln(a, b)


class Dirichlet(Distribution):
    """The Dirichlet distribution of vectors of K probabilities, of a density that is proportional
    to the product of x^(concentration - 1).

    Samples are made by breaking a stick: the first probability is a sample of a beta distribution,
    the second is such a part of what is left, and so on. Their gradients are those of the beta
    distribution's samples. (PyTorch's are others, of the same mean.)

    Args:
        concentration: positive numbers (..., K).

    Example:
        >>> d = Dirichlet([1.0, 2.0, 5.0])
        >>> print(d.mean, d.sample().sum().round(3))
        [0.125 0.25  0.625] 1.0
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "concentration": constraints.independent(constraints.positive, 1)
    }
    support = constraints.simplex
    has_rsample = True
    event_ndim = 1
    concentration: TensorNode

    def __init__(self, concentration: NodeOrArray, validate_args: bool | None = None) -> None:
        self._set(validate_args, concentration=concentration)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        c = broadcast(self.concentration, self._shape(sample_shape))
        if c.shape[-1] == 1:
            return array_api.ones_like(c)
        after = array_api.cumulative_sum(array_api.flip(c, axis=-1), axis=-1)
        after = array_api.flip(after, axis=-1)
        parts = _beta_sample(c[..., :-1], after[..., 1:])
        left = array_api.cumulative_prod(1.0 - parts, axis=-1)
        before = array_api.concat([array_api.ones_like(left[..., :1]), left[..., :-1]], axis=-1)
        return array_api.concat([parts * before, left[..., -1:]], axis=-1)

    def _log_prob(self, x: TensorNode) -> Any:
        terms = special.xlogy(self.concentration - 1.0, x)
        return array_api.sum(terms, axis=-1) - self._log_norm()

    def _log_norm(self) -> Any:
        c = self.concentration
        total = array_api.sum(c, axis=-1)
        return array_api.sum(special.lgamma(c), axis=-1) - special.lgamma(total)

    def entropy(self) -> Any:
        c = self.concentration
        total, k = array_api.sum(c, axis=-1), c.shape[-1]
        inner = array_api.sum((c - 1.0) * special.digamma(c), axis=-1)
        return self._log_norm() + (total - k) * special.digamma(total) - inner

    @property
    def mean(self) -> Any:
        c = self.concentration
        return c / array_api.sum(c, axis=-1, keepdims=True)

    @property
    def mode(self) -> Any:
        """The place of the largest density; if all concentrations are below 1, the first corner
        of the largest one, and where some are, 0 there, as in PyTorch."""
        c = self.concentration
        less = array_api.maximum(c - 1.0, 0.0)
        total = array_api.sum(less, axis=-1, keepdims=True)
        xp, none = namespace(c.value), total.value == 0
        corner = xp.argmax(c.value, axis=-1, keepdims=True)
        corner = xp.arange(c.shape[-1], device=c.device) == corner
        corner = xp.astype(corner, c.dtype)
        all_small = xp.all(c.value < 1, axis=-1, keepdims=True)
        inside = less / array_api.where(none & all_small, 1.0, total)
        return array_api.where(all_small, corner, inside)

    @property
    def variance(self) -> Any:
        total = array_api.sum(self.concentration, axis=-1, keepdims=True)
        return self.mean * (1.0 - self.mean) / (total + 1.0)


def _beta_sample(a: TensorNode, b: TensorNode) -> TensorNode:
    """Draw from beta distributions with parameters of one shape; inside of (0, 1)."""

    def draw(rng: Any, a: Any, b: Any) -> Any:
        # A gamma sample of a + 1, times u^(1 / a), is one of a. Its logarithm does not underflow.
        u, v = (rng.standard_gamma(c + 1) for c in (a, b))
        s, t = (1.0 - rng.random(c.shape) for c in (a, b))
        log = namespace(a).log
        return special.expit(log(u) + log(s) / a - log(v) - log(t) / b).value

    x = draws(draw, tuple(a.shape), a, a, b).value
    xp, kind = namespace(x), namespace(x).finfo(x.dtype)
    x = xp.where(x < kind.smallest_normal, kind.smallest_normal, x)
    known = xp.where(x > 1 - kind.eps, 1 - kind.eps, x)
    return ops.BetaIncInv.do_forward(a, b, 0.5, known=known)


class Beta(Distribution):
    """The beta distribution, of a density proportional to x^(c1 - 1) (1 - x)^(c0 - 1).

    Args:
        concentration1, concentration0: c1 and c0, positive.

    Example:
        >>> print(Beta(2.0, 3.0).mean.round(3))  # 2 / 5
        0.4
        >>> print(Beta(1.0, 1.0).log_prob(0.3))  # which is uniform
        0.0
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True
    concentration1: TensorNode
    concentration0: TensorNode

    def __init__(
        self,
        concentration1: NodeOrArray,
        concentration0: NodeOrArray,
        validate_args: bool | None = None,
    ) -> None:
        given = {"concentration1": concentration1, "concentration0": concentration0}
        self._set(validate_args, **given)

    @property
    def _dirichlet(self) -> Dirichlet:
        both = array_api.stack([self.concentration1, self.concentration0], axis=-1)
        return Dirichlet(both, validate_args=False)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        shape = self._shape(sample_shape)
        return _beta_sample(
            *[broadcast(c, shape) for c in (self.concentration1, self.concentration0)]
        )

    def _log_prob(self, x: TensorNode) -> Any:
        a, b = self.concentration1, self.concentration0
        return special.xlogy(a - 1.0, x) + special.xlog1py(b - 1.0, -x) - special.betaln(a, b)

    def _cdf(self, x: TensorNode) -> TensorNode:
        return special.betainc(self.concentration1, self.concentration0, x)

    def _icdf(self, p: TensorNode) -> TensorNode:
        return special.betaincinv(self.concentration1, self.concentration0, p)

    def entropy(self) -> Any:
        return self._dirichlet.entropy()

    @property
    def mean(self) -> TensorNode:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Any:
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self) -> TensorNode:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total * total * (total + 1.0))


class Exponential(Distribution):
    """The exponential distribution, of density rate exp(-rate x).

    Example:
        >>> rate = TensorNode(2.0)
        >>> logp = Exponential(rate).log_prob(1.0)
        >>> logp.backward()
        >>> print(logp.round(3), rate.grad)  # log(rate) - rate, and 1 / rate - 1
        -1.307 -0.5
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    rate: TensorNode

    def __init__(self, rate: NodeOrArray, validate_args: bool | None = None) -> None:
        self._set(validate_args, rate=rate)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        return noise("standard_exponential", self._shape(sample_shape), self.rate) / self.rate

    def _log_prob(self, x: TensorNode) -> TensorNode:
        return array_api.log(self.rate) - self.rate * x

    def _cdf(self, x: TensorNode) -> Any:
        return -array_api.expm1(-self.rate * x)

    def _icdf(self, p: TensorNode) -> TensorNode:
        return -array_api.log1p(-p) / self.rate

    def entropy(self) -> Any:
        return 1.0 - array_api.log(self.rate)

    @property
    def mean(self) -> TensorNode:
        return 1.0 / self.rate

    @property
    def mode(self) -> TensorNode:
        return self._full(0.0)

    @property
    def stddev(self) -> TensorNode:
        return 1.0 / self.rate

    @property
    def variance(self) -> TensorNode:
        return 1.0 / (self.rate * self.rate)


class Uniform(Distribution):
    """The uniform distribution from low up to, and without, high.

    Raises:
        ValueError: with `validate_args`, low is not below high.

    Example:
        >>> print(Uniform(0.0, 4.0).mean, Uniform(0.0, 4.0).log_prob(1.0).exp())
        2.0 0.25
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "low": constraints.real,
        "high": constraints.real,
    }
    has_rsample = True
    low: TensorNode
    high: TensorNode

    def __init__(
        self, low: NodeOrArray, high: NodeOrArray, validate_args: bool | None = None
    ) -> None:
        self._set(validate_args, low=low, high=high)
        xp = namespace(self.low.value)
        if self._validate_args and not bool(xp.all(raw_array(self.low < self.high))):
            raise ValueError("Uniform: low is not below high; expected low < high everywhere")

    @property
    def support(self) -> Any:
        """What samples must be."""
        return constraints.interval(self.low, self.high)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        u = noise("random", self._shape(sample_shape), self.low)
        return self.low + (self.high - self.low) * u

    def _log_prob(self, x: TensorNode) -> Any:
        inside = (x.value >= self.low.value) & (x.value < self.high.value)
        return array_api.where(inside, -self.entropy() + 0.0 * x, -math.inf)

    def _cdf(self, x: TensorNode) -> Any:
        return array_api.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)

    def _icdf(self, p: TensorNode) -> TensorNode:
        return self.low + (self.high - self.low) * p

    def entropy(self) -> Any:
        return array_api.log(self.high - self.low)

    @property
    def mean(self) -> TensorNode:
        return 0.5 * (self.low + self.high)

    @property
    def mode(self) -> TensorNode:
        return self._full(math.nan)

    @property
    def stddev(self) -> TensorNode:
        return (self.high - self.low) / math.sqrt(12)

    @property
    def variance(self) -> TensorNode:
        return (self.high - self.low) * (self.high - self.low) / 12.0
