"""What is different among the elements, and what two arrays have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import array_api as xp
from ..engine.arrays import value_of
from ..functions import ordering
from .common import alike, arrays_of, as_node_or_array, on_host, place_of, placed

__all__ = [
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


def unique_all(x: Any, /) -> Any:
    """Find the different elements, sorted; their first places, the place of each element's value in
    them, and how often each is there.

    Example:
        >>> found = np.unique_all([3.0, 1.0, 3.0])
        >>> print(found.values, found.indices, found.inverse_indices, found.counts)
        [1. 3.] [1 0] [1 0 1] [1 2]
    """
    return xp.unique_all(as_node_or_array(x))


def unique_counts(x: Any, /) -> Any:
    """Find the different elements, sorted, and how often each is there.

    Example:
        >>> found = np.unique_counts([3.0, 1.0, 3.0])
        >>> print(found.values, found.counts)
        [1. 3.] [1 2]
    """
    return xp.unique_counts(as_node_or_array(x))


def unique_inverse(x: Any, /) -> Any:
    """Find the different elements, sorted, and the place of each element's value in them.

    Example:
        >>> found = np.unique_inverse([3.0, 1.0, 3.0])
        >>> print(found.values, found.inverse_indices)
        [1. 3.] [1 0 1]
    """
    return xp.unique_inverse(as_node_or_array(x))


def unique_values(x: Any, /) -> Any:
    """Find the different elements, sorted.

    Example:
        >>> print(np.unique_values([3.0, 1.0, 3.0]))
        [1. 3.]
    """
    return xp.unique_values(as_node_or_array(x))


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, *, equal_nan: bool = True, sorted: bool = True,
) -> Any:  # fmt: skip
    """Find the different elements, sorted, or the different parts along `axis`. The first of equal
    ones gets their gradient.

    Raises:
        ValueError: `return_index` is asked for along an axis.

    Example:
        >>> values, counts = np.unique([3.0, 1.0, 3.0], return_counts=True)
        >>> print(values, counts)
        [1. 3.] [1 2]
    """
    (x,) = arrays_of(ar)
    if axis is not None and x.ndim > 1:
        if return_index:
            raise ValueError(f"unique: return_index is not supported along axis {axis}")
        return ordering.unique(x, True, return_inverse, return_counts, axis)
    _, index, inverse, counts = np.unique(
        on_host(x), return_index=True, return_inverse=True, return_counts=True, equal_nan=equal_nan
    )
    index, inverse, counts = (placed(k, place_of(x)) for k in (index, inverse, counts))
    found = [xp.take(xp.reshape(x, (-1,)), index)]
    asked = ((index, return_index), (inverse, return_inverse), (counts, return_counts))
    found += [part for part, yes in asked if yes]
    return found[0] if len(found) == 1 else tuple(found)


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *,
    kind: Any = None,
) -> Any:  # fmt: skip
    """Test for each element whether it is among the others.

    Example:
        >>> print(np.isin([1.0, 2.0, 3.0], [3.0, 1.0]))
        [ True False  True]
    """
    x, others = (value_of(a) for a in alike(element, test_elements))
    others = xp.sort(xp.reshape(others, (-1,)))
    n = others.shape[0]
    if n == 0:
        found = xp.zeros_like(x, dtype=(x == x).dtype)
    else:
        places = xp.clip(xp.searchsorted(others, x), 0, n - 1)
        found = xp.getitem(others, places) == x
    return xp.logical_not(found) if invert else found


def _different(ar: Any, assume_unique: bool) -> Any:
    (x,) = arrays_of(ar)
    return xp.reshape(x, (-1,)) if assume_unique else unique(x)


def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """Find the different elements that are in both arrays, sorted; those of ar1 have gradients.

    Raises:
        ValueError: `return_indices` is asked for.

    Example:
        >>> print(np.intersect1d([3.0, 1.0, 2.0], [2.0, 3.0, 4.0]))
        [2. 3.]
    """
    if return_indices:
        raise ValueError("intersect1d: return_indices is not supported; see searchsorted")
    a = unique(ar1)
    return xp.getitem(a, isin(a, ar2))


def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Find the different elements of ar1 that are not in ar2.

    Example:
        >>> print(np.setdiff1d([3.0, 1.0, 2.0], [2.0]))
        [1. 3.]
    """
    a = _different(ar1, assume_unique)
    return xp.getitem(a, isin(a, ar2, invert=True))


def union1d(ar1: Any, ar2: Any) -> Any:
    """Find the different elements of both arrays together, sorted.

    Example:
        >>> print(np.union1d([1.0, 3.0], [2.0, 3.0]))
        [1. 2. 3.]
    """
    a, b = alike(ar1, ar2)
    return unique(xp.concat([xp.reshape(a, (-1,)), xp.reshape(b, (-1,))]))


def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Find the different elements that are in one of the arrays only, sorted.

    Example:
        >>> print(np.setxor1d([1.0, 2.0], [2.0, 3.0]))
        [1. 3.]
    """
    a, b = alike(ar1, ar2)
    return unique(xp.concat([setdiff1d(a, b), setdiff1d(b, a)]))
