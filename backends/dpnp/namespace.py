"""The array API namespace of the dpnp backend: dpnp's own, but for what dpnp computes wrong."""

# ruff: noqa: F403 (the functions of the standard hide those of Python, as `range`)
from __future__ import annotations

import builtins
from typing import Any

import dpnp
from dpnp import *
from dpnp import __array_api_version__, __array_namespace_info__, fft, linalg

from ..types import Array

__all__ = ["__array_api_version__", "__array_namespace_info__", "fft", "linalg", "where"]


def where(condition: Array, a: Any, b: Any, /) -> Array:
    """Choose elements. Of arrays that lie backwards in memory dpnp 0.20 gives others' memory:
    `dpnp.where(y > 0, y, y[0])`, where y is an array (2, 3) with both axes flipped."""
    return dpnp.where(_forth(condition), _forth(a), _forth(b))


def _forth(x: Any) -> Any:
    is_back = isinstance(x, dpnp.ndarray) and builtins.min(x.strides, default=0) < 0
    return dpnp.copy(x, order="C") if is_back else x
