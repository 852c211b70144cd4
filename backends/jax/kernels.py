"""The kernels of the definitions, compiled, and those that are one call of XLA's."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from ..base import Backend
from ..types import Array
from .compiled import compiled

__all__ = ["JaxKernels"]

COMPILED = """
attention attention_gradient augment
conv2d conv2d_input_gradient conv2d_weight_gradient
conv3d conv3d_input_gradient conv3d_weight_gradient
unfold fold avg_pool2d avg_pool2d_gradient
max_pool2d max_pool2d_gradient max_pool2d_chosen max_pool2d_indices
linear masked relu_gradient sigmoid sigmoid_gradient gelu gelu_gradient erf erfc erfcx
log_softmax log_softmax_gradient cross_entropy cross_entropy_gradient ctc ctc_gradient
select select_gradient
batch_norm batch_norm_inference batch_norm_gradient channel_sums layer_norm layer_norm_gradient
lstm lstm_gradient gru gru_gradient
update_all unscale_all norm_all clip_all choose_all
"""


class _Compiled(Backend):
    """The definitions that take many calls, compiled."""

    for _name in COMPILED.split():
        locals()[_name] = compiled(getattr(Backend, _name))


class JaxKernels(_Compiled):
    """What XLA has one operation for."""

    def additem(self, x: Array, key: Any, y: Array) -> Array:
        # A sum of padded arrays, which XLA computes in one pass, in place of a scattering.
        ends = [k.indices(n) for k, n in zip(key, x.shape, strict=True)]
        sizes = zip(ends, x.shape, y.shape, strict=True)
        config = [(i, n - i - step * (m - 1) - 1, step - 1) for (i, _, step), n, m in sizes]
        return x + lax.pad(y, lax.full((), 0, y.dtype), config)

    def scatter_add(self, x: Array, indices: Array, size: int) -> Array:
        rows = self._wide(x)
        y = jnp.zeros((size, *x.shape[1:]), dtype=rows.dtype, device=x.device)
        return self.xp.astype(y.at[indices].add(rows), x.dtype, copy=False)

    def solve_triangular(self, a: Array, b: Array, upper: bool, unitriangular: bool) -> Array:
        stack = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (jnp.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (a, b))
        options = {"left_side": True, "lower": not upper, "unit_diagonal": unitriangular}
        return lax.linalg.triangular_solve(a, b, **options)

    def lu(self, a: Array, pivot: bool) -> tuple[Array, Array, Array]:
        if not pivot or 0 in a.shape:
            return super().lu(a, pivot)
        y, pivots, order = lax.linalg.lu(a)
        return y, *(self.xp.astype(i, self.xp.int64) for i in (order, pivots))
