"""The windows of images as columns, and columns added up to images: each is the other's gradient.

The options are those of the kernels: `kernel`, `stride` and `dilation` are pairs, `padding` is
((top, bottom), (left, right)).
"""

from __future__ import annotations

from math import prod
from types import MappingProxyType as frozen  # noqa: N813
from typing import Any

from ..backends import Array, backend_of
from ..backends.definitions.convolution import Pair
from ..graph import Context, Op
from .convolution import DEFAULTS, check_windows

__all__ = ["Fold", "Unfold"]

UNGROUPED = {name: option for name, option in DEFAULTS[2].items() if name != "groups"}


class Unfold(Op):
    """The windows of images x (N, C, H, W), with zeros as padding: (N, C * KH * KW, OH * OW).

    Raises:
        ValueError: x has not four axes, the kernel is larger than x, or an option is out of range.
    """

    @staticmethod
    def forward(context: Context, x: Array, **given: Any) -> Array:
        context["options"] = options = frozen(UNGROUPED | given)
        if len(x.shape) != 4:
            raise ValueError(f"Unfold: x has shape {tuple(x.shape)}, expected (N, C, H, W)")
        context["size"] = size = tuple(x.shape[2:])
        _windows("Unfold", x, size, **options)
        return backend_of(x).unfold(x, **options)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return Fold.apply(go, size=context["size"], **context["options"])


class Fold(Op):
    """The sum of windows x (N, C * KH * KW, OH * OW), each where it is in images: (N, C, *size).

    Raises:
        ValueError: images of that size have not so many windows of that size, or an option is out
            of range.
    """

    @staticmethod
    def forward(context: Context, x: Array, *, size: Pair, **given: Any) -> Array:
        context["options"] = options = frozen(UNGROUPED | given)
        windows, taps = _windows("Fold", x, size, **options), prod(options["kernel"])
        if len(x.shape) != 3 or x.shape[1] % taps or x.shape[2] != prod(windows):
            expected = f"(N, C * {taps}, {prod(windows)}), for {windows[0]} x {windows[1]} windows"
            raise ValueError(f"Fold: x has shape {tuple(x.shape)}, expected {expected}")
        return backend_of(x).fold(x, size=size, **options)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return Unfold.apply(go, **context["options"])


def _windows(name: str, x: Array, size: Pair, **options: Any) -> tuple[int, ...]:
    """Check the options, and count the windows along each axis."""
    return check_windows(name, f"(x {tuple(x.shape)})", size, **options)
