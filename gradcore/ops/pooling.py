"""Pooling, closed under differentiation: of x (N, C, H, W), each channel by itself.

The options are those of the kernels: `kernel`, `stride` and `dilation` are pairs, `padding` is
((top, bottom), (left, right)).
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType as frozen  # noqa: N813
from typing import Any

from ..backends import backend_of
from ..graph import Context, Op
from .convolution import check_windows

UNPADDED = ((0, 0), (0, 0))
DEFAULTS: dict[str, Any] = {"padding": UNPADDED, "dilation": (1, 1)}


class MaxPool2d(Op):
    """The maximum of each window: (N, C, OH, OW). Of equal ones the first gets the gradient.

    Raises:
        ValueError: x is not of that shape, the kernel larger than x, or an option out of range.
    """

    @staticmethod
    def forward(context: Context, x: Any, **given: Any) -> Any:
        options = frozen(DEFAULTS | given)
        _check("MaxPool2d", x.shape, **options)
        y, context["places"] = backend_of(x).max_pool2d(x, **options)
        context["size"], context["options"] = tuple(x.shape[2:]), options
        return y

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        places, size = context["places"], context["size"]
        return MaxPool2dGradient.apply(go, places=places, size=size, **context["options"])


class MaxPool2dGradient(Op):
    """The gradient of MaxPool2d's x (N, C, *size), of go (N, C, OH, OW).

    Args:
        places: which tap of each window is chosen, integers like go.
    """

    @staticmethod
    def forward(
        context: Context, go: Any, *, places: Any, size: tuple[int, int], **given: Any
    ) -> Any:
        options = frozen(DEFAULTS | given)
        _check("MaxPool2dGradient", (*go.shape[:2], *size), go.shape, **options)
        context["places"], context["options"] = places, options
        return backend_of(go).max_pool2d_gradient(go, places, size=size, **options)

    @staticmethod
    def backward(context: Context, ggx: Any) -> Any:
        return MaxPool2dChosen.apply(ggx, places=context["places"], **context["options"])


class MaxPool2dChosen(Op):
    """Of each window the element that was chosen: MaxPool2dGradient's gradient.

    Args:
        places: which tap of each window is chosen, integers (N, C, OH, OW).
    """

    @staticmethod
    def forward(context: Context, x: Any, *, places: Any, **given: Any) -> Any:
        options = frozen(DEFAULTS | given)
        _check("MaxPool2dChosen", x.shape, places.shape, **options)
        context["places"], context["size"] = places, tuple(x.shape[2:])
        context["options"] = options
        return backend_of(x).max_pool2d_chosen(x, places, **options)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        places, size = context["places"], context["size"]
        return MaxPool2dGradient.apply(go, places=places, size=size, **context["options"])


class AvgPool2d(Op):
    """The mean of each window, padded with zeros: (N, C, OH, OW). There is no dilation.

    Raises:
        ValueError: x is not of that shape, the kernel larger than x, or an option out of range.
    """

    @staticmethod
    def forward(context: Context, x: Any, **given: Any) -> Any:
        options = frozen({"padding": UNPADDED} | given)
        _check("AvgPool2d", x.shape, **options)
        context["size"], context["options"] = tuple(x.shape[2:]), options
        return backend_of(x).avg_pool2d(x, **options)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return AvgPool2dGradient.apply(go, size=context["size"], **context["options"])


class AvgPool2dGradient(Op):
    """The gradient of AvgPool2d's x (N, C, *size), of go (N, C, OH, OW)."""

    @staticmethod
    def forward(context: Context, go: Any, *, size: tuple[int, int], **given: Any) -> Any:
        context["options"] = options = frozen({"padding": UNPADDED} | given)
        _check("AvgPool2dGradient", (*go.shape[:2], *size), go.shape, **options)
        return backend_of(go).avg_pool2d_gradient(go, size=size, **options)

    @staticmethod
    def backward(context: Context, ggx: Any) -> Any:
        return AvgPool2d.apply(ggx, **context["options"])


@lru_cache(1024)
def _check(
    name: str,
    x: Any,
    go: Any = None,
    *,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any = (1, 1),
) -> None:
    """Raise ValueError unless windows can be taken of x, a shape, and go, if given, is the shape
    of what comes out."""
    if len(x) != 4:
        raise ValueError(f"{name}: x has shape {tuple(x)}, expected (N, C, H, W)")
    shapes = f"(x {tuple(x)})"
    windows = check_windows(name, shapes, x[2:], kernel, stride, padding, dilation)
    if go is not None and tuple(go) != (*x[:2], *windows):
        raise ValueError(
            f"{name}: go has shape {tuple(go)}, expected {(*x[:2], *windows)}, that of the result "
            f"{shapes}"
        )
