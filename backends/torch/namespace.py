"""The array API namespace of the torch backend: array_api_compat's, but for what PyTorch refuses,
or warns of, where the standard has an answer."""

# ruff: noqa: F403 (the functions of the standard hide those of Python, as `range`)
from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import array_api_compat.torch as compat
import numpy as np
import torch
from array_api_compat.torch import *
from array_api_compat.torch import __array_api_version__, linalg
from array_api_compat.torch._info import __array_namespace_info__
from torch import Tensor

__all__ = [
    "__array_api_version__",
    "__array_namespace_info__",
    "asarray",
    "astype",
    "fft",
    "linalg",
    "matmul",
    "maximum",
    "minimum",
    "std",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "var",
    "where",
]


class UniqueAll(NamedTuple):
    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    values: Tensor
    inverse_indices: Tensor


def asarray(x: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Tensor:
    """Convert a tensor, numbers, or an array of NumPy, which PyTorch would refuse to convert where
    its steps go back or its dtype changes."""
    if isinstance(x, Tensor):
        y = x.to(x.device if device is None else device, dtype)
        return y.clone() if copy and y is x else y
    if isinstance(x, np.ndarray | np.generic):
        y = torch.from_numpy(np.array(x, x.dtype.newbyteorder("="), order="C"))
        return y.to(device or torch.get_default_device(), dtype)
    return torch.tensor(x, dtype=dtype, device=device)


def astype(x: Tensor, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Tensor:
    y = x.to(dtype) if device is None else x.to(device, dtype)
    return y.clone() if copy and y is x else y


# Of these, array_api_compat asks in Python which dtypes would be promoted: 3 to 7 us a call. That
# is needed only where dtypes differ or an operand has no dimensions.


def _alike(a: Any, b: Any) -> bool:
    """Say whether PyTorch itself gives two operands the dtype of the standard."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype is b.dtype
    return type(b) is builtins.float and isinstance(a, Tensor) and a.dtype.is_floating_point


def maximum(a: Any, b: Any, /) -> Tensor:
    if not _alike(a, b):
        return compat.maximum(a, b)
    return torch.clamp_min(a, b) if type(b) is builtins.float else torch.maximum(a, b)


def minimum(a: Any, b: Any, /) -> Tensor:
    if not _alike(a, b):
        return compat.minimum(a, b)
    return torch.clamp_max(a, b) if type(b) is builtins.float else torch.minimum(a, b)


def matmul(a: Tensor, b: Tensor, /) -> Tensor:
    return torch.matmul(a, b) if a.dtype is b.dtype else compat.matmul(a, b)


def where(condition: Tensor, a: Any, b: Any, /) -> Tensor:
    is_alike = _alike(a, b) or _alike(b, a)
    return torch.where(condition, a, b) if is_alike else compat.where(condition, a, b)


def unique_all(x: Tensor, /) -> UniqueAll:
    """Find the different elements of x, and where each is first. NaN differs from NaN."""
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    flat = inverse.reshape(-1)
    places = torch.arange(flat.numel(), device=x.device)
    first = torch.full(values.shape, flat.numel(), dtype=torch.int64, device=x.device)
    return UniqueAll(values, first.scatter_reduce_(0, flat, places, "amin"), inverse, counts)


def unique_counts(x: Tensor, /) -> UniqueCounts:
    return UniqueCounts(*torch.unique(x, return_counts=True))


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    return UniqueInverse(*torch.unique(x, return_inverse=True))


def unique_values(x: Tensor, /) -> Tensor:
    return torch.unique(x)


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
