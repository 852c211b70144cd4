"""Initial weights, drawn from the distributions that people train with."""

from __future__ import annotations

from math import sqrt
from typing import Any

from ..backends import Array, default
from ..backends.random import generator
from ..engine.arrays import is_real_floating

__all__ = ["initial"]


def initial(
    init: str, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: Any = "float32"
) -> Array:
    """Draw initial weights of this shape, an array of the default backend.

    The weights are drawn on the host in float64 and then rounded, so that the same seed gives the
    same weights on every backend.

    Args:
        init: "glorot" or "glorot_uniform" (https://proceedings.mlr.press/v9/glorot10a.html), "he"
            (https://arxiv.org/abs/1502.01852), "normal" (of mean 0 and deviation 1), "zeros", or
            "kaiming_uniform", as PyTorch draws those of its layers by default (`a=sqrt(5)`).
        fan_in: how many inputs each output depends on.
        fan_out: how many outputs depend on each input.

    Raises:
        ValueError: there is no such `init`.
        TypeError: the dtype is not real floating.
    """
    if not is_real_floating(default().asarray([0.0], dtype)):
        raise TypeError(f"weights: dtype = {dtype!r}, expected real floating, such as 'float32'")
    deviations = {  # of normal distributions
        "glorot": sqrt(2 / (fan_in + fan_out)),
        "he": sqrt(2 / fan_in),
        "normal": 1.0,
        "zeros": 0.0,
    }
    limits = {  # of uniform distributions
        "glorot_uniform": sqrt(6 / (fan_in + fan_out)),
        "kaiming_uniform": 1 / sqrt(fan_in),
    }
    if init in deviations:
        drawn = generator().normal(0.0, deviations[init], shape)
    elif init in limits:
        drawn = generator().uniform(-limits[init], limits[init], shape)
    else:
        expected = ", ".join(sorted(deviations | limits))
        raise ValueError(f"init = {init!r}, expected one of {expected}")
    return default().asarray(drawn, dtype)
