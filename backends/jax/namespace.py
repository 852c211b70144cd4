"""The array API namespace of the JAX backend: `jax.numpy`, but that no float64 becomes float32.

JAX has 64 bits only where `jax_enable_x64` is on. Else it takes 32 in their place, with a warning
at best. Of integers that is taken as it is here, without a warning: labels and places come as
int64. Floating numbers would lose half of their digits, so that is an error here.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.numpy import __array_api_version__, __array_namespace_info__

__all__ = [
    "__array_api_version__",
    "__array_namespace_info__",
    "asarray",
    "astype",
    "has_64_bits",
    "known_dtype",
    "matmul",
    "permute_dims",
    "precisions",
    "tensordot",
    "vecdot",
]

NO_64 = (
    "JAX has no {} unless its 64 bits are on; set JAX_ENABLE_X64=1, or call "
    "jax.config.update('jax_enable_x64', True) before JAX makes its first array; or take {}"
)
NARROW = {"int64": "int32", "uint64": "uint32", "float64": "float32", "complex128": "complex64"}


# On GPUs and TPUs, JAX multiplies in fewer bits than float32 has, unless it is told not to.
# `allow_tf32` changes these.
precisions: dict[str, Any] = {"matmul": jax.lax.Precision.HIGHEST, "convolutions": None}


def has_64_bits() -> bool:
    """Say whether JAX has dtypes of 64 bits now, in this thread."""
    return builtins.bool(jax.config.jax_enable_x64)


def known_dtype(dtype: Any) -> Any:
    """Give a dtype that JAX has now: that of 32 bits for integers of 64, where it has no 64.

    Raises:
        TypeError: JAX has no such floating dtype now.
    """
    if dtype is None or has_64_bits():
        return dtype
    name = np.dtype(dtype).name
    if name in ("float64", "complex128"):
        raise TypeError(NO_64.format(name, NARROW[name]))
    return np.dtype(NARROW[name]) if name in NARROW else dtype


def _of_known_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function of JAX's that takes a dtype take one that JAX has now."""

    @wraps(function)
    def call(*args: Any, dtype: Any = None, **options: Any) -> Any:
        return function(*args, dtype=known_dtype(dtype), **options)

    return call


MAKE = "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like"
SUM = "cumulative_prod", "cumulative_sum", "prod", "sum", "zeros", "zeros_like"
DTYPES = "bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
DTYPES += "float16", "float32", "float64", "complex64", "complex128"
globals().update({name: _of_known_dtype(getattr(jnp, name)) for name in (*MAKE, *SUM)})
globals().update({name: np.dtype(name) for name in DTYPES})  # as arrays have them


def __getattr__(name: str) -> Any:
    """Find what is not defined here in `jax.numpy`."""
    return getattr(jnp, name)


def asarray(x: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> jax.Array:
    """Convert an array or numbers; integers of 64 bits to 32, where JAX has no 64.

    Raises:
        OverflowError: an integer has more than 32 bits, where JAX has no 64.
    """
    if isinstance(x, np.ndarray | np.generic):
        dtype = known_dtype(x.dtype if dtype is None else dtype)
        if x.dtype.itemsize == 8 and x.dtype.kind in "iu" and not has_64_bits() and x.size:
            kind = np.iinfo(NARROW[x.dtype.name])
            if x.min() < kind.min or x.max() > kind.max:
                raise OverflowError(NO_64.format(x.dtype.name, NARROW[x.dtype.name]))
        return jnp.array(x, dtype=dtype, device=device)  # whose memory NumPy does not share
    copy = None if isinstance(x, Tracer) else copy  # XLA would copy it; nobody can write to it
    return jnp.asarray(x, dtype=known_dtype(dtype), device=device, copy=copy)


def astype(x: jax.Array, dtype: Any, /, *, copy: Any = True, device: Any = None) -> jax.Array:
    return jnp.astype(x, known_dtype(dtype), copy=copy, device=device)


def permute_dims(x: jax.Array, /, axes: Any) -> jax.Array:
    return jnp.transpose(x, axes)  # which counts negative axes from the end


def matmul(a: jax.Array, b: jax.Array, /) -> jax.Array:
    return jnp.matmul(a, b, precision=precisions["matmul"])


def tensordot(a: jax.Array, b: jax.Array, /, *, axes: Any = 2) -> jax.Array:
    return jnp.tensordot(a, b, axes=axes, precision=precisions["matmul"])


def vecdot(a: jax.Array, b: jax.Array, /, *, axis: int = -1) -> jax.Array:
    return jnp.vecdot(a, b, axis=axis, precision=precisions["matmul"])
