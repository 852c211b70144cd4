"""The array API namespace of the torch backend: array_api_compat's, but for what PyTorch refuses,
or warns of, where the standard has an answer."""

# ruff: noqa: F403 (the functions of the standard hide those of Python, as `range`)
from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import array_api_compat.torch as compat
import torch
from array_api_compat.torch import *
from array_api_compat.torch import __array_api_version__, linalg
from array_api_compat.torch._info import __array_namespace_info__

__all__ = ["__array_api_version__", "__array_namespace_info__", "fft", "linalg", "std", "var"]

Tensor = torch.Tensor


def var(x: Tensor, /, *, axis: Any = None, correction: Any = 0.0, keepdims: Any = False) -> Tensor:
    """Compute the variance, also with a fraction as the correction; where the correction is the
    count of the numbers or more, infinity or NaN without a warning."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(builtins.range(x.ndim)) if axis is None else axes
    count = math.prod([x.shape[a] for a in axes])
    y = x - compat.mean(x, axis=axes, keepdims=True)
    y = (y * y.conj()).real if y.is_complex() else y * y
    y = compat.sum(y, axis=axes, keepdims=keepdims)
    return y / builtins.max(count - correction, 0)


def std(x: Tensor, /, *, axis: Any = None, correction: Any = 0.0, keepdims: Any = False) -> Tensor:
    return torch.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def _also_of_none(transform: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let a Fourier transform take arrays of no vectors, which MKL refuses."""

    def transformed(x: Tensor, **options: Any) -> Tensor:
        if x.numel():
            return transform(x, **options)
        y = transform(x.new_ones([n or 1 for n in x.shape]), **options)
        along = options["axes"] if "axes" in options else (options["axis"],)
        along = [a % x.ndim for a in along]
        shape = [0 if not n and a not in along else y.shape[a] for a, n in enumerate(x.shape)]
        return y.new_zeros(shape)

    return transformed


TRANSFORMS = "fft", "ifft", "fftn", "ifftn", "rfft", "irfft", "rfftn", "irfftn", "hfft", "ihfft"
fft = SimpleNamespace(
    **{name: getattr(compat.fft, name) for name in compat.fft.__all__},
)
vars(fft).update({name: _also_of_none(getattr(compat.fft, name)) for name in TRANSFORMS})
