"""The normal distribution of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import array_api
from ..array_api import linalg
from ..array_api.common import NodeOrArray
from ..graph import TensorNode
from . import constraints
from .distribution import Derived, Distribution, noise

__all__ = ["MultivariateNormal"]


class MultivariateNormal(Distribution):
    """The normal distribution of vectors of D numbers.

    Args:
        loc: the mean (..., D).
        covariance_matrix: (..., D, D).
        precision_matrix: or its inverse.
        scale_tril: or its lower Cholesky factor, which the others are computed to: the fastest.

    Raises:
        ValueError: not exactly one of the three is given, or a shape or a matrix is wrong.

    Example:
        >>> d = MultivariateNormal([0.0, 0.0], covariance_matrix=[[4.0, 0.0], [0.0, 1.0]])
        >>> print(d.log_prob([0.0, 0.0]).exp().round(4), d.sample((5,)).shape)  # 1 / (2 pi 2)
        0.0796 (5, 2)
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True
    event_ndim = 1
    loc: TensorNode

    def __init__(
        self,
        loc: NodeOrArray,
        covariance_matrix: NodeOrArray | None = None,
        precision_matrix: NodeOrArray | None = None,
        scale_tril: NodeOrArray | None = None,
        validate_args: bool | None = None,
    ) -> None:
        names = ("covariance_matrix", "precision_matrix", "scale_tril")
        given = dict(zip(names, (covariance_matrix, precision_matrix, scale_tril), strict=True))
        given = {name: x for name, x in given.items() if x is not None}
        if len(given) != 1:
            found = " and ".join(given) or "neither"
            raise ValueError(f"MultivariateNormal: expected one of {', '.join(names)}, not {found}")
        self._set(validate_args, loc=loc, **given)
        (name,) = given
        size, shape = self.loc.shape[-1], tuple(vars(self)[name].shape)
        if shape[-2:] != (size, size):
            found = f"{name} has shape {shape}, expected (..., {size}, {size})"
            raise ValueError(f"MultivariateNormal: {found}, as loc is (..., {size})")
        self._factor: Any = array_api.tril(self.scale_tril)  # above, no gradient

    @Derived
    def scale_tril(self) -> Any:
        if "covariance_matrix" in vars(self):
            return linalg.cholesky(self.covariance_matrix)
        return linalg.cholesky(linalg.cholesky_inverse(linalg.cholesky(self.precision_matrix)))

    @Derived
    def covariance_matrix(self) -> Any:
        return self._factor @ self._factor.mT

    @Derived
    def precision_matrix(self) -> Any:
        return linalg.cholesky_inverse(self._factor)

    def expand(self, batch_shape: Sequence[int]) -> MultivariateNormal:
        new = super().expand(batch_shape)
        new._factor = array_api.broadcast_to(self._factor, (*batch_shape, *self._factor.shape[-2:]))
        return new

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        z = noise("standard_normal", self._shape(sample_shape), self.loc)
        return self.loc + _times(self._factor, z)

    def _log_prob(self, x: TensorNode) -> Any:
        size = self.loc.shape[-1]
        squares = squared_length(self._factor, x - self.loc)
        return -0.5 * (size * math.log(2 * math.pi) + squares) - self.half_log_det()

    def half_log_det(self) -> Any:
        """Compute half the logarithm of the covariance matrix's determinant."""
        return array_api.sum(array_api.log(linalg.diagonal(self._factor)), axis=-1)

    def entropy(self) -> Any:
        size = self.loc.shape[-1]
        return 0.5 * size * (1 + math.log(2 * math.pi)) + self.half_log_det()

    @property
    def mean(self) -> TensorNode:
        return self.loc

    @property
    def mode(self) -> TensorNode:
        return self.loc

    @property
    def variance(self) -> Any:
        return array_api.sum(self._factor * self._factor, axis=-1)


def _times(matrix: Any, x: Any) -> Any:
    return array_api.squeeze(matrix @ array_api.expand_dims(x, axis=-1), axis=-1)


def squared_length(factor: Any, x: Any) -> Any:
    """Compute x' (L L')^-1 x, for the factor L (..., D, D) and vectors x (*more, ..., D): samples
    along the axes that L lacks are columns of one system, and L is not repeated for them."""
    more = tuple(x.shape[: x.ndim - factor.ndim + 1])
    columns = array_api.reshape(x, (math.prod(more), *x.shape[len(more) :]))
    columns = array_api.moveaxis(columns, 0, -1)  # (..., D, samples)
    columns = linalg.solve_triangular(factor, columns, upper=False)
    squares = array_api.moveaxis(array_api.sum(columns * columns, axis=-2), -1, 0)
    return array_api.reshape(squares, (*more, *squares.shape[1:]))
