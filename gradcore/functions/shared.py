"""Quantiles and running results, for the functions here and those of gradcore.numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import array_api as xp
from ..array_api.common import Axis, NodeOrArray, axes_from_front
from ..backends import Array
from ..engine.arrays import is_node, namespace, value_of

__all__ = ["PLACES", "accumulated", "quantiles"]

Place = Callable[[Any, Array], Array]

# Between two elements, what is made of the place of a quantile, by PyTorch's `interpolation`.
PLACES: dict[str, Place] = {
    "linear": lambda _, place: place,
    "lower": lambda lib, place: lib.floor(place),
    "higher": lambda lib, place: lib.ceil(place),
    "nearest": lambda lib, place: lib.round(place),
    "midpoint": lambda lib, place: 0.5 * (lib.floor(place) + lib.ceil(place)),
}


def quantiles(
    name: str, x: NodeOrArray, fractions: NodeOrArray, axis: Axis, keepdims: bool,
    place: Callable[[Any, Array], Array], interpolation: str, leave: bool,
) -> NodeOrArray:  # fmt: skip
    """Sort, and interpolate between the two elements next to the place of each quantile.

    Args:
        fractions: (Q,), in the dtype of x. One that is not in [0, 1] gives NaN.
        place: computes of the number of elements, and the fractions, the places, counted from 0.
        interpolation: one of `PLACES`.
        leave: leave NaN out; otherwise, the result is NaN where there is one.

    Returns:
        The quantiles (Q, ...).
    """
    axes = [*range(x.ndim)] if axis is None else axes_from_front(name, axis, x.ndim)
    rest = [k for k in range(x.ndim) if k not in axes]
    kept = tuple([1 if k in axes else n for k, n in enumerate(x.shape)])
    x = xp.permute_dims(x, (*rest, *axes))
    x = xp.sort(xp.reshape(x, (*x.shape[: len(rest)], math.prod(x.shape[len(rest) :]))))
    if x.shape[-1] == 0:  # of no elements, NaN
        x = xp.sum(x, axis=-1, keepdims=True) + math.nan
    raw = value_of(x)
    lib, n = namespace(raw), x.shape[-1]
    is_nan = lib.isnan(raw)  # they come last
    total = lib.sum(lib.astype(~is_nan, raw.dtype), axis=-1, keepdims=True) if leave else n
    f = value_of(fractions)
    is_fraction = (f >= 0.0) & (f <= 1.0)
    places = place(total, lib.where(is_fraction, f, lib.zeros_like(f)))  # (..., Q)
    last = total - 1
    places = lib.clip(places, 0.0, None)
    places = lib.where(places > last, lib.zeros_like(places) + last, places)
    places = PLACES[interpolation](lib, places)
    size = fractions.shape[0]
    places = lib.clip(lib.broadcast_to(places, (*raw.shape[:-1], size)), 0.0, None)
    below = lib.floor(places)
    share = places - below
    if is_node(fractions) and interpolation == "linear":
        share = place(total, fractions) - below
    low, high = (lib.astype(p, lib.int64) for p in (below, lib.ceil(places)))
    y_low = xp.take_along_axis(x, low, axis=-1)
    y_high = xp.take_along_axis(x, high, axis=-1)
    is_same = (low == high) | lib.isinf(value_of(y_low)) & (value_of(y_low) == value_of(y_high))
    step = xp.subtract(xp.where(is_same, 0.0, y_high), xp.where(is_same, 0.0, y_low))
    y = xp.add(y_low, xp.multiply(step, share))
    bad = lib.all(is_nan, axis=-1, keepdims=True) if leave else is_nan[..., -1:]
    y = xp.moveaxis(xp.where(bad | ~is_fraction, math.nan, y), -1, 0)
    return xp.reshape(y, (size, *kept)) if keepdims else y


def accumulated(function: Callable[[Any, Any], Any], x: NodeOrArray, axis: int = -1) -> NodeOrArray:
    """Apply an associative function of two to the first 1, 2, ... elements along `axis`, in log N
    steps."""
    x, step = xp.moveaxis(x, axis, 0), 1
    while step < x.shape[0]:  # each element joins the one `step` before, which has joined others
        x, step = xp.concat([x[:step, ...], function(x[step:, ...], x[:-step, ...])]), 2 * step
    return xp.moveaxis(x, 0, axis)
