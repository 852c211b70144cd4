"""Functions that are no ops, beside the same in PyTorch: more steps for random programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from op_table import Case
from op_table.rows import case

import gradcore as g
from gradcore import array_api as xp

__all__ = ["FUNCTIONS", "Function"]


@dataclass(frozen=True, eq=False)
class Function:
    """A function of nodes, the same of tensors, and shapes and range of its inputs."""

    name: str
    call: Callable[..., Any]
    torch: Callable[..., Any]
    cases: Sequence[Case]
    low: float = -2.0
    high: float = 2.0
    order: int = 2


def _torch() -> Any:
    import torch

    return torch


def _nn(name: str, *inputs: Any, **settings: Any) -> Any:
    return getattr(_torch().nn.functional, name)(*inputs, **settings)


def _of_torch(name: str, *inputs: Any, **settings: Any) -> Any:
    return getattr(_torch(), name)(*inputs, **settings)


def _linalg(name: str, *inputs: Any, **settings: Any) -> Any:
    return getattr(_torch().linalg, name)(*inputs, **settings)


def _classes(*classes: int) -> tuple[np.ndarray, Callable[[], Any]]:
    return np.array(classes), lambda: _torch().tensor(classes)


ANY = [case(()), case((3,)), case((2, 3)), case((0, 3))]
ROWS = [case((2, 3)), case((3, 4)), case((1, 3)), case((3, 1))]
PAIRS = [case((2, 3), (2, 3)), case((3,), (3,)), case((), ()), case((0, 3), (0, 3))]
LOGITS = [case((3, 4)), case((2, 3))]
TRUE, TRUE_TORCH = _classes(0, 2, -100)


def _losses() -> list[Function]:
    """Losses of two arrays of one shape, with each reduction."""
    table: list[tuple[str, dict[str, Any], float]] = [
        ("mse_loss", {}, -2.0),
        ("l1_loss", {}, -2.0),
        ("huber_loss", {"delta": 0.7}, -2.0),
        ("smooth_l1_loss", {"beta": 0.3}, -2.0),
        ("binary_cross_entropy_with_logits", {}, 0.0),
        ("kl_div", {}, 0.1),
        ("kl_div", {"log_target": True}, -2.0),
    ]

    def row(name: str, settings: dict[str, Any], low: float, reduction: str) -> Function:
        settings = {**settings, "reduction": reduction}
        return Function(
            f"{name} {reduction}",
            lambda x, y: getattr(g, name)(x, y, **settings),
            lambda x, y: _nn(name, x, y, **settings),
            PAIRS,
            low,
            order=1 if "entropy" in name else 2,
        )

    return [row(*entry, reduction) for entry in table for reduction in ("mean", "sum", "none")]


def _axes(name: str, ours: Callable[..., Any], theirs: Callable[..., Any]) -> list[Function]:
    """A function along the first axis, and along the last."""
    return [
        Function(f"{name} {axis}", _along(ours, axis), _along(theirs, axis), ROWS)
        for axis in (0, -1)
    ]


def _along(function: Callable[..., Any], axis: int) -> Callable[..., Any]:
    return lambda x: function(x, axis)


FUNCTIONS = [
    Function("clip", lambda x: xp.clip(x, -0.5, 1.0), lambda x: x.clamp(-0.5, 1.0), ANY),
    Function("clip below", lambda x: xp.clip(x, min=0.0), lambda x: x.clamp(min=0.0), ANY),
    Function("reciprocal", xp.reciprocal, lambda x: x.reciprocal(), ANY, 0.3),
    Function("log_sigmoid", g.log_sigmoid, lambda x: _nn("logsigmoid", x), ANY),
    Function("hardsigmoid", g.hardsigmoid, lambda x: _nn("hardsigmoid", x), ANY),
    Function("relu6", g.relu6, lambda x: _nn("relu6", x), ANY, -3.0, 9.0),
    Function("selu", g.selu, lambda x: _nn("selu", x), ANY),
    Function("celu", lambda x: g.celu(x, 1.5), lambda x: _nn("celu", x, 1.5), ANY),
    Function("leaky_relu", g.leaky_relu, lambda x: _nn("leaky_relu", x), ANY),
    Function("log of sigmoid", lambda x: xp.log(g.sigmoid(x)), lambda x: x.sigmoid().log(), ANY),
    Function("x * x", lambda x: x * x, lambda x: x * x, ANY),
    Function("x ** 3", lambda x: x**3, lambda x: x**3, ANY),
    Function("x ** 0.5", lambda x: x**0.5, lambda x: x**0.5, ANY, 0.2),
    Function("x ** -2", lambda x: x**-2, lambda x: x**-2, ANY, 0.5),
    Function("2 ** x", lambda x: 2**x, lambda x: 2**x, ANY),
    Function("1 / x", lambda x: 1 / x, lambda x: 1 / x, ANY, 0.3),
    Function("x // 0.7", lambda x: x // 0.7, lambda x: x // 0.7, ANY),
    *_axes("diff", lambda x, a: xp.diff(x, axis=a), lambda x, a: x.diff(dim=a)),
    *_axes("sort", lambda x, a: xp.sort(x, axis=a), lambda x, a: x.sort(dim=a, stable=True).values),
    *_axes("softmax", g.softmax, lambda x, a: x.softmax(a)),
    *_axes("log_softmax", g.log_softmax, lambda x, a: x.log_softmax(a)),
    *_axes("logsumexp", lambda x, a: g.logsumexp(x, axis=a), lambda x, a: x.logsumexp(a)),
    *_axes("flip", lambda x, a: xp.flip(x, axis=a), lambda x, a: x.flip(a)),
    *_axes("stack", lambda x, a: xp.stack([x, x * 2], axis=a),
           lambda x, a: _of_torch("stack", [x, x * 2], a)),
    *_axes("vector_norm", lambda x, a: g.linalg.vector_norm(x, axis=a),
           lambda x, a: _linalg("vector_norm", x, dim=a)),
    *_axes("1-norm", lambda x, a: g.linalg.vector_norm(x, axis=a, ord=1),
           lambda x, a: _linalg("vector_norm", x, 1, dim=a)),
    *_axes("3-norm", lambda x, a: g.linalg.vector_norm(x, axis=a, ord=3),
           lambda x, a: _linalg("vector_norm", x, 3, dim=a)),
    *_axes("inf-norm", lambda x, a: g.linalg.vector_norm(x, axis=a, ord=float("inf")),
           lambda x, a: _linalg("vector_norm", x, float("inf"), dim=a)),
    Function("vecdot", xp.vecdot, lambda x, y: _linalg("vecdot", x, y), PAIRS[:2]),
    Function("tile", lambda x: xp.tile(x, (2, 1)), lambda x: x.tile((2, 1)), ROWS),
    Function("repeat", lambda x: xp.repeat(x, 2, axis=0),
             lambda x: x.repeat_interleave(2, 0), ROWS),
    Function("tril", xp.tril, lambda x: x.tril(), ROWS),
    Function("triu", lambda x: xp.triu(x, k=1), lambda x: x.triu(1), ROWS),
    Function("trace", g.linalg.trace, lambda x: x.trace(), [case((3, 3)), case((2, 3))]),
    Function("outer", g.linalg.outer, lambda x, y: _of_torch("outer", x, y), [case((3,), (2,))]),
    Function("tensordot", lambda x, y: xp.tensordot(x, y, axes=1),
             lambda x, y: _of_torch("tensordot", x, y, 1), [case((2, 3), (3, 4))]),
    Function("einsum", lambda x, y: g.einsum("ij,ik->jk", x, y),
             lambda x, y: _of_torch("einsum", "ij,ik->jk", x, y), [case((2, 3), (2, 2))]),
    Function("cross", g.linalg.cross, lambda x, y: _linalg("cross", x, y), PAIRS[:2]),
    Function("matrix_power", lambda x: g.linalg.matrix_power(x, 3),
             lambda x: _linalg("matrix_power", x, 3), [case((3, 3)), case((2, 2))]),
    Function("frobenius", g.linalg.matrix_norm, lambda x: _linalg("matrix_norm", x), ROWS),
    Function("det", g.linalg.det, lambda x: _linalg("det", x), [case((3, 3)), case((2, 2))]),
    Function("svdvals", g.linalg.svdvals, lambda x: _linalg("svdvals", x), ROWS[:2]),
    Function("layer_norm", lambda x: g.layer_norm(x, x.shape[-1]),
             lambda x: _nn("layer_norm", x, x.shape[-1:]), [*ROWS[:2], case((2, 2, 3))]),
    Function("rms_norm", lambda x: g.rms_norm(x, x.shape[-1], eps=1e-3),
             lambda x: _nn("rms_norm", x, x.shape[-1:], eps=1e-3), ROWS[:2]),
    Function("group_norm", lambda x: g.group_norm(x, 2), lambda x: _nn("group_norm", x, 2),
             [case((2, 4, 3))]),
    Function("attention", lambda q, k: g.scaled_dot_product_attention(q, k, k),
             lambda q, k: _nn("scaled_dot_product_attention", q, k, k),
             [case((2, 3, 4), (2, 3, 4))], order=1),
    Function("cross_entropy", lambda x: g.cross_entropy(x, TRUE),
             lambda x: _nn("cross_entropy", x, TRUE_TORCH()), [case((3, 4))]),
    Function("cross_entropy smoothed", lambda x: g.cross_entropy(x, TRUE, label_smoothing=0.1),
             lambda x: _nn("cross_entropy", x, TRUE_TORCH(), label_smoothing=0.1),
             [case((3, 4))]),
    Function("nll_loss", lambda x: g.nll_loss(x, TRUE),
             lambda x: _nn("nll_loss", x, TRUE_TORCH()), [case((3, 4))]),
    Function("max_pool2d", lambda x: g.max_pool2d(x, 2, 1, 1),
             lambda x: _nn("max_pool2d", x, 2, 1, 1), [case((1, 2, 3, 3))]),
    Function("avg_pool2d", lambda x: g.avg_pool2d(x, 2, 1, 1),
             lambda x: _nn("avg_pool2d", x, 2, 1, 1), [case((1, 2, 3, 3))]),
    Function("pad", lambda x: g.pad(x, ((0, 0), (1, 2))), lambda x: _nn("pad", x, (1, 2)), ROWS),
    *_losses(),
]  # fmt: skip
