"""Ops that bring numbers to a common scale."""

from __future__ import annotations

from ..backends import Array, backend_of
from ..engine.arrays import namespace
from ..graph import Context, Op
from .by_definition import differentiated
from .precision import in_float32

__all__ = ["BatchNorm", "BatchNormGradient", "LayerNorm", "LayerNormGradient", "Normalize"]


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
    def backward(context: Context, go: Array) -> tuple[Array, ...]:
        return LayerNormGradient.apply(context["x"], context["w"], go, eps=context["eps"])


class LayerNormGradient(Op):
    """The gradients of LayerNorm's three inputs, from x, w and the gradient of the output."""

    real_only = True

    @staticmethod
    def forward(context: Context, *inputs: Array, eps: float) -> tuple[Array, ...]:
        context["inputs"], context["eps"] = inputs, eps
        return backend_of(inputs[0]).layer_norm_gradient(*inputs, eps=eps)

    @staticmethod
    def backward(context: Context, *gos: Array) -> tuple[Array | None, ...]:
        inputs, eps = context["inputs"], context["eps"]
        return differentiated("layer_norm_gradient", inputs, gos, eps=eps)


class BatchNorm(Op):
    """x (N, C, ...) with mean 0 and variance 1 in each channel, times w (C,), plus b (C,): three
    outputs, (x - mean) / sqrt(variance + eps) * w + b, the mean and the variance, both (C,).

    See https://arxiv.org/abs/1502.03167. For a float16 x, mean and variance are float32.

    Raises:
        ValueError: the shapes do not fit.
    """

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, w: Array, b: Array, *, eps: float) -> tuple[Array, ...]:
        if x.ndim < 2 or not x.shape[1:2] == w.shape == b.shape:
            shapes = f"x {tuple(x.shape)}, w {tuple(w.shape)} and b {tuple(b.shape)}"
            raise ValueError(f"BatchNorm: {shapes} do not fit; expected (N, C, ...), (C,) and (C,)")
        y, mean, variance = backend_of(x).batch_norm(x, w, b, eps=eps)
        context["x"], context["w"], context["eps"] = x, w, eps
        context["mean"], context["variance"] = mean, variance
        return y, mean, variance

    @staticmethod
    def backward(context: Context, *gos: Array) -> tuple[Array | None, ...]:
        names = ("x", "w", "mean", "variance")
        return BatchNormGradient.apply(*[context[n] for n in names], *gos, eps=context["eps"])


class BatchNormGradient(Op):
    """The gradients of BatchNorm's three inputs, from x, w, mean, variance and the gradients of the
    three outputs."""

    real_only = True

    @staticmethod
    def forward(context: Context, *inputs: Array, eps: float) -> tuple[Array, ...]:
        context["inputs"], context["eps"] = inputs, eps
        return backend_of(inputs[0]).batch_norm_gradient(*inputs, eps=eps)

    @staticmethod
    def backward(context: Context, *gos: Array) -> tuple[Array | None, ...]:
        inputs, eps = context["inputs"], context["eps"]
        return differentiated("batch_norm_gradient", inputs, gos, eps=eps)
