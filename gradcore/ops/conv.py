"""Convolutions (https://arxiv.org/abs/1603.07285), closed under differentiation.

Conv2d is linear in x and in w, so its gradients are linear, too: three ops, of which each has the
others as its gradients. Their options are those of the kernels: `stride` and `dilation` are pairs,
`padding` is ((top, bottom), (left, right)), `groups` a number.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType as frozen  # noqa: N813
from typing import Any

from ..backends import backend_of
from ..backends.definitions.convolution import output_size
from ..graph import Context, Op, needs
from ..values import namespace

DEFAULTS: dict[str, Any] = {
    "stride": (1, 1),
    "padding": ((0, 0), (0, 0)),
    "dilation": (1, 1),
    "groups": 1,
}


class Conv2d(Op):
    """The convolution of x (N, C, H, W) with w (O, C / groups, KH, KW), plus b (O,), if that is
    given: (N, O, OH, OW).

    Raises:
        ValueError: the shapes do not fit, or an option is out of range.
    """

    @staticmethod
    def forward(context: Context, x: Any, w: Any, *b: Any, **given: Any) -> Any:
        options = frozen(DEFAULTS | given)
        check_convolution("Conv2d", x.shape, w.shape, *[p.shape for p in b], **options)
        context["x"], context["w"], context["options"] = x, w, options
        context["has_b"] = bool(b)
        return backend_of(x).conv2d(x, w, *(b or (None,)), **options)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x, w, options = context["x"], context["w"], context["options"]
        gx = gw = gb = None
        if needs(context, 0):
            gx = Conv2dInputGradient.apply(go, w, size=tuple(x.shape[2:]), **options)
        if needs(context, 1):
            gw = Conv2dWeightGradient.apply(x, go, kernel=tuple(w.shape[2:]), **options)
        if not context["has_b"]:
            return gx, gw
        if needs(context, 2):
            gb = namespace(go).sum(go, axis=(0, 2, 3))
        return gx, gw, gb


class Conv2dInputGradient(Op):
    """The gradient of Conv2d's x (N, C, *size), of go (N, O, OH, OW) and w (O, C / groups, KH, KW);
    also known as transposed convolution.

    Raises:
        ValueError: the shapes do not fit, or an option is out of range.
    """

    @staticmethod
    def forward(context: Context, go: Any, w: Any, *, size: tuple[int, int], **given: Any) -> Any:
        options = frozen(DEFAULTS | given)
        x = (go.shape[0], w.shape[1] * options["groups"], *size)
        _check_gradient("Conv2dInputGradient", go, x, w.shape, options)
        context["go"], context["w"], context["options"] = go, w, options
        return backend_of(go).conv2d_input_gradient(go, w, size=size, **options)

    @staticmethod
    def backward(context: Context, ggx: Any) -> Any:
        go, w, options = context["go"], context["w"], context["options"]
        ggo = gw = None
        if needs(context, 0):
            ggo = Conv2d.apply(ggx, w, **options)
        if needs(context, 1):
            gw = Conv2dWeightGradient.apply(ggx, go, kernel=tuple(w.shape[2:]), **options)
        return ggo, gw


class Conv2dWeightGradient(Op):
    """The gradient of Conv2d's w (O, C / groups, *kernel), of x (N, C, H, W) and go (N, O, OH, OW).

    Raises:
        ValueError: the shapes do not fit, or an option is out of range.
    """

    @staticmethod
    def forward(context: Context, x: Any, go: Any, *, kernel: tuple[int, int], **given: Any) -> Any:
        options = frozen(DEFAULTS | given)
        w = (go.shape[1], x.shape[1] // options["groups"], *kernel)
        _check_gradient("Conv2dWeightGradient", go, x.shape, w, options)
        context["x"], context["go"], context["options"] = x, go, options
        return backend_of(x).conv2d_weight_gradient(x, go, kernel=kernel, **options)

    @staticmethod
    def backward(context: Context, ggw: Any) -> Any:
        x, go, options = context["x"], context["go"], context["options"]
        gx = ggo = None
        if needs(context, 0):
            gx = Conv2dInputGradient.apply(go, ggw, size=tuple(x.shape[2:]), **options)
        if needs(context, 1):
            ggo = Conv2d.apply(x, ggw, **options)
        return gx, ggo


@lru_cache(1024)  # a backward pass asks again
def check_convolution(
    name: str, x: Any, w: Any, *b: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[int, ...]:
    """The shape of the convolution of x with w, plus b, these being shapes: of images, or of what
    has one axis besides the channels, and so one entry in each option.

    Raises:
        ValueError: they do not fit, or an option is out of range; `name` says what for.
    """
    x, w, shapes = tuple(x), tuple(w), f"(x {tuple(x)}, w {tuple(w)})"
    axes, places = ("H, W", "KH, KW") if len(stride) == 2 else ("L", "K")
    if not len(x) == len(w) == 2 + len(stride):
        expected = f"(N, C, {axes}) and (O, C / groups, {places})"
        raise ValueError(f"{name}: expected x {expected.replace('and', 'and w')} {shapes}")
    if groups < 1 or x[1] % groups or w[0] % groups:
        what = "a divisor of the channels of x and of the result"
        raise ValueError(f"{name}: groups = {groups}, expected {what} {shapes}")
    if x[1] != w[1] * groups:
        each = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"{name}: x has {x[1]} channels but w expects {w[1] * groups}{each} {shapes}"
        )
    if b and tuple(b[0]) != w[:1]:
        raise ValueError(f"{name}: b has shape {tuple(b[0])}, expected {w[:1]} {shapes}")
    windows = check_windows(name, shapes, x[2:], w[2:], stride, padding, dilation)
    return x[0], w[0], *windows


def check_windows(
    name: str, shapes: str, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[int, ...]:
    """How many windows there are along each axis.

    Raises:
        ValueError: there is none, x is of size 0, or an option is out of range; `shapes` are for
            the message.
    """
    if min(*kernel, *stride, *dilation) < 1 or min(map(min, padding)) < 0:
        found = f"kernel {kernel}, stride {stride}, dilation {dilation} and padding {padding}"
        raise ValueError(f"{name}: {found}; all must be positive, but padding may be 0 {shapes}")
    check_size(name, shapes, size)
    windows = output_size(size, kernel, stride, padding, dilation)
    if min(windows) < 1:
        span = tuple([d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)])
        room = tuple([n + sum(p) for n, p in zip(size, padding, strict=True)])
        dilated = f", {span} with its dilation," if span != tuple(kernel) else ""
        raise ValueError(
            f"{name}: the kernel {tuple(kernel)}{dilated} is larger than x with its padding, "
            f"{room} {shapes}"
        )
    return windows


def check_size(name: str, shapes: str, size: Any) -> None:
    """Raise ValueError where images have no rows or columns, as PyTorch does; there may be no
    images, or channels."""
    if min(size) < 1:
        raise ValueError(f"{name}: x has size {tuple(size)}, expected 1 or more each {shapes}")


def _check_gradient(name: str, go: Any, x: Any, w: Any, options: Any) -> None:
    """Raise ValueError unless `go` has the shape of the convolution of x with w, both shapes."""
    expected = check_convolution(name, x, w, **options)
    if tuple(go.shape) != expected:
        raise ValueError(
            f"{name}: go has shape {tuple(go.shape)}, expected {expected}, that of the result "
            f"(x {tuple(x)}, w {tuple(w)})"
        )
