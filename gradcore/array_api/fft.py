"""Discrete Fourier transforms on nodes: the array API standard's `fft` extension
(https://data-apis.org/array-api/2024.12/extensions/fourier_transform_functions.html).

`namespace(node).fft` has these functions. Given arrays only, they give arrays. Real numbers may be
given where the standard has complex ones. float16 and float32 are transformed in complex64, and
integers and booleans become float32 first.

    norm        factor of fft, rfft, hfft   of ifft, irfft, ihfft
    "backward"  1                           1 / n
    "ortho"     1 / sqrt(n)                 1 / sqrt(n)
    "forward"   1 / n                       1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..backends import Backend, default
from ..backends.types import DType
from ..engine.arrays import integers, is_integer
from ..graph import TensorNode
from .common import Axis, Device, NodeOrArray, axes_from_front, device_of_new, floating
from .manipulation import roll

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]

Sizes = Sequence[int] | None  # of the transform along several axes
NORMS = ("backward", "ortho", "forward")


# -- Of complex numbers ---------------------------------------------------------------------------


def fft(
    x: NodeOrArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> NodeOrArray:
    """Compute the discrete Fourier transform along `axis`: y[k] is the sum of x[j] exp(-2 pi i j k
    / n) over j = 0, ..., n - 1. The result is complex.

    Args:
        n: the number of entries, to which x is cut off or filled up with zeros; `None`: as it is.
        norm: what y is divided by: "backward" nothing (and the inverse divides by n), "ortho" the
            root of n, "forward" n.

    Raises:
        ValueError: n is not positive, or there is no such norm.
        IndexError: there is no such axis.

    Example:
        >>> x = TensorNode([1.0, 0.0, 0.0, 0.0])
        >>> print(gradcore.fft.fft(x).value)  # an impulse has all frequencies
        [1.+0.j 1.+0.j 1.+0.j 1.+0.j]
    """
    return _complex("fft", x, None if n is None else (n,), (axis,), norm, inverse=False)


def ifft(
    x: NodeOrArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> NodeOrArray:
    """Undo `fft`, for the same n, axis and norm: x[j] is the sum of y[k] exp(2 pi i j k / n) over
    k, divided by n.

    Example:
        >>> x = TensorNode([1.0, 2.0, 3.0])
        >>> print(gradcore.fft.ifft(gradcore.fft.fft(x)).value.real.round(3))
        [1. 2. 3.]
    """
    return _complex("ifft", x, None if n is None else (n,), (axis,), norm, inverse=True)


def fftn(
    x: NodeOrArray, /, *, s: Sizes = None, axes: Sizes = None, norm: str = "backward"
) -> NodeOrArray:
    """Compute `fft` along several axes, one after the other.

    Args:
        s: the number of entries along each of `axes`, to which x is cut off or filled up with
            zeros; -1 and `None`: as it is.
        axes: `None` is all axes, or the last `len(s)`.

    Example:
        >>> gradcore.fft.fftn(TensorNode(np.ones((8, 4, 4))), axes=(-2, -1)).shape
        (8, 4, 4)
    """
    return _complex("fftn", x, s, axes, norm, inverse=False)


def ifftn(
    x: NodeOrArray, /, *, s: Sizes = None, axes: Sizes = None, norm: str = "backward"
) -> NodeOrArray:
    """Undo `fftn`, for the same s, axes and norm.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> print(gradcore.fft.ifftn(gradcore.fft.fftn(x)).value.real.round(3))
        [[1. 2.]
         [3. 4.]]
    """
    return _complex("ifftn", x, s, axes, norm, inverse=True)


def _complex(
    name: str, x: NodeOrArray, s: Sizes, axes: Sizes, norm: str, *, inverse: bool
) -> NodeOrArray:
    axes, sizes = _axes_and_sizes(name, x, s, axes)
    _check(name, sizes, norm)
    return ops.FFT.apply(floating(x), sizes=sizes, axes=axes, norm=norm, inverse=inverse)


# -- From real numbers to half of the spectrum, and back ------------------------------------------


def rfft(
    x: NodeOrArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> NodeOrArray:
    """Transform real numbers: the first n // 2 + 1 entries of `fft`. The others are the conjugates
    of these.

    Example:
        >>> x = TensorNode([1.0, 0.0, -1.0, 0.0])  # a cosine
        >>> print(abs(gradcore.fft.rfft(x)).value.round(3))
        [0. 2. 0.]
    """
    return _half("rfft", x, None if n is None else (n,), (axis,), norm, inverse=False)


def irfft(
    x: NodeOrArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> NodeOrArray:
    """Undo `rfft`: give n real numbers, or where n is `None`, twice as many as x has, minus 2.

    Imaginary parts of the first entry of x, and for an even n of the last, have no effect.

    Example:
        >>> x = TensorNode([1.0, 2.0, 3.0])
        >>> print(gradcore.fft.irfft(gradcore.fft.rfft(x), n=3).value.round(3))
        [1. 2. 3.]
    """
    return _real("irfft", x, None if n is None else (n,), (axis,), norm, inverse=True)


def rfftn(
    x: NodeOrArray, /, *, s: Sizes = None, axes: Sizes = None, norm: str = "backward"
) -> NodeOrArray:
    """Transform real numbers by `rfft` along the last of `axes`, and by `fft` along the others; for
    s and `axes` see `fftn`.

    Example:
        >>> gradcore.fft.rfftn(TensorNode(np.ones((8, 4, 6))), axes=(-2, -1)).shape
        (8, 4, 4)
    """
    return _half("rfftn", x, s, axes, norm, inverse=False)


def irfftn(
    x: NodeOrArray, /, *, s: Sizes = None, axes: Sizes = None, norm: str = "backward"
) -> NodeOrArray:
    """Undo `rfftn`, by `ifft` along all of `axes` but the last, and by `irfft` along the last.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> print(gradcore.fft.irfftn(gradcore.fft.rfftn(x)).value.round(3))
        [[1. 2.]
         [3. 4.]]
    """
    return _real("irfftn", x, s, axes, norm, inverse=True)


def hfft(
    x: NodeOrArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> NodeOrArray:
    """Transform a signal whose second half are the conjugates of the first, x, to n real numbers:
    `fft` of the whole.

    Example:
        >>> print(gradcore.fft.hfft(TensorNode([1.0, 2.0, 3.0])).value.round(3))  # of 1 2 3 2
        [ 8. -2.  0. -2.]
    """
    return _real("hfft", x, None if n is None else (n,), (axis,), norm, inverse=False)


def ihfft(
    x: NodeOrArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> NodeOrArray:
    """Undo `hfft`: compute `ifft` of n real numbers, and of it the first n // 2 + 1 entries.

    Example:
        >>> print(gradcore.fft.ihfft(TensorNode([10.0, -2.0, -2.0, -2.0])).value.real.round(3))
        [1. 3. 3.]
    """
    return _half("ihfft", x, None if n is None else (n,), (axis,), norm, inverse=True)


def _half(
    name: str, x: NodeOrArray, s: Sizes, axes: Sizes, norm: str, *, inverse: bool
) -> NodeOrArray:
    axes, sizes = _axes_and_sizes(name, x, s, axes)
    _check(name, sizes, norm, least=1)
    settings: Any = {"norm": norm, "inverse": inverse}
    y = ops.RFFT.apply(floating(x), n=sizes[-1], axis=axes[-1], **settings)
    others = {"sizes": sizes[:-1], "axes": axes[:-1]}
    return ops.FFT.apply(y, **others, **settings) if axes[1:] else y


def _real(
    name: str, x: NodeOrArray, s: Sizes, axes: Sizes, norm: str, *, inverse: bool
) -> NodeOrArray:
    axes, sizes = _axes_and_sizes(name, x, s, axes)
    if axes and s is None:
        sizes = (*sizes[:-1], 2 * (sizes[-1] - 1))
    _check(name, sizes, norm, least=1)
    settings: Any = {"norm": norm, "inverse": inverse}
    others = {"sizes": sizes[:-1], "axes": axes[:-1]}
    x = ops.FFT.apply(floating(x), **others, **settings) if axes[1:] else floating(x)
    return ops.HFFT.apply(x, n=sizes[-1], axis=axes[-1], **settings)


# -- Sizes ----------------------------------------------------------------------------------------


def _axes_and_sizes(
    name: str, x: NodeOrArray, s: Sizes, axes: Sizes
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Count axes from the front, and fill in the sizes that the caller leaves open.

    Raises:
        IndexError, ValueError: there is no such axis, or one is named twice; or there are more
            sizes than axes, or fewer.
    """
    if axes is None:
        axes = range(-len(s), 0) if s is not None else range(x.ndim)
    found = tuple(axes_from_front(name, axes, x.ndim))
    if s is None:
        return found, tuple([x.shape[a] for a in found])
    if len(s) != len(found):
        raise ValueError(f"{name}: sizes {tuple(s)} for axes {tuple(axes)}, expected one for each")
    if not all(map(is_integer, s)):
        raise TypeError(f"{name}: sizes {tuple(s)}, expected integers")
    return found, tuple(
        [x.shape[a] if n == -1 else n for n, a in zip(integers(s), found, strict=True)]
    )


def _check(name: str, sizes: Sequence[int], norm: str, least: int = 0) -> None:
    """Raise ValueError unless there are numbers to transform, along at least so many axes, and the
    norm is known."""
    if len(sizes) < least:
        raise ValueError(f"{name}: no axes, expected one or more")
    if min(sizes, default=1) < 1:
        raise ValueError(f"{name}: transforms of {tuple(sizes)} numbers; expected 1 or more")
    if norm not in NORMS:
        raise ValueError(f"{name}: norm is {norm!r}, expected one of {NORMS}")


# -- Frequencies ----------------------------------------------------------------------------------


def fftfreq(
    n: int,
    /,
    *,
    d: float = 1.0,
    dtype: DType | None = None,
    device: Device | None = None,
    backend: Backend | None = None,
) -> TensorNode:
    """Make the frequencies of `fft`, of n numbers at distances d: 0, 1, ..., -2, -1 over n d, as a
    node of the backend (`None`: the default one).

    Example:
        >>> print(gradcore.fft.fftfreq(4, d=0.1).value)  # in Hertz, of 10 numbers a second
        [ 0.   2.5 -5.  -2.5]
    """
    return _frequencies("fftfreq", n, d, dtype, device, backend or default())


def rfftfreq(
    n: int,
    /,
    *,
    d: float = 1.0,
    dtype: DType | None = None,
    device: Device | None = None,
    backend: Backend | None = None,
) -> TensorNode:
    """Make the frequencies of `rfft`, the first n // 2 + 1 of those of `fft`, none of them
    negative, as a node of the backend (`None`: the default one).

    Example:
        >>> print(gradcore.fft.rfftfreq(4, d=0.1).value)
        [0.  2.5 5. ]
    """
    return abs(_frequencies("rfftfreq", n, d, dtype, device, backend or default())[: n // 2 + 1])


def fftshift(x: NodeOrArray, /, *, axes: Axis = None) -> NodeOrArray:
    """Move the frequency 0 from the start to the middle, along `axes` (`None`: all).

    Example:
        >>> print(gradcore.fft.fftshift(gradcore.fft.fftfreq(4)).value)
        [-0.5  -0.25  0.    0.25]
    """
    return _shifted("fftshift", x, axes, lambda n: n // 2)


def ifftshift(x: NodeOrArray, /, *, axes: Axis = None) -> NodeOrArray:
    """Undo `fftshift`.

    Example:
        >>> x = gradcore.fft.fftshift(TensorNode([0.0, 1.0, -2.0, -1.0]))
        >>> print(x.value, gradcore.fft.ifftshift(x).value)
        [-2. -1.  0.  1.] [ 0.  1. -2. -1.]
    """
    return _shifted("ifftshift", x, axes, lambda n: -(n // 2))


def _shifted(name: str, x: NodeOrArray, axes: Axis, distance: Callable[[int], int]) -> NodeOrArray:
    found = axes_from_front(name, range(x.ndim) if axes is None else axes, x.ndim)
    shifts = tuple([distance(x.shape[a]) for a in found])
    return roll(x, shifts, axis=tuple(found)) if found else x


def _frequencies(
    name: str, n: int, d: float, dtype: DType | None, device: Device | None, backend: Backend
) -> TensorNode:
    if not is_integer(n) or n < 1:
        raise ValueError(f"{name}: n is {n!r}, expected an integer of 1 or more")
    xp, device = backend.xp, device_of_new(backend, device)
    if dtype is None:
        dtype = xp.__array_namespace_info__().default_dtypes(device=device)["real floating"]
    k = xp.arange(n, dtype=dtype, device=device)
    k = xp.where(k > (n - 1) // 2, k - n, k)
    return TensorNode(k, requires_grad=False) * (1.0 / (n * d))


def __dir__() -> list[str]:
    return __all__
