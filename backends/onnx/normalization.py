"""Batch and layer normalization, as the operators of ONNX."""

from __future__ import annotations

import spox
import spox.opset.ai.onnx.v21 as op
from onnx import helper

from ..base import Backend
from ..types import Array
from . import namespace as xp

__all__ = ["OnnxNorms"]


class OnnxNorms(Backend):
    """Normalization by statistics that are given, and of rows."""

    def batch_norm_inference(
        self,
        x: Array,
        w: Array,
        b: Array,
        mean: Array,
        variance: Array,
        residual: Array | None = None,
        *,
        eps: float,
        relu: bool = False,
    ) -> Array:
        y = _batch_norm((x, w, b, mean, variance), eps)
        y = y if residual is None else y + residual
        return xp.maximum(y, 0.0) if relu else y

    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        origin = xp.origin(x)
        z = x if origin is None or origin.shape[-1:] != w.shape else origin
        inputs = (a.unwrap_spox() for a in (z, w, b))
        return xp.reshape(xp.of(op.layer_normalization(*inputs, epsilon=eps)[0]), x.shape)


def _batch_norm(inputs: tuple[Array, ...], eps: float) -> Array:
    """Apply the operator with one output. (That of spox has all three, as in training.)"""
    names = ["x", "w", "b", "mean", "variance"]
    types = [helper.np_dtype_to_tensor_dtype(a.dtype.unwrap_numpy()) for a in inputs]
    of_y = "y", types[0], inputs[0]
    values = [
        helper.make_tensor_value_info(name, kind, a.shape)
        for name, kind, a in [*zip(names, types, inputs, strict=True), of_y]
    ]
    node = helper.make_node("BatchNormalization", names, ["y"], epsilon=eps)
    graph = helper.make_graph([node], "batch_norm", values[:-1], values[-1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    return xp.of(spox.inline(model)(*[a.unwrap_spox() for a in inputs])["y"])
