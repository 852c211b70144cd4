"""Scaled dot-product attention, in one op."""

from __future__ import annotations

from ..backends import Array, backend_of
from ..engine.arrays import describe
from ..graph import Context, Op, needs
from .by_definition import differentiated

__all__ = ["Attention", "AttentionGradient"]


class Attention(Op):
    """softmax(q @ k^T * scale + mask) @ v: for queries q (..., L, E), keys k (..., S, E), values
    v (..., S, V), and a mask of floating numbers that can be broadcast to (..., L, S), or none:
    (..., L, V). A query to which the mask leaves no key, all numbers being -inf, gets zeros.

    The weights, (..., L, S), are computed again for the gradient, and not kept.

    Raises:
        ValueError: the shapes do not fit.
    """

    real_only = True

    @staticmethod
    def forward(
        context: Context,
        q: Array,
        k: Array,
        v: Array,
        *mask: Array,
        causal: bool = False,
        scale: float,
    ) -> Array:
        fit = q.ndim > 1 and k.ndim > 1 and v.ndim > 1
        if not fit or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
            raise ValueError(
                f"Attention: query {describe(q)}, key {describe(k)} and value {describe(v)} do "
                "not fit; expected (..., L, E), (..., S, E) and (..., S, V)"
            )
        context["inputs"] = q, k, v, *mask
        context["settings"] = {"causal": causal, "scale": scale}
        return backend_of(q).attention(q, k, v, *mask, **context["settings"])

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        (q, k, v, *mask), settings = context["inputs"], context["settings"]
        if mask and needs(context, 3):
            return differentiated("attention", (q, k, v, *mask), (go,), **settings)
        gradients: tuple[Array, ...] = AttentionGradient.apply(q, k, v, go, *mask, **settings)
        return (*gradients, *[None for _ in mask])


class AttentionGradient(Op):
    """The gradients of Attention's q, k and v, from these, the gradient of its output, and the mask
    if there is one. Their leading axes are those of the output."""

    real_only = True

    @staticmethod
    def forward(
        context: Context, *inputs: Array, causal: bool = False, scale: float
    ) -> tuple[Array, ...]:
        context["inputs"] = inputs
        context["settings"] = {"causal": causal, "scale": scale}
        return backend_of(inputs[0]).attention_gradient(*inputs, **context["settings"])

    @staticmethod
    def backward(context: Context, *gos: Array) -> tuple[Array | None, ...]:
        inputs, settings = context["inputs"], context["settings"]
        return differentiated("attention_gradient", inputs, gos, **settings)
