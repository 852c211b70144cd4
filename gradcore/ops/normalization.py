"""Ops that bring numbers to a common scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backends import Array, backend_of
from ..backends.types import Number
from ..engine.arrays import describe, namespace
from ..graph import Context, Op, needs
from .by_definition import differentiated
from .precision import in_float32

__all__ = [
    "BatchNorm",
    "BatchNormGradient",
    "BatchNormInference",
    "ChannelSums",
    "LayerNorm",
    "LayerNormGradient",
    "Normalize",
]


@in_float32
class Normalize(Op):
    """Each row of a matrix (N, M) divided by its sum."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["x"] = x
        return x / namespace(x).sum(x, axis=1, keepdims=True)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp, x = namespace(go), context["x"]
        s = xp.sum(x, axis=1, keepdims=True)
        return go / s - xp.sum(go * x, axis=1, keepdims=True) / (s * s)


class LayerNorm(Op):
    """Each row of x (N, M) with mean 0 and variance 1, times w (M,), plus b (M,)
    (https://arxiv.org/abs/1607.06450). For a float16 x, sums are in float32.

    Raises:
        ValueError: the shapes do not fit.
    """

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        if x.ndim != 2 or not x.shape[1:] == w.shape == b.shape:
            shapes = f"x {tuple(x.shape)}, w {tuple(w.shape)} and b {tuple(b.shape)}"
            raise ValueError(f"LayerNorm: {shapes} do not fit; expected (N, M), (M,) and (M,)")
        context["x"], context["w"], context["eps"] = x, w, eps
        return backend_of(x).layer_norm(x, w, b, eps=eps)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        x, w, eps, parameters = context["x"], context["w"], context["eps"], _parameters(context)
        gx, *rest = LayerNormGradient.apply(x, w, go, eps=eps, parameters=parameters)
        return gx, *(rest or (None, None))


class LayerNormGradient(Op):
    """The gradients of LayerNorm's x and, unless `parameters` is false, of w and b, from x, w and
    the gradient of the output."""

    real_only = True

    @staticmethod
    def forward(context: Context, *inputs: Array, **constants: Any) -> tuple[Array, ...]:
        context["inputs"], context["constants"] = inputs, constants
        return backend_of(inputs[0]).layer_norm_gradient(*inputs, **constants)

    @staticmethod
    def backward(context: Context, *gos: Array) -> tuple[Array | None, ...]:
        return differentiated("layer_norm_gradient", context["inputs"], gos, **context["constants"])


class BatchNorm(Op):
    """x (N, C, ...) with mean 0 and variance 1 in each channel, times w (C,), plus b (C,), plus a
    residual like x, if given; with `relu`, max(y, 0) of this y. Three outputs: y, and the mean and
    the variance of each channel of x, both (C,).

    See https://arxiv.org/abs/1502.03167. For a float16 x, mean and variance are float32.

    `running` is a list of the running mean, the running variance and the number of batches, each an
    array or `None`. The op puts the new ones in their places, and may write into the old ones.

    Raises:
        ValueError: the shapes do not fit.
    """

    real_only = True
    takes_none = True

    @staticmethod
    def forward(
        context: Context,
        x: Array,
        w: Array,
        b: Array,
        *residual: Array,
        eps: float,
        relu: bool = False,
        running: list[Array | None] | None = None,
        momentum: Number | None = 0.0,
    ) -> tuple[Array, ...]:
        _check_channels("BatchNorm", x, residual, w=w, b=b)
        before = [*(residual or (None,)), *(running or ())]
        options: Any = {"eps": eps, "momentum": momentum, "relu": relu}
        y, mean, variance, *after = backend_of(x).batch_norm(x, w, b, *before, **options)
        if running:
            running[:] = after
        context["x"], context["w"], context["eps"] = x, w, eps
        context["mean"], context["variance"] = mean, variance
        context["y"], context["has_residual"] = y if relu else None, bool(residual)
        return y, mean, variance

    @staticmethod
    def backward(context: Context, go: Array | None, *gos: Array | None) -> tuple[Array, ...]:
        x, w, mean, variance, y = (context[n] for n in ("x", "w", "mean", "variance", "y"))
        go = namespace(x).zeros_like(x) if go is None else go
        rest = (y, *gos)
        gx, gw, gb, *masked = BatchNormGradient.apply(
            *(x, w, mean, variance, go, *[a for a in rest if a is not None]),
            eps=context["eps"],
            given=tuple([a is not None for a in rest]),
            residual=context["has_residual"] and y is not None,
        )
        return (gx, gw, gb, *(masked or [go])) if context["has_residual"] else (gx, gw, gb)


class BatchNormGradient(Op):
    """The gradients of BatchNorm's x, w and b, and with `residual` of its residual, from x, w,
    mean, variance, the gradient of y, and what is `given` of y, if `relu` made it, and of the
    gradients of the mean and the variance. Without `training` those of BatchNormInference, and
    without `parameters` none of w and b."""

    real_only = True

    @staticmethod
    def forward(context: Context, *inputs: Array, **constants: Any) -> tuple[Array, ...]:
        context["inputs"], context["constants"] = inputs, constants
        return backend_of(inputs[0]).batch_norm_gradient(*inputs, **constants)

    @staticmethod
    def backward(context: Context, *gos: Array) -> tuple[Array | None, ...]:
        return differentiated("batch_norm_gradient", context["inputs"], gos, **context["constants"])


class BatchNormInference(Op):
    """BatchNorm's y, of a mean and a variance that are given: inputs x, w, b, mean, variance and,
    if there is one, the residual.

    Raises:
        ValueError: the shapes do not fit.
    """

    real_only = True

    @staticmethod
    def forward(context: Context, *inputs: Array, eps: float, relu: bool = False) -> Array:
        x, w, b, mean, variance, *residual = inputs
        channels = {"w": w, "b": b, "mean": mean, "variance": variance}
        _check_channels("BatchNormInference", x, residual, **channels)
        y = backend_of(x).batch_norm_inference(*inputs, eps=eps, relu=relu)
        context["inputs"], context["eps"], context["y"] = inputs, eps, y if relu else None
        return y

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        (x, w, _, mean, variance, *residual), y = context["inputs"], context["y"]
        eps, relu = context["eps"], y is not None
        wanted = [needs(context, i) for i in range(5 + len(residual))]
        if wanted[3] or wanted[4]:
            inputs = context["inputs"]
            return differentiated("batch_norm_inference", inputs, (go,), wanted, eps=eps, relu=relu)
        parameters, masks = _parameters(context), relu and bool(residual)
        gx, *rest = BatchNormGradient.apply(
            *(x, w, mean, variance, go, *([y] if relu else [])),
            eps=eps,
            given=(relu, False, False),
            residual=masks,
            training=False,
            parameters=parameters,
        )
        gr = [rest.pop() if masks else go] if residual else []
        return gx, *(rest or (None, None)), None, None, *gr


class ChannelSums(Op):
    """The sum of each channel of x (N, C, ...): (C,)."""

    @staticmethod
    def forward(context: Context, x: Array) -> Array:
        context["shape"] = tuple(x.shape)
        return backend_of(x).channel_sums(x)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp, shape = namespace(go), context["shape"]
        return xp.broadcast_to(xp.reshape(go, (-1, *[1] * (len(shape) - 2))), shape)


def _parameters(context: Context) -> bool:
    """Whether the gradient of w or that of b, an op's inputs 1 and 2, is asked for."""
    return needs(context, 1) or needs(context, 2)


def _check_channels(name: str, x: Array, residual: Sequence[Array], **parameters: Array) -> None:
    """Raise ValueError unless x is (N, C, ...), the parameters (C,) and the residual, if there is
    one, like x."""
    fit = x.ndim >= 2 and all(p.shape == x.shape[1:2] for p in parameters.values())
    if not fit:
        given = ", ".join(f"{n} {tuple(p.shape)}" for n, p in {"x": x, **parameters}.items())
        given, expected = (
            " and ".join(text.rsplit(", ", 1))
            for text in (given, "(N, C, ...)" + ", (C,)" * len(parameters))
        )
        raise ValueError(f"{name}: {given} do not fit; expected {expected}")
    for r in residual:
        if r.shape != x.shape or r.dtype != x.dtype:
            raise ValueError(f"{name}: residual is {describe(r)}, expected {describe(x)}, like x")
