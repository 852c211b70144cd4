"""Convolve by one call of XLA's; the gradients are what JAX's own rules make of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..base import Backend
from ..definitions.convolution import Sizes
from ..types import Array
from .namespace import precisions

__all__ = ["JaxConvolutions"]


def _fits(a: Array, b: Array) -> bool:
    """Say whether XLA is to convolve such arrays: none is empty, and both are of one real floating
    dtype."""
    is_floating = a.dtype == b.dtype and jnp.issubdtype(a.dtype, jnp.floating)
    return is_floating and 0 not in a.shape and 0 not in b.shape


@partial(jax.jit, static_argnames=("stride", "padding", "dilation", "groups"))
def _convolve(
    x: Array, w: Array, *, stride: Sizes, padding: Any, dilation: Sizes, groups: int
) -> Array:
    return lax.conv_general_dilated(
        x,
        w,
        stride,
        padding,
        rhs_dilation=dilation,
        feature_group_count=groups,
        precision=precisions["convolutions"],
    )


@partial(jax.jit, static_argnames=("size", "stride", "padding", "dilation", "groups"))
def _input_gradient(go: Array, w: Array, size: Sizes, **options: Any) -> Array:
    x = jax.ShapeDtypeStruct((go.shape[0], w.shape[1] * options["groups"], *size), go.dtype)
    (gx,) = jax.linear_transpose(lambda x: _convolve(x, w, **options), x)(go)
    return gx


@partial(jax.jit, static_argnames=("kernel", "stride", "padding", "dilation", "groups"))
def _weight_gradient(x: Array, go: Array, kernel: Sizes, **options: Any) -> Array:
    w = jax.ShapeDtypeStruct((go.shape[1], x.shape[1] // options["groups"], *kernel), go.dtype)
    (gw,) = jax.linear_transpose(lambda w: _convolve(x, w, **options), w)(go)
    return gw


class JaxConvolutions(Backend):
    """Convolutions of images and volumes, and their gradients, of XLA; of 16 bits in float32."""

    def conv2d(self, x: Array, w: Array, b: Array | None, **options: Any) -> Array:
        if not _fits(x, w):
            return getattr(super(), f"conv{x.ndim - 2}d")(x, w, b, **options)
        y = _convolve(self._wide(x), self._wide(w), **options)
        y = y if b is None else y + self._wide(b).reshape(-1, *[1] * (x.ndim - 2))
        return self.xp.astype(y, x.dtype, copy=False)

    def conv2d_input_gradient(self, go: Array, w: Array, *, size: Sizes, **options: Any) -> Array:
        if not _fits(go, w):
            name = f"conv{go.ndim - 2}d_input_gradient"
            return getattr(super(), name)(go, w, size=size, **options)
        gx = _input_gradient(self._wide(go), self._wide(w), size=tuple(size), **options)
        return self.xp.astype(gx, go.dtype, copy=False)

    def conv2d_weight_gradient(
        self, x: Array, go: Array, *, kernel: Sizes, **options: Any
    ) -> Array:
        if not _fits(x, go):
            name = f"conv{go.ndim - 2}d_weight_gradient"
            return getattr(super(), name)(x, go, kernel=kernel, **options)
        gw = _weight_gradient(self._wide(x), self._wide(go), kernel=tuple(kernel), **options)
        return self.xp.astype(gw, go.dtype, copy=False)

    # The same functions take volumes: XLA counts the axes.
    conv3d = conv2d
    conv3d_input_gradient = conv2d_input_gradient
    conv3d_weight_gradient = conv2d_weight_gradient
