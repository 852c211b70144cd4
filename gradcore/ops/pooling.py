"""Pooling of images x (N, C, H, W), each channel by itself, closed under differentiation.

The options are those of the kernels: `kernel`, `stride` and `dilation` are pairs, `padding` is
((top, bottom), (left, right)).
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType as frozen  # noqa: N813
from typing import Any

from ..backends import Array, backend_of
from ..backends.definitions.convolution import Padding, Pair
from ..graph import Context, Op
from .convolution import check_windows

__all__ = [
    "AvgPool2d",
    "AvgPool2dGradient",
    "MaxPool2d",
    "MaxPool2dChosen",
    "MaxPool2dGradient",
]

UNPADDED = ((0, 0), (0, 0))
DEFAULTS: dict[str, Any] = {"padding": UNPADDED, "dilation": (1, 1)}


class MaxPool2d(Op):
    """The maximum of each window: (N, C, OH, OW). Of equal maxima, the first gets the gradient.

    Raises:
        ValueError: x has not four axes, the kernel is larger than x, or an option is out of range.
    """

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, **given: Any) -> Array:
        options = frozen(DEFAULTS | given)
        _check("MaxPool2d", x.shape, **options)
        y, context["places"] = backend_of(x).max_pool2d(x, **options)
        context["size"], context["options"] = tuple(x.shape[2:]), options
        return y

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        places, size = context["places"], context["size"]
        return MaxPool2dGradient.apply(go, places=places, size=size, **context["options"])


class MaxPool2dGradient(Op):
    """The gradient of MaxPool2d's x, from go (N, C, OH, OW): (N, C, *size).

    Args:
        places: which tap of each window is its maximum, integers (N, C, OH, OW).
    """

    real_only = True

    @staticmethod
    def forward(context: Context, go: Array, *, places: Array, size: Pair, **given: Any) -> Array:
        options = frozen(DEFAULTS | given)
        _check("MaxPool2dGradient", (*go.shape[:2], *size), go.shape, **options)
        context["places"], context["options"] = places, options
        return backend_of(go).max_pool2d_gradient(go, places, size=size, **options)

    @staticmethod
    def backward(context: Context, ggx: Array) -> Array:
        return MaxPool2dChosen.apply(ggx, places=context["places"], **context["options"])


class MaxPool2dChosen(Op):
    """One element of each window: (N, C, OH, OW). The gradient of MaxPool2dGradient.

    Args:
        places: which tap of each window to take, integers (N, C, OH, OW).
    """

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, places: Array, **given: Any) -> Array:
        options = frozen(DEFAULTS | given)
        _check("MaxPool2dChosen", x.shape, places.shape, **options)
        context["places"], context["size"] = places, tuple(x.shape[2:])
        context["options"] = options
        return backend_of(x).max_pool2d_chosen(x, places, **options)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        places, size = context["places"], context["size"]
        return MaxPool2dGradient.apply(go, places=places, size=size, **context["options"])


class AvgPool2d(Op):
    """The mean of each window, with zeros as padding: (N, C, OH, OW). It takes no dilation.

    Raises:
        ValueError: x has not four axes, the kernel is larger than x, or an option is out of range.
    """

    @staticmethod
    def forward(context: Context, x: Array, **given: Any) -> Array:
        options = frozen({"padding": UNPADDED} | given)
        _check("AvgPool2d", x.shape, **options)
        context["size"], context["options"] = tuple(x.shape[2:]), options
        return backend_of(x).avg_pool2d(x, **options)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return AvgPool2dGradient.apply(go, size=context["size"], **context["options"])


class AvgPool2dGradient(Op):
    """The gradient of AvgPool2d's x, from go (N, C, OH, OW): (N, C, *size)."""

    @staticmethod
    def forward(context: Context, go: Array, *, size: Pair, **given: Any) -> Array:
        context["options"] = options = frozen({"padding": UNPADDED} | given)
        _check("AvgPool2dGradient", (*go.shape[:2], *size), go.shape, **options)
        return backend_of(go).avg_pool2d_gradient(go, size=size, **options)

    @staticmethod
    def backward(context: Context, ggx: Array) -> Array:
        return AvgPool2d.apply(ggx, **context["options"])


@lru_cache(1024)
def _check(
    name: str,
    x: tuple[int, ...],
    go: tuple[int, ...] | None = None,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair = (1, 1),
) -> None:
    """Raise ValueError unless images of shape x have such windows, and `go`, if given, is the
    shape of the result."""
    if len(x) != 4:
        raise ValueError(f"{name}: x has shape {tuple(x)}, expected (N, C, H, W)")
    shapes = f"(x {tuple(x)})"
    windows = check_windows(name, shapes, x[2:], kernel, stride, padding, dilation)
    if go is not None and tuple(go) != (*x[:2], *windows):
        raise ValueError(
            f"{name}: go has shape {tuple(go)}, expected {(*x[:2], *windows)}, that of the result "
            f"{shapes}"
        )
