"""Discrete Fourier transforms.

A transform multiplies by a symmetric matrix, exp(-2 pi i j k / n), so its gradient is the same
transform, with the same `norm`: of `FFT` it is `FFT`. Of `RFFT` it is `HFFT`, and the other way
round, but for the frequencies that real numbers have twice, and the half spectrum once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backends import Array
from ..backends.definitions.common import is_half
from ..backends.types import DType
from ..engine.arrays import (
    describe,
    is_complex,
    is_real_floating,
    namespace,
    real,
    real_dtype,
    value_of,
    widened,
)
from ..graph import Context, Op
from .indexing import PutItem

__all__ = ["FFT", "HFFT", "RFFT"]


class FFT(Op):
    """The complex transform of x along `axes`, whose entries are cut off or filled up with zeros to
    `sizes`. The exponents have a minus, and with `inverse` a plus; for `norm` see the standard.

    16-bit numbers are transformed in complex64.
    """

    @staticmethod
    def forward(
        context: Context,
        x: Array,
        *,
        sizes: Sequence[int],
        axes: Sequence[int],
        norm: str,
        inverse: bool = False,
    ) -> Array:
        settings = {"sizes": sizes, "axes": axes, "norm": norm, "inverse": inverse}
        context["settings"], context["shape"], context["dtype"] = settings, x.shape, x.dtype
        x, fft = _as_complex(x), namespace(x).fft
        return (fft.ifftn if inverse else fft.fftn)(x, s=sizes, axes=axes, norm=norm)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return _fitted(FFT.apply(go, **context["settings"]), context["shape"], context["dtype"])


class RFFT(Op):
    """The first half of the complex transform of real numbers x along `axis`, cut off or filled up
    to n: n // 2 + 1 frequencies. The others are their conjugates."""

    @staticmethod
    def forward(
        context: Context, x: Array, *, n: int, axis: int, norm: str, inverse: bool = False
    ) -> Array:
        if not is_real_floating(x):
            raise TypeError(f"RFFT: x is {describe(x)}, expected real numbers; see fft and ifft")
        settings = {"n": n, "axis": axis, "norm": norm, "inverse": inverse}
        context["settings"], context["shape"], context["dtype"] = settings, x.shape, x.dtype
        fft = namespace(x).fft
        return (fft.ihfft if inverse else fft.rfft)(widened(x), n=n, axis=axis, norm=norm)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        go = go / _occurrences(go, **context["settings"])
        return _fitted(HFFT.apply(go, **context["settings"]), context["shape"], context["dtype"])


class HFFT(Op):
    """The transform along `axis`, n real numbers, of n // 2 + 1 frequencies: x, cut off or filled
    up with zeros. The others are the conjugates of these. Imaginary parts of those that are their
    own conjugates, the first and for an even n the last, have no effect."""

    @staticmethod
    def forward(
        context: Context, x: Array, *, n: int, axis: int, norm: str, inverse: bool = False
    ) -> Array:
        settings = {"n": n, "axis": axis, "norm": norm, "inverse": inverse}
        context["settings"], context["shape"], context["dtype"] = settings, x.shape, x.dtype
        xp, fft = namespace(x), namespace(x).fft
        y = (fft.irfft if inverse else fft.hfft)(_as_complex(x), n=n, axis=axis, norm=norm)
        return xp.astype(y, x.dtype) if is_half(x) else y

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        g = RFFT.apply(go, **context["settings"])
        g = g * _occurrences(g, **context["settings"])
        return _fitted(g, context["shape"], context["dtype"])


def _as_complex(x: Array) -> Array:
    """Convert to complex numbers: real ones of up to 32 bits to complex64."""
    xp = namespace(x)
    if is_complex(x):
        return x
    x = widened(x)
    return xp.astype(x, xp.complex64 if x.dtype == xp.float32 else xp.complex128)


def _occurrences(half: Array, *, n: int, axis: int, **_: Any) -> Array:
    """Count how often each frequency of a half spectrum is in the whole, itself or its conjugate:
    the first, and of an even n the last, once, and the others twice."""
    half = value_of(half)
    xp, size = namespace(half), half.shape[axis]
    k = xp.arange(size, device=half.device)
    ones = xp.ones(size, dtype=real_dtype(half), device=half.device)
    counts = xp.where((k == 0) | (2 * k == n), ones, 2.0)
    return xp.reshape(counts, tuple([size if a == axis else 1 for a in range(half.ndim)]))


def _fitted(g: Array, shape: Sequence[int], dtype: DType) -> Array:
    """Make of the gradient of an input, cut off or filled up, that of the input itself: filled up
    with zeros or cut off; and real if the input is."""
    xp = namespace(g)
    g = real(g) if xp.isdtype(dtype, "real floating") else g
    if tuple(g.shape) != tuple(shape):
        key = tuple([slice(min(m, n)) for m, n in zip(g.shape, shape, strict=True)])
        g = PutItem.apply(g[key], key=key, shape=tuple(shape))
    return g if g.dtype == dtype else xp.astype(g, dtype)
