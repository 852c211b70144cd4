"""The array API namespace of the dpnp backend: dpnp's own, but for what dpnp 0.20 computes wrong or
refuses."""

# ruff: noqa: F403 (the functions of the standard hide those of Python, as `range`)
from __future__ import annotations

import builtins
from types import SimpleNamespace
from typing import Any

import dpnp
from dpnp import *
from dpnp import __array_api_version__, __array_namespace_info__, linalg

from ..types import Array

__all__ = ["__array_api_version__", "__array_namespace_info__", "fft", "linalg", "matmul", "where"]


def where(condition: Array, a: Any, b: Any, /) -> Array:
    """Choose elements. Of arrays that lie backwards in memory dpnp gives others' memory:
    `dpnp.where(y > 0, y, y[0])`, where y is an array (2, 3) with both axes flipped."""
    return dpnp.where(_forth(condition), _forth(a), _forth(b))


def _forth(x: Any) -> Any:
    is_back = isinstance(x, dpnp.ndarray) and builtins.min(x.strides, default=0) < 0
    return dpnp.copy(x, order="C") if is_back else x


def matmul(a: Array, b: Array, /) -> Array:
    """Multiply matrices, also some of those that lie in memory with gaps, which dpnp refuses."""
    try:
        return dpnp.matmul(a, b)
    except ValueError as error:
        if "contiguous" not in str(error):
            raise
        return dpnp.matmul(dpnp.copy(a, order="C"), dpnp.copy(b, order="C"))


def hfft(x: Array, /, **options: Any) -> Array:
    return dpnp.real(dpnp.fft.hfft(x, **options))  # of nothing, dpnp gives complex numbers


def irfft(x: Array, /, **options: Any) -> Array:
    return dpnp.real(dpnp.fft.irfft(x, **options))  # likewise


fft = SimpleNamespace(**{**vars(dpnp.fft), "hfft": hfft, "irfft": irfft})
