"""The Kullback-Leibler divergence of two distributions, by formulas for pairs of classes.

https://en.wikipedia.org/wiki/Kullback-Leibler_divergence has the definition, and
torch.distributions the same pairs. Where q can't give what p can, the divergence is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

from .. import array_api, ops
from ..array_api import linalg, special
from ..array_api.elementwise import exp, log, where
from ..graph import TensorNode
from .discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    Multinomial,
    OneHotCategorical,
    Poisson,
)
from .distribution import Distribution, Independent, broadcast, sum_last
from .gamma import Beta, Dirichlet, Exponential, Gamma, Uniform
from .location_scale import EULER, Cauchy, Gumbel, Laplace, Normal
from .multivariate_normal import MultivariateNormal, squared_length
from .transforms import HalfNormal, TransformedDistribution

__all__ = ["kl_divergence", "register_kl"]

Divergence = Callable[[Any, Any], Any]
_formulas: dict[tuple[type, type], Divergence] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Divergence], Divergence]:
    """Decorate a function of p and q that computes the divergence for these classes, and for their
    subclasses that have no formula of their own.

    Raises:
        TypeError: one of the classes is no subclass of `Distribution`.

    Example:
        >>> class Point(Distribution):
        ...     def __init__(self, x):
        ...         self.x = x
        ...
        >>> @register_kl(Point, Normal)
        ... def divergence(p, q):
        ...     return -q.log_prob(p.x)
        ...
        >>> print(kl_divergence(Point(0.0), Normal(0.0, 1.0)).round(3))
        0.919
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"register_kl: {kind!r} is no subclass of Distribution")

    def register(function: Divergence) -> Divergence:
        _formulas[type_p, type_q] = function
        return function

    return register


def kl_divergence(p: Distribution, q: Distribution) -> TensorNode:
    """Compute the mean of p.log_prob(x) - q.log_prob(x) over x from p: (*batch_shape), of the
    batches broadcast together.

    The formula is that of the class of p, or of the nearest base class that has one; and for that,
    likewise, of q.

    Raises:
        NotImplementedError: there is no formula for these classes.

    Example:
        >>> mean = TensorNode(1.0)
        >>> kl = kl_divergence(Normal(mean, 1.0), Normal(0.0, 1.0))
        >>> kl.backward()
        >>> print(kl, mean.grad)  # mean**2 / 2
        0.5 1.0
    """
    for kind_p in type(p).__mro__:
        for kind_q in type(q).__mro__:
            if formula := _formulas.get((kind_p, kind_q)):
                return formula(p, q)
    names = f"{type(p).__name__}, {type(q).__name__}"
    raise NotImplementedError(f"kl_divergence: no formula for {names}; see register_kl({names})")


# -- The same class -------------------------------------------------------------------------------


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Any:
    ratio, far = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return 0.5 * (ratio * ratio + far * far - 1.0) - log(ratio)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: MultivariateNormal, q: MultivariateNormal) -> Any:
    if p.event_shape != q.event_shape:
        found = f"events of shapes {p.event_shape} and {q.event_shape}"
        raise ValueError(f"kl_divergence: found {found}, expected one shape")
    both = linalg.solve_triangular(q._factor, p._factor, upper=False)
    trace = array_api.sum(both * both, axis=(-2, -1))
    squares = squared_length(q._factor, p.loc - q.loc)
    return q.half_log_det() - p.half_log_det() + 0.5 * (trace + squares - p.event_shape[0])


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Any:
    ratio, far = p.scale / q.scale, abs(p.loc - q.loc)
    return -log(ratio) + far / q.scale + ratio * exp(-far / p.scale) - 1.0


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Any:
    sums, far = p.scale + q.scale, p.loc - q.loc
    return log((sums * sums + far * far) / (4.0 * p.scale * q.scale))


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Any:
    c = p.concentration
    logs = q.concentration * log(p.rate / q.rate)
    logs = logs + special.lgamma(q.concentration) - special.lgamma(c)
    return logs + (c - q.concentration) * special.digamma(c) + (q.rate - p.rate) * (c / p.rate)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Any:
    c = p.concentration
    slopes = special.digamma(c) - special.digamma(array_api.sum(c, axis=-1, keepdims=True))
    return q._log_norm() - p._log_norm() + array_api.sum((c - q.concentration) * slopes, axis=-1)


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Any:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Any:
    return sum(
        ops.Weighted.do_forward(weight, _difference(weight, a, b))
        for weight, a, b in zip((p.probs, 1.0 - p.probs), p._logs(), q._logs(), strict=True)
    )


def _difference(weight: Any, a: Any, b: Any) -> Any:
    """Compute a - b; where the weight is 0, and both may be infinite, give 0."""
    return where(weight.value == 0, 0.0, a - b)


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Any:
    each = p.total_count * _bernoulli(p, q)
    more = p.total_count.value > q.total_count.value
    return where(more, math.inf, where(p.total_count.value < q.total_count.value, math.nan, each))


@register_kl(Categorical, Categorical)
@register_kl(OneHotCategorical, OneHotCategorical)
def _categorical(p: Categorical, q: Categorical) -> Any:
    terms = ops.Weighted.do_forward(p.probs, _difference(p.probs, p.logits, q.logits))
    return array_api.sum(terms, axis=-1)


@register_kl(Multinomial, Multinomial)
def _multinomial(p: Multinomial, q: Multinomial) -> Any:
    if p.total_count != q.total_count:
        raise NotImplementedError("kl_divergence: Multinomials of two numbers of draws")
    return p.total_count * _categorical(p, q)


@register_kl(OneHotCategorical, Categorical)
@register_kl(Categorical, OneHotCategorical)
@register_kl(Multinomial, Categorical)
@register_kl(Categorical, Multinomial)
def _different_events(p: Categorical, q: Categorical) -> Any:
    names = f"{type(p).__name__}, {type(q).__name__}"
    raise NotImplementedError(f"kl_divergence: samples of {names} differ in kind")


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Any:
    return p.rate * (log(p.rate) - log(q.rate)) - (p.rate - q.rate)


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Any:
    success, failure = q._logs()
    return -p.entropy() - success - (1.0 / p.probs - 1.0) * failure


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Any:
    ndim = p.reinterpreted_batch_ndims
    if ndim != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence: Independent of other reinterpreted_batch_ndims")
    return sum_last(kl_divergence(p.base_dist, q.base_dist), ndim)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("kl_divergence: the transforms differ")
    return kl_divergence(p.base_dist, q.base_dist)


# -- Two classes: minus p's entropy, minus the mean of q.log_prob, from what is known of p --------


def _mean_log(p: Any) -> Any:
    """Compute the mean of log(x) over x from p."""
    if isinstance(p, Exponential):
        return -EULER - log(p.rate)
    if isinstance(p, Gamma):
        return special.digamma(p.concentration) - log(p.rate)
    if isinstance(p, Beta):
        both = p.concentration1 + p.concentration0
        return special.digamma(p.concentration1) - special.digamma(both)
    return _mean_log_between(p.low, p.high)


def _mean_log_between(low: Any, high: Any) -> Any:
    return (special.xlogy(high, high) - special.xlogy(low, low)) / (high - low) - 1.0


def _mean_exp(p: Any, t: Any) -> Any:
    """Compute the mean of exp(t x) over x from p."""
    if isinstance(p, Exponential):
        return p.rate / (p.rate - t)
    if isinstance(p, Gamma):
        return (1.0 - t / p.rate) ** -p.concentration
    if isinstance(p, Normal):
        return exp(p.loc * t + 0.5 * (p.scale * t) ** 2)
    if isinstance(p, Gumbel):
        return exp(p.loc * t + special.lgamma(1.0 - p.scale * t))
    return (exp(p.high * t) - exp(p.low * t)) / ((p.high - p.low) * t)


def _where_positive(p: Any, found: Any) -> Any:
    """Make the divergence infinite where p, if it is uniform, gives negative numbers too."""
    return where(p.low.value < 0, math.inf, found) if isinstance(p, Uniform) else found


def _to_normal(p: Any, q: Normal) -> Any:
    far = p.mean - q.loc
    squares = (p.variance + far * far) / (q.scale * q.scale)
    return 0.5 * squares + log(q.scale) + 0.5 * math.log(2 * math.pi) - p.entropy()


def _to_exponential(p: Any, q: Exponential) -> Any:
    return _where_positive(p, q.rate * p.mean - log(q.rate) - p.entropy())


def _to_gamma(p: Any, q: Gamma) -> Any:
    c = q.concentration
    logs = special.lgamma(c) - c * log(q.rate) - (c - 1.0) * _mean_log(_positive_part(p))
    return _where_positive(p, logs + q.rate * p.mean - p.entropy())


def _positive_part(p: Any) -> Any:
    """Give p, or instead of a uniform distribution below 0 one above, for a result not used."""
    if not isinstance(p, Uniform):
        return p
    negative = p.low.value < 0
    low, high = (where(negative, a, x) for a, x in ((0.0, p.low), (1.0, p.high)))
    return Uniform(low, high, validate_args=False)


def _to_gumbel(p: Any, q: Gumbel) -> Any:
    tails = exp(q.loc / q.scale) * _mean_exp(p, -1.0 / q.scale)
    return log(q.scale) + (p.mean - q.loc) / q.scale + tails - p.entropy()


def _infinite(p: Any, q: Any) -> Any:
    shape = array_api.broadcast_shapes(p.batch_shape, q.batch_shape)
    return broadcast(p._full(math.inf), shape)


# Of each formula, the classes of p and those of q.
_TABLE: list[tuple[Divergence, tuple[type, ...], tuple[type, ...]]] = [
    (_to_normal, (Beta, Exponential, Gamma, Gumbel, Laplace, Uniform), (Normal,)),
    (_to_exponential, (Beta, Exponential, Gamma, Uniform), (Exponential,)),
    (_to_gamma, (Beta, Exponential, Uniform), (Gamma,)),
    (_to_gumbel, (Exponential, Gamma, Gumbel, Normal, Uniform), (Gumbel,)),
    (_infinite, (Exponential, Gamma, Gumbel, Laplace, Normal), (Beta, Uniform)),
    (_infinite, (Gumbel, Laplace, Normal), (Exponential, Gamma)),
    (_infinite, (Poisson,), (Bernoulli, Binomial)),
]
for _formula, _of_p, _of_q in _TABLE:
    for _pair in product(_of_p, _of_q):
        register_kl(*_pair)(_formula)


@register_kl(Normal, Laplace)
def _normal_to_laplace(p: Normal, q: Laplace) -> Any:
    far, z = p.loc - q.loc, (p.loc - q.loc) / p.scale
    size = math.sqrt(2 / math.pi) * p.scale * exp(-0.5 * z * z) + far * special.erf(
        math.sqrt(0.5) * z
    )
    return size / q.scale + log(2.0 * q.scale) - p.entropy()


@register_kl(Uniform, Uniform)
@register_kl(Beta, Uniform)
def _to_uniform(p: Any, q: Uniform) -> Any:
    low, high = (p.low.value, p.high.value) if isinstance(p, Uniform) else (0.0, 1.0)
    outside = (q.low.value > low) | (q.high.value < high)
    return where(outside, math.inf, q.entropy() - p.entropy())


@register_kl(Uniform, Beta)
def _uniform_to_beta(p: Uniform, q: Beta) -> Any:
    outside = (p.low.value < 0) | (p.high.value > 1)
    low, high = where(outside, 0.0, p.low), where(outside, 1.0, p.high)
    a, b = q.concentration1, q.concentration0
    logs = (a - 1.0) * _mean_log_between(low, high)
    logs = logs + (b - 1.0) * _mean_log_between(1.0 - high, 1.0 - low) - special.betaln(a, b)
    return where(outside, math.inf, -logs - p.entropy())


@register_kl(Bernoulli, Poisson)
def _bernoulli_to_poisson(p: Bernoulli, q: Poisson) -> Any:
    return q.rate - p.probs * log(q.rate) - p.entropy()
