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

from .tracing import check_copies, is_readable

__all__ = [
    "__array_api_version__",
    "__array_namespace_info__",
    "asarray",
    "astype",
    "clip",
    "fft",
    "from_numpy",
    "linalg",
    "matmul",
    "maximum",
    "mean",
    "minimum",
    "moved",
    "remainder",
    "std",
    "take",
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


WIDE = frozenset({torch.float64, torch.complex128})
FEW_BITS = frozenset({torch.float32, torch.float64})  # of which `remainder` has divisions


def asarray(x: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Tensor:
    """Convert a tensor, numbers, or an array of NumPy."""
    if isinstance(x, Tensor):
        y = moved(x, x.device if device is None else device, dtype)
        return y.clone() if copy and y is x else y
    if isinstance(x, np.ndarray | np.generic):
        place = device or torch.get_default_device()
        return from_numpy(np.asarray(x), place, dtype, is_shared=False)
    if type(x) in (builtins.float, builtins.int):  # which the device writes, without a copy
        return torch.full((), x, dtype=dtype, device=device)
    return torch.tensor(x, dtype=dtype, device=device)


def from_numpy(x: np.ndarray, device: Any, dtype: Any = None, is_shared: bool = True) -> Tensor:
    """Give the NumPy array x as a tensor: of the same memory, if it may be shared, the device is
    the CPU, and PyTorch can write to the memory and knows its order.

    Raises:
        RuntimeError: a step is being traced, of which the array would become a constant.
        TypeError: the device has no such dtype.
    """
    check_copies()
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    is_plain = x.flags.writeable and x.flags.owndata and builtins.min(x.strides, default=0) >= 0
    return moved(torch.from_numpy(x if is_shared and is_plain else x.copy()), device, dtype)


def moved(x: Tensor, device: Any, dtype: Any = None) -> Tensor:
    """Give the tensor x on the device, in the dtype.

    Raises:
        TypeError: the device has no such dtype.
    """
    dtype = dtype or x.dtype
    if dtype in WIDE and device is not None and torch.device(device).type == "mps":
        advice = "give float32, as in x.astype('float32')"
        raise TypeError(f"torch: mps has no {str(dtype).partition('.')[2]}; {advice}")
    return x.to(device, dtype)


def astype(x: Tensor, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Tensor:
    y = x.to(dtype) if device is None else x.to(device, dtype)
    return y.clone() if copy and y is x else y


# A number beside an array is written on the array's device. array_api_compat would copy it there,
# which is an error while a CUDA graph is recorded.


def _beside(y: Any, x: Any) -> Any:
    """Give a number as a tensor on the device of the tensor x, in the dtype of their results."""
    if isinstance(y, Tensor) or not isinstance(x, Tensor):
        return y
    return torch.full((), y, dtype=compat.result_type(x, y), device=x.device)


def _with_numbers(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def of_tensors(a: Any, b: Any, /) -> Tensor:
        return function(_beside(a, b), _beside(b, a))

    return of_tensors


def _with_number_first(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def of_tensor(a: Any, b: Any, /) -> Tensor:
        return function(_beside(a, b), b)  # PyTorch takes a number in the second place

    return of_tensor


NUMBERS = (
    "atan2", "hypot", "logaddexp", "logical_and", "logical_or", "logical_xor", "nextafter"
)  # fmt: skip
NUMBER_FIRST = (
    "copysign", "equal", "greater", "greater_equal", "less", "less_equal", "not_equal"
)  # fmt: skip
globals().update({name: _with_numbers(getattr(compat, name)) for name in NUMBERS})
globals().update({name: _with_number_first(getattr(compat, name)) for name in NUMBER_FIRST})


# Of these, array_api_compat asks in Python which dtypes would be promoted: 3 to 7 us a call. That
# is needed only where dtypes differ or an operand has no dimensions.


def _alike(a: Any, b: Any) -> bool:
    """Say whether PyTorch itself gives two operands the dtype of the standard."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype is b.dtype
    return type(b) is builtins.float and isinstance(a, Tensor) and a.dtype.is_floating_point


def maximum(a: Any, b: Any, /) -> Tensor:
    if not _alike(a, b):
        return compat.maximum(_beside(a, b), _beside(b, a))
    return torch.clamp_min(a, b) if type(b) is builtins.float else torch.maximum(a, b)


def minimum(a: Any, b: Any, /) -> Tensor:
    if not _alike(a, b):
        return compat.minimum(_beside(a, b), _beside(b, a))
    return torch.clamp_max(a, b) if type(b) is builtins.float else torch.minimum(a, b)


def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002
    """Limit x. A number beside an array is written on the device, where array_api_compat would
    copy it."""
    if x.is_floating_point() and (isinstance(min, Tensor) or isinstance(max, Tensor)):
        low, high = (y if y is None else _beside(y, x) for y in (min, max))
        return torch.clamp(x, low, high)
    return compat.clip(x, min, max)


def mean(x: Tensor, /, *, axis: Any = None, keepdims: Any = False) -> Tensor:
    """Compute the mean, of integers too: in PyTorch's default dtype."""
    if not (x.is_floating_point() or x.is_complex()):
        x = x.to(torch.get_default_dtype())
    return compat.mean(x, axis=axis, keepdims=keepdims)


def remainder(a: Any, b: Any, /) -> Tensor:
    """Compute the remainder with the sign of b. Of a denormal b, PyTorch's is NaN on CPUs."""
    y = compat.remainder(a, b)
    if y.dtype not in FEW_BITS or not is_readable(y) or math.isfinite(y.sum().item()):
        return y
    a, b = (x.numpy() if isinstance(x, Tensor) else x for x in (a, b))
    with np.errstate(all="ignore"):
        return torch.from_numpy(np.asarray(np.remainder(a, b), dtype=str(y.dtype)[6:]))


def matmul(a: Tensor, b: Tensor, /) -> Tensor:
    return torch.matmul(a, b) if a.dtype is b.dtype else compat.matmul(a, b)


def where(condition: Tensor, a: Any, b: Any, /) -> Tensor:
    is_alike = _alike(a, b) or _alike(b, a)
    return torch.where(condition, a, b) if is_alike else compat.where(condition, a, b)


def take(x: Tensor, indices: Tensor, /, *, axis: Any = None) -> Tensor:
    """Take parts at indices, also at those of 8 and 16 bits, which PyTorch refuses."""
    return compat.take(x, indices if indices.dtype.itemsize > 2 else indices.long(), axis=axis)


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
    y = x - mean(x, axis=axes, keepdims=True)
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
