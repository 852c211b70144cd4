"""Transforms of numbers, and the distributions of what they give.

Names are those of torch.distributions.transforms; those here act on each number by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import array_api
from ..array_api import special
from ..array_api.common import NodeOrArray
from ..engine.arrays import value_of
from ..functions import sigmoid, softplus
from ..functions.comparison import nodes
from ..graph import TensorNode
from . import constraints
from .distribution import Distribution
from .location_scale import Normal

__all__ = [
    "AffineTransform",
    "ExpTransform",
    "HalfNormal",
    "LogNormal",
    "SigmoidTransform",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
]


class Transform:
    """A function of each number, `t(x)`, with its inverse `t.inv(y)`; both take and give nodes.

    A subclass also computes the logarithm of the slope's size, from x and y = t(x).

    Attributes:
        codomain: what the results are.
        sign: of the slope: 1 or -1, or an array of these.

    Example:
        >>> t = ExpTransform()
        >>> x = TensorNode([0.0, 1.0])
        >>> print(t.inv(t(x)).round(3), t.log_abs_det_jacobian(x, t(x)))
        [0. 1.] [0. 1.]
    """

    codomain: constraints.Constraint = constraints.real
    sign: Any = 1

    def __call__(self, x: Any) -> Any:
        raise NotImplementedError

    def inv(self, y: Any) -> Any:
        """Compute the x that the transform takes to y.

        Example:
            >>> print(ExpTransform().inv(TensorNode([1.0])))
            [0.]
        """
        raise NotImplementedError

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Compute the logarithm of the absolute derivative at x, of which y is the result.

        Example:
            >>> t, x = AffineTransform(1.0, 2.0), TensorNode([0.0, 3.0])
            >>> print(t.log_abs_det_jacobian(x, t(x)).round(3))  # log(2)
            [0.693 0.693]
        """
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return False
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return all(x is y or (isinstance(x, int | float) and x == y) for x, y in pairs)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ExpTransform(Transform):
    """exp(x).

    Example:
        >>> t = ExpTransform()
        >>> print(t(TensorNode([0.0, 1.0])).round(3), t.inv(TensorNode([1.0])))
        [1.    2.718] [0.]
    """

    codomain = constraints.positive

    def __call__(self, x: Any) -> Any:
        return array_api.exp(x)

    def inv(self, y: Any) -> Any:
        return array_api.log(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x


class SigmoidTransform(Transform):
    """1 / (1 + exp(-x)).

    Example:
        >>> print(SigmoidTransform()(TensorNode([0.0, 2.0])).round(3))
        [0.5   0.881]
    """

    codomain = constraints.unit_interval

    def __call__(self, x: Any) -> Any:
        return sigmoid(x)

    def inv(self, y: Any) -> Any:
        return special.logit(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -softplus(-x, threshold=math.inf) - softplus(x, threshold=math.inf)


class TanhTransform(Transform):
    """tanh(x).

    Example:
        >>> print(TanhTransform()(TensorNode([0.0, 1.0])).round(3))
        [0.    0.762]
    """

    codomain = constraints.interval(-1, 1)

    def __call__(self, x: Any) -> Any:
        return array_api.tanh(x)

    def inv(self, y: Any) -> Any:
        return array_api.atanh(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x, threshold=math.inf))


class AffineTransform(Transform):
    """loc + scale * x, for numbers, arrays or nodes; the scale is not 0.

    Example:
        >>> t = AffineTransform(loc=1.0, scale=2.0)
        >>> print(t(TensorNode([0.0, 3.0])), t.inv(TensorNode([1.0, 7.0])))
        [1. 7.] [0. 3.]
    """

    def __init__(self, loc: Any, scale: Any) -> None:
        self.loc, self.scale = loc, scale

    @property
    def sign(self) -> Any:
        scale = value_of(self.scale)
        return (scale > 0) * 2 - 1

    def __call__(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def inv(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        (scale,) = nodes(self.scale, x)[:1]
        return array_api.log(abs(scale)) + 0.0 * x

    def __repr__(self) -> str:
        return f"AffineTransform({self.loc!r}, {self.scale!r})"


class TransformedDistribution(Distribution):
    """The distribution of what transforms, one after the other, make of samples of another one.

    Args:
        base_distribution: the distribution of x.
        transforms: one `Transform` or a list, from the first to the last.

    Example:
        >>> x = LogNormal(0.0, 1.0)
        >>> y = TransformedDistribution(x, AffineTransform(10.0, 2.0))  # of 10 + 2 x
        >>> print(x.log_prob(1.0).round(3), y.log_prob(12.0).round(3))  # less by log(2)
        -0.919 -1.612
    """

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.base_dist = base_distribution
        self.transforms = [transforms] if isinstance(transforms, Transform) else [*transforms]
        base = base_distribution
        super().__init__(base.batch_shape, base.event_shape, validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:
        """What samples must be."""
        if not self.transforms:
            return self.base_dist.support
        return constraints.independent(self.transforms[-1].codomain, len(self.event_shape))

    @property
    def _like(self) -> TensorNode:
        return self.base_dist._like

    def _transformed(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def _inverted(self, y: Any) -> Any:
        for transform in reversed(self.transforms):
            y = transform.inv(y)
        return y

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        x = self._transformed(self.base_dist.sample(sample_shape))
        return TensorNode(x.value, requires_grad=False)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        return self._transformed(self.base_dist.rsample(sample_shape))

    def _log_prob(self, y: TensorNode) -> Any:
        total: Any = 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            slopes = transform.log_abs_det_jacobian(x, y)
            for _ in self.event_shape:
                slopes = array_api.sum(slopes, axis=-1)
            total, y = total - slopes, x
        return self.base_dist._log_prob(y) + total

    def _cdf(self, y: TensorNode) -> Any:
        return self._in_order(self.base_dist._cdf(self._inverted(y)))

    def _icdf(self, p: TensorNode) -> Any:
        return self._transformed(self.base_dist._icdf(self._in_order(p)))

    def _in_order(self, p: Any) -> Any:
        """Give 1 - p where the transforms turn the order of numbers round, else p."""
        sign: Any = math.prod([transform.sign for transform in self.transforms])
        return 0.5 - sign * (0.5 - p)

    def expand(self, batch_shape: Sequence[int]) -> Any:
        new = super().expand(batch_shape)
        new.base_dist = self.base_dist.expand(batch_shape)
        return new

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist}, {self.transforms})"


class LogNormal(TransformedDistribution):
    """The distribution of exp(x), where x is normal, of mean loc and standard deviation scale.

    Example:
        >>> print(LogNormal(0.0, 1.0).mean.round(3), LogNormal(0.0, 1.0).log_prob(1.0).round(3))
        1.649 -0.919
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = Normal.arg_constraints
    base_dist: Normal

    def __init__(
        self, loc: NodeOrArray, scale: NodeOrArray, validate_args: bool | None = None
    ) -> None:
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> TensorNode:
        """The mean of x."""
        return self.base_dist.loc

    @property
    def scale(self) -> TensorNode:
        """The standard deviation of x."""
        return self.base_dist.scale

    @property
    def mean(self) -> Any:
        return array_api.exp(self.loc + 0.5 * self.scale * self.scale)

    @property
    def mode(self) -> Any:
        return array_api.exp(self.loc - self.scale * self.scale)

    @property
    def variance(self) -> Any:
        square = self.scale * self.scale
        return array_api.expm1(square) * array_api.exp(2.0 * self.loc + square)

    def entropy(self) -> TensorNode:
        return self.base_dist.entropy() + self.loc


class HalfNormal(Distribution):
    """The distribution of |x|, where x is normal, of mean 0 and standard deviation scale.

    Example:
        >>> print(HalfNormal(1.0).mean.round(3), HalfNormal(1.0).log_prob(0.0).exp().round(3))
        0.798 0.798
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    scale: TensorNode

    def __init__(self, scale: NodeOrArray, validate_args: bool | None = None) -> None:
        self._set(validate_args, scale=scale)

    @property
    def base_dist(self) -> Normal:
        """The distribution of x."""
        return Normal(0.0, self.scale, validate_args=False)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        return abs(self.base_dist.rsample(sample_shape))

    def _log_prob(self, x: TensorNode) -> Any:
        logs = self.base_dist._log_prob(x) + math.log(2)
        return array_api.where(x.value < 0, -math.inf, logs)

    def _cdf(self, x: TensorNode) -> TensorNode:
        return 2.0 * self.base_dist._cdf(x) - 1.0

    def _icdf(self, p: TensorNode) -> TensorNode:
        return self.base_dist._icdf(0.5 * (p + 1.0))

    def entropy(self) -> TensorNode:
        return self.base_dist.entropy() - math.log(2)

    @property
    def mean(self) -> TensorNode:
        return math.sqrt(2 / math.pi) * self.scale

    @property
    def mode(self) -> TensorNode:
        return self._full(0.0)

    @property
    def variance(self) -> TensorNode:
        return (1 - 2 / math.pi) * self.scale * self.scale
