"""Convolutions (https://arxiv.org/abs/1603.07285), closed under differentiation.

Conv2d is linear in x and in w, and so are its two gradients: the gradients of each of the three ops
are the other two. Conv2dGradient gives both at once, and that of b: some libraries compute them
together in less time. The options are those of the kernels: `stride` and `dilation` are pairs,
`padding` is ((top, bottom), (left, right)), `groups` is a number.

Conv3d and its gradients are the same for volumes (N, C, D, H, W), whose options have an entry for
the depth before those for rows and columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce
from operator import add
from types import MappingProxyType as frozen  # noqa: N813
from typing import Any, ClassVar

from ..backends import Array, backend_of
from ..backends.definitions.convolution import Pair, output_size
from ..engine.arrays import namespace
from ..graph import Context, Op, needs

__all__ = [
    "Conv2d",
    "Conv2dGradient",
    "Conv2dInputGradient",
    "Conv2dWeightGradient",
    "Conv3d",
    "Conv3dGradient",
    "Conv3dInputGradient",
    "Conv3dWeightGradient",
]

AXES = {1: ("L", "K"), 2: ("H, W", "KH, KW"), 3: ("D, H, W", "KD, KH, KW")}  # of x, and of w
DEFAULTS: dict[int, dict[str, Any]] = {
    n: {"stride": (1,) * n, "padding": ((0, 0),) * n, "dilation": (1,) * n, "groups": 1}
    for n in AXES
}


class Conv2d(Op):
    """The convolution of x (N, C, H, W) with w (O, C / groups, KH, KW), plus b (O,) if given:
    (N, O, OH, OW).

    Raises:
        ValueError: the shapes do not fit, or an option is out of range.
    """

    axes: ClassVar[int] = 2
    kernel: ClassVar[str] = "conv2d"

    @classmethod
    def forward(cls, context: Context, x: Array, w: Array, *b: Array, **given: Any) -> Array:
        options = frozen(DEFAULTS[cls.axes] | given)
        check_convolution(cls.__name__, x.shape, w.shape, *[p.shape for p in b], **options)
        context["x"], context["w"], context["options"] = x, w, options
        context["has_b"] = bool(b)
        return getattr(backend_of(x), cls.kernel)(x, w, *(b or (None,)), **options)

    @classmethod
    def backward(cls, context: Context, go: Array) -> tuple[Array | None, ...]:
        x, w = context["x"], context["w"]
        wanted = tuple([needs(context, i) for i in range(2 + context["has_b"])])
        found = iter(GRADIENT[cls.axes].apply(x, w, go, wanted=wanted, **context["options"]))
        return tuple([next(found) if is_wanted else None for is_wanted in wanted])


class Conv2dGradient(Op):
    """The gradients of Conv2d's inputs, from x (N, C, H, W), w (O, C / groups, KH, KW) and go
    (N, O, OH, OW): those of x, of w and of b (O,) that are `wanted`, which has an entry for each.

    Raises:
        ValueError: the shapes do not fit, or an option is out of range.
    """

    axes: ClassVar[int] = 2
    kernel: ClassVar[str] = "conv2d_gradient"
    takes_none = True

    @classmethod
    def forward(
        cls,
        context: Context,
        x: Array,
        w: Array,
        go: Array,
        *,
        wanted: Sequence[bool],
        **given: Any,
    ) -> tuple[Array, ...]:
        options = frozen(DEFAULTS[cls.axes] | given)
        _check_gradient(cls.__name__, go, x.shape, w.shape, options)
        context["x"], context["w"], context["go"] = x, w, go
        context["wanted"], context["options"] = wanted, options
        return getattr(backend_of(x), cls.kernel)(x, w, go, wanted=wanted, **options)

    @classmethod
    def backward(cls, context: Context, *gos: Array | None) -> tuple[Array | None, ...]:
        x, w, go, options = (context[name] for name in ("x", "w", "go", "options"))
        convolution, input_gradient, weight_gradient = FAMILY[cls.axes]
        rest = iter(gos)
        ggx, ggw, *ggb = [next(rest) if is_wanted else None for is_wanted in context["wanted"]]
        gx = gw = None
        parts = []  # of the gradient of go
        if ggx is not None:
            parts.append(convolution.apply(ggx, w, **options))
            if needs(context, 1):
                gw = weight_gradient.apply(ggx, go, kernel=tuple(w.shape[2:]), **options)
        if ggw is not None:
            parts.append(convolution.apply(x, ggw, **options))
            if needs(context, 0):
                gx = input_gradient.apply(go, ggw, size=tuple(x.shape[2:]), **options)
        if ggb and ggb[0] is not None:
            xp = namespace(ggb[0])
            each = xp.reshape(ggb[0], (-1, *[1] * cls.axes))
            parts.append(xp.broadcast_to(each, tuple(go.shape)))
        ggo = reduce(add, parts) if needs(context, 2) and parts else None
        return gx, gw, ggo


class Conv2dInputGradient(Op):
    """The gradient of Conv2d's input x, from go (N, O, OH, OW) and w (O, C / groups, KH, KW):
    (N, C, *size). Also known as transposed convolution.

    Raises:
        ValueError: the shapes do not fit, or an option is out of range.
    """

    axes: ClassVar[int] = 2
    kernel: ClassVar[str] = "conv2d_input_gradient"

    @classmethod
    def forward(
        cls, context: Context, go: Array, w: Array, *, size: tuple[int, ...], **given: Any
    ) -> Array:
        options = frozen(DEFAULTS[cls.axes] | given)
        x = (go.shape[0], w.shape[1] * options["groups"], *size)
        _check_gradient(cls.__name__, go, x, w.shape, options)
        context["go"], context["w"], context["options"] = go, w, options
        return getattr(backend_of(go), cls.kernel)(go, w, size=size, **options)

    @classmethod
    def backward(cls, context: Context, ggx: Array) -> tuple[Array | None, ...]:
        convolution, _, weight_gradient = FAMILY[cls.axes]
        go, w, options = context["go"], context["w"], context["options"]
        ggo = gw = None
        if needs(context, 0):
            ggo = convolution.apply(ggx, w, **options)
        if needs(context, 1):
            gw = weight_gradient.apply(ggx, go, kernel=tuple(w.shape[2:]), **options)
        return ggo, gw


class Conv2dWeightGradient(Op):
    """The gradient of Conv2d's weights w, from x (N, C, H, W) and go (N, O, OH, OW):
    (O, C / groups, *kernel).

    Raises:
        ValueError: the shapes do not fit, or an option is out of range.
    """

    axes: ClassVar[int] = 2
    kernel: ClassVar[str] = "conv2d_weight_gradient"

    @classmethod
    def forward(
        cls, context: Context, x: Array, go: Array, *, kernel: tuple[int, ...], **given: Any
    ) -> Array:
        options = frozen(DEFAULTS[cls.axes] | given)
        w = (go.shape[1], x.shape[1] // options["groups"], *kernel)
        _check_gradient(cls.__name__, go, x.shape, w, options)
        context["x"], context["go"], context["options"] = x, go, options
        return getattr(backend_of(x), cls.kernel)(x, go, kernel=kernel, **options)

    @classmethod
    def backward(cls, context: Context, ggw: Array) -> tuple[Array | None, ...]:
        convolution, input_gradient, _ = FAMILY[cls.axes]
        x, go, options = context["x"], context["go"], context["options"]
        gx = ggo = None
        if needs(context, 0):
            gx = input_gradient.apply(go, ggw, size=tuple(x.shape[2:]), **options)
        if needs(context, 1):
            ggo = convolution.apply(x, ggw, **options)
        return gx, ggo


class Conv3d(Conv2d):
    """The convolution of x (N, C, D, H, W) with w (O, C / groups, KD, KH, KW), plus b (O,) if
    given: (N, O, OD, OH, OW)."""

    axes, kernel = 3, "conv3d"


class Conv3dGradient(Conv2dGradient):
    """The gradients of Conv3d's inputs that are `wanted`, from x (N, C, D, H, W), w and go
    (N, O, OD, OH, OW)."""

    axes, kernel = 3, "conv3d_gradient"


class Conv3dInputGradient(Conv2dInputGradient):
    """The gradient of Conv3d's input x, from go (N, O, OD, OH, OW) and w: (N, C, *size)."""

    axes, kernel = 3, "conv3d_input_gradient"


class Conv3dWeightGradient(Conv2dWeightGradient):
    """The gradient of Conv3d's weights w, from x and go (N, O, OD, OH, OW):
    (O, C / groups, *kernel)."""

    axes, kernel = 3, "conv3d_weight_gradient"


# By the number of axes: the convolution, and its gradients.
FAMILY: dict[int, tuple[type[Op], type[Op], type[Op]]] = {
    2: (Conv2d, Conv2dInputGradient, Conv2dWeightGradient),
    3: (Conv3d, Conv3dInputGradient, Conv3dWeightGradient),
}
GRADIENT: dict[int, type[Op]] = {2: Conv2dGradient, 3: Conv3dGradient}


@lru_cache(1024)  # a backward pass checks the same shapes again
def check_convolution(
    name: str,
    x: tuple[int, ...],
    w: tuple[int, ...],
    *b: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[Pair, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> tuple[int, ...]:
    """Compute the shape of a convolution from the shapes of x, w and b.

    The shapes are those of images, or of sequences or volumes: each option has as many entries as
    they have axes.

    Raises:
        ValueError: the shapes do not fit, or an option is out of range; `name` opens the message.
    """
    x, w, shapes = tuple(x), tuple(w), f"(x {tuple(x)}, w {tuple(w)})"
    axes, places = AXES[len(stride)]
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
    name: str,
    shapes: str,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[Pair, ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """Compute the number of windows along each axis of images of this size.

    Raises:
        ValueError: there is no window, the size is 0, or an option is out of range; `name` opens
            the message and `shapes` end it.
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


def check_size(name: str, shapes: str, size: tuple[int, ...]) -> None:
    """Raise ValueError if images have no rows or no columns, as PyTorch does.

    There may be no images, and no channels.
    """
    if min(size) < 1:
        raise ValueError(f"{name}: x has size {tuple(size)}, expected 1 or more each {shapes}")


def _check_gradient(
    name: str, go: Array, x: tuple[int, ...], w: tuple[int, ...], options: Mapping[str, Any]
) -> None:
    """Raise ValueError unless `go` has the shape of a convolution, from the shapes of x and w."""
    expected = check_convolution(name, x, w, **options)
    if tuple(go.shape) != expected:
        raise ValueError(
            f"{name}: go has shape {tuple(go.shape)}, expected {expected}, that of the result "
            f"(x {tuple(x)}, w {tuple(w)})"
        )
