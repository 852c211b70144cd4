"""Distributions of loc + scale * z, where z has one fixed distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import array_api
from ..array_api import special
from ..array_api.common import NodeOrArray
from ..graph import TensorNode
from . import constraints
from .distribution import Distribution, noise

__all__ = ["Cauchy", "Gumbel", "Laplace", "LocationScale", "Normal"]

EULER = 0.57721566490153286061


class LocationScale(Distribution):
    """A distribution of loc + scale * z.

    A subclass says what z is: how the generator draws it (`standard`), the logarithm of its
    density, its distribution function and the inverse, and its entropy, mean, mode and standard
    deviation.

    Args:
        loc, scale: nodes, arrays or numbers, which are broadcast together. The scale is positive.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True
    standard: ClassVar[str]
    numbers: ClassVar[tuple[float, float, float, float]]  # entropy, mean, mode, deviation of z
    loc: TensorNode
    scale: TensorNode

    def __init__(
        self, loc: NodeOrArray, scale: NodeOrArray, validate_args: bool | None = None
    ) -> None:
        self._set(validate_args, loc=loc, scale=scale)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        return self.loc + self.scale * noise(self.standard, self._shape(sample_shape), self.loc)

    def _log_prob(self, x: TensorNode) -> TensorNode:
        return self._log_density((x - self.loc) / self.scale) - array_api.log(self.scale)

    def _cdf(self, x: TensorNode) -> TensorNode:
        return self._below((x - self.loc) / self.scale)

    def _icdf(self, p: TensorNode) -> TensorNode:
        return self.loc + self.scale * self._quantile(p)

    def entropy(self) -> TensorNode:
        return array_api.log(self.scale) + self.numbers[0]

    @property
    def mean(self) -> TensorNode:
        return self.loc + self.numbers[1] * self.scale

    @property
    def mode(self) -> TensorNode:
        return self.loc + self.numbers[2] * self.scale

    @property
    def stddev(self) -> TensorNode:
        return self.numbers[3] * self.scale

    @property
    def variance(self) -> TensorNode:
        return self.numbers[3] ** 2 * self.scale * self.scale

    @staticmethod
    def _log_density(z: TensorNode) -> Any:
        raise NotImplementedError

    @staticmethod
    def _below(z: TensorNode) -> Any:
        raise NotImplementedError

    @staticmethod
    def _quantile(p: TensorNode) -> Any:
        raise NotImplementedError


class Normal(LocationScale):
    """The normal distribution, of mean loc and standard deviation scale.

    Example:
        >>> mean = TensorNode(1.0)
        >>> logp = Normal(mean, 2.0).log_prob(5.0)
        >>> logp.backward()
        >>> print(logp.round(3), mean.grad)  # the gradient is (5 - mean) / 2**2
        -3.612 1.0
        >>> x = Normal(mean, 2.0).rsample((1000,))  # samples with a gradient
        >>> print(x.shape, abs(x.mean().item() - 1.0) < 0.3)
        (1000,) True
    """

    standard = "standard_normal"
    numbers = (0.5 + 0.5 * math.log(2 * math.pi), 0.0, 0.0, 1.0)

    @staticmethod
    def _log_density(z: TensorNode) -> TensorNode:
        return -0.5 * (z * z) - 0.5 * math.log(2 * math.pi)

    @staticmethod
    def _below(z: TensorNode) -> TensorNode:
        return special.ndtr(z)

    @staticmethod
    def _quantile(p: TensorNode) -> TensorNode:
        return special.ndtri(p)


class Laplace(LocationScale):
    """The Laplace distribution, of density exp(-|x - loc| / scale) / (2 scale).

    Example:
        >>> print(Laplace(0.0, 1.0).log_prob(0.0).exp(), Laplace(0.0, 1.0).variance)
        0.5 2.0
    """

    standard = "laplace"
    numbers = (1 + math.log(2), 0.0, 0.0, math.sqrt(2))

    @staticmethod
    def _log_density(z: TensorNode) -> TensorNode:
        return -abs(z) - math.log(2)

    @staticmethod
    def _below(z: TensorNode) -> Any:
        half = 0.5 * array_api.exp(-abs(z))
        return array_api.where(z.value < 0, half, 1.0 - half)

    @staticmethod
    def _quantile(p: TensorNode) -> Any:
        below = p.value < 0.5
        z = array_api.log(2.0 * array_api.where(below, p, 1.0 - p))
        return array_api.where(below, z, -z)


class Cauchy(LocationScale):
    """The Cauchy distribution, of density 1 / (pi scale (1 + z²)), where z = (x - loc) / scale. Its
    mean is NaN, its variance infinite.

    Example:
        >>> d = Cauchy(0.0, 1.0)
        >>> print(d.log_prob(0.0).exp().round(3), d.cdf(1.0))  # 1 / pi
        0.318 0.75
    """

    standard = "standard_cauchy"
    numbers = (math.log(4 * math.pi), math.nan, 0.0, math.inf)

    @staticmethod
    def _log_density(z: TensorNode) -> TensorNode:
        return -array_api.log1p(z * z) - math.log(math.pi)

    @staticmethod
    def _below(z: TensorNode) -> TensorNode:
        return array_api.atan(z) / math.pi + 0.5

    @staticmethod
    def _quantile(p: TensorNode) -> Any:
        return array_api.tan(math.pi * (p - 0.5))


class Gumbel(LocationScale):
    """The Gumbel distribution, of the distribution function exp(-exp(-(x - loc) / scale)).

    Example:
        >>> print(Gumbel(0.0, 1.0).mean.round(3), Gumbel(0.0, 1.0).cdf(0.0).round(3))
        0.577 0.368
    """

    standard = "gumbel"
    numbers = (1 + EULER, EULER, 0.0, math.pi / math.sqrt(6))

    @staticmethod
    def _log_density(z: TensorNode) -> TensorNode:
        return -z - array_api.exp(-z)

    @staticmethod
    def _below(z: TensorNode) -> Any:
        return array_api.exp(-array_api.exp(-z))

    @staticmethod
    def _quantile(p: TensorNode) -> Any:
        return -array_api.log(-array_api.log(p))
