"""The array API namespace of the mlx backend: `mlx.core`, with the standard's arguments and dtypes,
and NumPy on the host for what MLX lacks."""

# ruff: noqa: F403 (the functions of the standard hide those of Python, as `range`)
from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.core import *

from ..types import Array, DType

__all__ = [
    "__array_api_version__",
    "__array_namespace_info__",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "asarray",
    "astype",
    "bool",
    "clip",
    "concat",
    "count_nonzero",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "empty",
    "empty_like",
    "expand_dims",
    "eye",
    "fft",
    "flip",
    "full",
    "full_like",
    "iinfo",
    "isin",
    "linalg",
    "linspace",
    "matmul",
    "moveaxis",
    "ones",
    "ones_like",
    "permute_dims",
    "prod",
    "repeat",
    "reshape",
    "result_type",
    "searchsorted",
    "sign",
    "sort",
    "std",
    "sum",
    "take",
    "var",
    "where",
    "zeros",
    "zeros_like",
]

__array_api_version__ = "2024.12"
bool = mx.bool_
REAL = "real floating", "complex floating"
KINDS = "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"
DTYPES = {"bool": bool, **{n: getattr(mx, n) for n in (*KINDS, "float32", "complex64")}}
ACCEPTED = {**DTYPES, "float16": mx.float16}  # which the standard doesn't name
globals().pop("float64")  # the GPU has none, and on the CPU exp, sin and erf have 32 bits of it


class Info:
    """What the standard asks of `__array_namespace_info__`."""

    def capabilities(self) -> dict[str, Any]:
        return {"boolean indexing": False, "data-dependent shapes": True, "max dimensions": 10}

    def default_device(self) -> Any:
        return mx.default_device()

    def devices(self) -> list[Any]:
        return [mx.default_device()]

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:  # noqa: ARG002
        kinds = {"real floating": mx.float32, "complex floating": mx.complex64}
        return {**kinds, "integral": mx.int64, "indexing": mx.int64}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, DType]:  # noqa: ARG002
        return {n: d for n, d in DTYPES.items() if kind is None or mx.isdtype(d, kind)}


def __array_namespace_info__() -> Info:  # noqa: N807
    return Info()


def iinfo(dtype: Any, /) -> SimpleNamespace:
    """Give what the standard asks, of which MLX's own has no `bits`."""
    own = mx.iinfo(dtype.dtype if isinstance(dtype, mx.array) else dtype)
    return SimpleNamespace(bits=8 * own.dtype.size, min=own.min, max=own.max, dtype=own.dtype)


# -- New arrays. MLX's arrays have no device: those of its operations is that of the backend. -----


def asarray(x: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Array:  # noqa: ARG001
    if isinstance(x, mx.array):
        y = x if dtype is None or x.dtype == dtype else x.astype(dtype)
        return mx.array(y) if copy and y is x else y
    if isinstance(x, np.ndarray | np.generic):
        name = x.dtype.name if dtype is None else str(dtype).rpartition(".")[2]
        if name not in ACCEPTED:
            raise TypeError(f"mlx has no {name}; convert the array, as in x.astype('float32')")
        return mx.array(np.array(x, name, order="C"), dtype=ACCEPTED[name])
    return mx.array(x, dtype=mx.int64 if dtype is None and type(x) is int else dtype)


def astype(x: Array, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Array:  # noqa: ARG001
    return x.astype(dtype) if x.dtype != dtype or not copy else mx.array(x)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:  # noqa: ARG001
    return mx.broadcast_to(asarray(fill_value, dtype=dtype), shape)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:  # noqa: ARG001
    return mx.zeros(shape, dtype or mx.float32)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:  # noqa: ARG001
    return mx.ones(shape, dtype or mx.float32)


empty = zeros


def zeros_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:  # noqa: ARG001
    return mx.zeros(x.shape, dtype or x.dtype)


def ones_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:  # noqa: ARG001
    return mx.ones(x.shape, dtype or x.dtype)


empty_like = zeros_like


def full_like(
    x: Array,
    /,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,  # noqa: ARG001
) -> Array:
    return full(x.shape, fill_value, dtype=dtype or x.dtype)


def eye(
    n: int,
    m: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,  # noqa: ARG001
) -> Array:
    return mx.eye(n, m, k, dtype or mx.float32)


def arange(
    start: Any,
    /,
    stop: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,  # noqa: ARG001
) -> Array:
    start, stop = (0, start) if stop is None else (start, stop)
    is_whole = builtins.all(type(n) is int for n in (start, stop, step))
    return mx.arange(start, stop, step, dtype=dtype or (mx.int64 if is_whole else mx.float32))


def linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,  # noqa: ARG001
    endpoint: Any = True,
) -> Array:
    return mx.linspace(start, stop, num + (not endpoint), dtype=dtype or mx.float32)[:num]


# -- Sums, of integers in 64 bits ------------------------------------------------------------------


def _wide(x: Array, dtype: Any) -> Array:
    if dtype is None and not mx.isdtype(x.dtype, REAL):
        dtype = mx.uint64 if mx.isdtype(x.dtype, "unsigned integer") else mx.int64
    return x if dtype is None or x.dtype == dtype else x.astype(dtype)


def sum(x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Array:
    return mx.sum(_wide(x, dtype), axis, keepdims)


def prod(x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Array:
    return mx.prod(_wide(x, dtype), axis, keepdims)


def count_nonzero(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
    return sum(x != 0, axis=axis, keepdims=keepdims)


def _running(x: Array, axis: Any, first: Any, total: Callable[..., Array]) -> Array:
    axis = 0 if axis is None else axis
    y = total(x, axis)
    if first is None:
        return y
    one = [1 if k == axis % x.ndim else n for k, n in enumerate(x.shape)]
    return mx.concatenate([full(one, first, dtype=y.dtype), y], axis)


def cumulative_sum(
    x: Array, /, *, axis: Any = None, dtype: Any = None, include_initial: Any = False
) -> Array:
    return _running(_wide(x, dtype), axis, 0 if include_initial else None, mx.cumsum)


def cumulative_prod(
    x: Array, /, *, axis: Any = None, dtype: Any = None, include_initial: Any = False
) -> Array:
    return _running(_wide(x, dtype), axis, 1 if include_initial else None, mx.cumprod)


def var(x: Array, /, *, axis: Any = None, correction: Any = 0.0, keepdims: Any = False) -> Array:
    axes = builtins.range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    y = x - mx.mean(x, axis, True)
    count = math.prod([x.shape[a] for a in axes])
    return mx.sum(y * y, axis, keepdims) / builtins.max(count - correction, 0)


def std(x: Array, /, *, axis: Any = None, correction: Any = 0.0, keepdims: Any = False) -> Array:
    return mx.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def matmul(a: Array, b: Array, /) -> Array:
    kind = mx.result_type(a.dtype, b.dtype)
    if mx.isdtype(kind, REAL):
        return mx.matmul(a, b)
    return asarray(np.matmul(np.array(a), np.array(b)), dtype=kind)  # of integers MLX has none


# -- Order and places, which are int64 ---------------------------------------------------------


def _places(find: Callable[..., Array], x: Array, axis: Any, keepdims: Any) -> Array:
    if 0 in x.shape and axis is not None and x.shape[axis]:
        return mx.zeros(mx.sum(x, axis, keepdims).shape, mx.int64)
    return find(x, axis, keepdims).astype(mx.int64)


def argmax(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
    return _places(mx.argmax, x, axis, keepdims)


def argmin(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
    return _places(mx.argmin, x, axis, keepdims)


def argsort(
    x: Array,
    /,
    *,
    axis: int = -1,
    descending: Any = False,
    stable: Any = True,  # noqa: ARG001
) -> Array:
    if not descending:
        return mx.argsort(x, axis).astype(mx.int64)
    back = mx.flip(mx.argsort(mx.flip(x, axis), axis), axis)
    return x.shape[axis] - 1 - back.astype(mx.int64)


def sort(
    x: Array,
    /,
    *,
    axis: int = -1,
    descending: Any = False,
    stable: Any = True,  # noqa: ARG001
) -> Array:
    y = mx.sort(x, axis)
    return mx.flip(y, axis) if descending else y


def searchsorted(a: Array, v: Array, /, *, side: str = "left", sorter: Any = None) -> Array:
    a = a if sorter is None else mx.take(a, sorter)
    return mx.searchsorted(a, asarray(v), side=side).astype(mx.int64)


# -- The standard's arguments ------------------------------------------------------------------


def clip(x: Array, /, min: Any = None, max: Any = None) -> Array:
    return x if min is None and max is None else mx.clip(x, min, max).astype(x.dtype)


def concat(arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array:
    if axis is None:
        return mx.concatenate([mx.reshape(x, (-1,)) for x in arrays], 0)
    return mx.concatenate(list(arrays), axis)


def diff(
    x: Array, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Array:
    parts = [part for part in (prepend, x, append) if part is not None]
    return mx.diff(mx.concatenate(parts, axis), n, axis) if n else x


def expand_dims(x: Array, /, *, axis: Any = 0) -> Array:
    return mx.expand_dims(x, axis)


def flip(x: Array, /, *, axis: Any = None) -> Array:
    return mx.flip(x, axis) if x.ndim else x


def isin(x: Array, among: Any, /, *, invert: Any = False) -> Array:
    x, among = asarray(x), mx.reshape(asarray(among), (-1,))
    return mx.any(mx.expand_dims(x, -1) == among, -1) != invert


def moveaxis(x: Array, source: Any, destination: Any, /) -> Array:
    pairs = [(a,) if isinstance(a, int) else tuple(a) for a in (source, destination)]
    given, wanted = ([a % x.ndim for a in axes] for axes in pairs)
    axes = [a for a in builtins.range(x.ndim) if a not in given]
    for to, a in sorted(zip(wanted, given, strict=True)):
        axes.insert(to, a)
    return permute_dims(x, axes)


def permute_dims(x: Array, /, axes: Any) -> Array:
    return mx.transpose(x, axes) if axes else x


def repeat(x: Array, repeats: Any, /, *, axis: Any = None) -> Array:
    if isinstance(repeats, mx.array):
        return asarray(np.repeat(np.array(x), np.array(repeats), axis))
    return mx.repeat(x, repeats, axis)


def reshape(x: Array, /, shape: Any, *, copy: Any = None) -> Array:
    if copy is False:
        raise ValueError("mlx: an array of another shape may be a copy")
    return mx.reshape(x, shape)


def sign(x: Array, /) -> Array:
    return mx.where(mx.isnan(x), x, mx.sign(x))  # of NaN, MLX gives 0


def take(x: Array, indices: Array, /, *, axis: Any = None) -> Array:
    return mx.take(x, indices, axis)


def where(condition: Array, a: Any, b: Any, /) -> Array:
    return mx.where(condition, a, b)


def result_type(*given: Any) -> DType:
    kind = mx.result_type(*[x for x in given if isinstance(x, mx.array | mx.Dtype)])
    numbers = {type(x) for x in given}
    if complex in numbers and kind != mx.complex64:
        return mx.complex64
    return mx.float32 if float in numbers and not mx.isdtype(kind, REAL) else kind


# -- What MLX lacks, or computes on the CPU only: by NumPy -----------------------------------------


def _of_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of NumPy's one of MLX's arrays."""

    def call(*arguments: Any, **options: Any) -> Any:
        y = function(*[np.array(x) if isinstance(x, mx.array) else x for x in arguments], **options)
        if not isinstance(y, tuple):
            return asarray(y)
        return tuple(map(asarray, y)) if type(y) is tuple else type(y)(*map(asarray, y))

    return call


def _all_of(module: ModuleType, names: str, **own: Any) -> SimpleNamespace:
    every = {name: _of_numpy(getattr(module, name)) for name in names.split()}
    return SimpleNamespace(**every, **own)


LACKING = (
    "copysign hypot nextafter nonzero signbit unique_all unique_counts unique_inverse unique_values"
)
globals().update(vars(_all_of(np, LACKING)))
fft = _all_of(
    np.fft,
    "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift",
)
linalg = _all_of(
    np.linalg,
    "cholesky cross det diagonal eigh eigvalsh inv matrix_norm matrix_power matrix_rank outer pinv "
    "qr slogdet solve svd svdvals trace vector_norm",
    matmul=matmul,
    matrix_transpose=mx.matrix_transpose,
    tensordot=mx.tensordot,
    vecdot=mx.vecdot,
)
