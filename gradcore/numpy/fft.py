"""NumPy's `fft`: discrete Fourier transforms.

Integers are transformed in complex128, as in NumPy; float32 and float16 in complex64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import array_api as xp
from ..engine.arrays import value_of
from .common import as_node_or_array, filled, floats
from .examples import with_example

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

Transform = Callable[..., Any]


def _along_one(name: str) -> Transform:
    """Make the transform of this name along one axis."""
    function = getattr(xp.fft, name)

    def transform(
        a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
    ) -> Any:
        y = function(floats(as_node_or_array(a)), n=n, axis=axis, norm=norm or "backward")
        return filled(f"fft.{name}", out, y)

    return _documented(transform, name, function)


def _along_several(name: str, of: str, axes: tuple[int, ...] | None) -> Transform:
    """Make the transform of this name along several axes, of the standard's one `of`."""
    function, by_default = getattr(xp.fft, of), axes

    def transform(
        a: Any, s: Any = None, axes: Any = by_default, norm: str | None = None, out: Any = None
    ) -> Any:
        y = function(floats(as_node_or_array(a)), s=s, axes=axes, norm=norm or "backward")
        return filled(f"fft.{name}", out, y)

    return _documented(transform, name, function)


def _documented(transform: Transform, name: str, function: Transform) -> Transform:
    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = with_example(function.__doc__ or "", f"fft.{name}")
    return transform


fft = _along_one("fft")
ifft = _along_one("ifft")
rfft = _along_one("rfft")
irfft = _along_one("irfft")
hfft = _along_one("hfft")
ihfft = _along_one("ihfft")
fftn = _along_several("fftn", "fftn", None)
ifftn = _along_several("ifftn", "ifftn", None)
rfftn = _along_several("rfftn", "rfftn", None)
irfftn = _along_several("irfftn", "irfftn", None)
fft2 = _along_several("fft2", "fftn", (-2, -1))
ifft2 = _along_several("ifft2", "ifftn", (-2, -1))
rfft2 = _along_several("rfft2", "rfftn", (-2, -1))
irfft2 = _along_several("irfft2", "irfftn", (-2, -1))


def fftfreq(n: int, d: Any = 1.0, device: Any = None) -> Any:
    """Make the frequencies of `fft`, of n numbers at distances d: 0, 1, ..., -2, -1 over n d.

    Example:
        >>> print(np.fft.fftfreq(4, d=0.5))
        [ 0.   0.5 -1.  -0.5]
    """
    return _array(xp.fft.fftfreq(n, d=d, device=device))


def rfftfreq(n: int, d: Any = 1.0, device: Any = None) -> Any:
    """Make the frequencies of `rfft`, of n numbers at distances d: 0, 1, ..., n // 2 over n d.

    Example:
        >>> print(np.fft.rfftfreq(4, d=0.5))
        [0.  0.5 1. ]
    """
    return _array(xp.fft.rfftfreq(n, d=d, device=device))


def _array(x: Any) -> Any:
    """Take the array out of a node without a gradient; with one, it has the distance d."""
    return x if x.requires_grad else value_of(x)


def fftshift(x: Any, axes: Any = None) -> Any:
    """Move the frequency 0 from the start to the middle, along `axes` (`None`: all).

    Example:
        >>> print(np.fft.fftshift(np.fft.fftfreq(4)))
        [-0.5  -0.25  0.    0.25]
    """
    return xp.fft.fftshift(as_node_or_array(x), axes=axes)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """Undo `fftshift`.

    Example:
        >>> print(np.fft.ifftshift(np.fft.fftshift([0.0, 1.0, 2.0])))
        [0. 1. 2.]
    """
    return xp.fft.ifftshift(as_node_or_array(x), axes=axes)


def __dir__() -> list[str]:
    return __all__
