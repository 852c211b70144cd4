"""Constraints: which numbers a parameter of a distribution, or a sample, may be.

Names are those of torch.distributions.constraints. A constraint's `check(x)` gives an array of
booleans, without the axes of one event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..backends import Array
from ..engine.arrays import namespace, raw_array, value_of

__all__ = [
    "Constraint",
    "boolean",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "lower_cholesky",
    "multinomial",
    "nonnegative",
    "nonnegative_integer",
    "one_hot",
    "positive",
    "positive_definite",
    "real",
    "real_vector",
    "simplex",
    "unit_interval",
]


@dataclass(frozen=True)
class Constraint:
    """What numbers must be.

    Attributes:
        name: completes the sentence "expected ...".
        test: says of an array, with its namespace, where that is so.
        event_dim: how many of the last axes are one event.

    Example:
        >>> print(positive.check([-1.0, 2.0]), positive)
        [False  True] positive numbers
    """

    name: str
    test: Callable[[Any, Array], Any]
    event_dim: int = 0

    def check(self, x: Any) -> Any:
        """Say where x (..., *event) is what this constraint wants: (...).

        Example:
            >>> print(simplex.check([[0.5, 0.5], [0.5, 0.6]]))
            [ True False]
        """
        x = raw_array(x)
        return self.test(namespace(x), x)

    def __repr__(self) -> str:
        return self.name


def independent(base: Constraint, ndim: int) -> Constraint:
    """Make the last `ndim` axes of a constraint part of the event, all of which must be right.

    Example:
        >>> print(independent(positive, 1).check([[1.0, 2.0], [3.0, -4.0]]))
        [ True False]
    """

    def test(xp: Any, x: Array) -> Any:
        found = base.test(xp, x)
        return xp.all(found, axis=tuple(range(found.ndim - ndim, found.ndim))) if ndim else found

    return replace(base, test=test, event_dim=base.event_dim + ndim)


def interval(low: Any, high: Any) -> Constraint:
    """Want numbers from low to high, which may be nodes.

    Example:
        >>> print(interval(0.0, 1.0).check([0.0, 1.0, 1.5]))
        [ True  True False]
    """
    a, b = value_of(low), value_of(high)
    return Constraint(
        f"numbers from {_said(low)} to {_said(high)}", lambda _, x: (x >= a) & (x <= b)
    )


def half_open_interval(low: Any, high: Any) -> Constraint:
    """Want numbers from low on, and below high.

    Example:
        >>> print(half_open_interval(0.0, 1.0).check([0.0, 1.0]))
        [ True False]
    """
    a, b = value_of(low), value_of(high)
    name = f"numbers from {_said(low)} to below {_said(high)}"
    return Constraint(name, lambda _, x: (x >= a) & (x < b))


def integer_interval(low: Any, high: Any) -> Constraint:
    """Want whole numbers from low to high, which may be nodes.

    Example:
        >>> print(integer_interval(0, 3).check([0.0, 1.5, 3.0, 4.0]))
        [ True False  True False]
    """
    a, b = value_of(low), value_of(high)
    name = f"whole numbers from {_said(low)} to {_said(high)}"
    return Constraint(name, lambda xp, x: _is_whole(xp, x) & (x >= a) & (x <= b))


def multinomial(total: int) -> Constraint:
    """Want counts (..., K) that sum up to total.

    Example:
        >>> print(multinomial(4).check([[2.0, 1.0, 1.0], [2.0, 1.0, 0.0]]))
        [ True False]
    """

    def test(xp: Any, x: Array) -> Any:
        return xp.all(_is_whole(xp, x) & (x >= 0), axis=-1) & (xp.sum(x, axis=-1) == total)

    return Constraint(f"counts that sum up to {total}", test, 1)


def _said(x: Any) -> str:
    return f"{x:g}" if isinstance(x, int | float) else "the lower or upper bound"


def _is_whole(xp: Any, x: Array) -> Any:
    return xp.round(x) == x if xp.isdtype(x.dtype, "real floating") else x == x


def _is_symmetric(xp: Any, x: Array) -> Any:
    most = xp.max(abs(x), axis=(-2, -1))
    return xp.max(abs(x - x.mT), axis=(-2, -1)) <= 1e-5 * most


def _is_triangular(xp: Any, x: Array) -> Any:
    diagonal = xp.linalg.diagonal(x)
    return xp.all(xp.tril(x) == x, axis=(-2, -1)) & xp.all(diagonal > 0, axis=-1)


def _is_simplex(xp: Any, x: Array) -> Any:
    return xp.all(x >= 0, axis=-1) & (abs(xp.sum(x, axis=-1) - 1) < 1e-4)


def _is_one_hot(xp: Any, x: Array) -> Any:
    return xp.all((x == 0) | (x == 1), axis=-1) & (xp.sum(x, axis=-1) == 1)


real = Constraint("real numbers", lambda _, x: x == x)
real_vector = replace(independent(real, 1), name="vectors of real numbers")
positive = Constraint("positive numbers", lambda _, x: x > 0)
nonnegative = Constraint("numbers of at least 0", lambda _, x: x >= 0)
unit_interval = interval(0, 1)
boolean = Constraint("zeros and ones", lambda _, x: (x == 0) | (x == 1))
nonnegative_integer = Constraint("counts", lambda xp, x: _is_whole(xp, x) & (x >= 0))
simplex = Constraint("vectors of probabilities, which sum up to 1", _is_simplex, 1)
one_hot = Constraint("zeros with a one in each vector", _is_one_hot, 1)
lower_cholesky = Constraint("lower triangles with a positive diagonal", _is_triangular, 2)
positive_definite = Constraint(
    "symmetric matrices with positive eigenvalues",
    lambda xp, x: _is_symmetric(xp, x) & xp.all(xp.linalg.eigvalsh(x) > 0, axis=-1),
    2,
)
