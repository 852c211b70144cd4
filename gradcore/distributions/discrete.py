"""Distributions of counts and classes.

Those of `probs` or `logits` take either. With probabilities of exactly 0 or 1, values are exact
(the log_prob of what can't be is -inf), and gradients with respect to these probabilities NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import array_api, ops
from ..array_api import special
from ..array_api.common import NodeOrArray
from ..engine.arrays import namespace, raw_array
from ..functions import log_sigmoid, log_softmax, sigmoid
from ..graph import TensorNode
from . import constraints
from .distribution import Derived, Distribution, broadcast, draws

__all__ = [
    "Bernoulli",
    "Binomial",
    "Categorical",
    "Geometric",
    "Multinomial",
    "OneHotCategorical",
    "Poisson",
]

Constraints = dict[str, constraints.Constraint]


def _one_of(name: str, probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ValueError(f"{name}: expected either probs or logits, and not both or neither")


def _log(x: Any) -> Any:
    """Compute the logarithm, without a warning of 0."""
    return special.xlogy(1.0, x)


class _Trials(Distribution):
    """Trials that succeed with probability `probs`, which is sigmoid(logits)."""

    arg_constraints: ClassVar[Constraints] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }

    @Derived
    def probs(self) -> TensorNode:
        return sigmoid(self.logits)

    @Derived
    def logits(self) -> TensorNode:
        return special.logit(self.probs)

    def _logs(self) -> tuple[Any, Any]:
        """Compute the logarithms of the probabilities of success and failure."""
        if "logits" in vars(self):
            return log_sigmoid(self.logits), log_sigmoid(-self.logits)
        return _log(self.probs), special.xlog1py(1.0, -self.probs)


class Bernoulli(_Trials):
    """The distribution of one trial: 1 with probability `probs`, else 0.

    Args:
        probs: probabilities. logits: or log(probs / (1 - probs)).

    Example:
        >>> p = TensorNode(0.8)
        >>> logp = Bernoulli(p).log_prob(1.0)
        >>> logp.backward()
        >>> print(logp.round(3), p.grad)  # log(p) and 1 / p
        -0.223 1.25
    """

    support = constraints.boolean
    has_enumerate_support = True

    def __init__(
        self,
        probs: NodeOrArray | None = None,
        logits: NodeOrArray | None = None,
        validate_args: bool | None = None,
    ) -> None:
        _one_of("Bernoulli", probs, logits)
        self._set(validate_args, probs=probs, logits=logits)

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        shape = self._shape(sample_shape)
        return draws(lambda rng, p: rng.random(p.shape) < p, shape, self._like, self.probs)

    def enumerate_support(self, expand: bool = True) -> TensorNode:
        return array_api.astype(self._enumerated(2, expand), self._like.dtype)

    def _log_prob(self, x: TensorNode) -> Any:
        success, failure = self._logs()
        return ops.Weighted.do_forward(x, success) + ops.Weighted.do_forward(1.0 - x, failure)

    def entropy(self) -> Any:
        return -self._log_prob(self.probs)

    @property
    def mean(self) -> TensorNode:
        return self.probs

    @property
    def mode(self) -> TensorNode:
        """0 or 1; NaN where both are equally probable."""
        p = self.probs.value
        xp = namespace(p)
        more = xp.astype(p >= 0.5, p.dtype)
        return TensorNode(xp.where(p == 0.5, math.nan, more), requires_grad=False)

    @property
    def variance(self) -> TensorNode:
        return self.probs * (1.0 - self.probs)


class Geometric(_Trials):
    """The distribution of the number of failures before the first success.

    Example:
        >>> print(Geometric(0.5).log_prob(2.0).exp().round(3), Geometric(0.5).mean)
        0.125 1.0
    """

    support = constraints.nonnegative_integer

    def __init__(
        self,
        probs: NodeOrArray | None = None,
        logits: NodeOrArray | None = None,
        validate_args: bool | None = None,
    ) -> None:
        _one_of("Geometric", probs, logits)
        self._set(validate_args, probs=probs, logits=logits)
        if self._validate_args:
            self._check("probs", constraints.positive, self.probs)

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        shape = self._shape(sample_shape)
        return draws(lambda rng, p: rng.geometric(p) - 1, shape, self._like, self.probs)

    def _log_prob(self, x: TensorNode) -> Any:
        success, failure = self._logs()
        return ops.Weighted.do_forward(x, failure) + success

    def entropy(self) -> Any:
        success, failure = self._logs()
        return -success - ops.Weighted.do_forward(1.0 / self.probs - 1.0, failure)

    @property
    def mean(self) -> TensorNode:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> TensorNode:
        return self._full(0.0)

    @property
    def variance(self) -> TensorNode:
        return (1.0 / self.probs - 1.0) / self.probs


class Binomial(_Trials):
    """The distribution of the number of successes in `total_count` trials.

    Example:
        >>> d = Binomial(4, probs=0.5)
        >>> print(d.mean, d.log_prob(2.0).exp().round(3))  # 6 / 16
        2.0 0.375
    """

    arg_constraints: ClassVar[Constraints] = {
        "total_count": constraints.nonnegative_integer,
        **_Trials.arg_constraints,
    }
    total_count: TensorNode

    def __init__(
        self,
        total_count: NodeOrArray | int = 1,
        probs: NodeOrArray | None = None,
        logits: NodeOrArray | None = None,
        validate_args: bool | None = None,
    ) -> None:
        _one_of("Binomial", probs, logits)
        self._set(validate_args, total_count=total_count, probs=probs, logits=logits)

    @property
    def support(self) -> Any:
        """What samples must be."""
        return constraints.integer_interval(0, self.total_count)

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        shape, both = self._shape(sample_shape), (self.total_count, self.probs)
        return draws(lambda rng, n, p: rng.binomial(n.astype("int64"), p), shape, self._like, *both)

    def _log_prob(self, x: TensorNode) -> Any:
        (success, failure), n = self._logs(), self.total_count
        logs = ops.Weighted.do_forward(x, success) + ops.Weighted.do_forward(n - x, failure)
        return logs + _log_ways(n, x, n - x)

    def entropy(self) -> Any:
        """The sum over all counts, up to the largest `total_count`, which the host reads."""
        n = self.total_count.value
        counts = range(int(namespace(n).max(n)) + 1)
        xp, like = namespace(n), self._like
        x = xp.asarray([*counts], dtype=like.dtype, device=like.device)
        x = xp.reshape(x, (len(counts), *[1] * n.ndim))
        possible = x <= n
        logs = self._log_prob(TensorNode(xp.where(possible, x, 0.0), requires_grad=False))
        terms = ops.Weighted.do_forward(array_api.exp(logs), logs)
        return -array_api.sum(array_api.where(possible, terms, 0.0), axis=0)

    @property
    def mean(self) -> TensorNode:
        return self.total_count * self.probs

    @property
    def mode(self) -> Any:
        n = self.total_count
        return array_api.minimum(array_api.floor((n + 1.0) * self.probs), n)

    @property
    def variance(self) -> TensorNode:
        return self.total_count * self.probs * (1.0 - self.probs)


def _log_ways(n: Any, *parts: Any) -> Any:
    """Compute the logarithm of n! / (the product of the factorials of the parts)."""
    logs = special.lgamma(n + 1.0)
    for part in parts:
        logs = logs - special.lgamma(part + 1.0)
    return logs


class Poisson(Distribution):
    """The Poisson distribution of counts, of mean `rate`.

    Example:
        >>> print(Poisson(2.0).log_prob(3.0).exp().round(3))  # 2**3 exp(-2) / 6
        0.18
    """

    arg_constraints: ClassVar[Constraints] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    rate: TensorNode

    def __init__(self, rate: NodeOrArray, validate_args: bool | None = None) -> None:
        self._set(validate_args, rate=rate)

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        shape = self._shape(sample_shape)
        return draws(lambda rng, rate: rng.poisson(rate), shape, self.rate, self.rate)

    def _log_prob(self, x: TensorNode) -> TensorNode:
        return special.xlogy(x, self.rate) - self.rate - special.lgamma(x + 1.0)

    @property
    def mean(self) -> TensorNode:
        return self.rate

    @property
    def mode(self) -> Any:
        return array_api.floor(self.rate)

    @property
    def variance(self) -> TensorNode:
        return self.rate


class Categorical(Distribution):
    """The distribution of a class, an integer in [0, K).

    Args:
        probs: numbers (..., K) that are not negative; they are divided by their sum.
        logits: or numbers (..., K); `log_softmax` makes log-probabilities of them.

    Example:
        >>> logits = TensorNode([0.0, 0.0, 2.0])
        >>> logp = Categorical(logits=logits).log_prob(2)
        >>> logp.backward()
        >>> print(logp.round(3), logits.grad.round(3))
        -0.24 [-0.107 -0.107  0.213]
    """

    arg_constraints: ClassVar[Constraints] = {
        "probs": constraints.independent(constraints.nonnegative, 1),
        "logits": constraints.real_vector,
    }
    has_enumerate_support = True

    def __init__(
        self,
        probs: NodeOrArray | None = None,
        logits: NodeOrArray | None = None,
        validate_args: bool | None = None,
    ) -> None:
        name = type(self).__name__
        _one_of(name, probs, logits)
        self._set(validate_args, probs=probs, logits=logits)
        if logits is not None:
            self.logits = log_softmax(self.logits, axis=-1)
            return
        total = array_api.sum(self.probs, axis=-1, keepdims=True)
        if self._validate_args:
            self._check("sum of probs", constraints.positive, total)
        self.probs = self.probs / total

    @Derived
    def probs(self) -> Any:
        return array_api.exp(self.logits)

    @Derived
    def logits(self) -> Any:
        """The logarithms of the probabilities."""
        return _log(self.probs)

    @property
    def param_shape(self) -> tuple[int, ...]:
        """The shape (..., K) of the parameters."""
        return tuple(self._like.shape)

    @property
    def support(self) -> Any:
        """What samples must be."""
        return constraints.integer_interval(0, self.param_shape[-1] - 1)

    def _draw(self, sample_shape: int | Sequence[int]) -> Any:
        """Draw classes (*sample_shape, *batch_shape), as an array."""
        shape = self._shape(sample_shape)[: -len(self.event_shape) or None]

        def draw(rng: Any, p: Any) -> Any:
            sums = p.cumsum(-1)
            return (rng.random((*shape, 1)) * sums[..., -1:] >= sums[..., :-1]).sum(-1)

        shape_of_probs = (*shape, self.param_shape[-1])
        made = draws(draw, shape_of_probs, TensorNode(self._like.value), self.probs).value
        return namespace(made).astype(made, namespace(made).int64)

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        return TensorNode(self._draw(sample_shape))

    def enumerate_support(self, expand: bool = True) -> TensorNode:
        return self._enumerated(self.param_shape[-1], expand)

    def _log_prob(self, x: TensorNode) -> Any:
        logits, raw = self.logits, raw_array(x)
        xp = namespace(raw)
        classes = xp.expand_dims(xp.astype(raw, xp.int64), axis=-1)
        shape = xp.broadcast_arrays(classes[..., 0], logits.value[..., 0])[0].shape
        logits = broadcast(logits, (*shape, logits.shape[-1]))
        classes = xp.broadcast_to(classes, (*shape, 1))
        return array_api.take_along_axis(logits, classes, axis=-1)[..., 0]

    def entropy(self) -> Any:
        return -array_api.sum(ops.Weighted.do_forward(self.probs, self.logits), axis=-1)

    @property
    def mean(self) -> TensorNode:
        """NaN: a class is no number."""
        return self._full(math.nan)

    @property
    def mode(self) -> TensorNode:
        return array_api.argmax(self._like, axis=-1)

    @property
    def variance(self) -> TensorNode:
        return self._full(math.nan)


class OneHotCategorical(Categorical):
    """The distribution of a class, as K zeros with a one at the class.

    Example:
        >>> print(OneHotCategorical(probs=[0.25, 0.75]).log_prob([0.0, 1.0]).exp())
        0.75
    """

    event_ndim = 1
    support = constraints.one_hot

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        return self._one_hot(self._draw(sample_shape))

    def _one_hot(self, classes: Any) -> TensorNode:
        xp, like = namespace(classes), self._like
        every = xp.arange(self.param_shape[-1], device=like.device)
        found = xp.expand_dims(classes, axis=-1) == every
        return TensorNode(xp.astype(found, like.dtype), requires_grad=False)

    def enumerate_support(self, expand: bool = True) -> TensorNode:
        return self._one_hot(self._enumerated(self.param_shape[-1], expand).value)

    def _log_prob(self, x: TensorNode) -> Any:
        return array_api.sum(ops.Weighted.do_forward(x, self.logits), axis=-1)

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> TensorNode:
        return self._one_hot(super().mode.value)

    @property
    def variance(self) -> Any:
        return self.probs * (1.0 - self.probs)


class Multinomial(Categorical):
    """The distribution of how often each of K classes is drawn in `total_count` draws.

    Example:
        >>> d = Multinomial(4, probs=[0.5, 0.25, 0.25])
        >>> print(d.mean, d.log_prob([2.0, 1.0, 1.0]).exp().round(4))  # 12 / 4**3
        [2. 1. 1.] 0.1875
    """

    event_ndim = 1
    has_enumerate_support = False
    total_count: int

    def __init__(
        self,
        total_count: int = 1,
        probs: NodeOrArray | None = None,
        logits: NodeOrArray | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int) or total_count < 0:
            raise ValueError(f"Multinomial: total_count is {total_count!r}, expected a count")
        self.total_count = total_count
        super().__init__(probs, logits, validate_args)

    @property
    def support(self) -> Any:
        """What samples must be."""
        return constraints.multinomial(self.total_count)

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        def draw(rng: Any, p: Any) -> Any:
            return rng.multinomial(self.total_count, p / p.sum(-1, keepdims=True))

        return draws(draw, self._shape(sample_shape), self._like, self.probs)

    def enumerate_support(self, expand: bool = True) -> TensorNode:
        raise self._has_no("enumerate_support")

    def _log_prob(self, x: TensorNode) -> Any:
        ways = special.lgamma(x + 1.0)
        logs = array_api.sum(ops.Weighted.do_forward(x, self.logits) - ways, axis=-1)
        return logs + math.lgamma(self.total_count + 1)

    def entropy(self) -> Any:
        n, like = self.total_count, self._like
        each = Binomial(n, probs=self.probs, validate_args=False)
        xp = namespace(like.value)
        counts = xp.asarray([*range(n + 1)], dtype=like.dtype, device=like.device)
        counts = TensorNode(xp.reshape(counts, (n + 1, *[1] * like.ndim)), requires_grad=False)
        weights = array_api.exp(each._log_prob(counts))
        ways = array_api.sum(weights * special.lgamma(counts + 1.0), axis=(0, -1))
        return n * super().entropy() - math.lgamma(n + 1) + ways

    @property
    def mean(self) -> Any:
        return self.total_count * self.probs

    @property
    def mode(self) -> TensorNode:
        raise self._has_no("mode")

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1.0 - self.probs)
