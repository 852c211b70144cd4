"""Optimizers' updates, by PyTorch's functions for many arrays at once: on a GPU one kernel for all
parameters, where each would take some.

SGD with momentum is one function of PyTorch's, and Adam is written in its functions that change
arrays in place. The others are the definitions, given the arrays of all parameters in place of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch

from ..base import Backend
from ..definitions.updates import OptimizerUpdates
from ..types import Array, DType
from .tracing import is_traced

__all__ = ["TorchUpdates"]

DTYPES = frozenset({torch.float32, torch.float64})
Column = list[Any]  # an array of each parameter; or `None` for each


class TorchUpdates(Backend):
    """Update all parameters of one dtype together, where PyTorch has functions for that."""

    def update_all(
        self, kernel: str, arrays: list[tuple[Array | None, ...]], **settings: Any
    ) -> list[tuple[Array | None, ...]]:
        numbers = (n for x in settings.values() for n in (x if isinstance(x, tuple) else (x,)))
        if kernel not in TOGETHER:
            return super().update_all(kernel, arrays, **settings)
        # Numbers of captured steps are arrays, which the fused functions don't take. Nor do these
        # take what stands for arrays while a step is traced.
        is_captured = is_traced() or any(isinstance(n, torch.Tensor) for n in numbers)
        together = _defined(kernel) if is_captured else TOGETHER[kernel]
        columns = [list(column) for column in zip(*arrays, strict=True)]
        dtypes = {x.dtype for column in columns for x in column if x is not None}
        is_mixed = any(len({x is None for x in column}) > 1 for column in columns)
        if len(dtypes) > 1 or dtypes.isdisjoint(DTYPES) or is_mixed:
            return super().update_all(kernel, arrays, **settings)
        return list(zip(*together(*columns, **settings), strict=True))

    def copy_all(
        self, arrays: list[Array], dtype: DType | None = None, into: list[Array] | None = None
    ) -> list[Array]:
        if into is None or any(
            x.dtype is not (dtype or y.dtype) for x, y in zip(into, arrays, strict=True)
        ):
            return super().copy_all(arrays, dtype)
        torch._foreach_copy_(into, arrays)
        return into

    def norm_all(self, arrays: list[Array], order: float = 2.0) -> Array:
        some = [x for x in arrays if x.numel()]
        if not some or order != 2.0 or not {x.dtype for x in some} <= DTYPES:
            return super().norm_all(arrays, order)
        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(some)))

    def clip_all(self, arrays: list[Array], norm: Array, most: float) -> list[Array]:
        if arrays[0].dtype not in DTYPES:
            return super().clip_all(arrays, norm, most)
        factor = (most / (norm + 1e-6)).clamp_max_(1.0).to(arrays[0].dtype)
        torch._foreach_mul_(arrays, factor)
        return arrays

    def lerp_all(self, arrays: list[Array], ends: list[Array], weight: Any) -> list[Array]:
        # `lerp` has the definition's two formulas.
        if isinstance(weight, torch.Tensor) or not {x.dtype for x in arrays} <= DTYPES:
            return super().lerp_all(arrays, ends, weight)
        return list(torch._foreach_lerp(arrays, ends, weight))


class Many:
    """Arrays, one of each parameter, with the operators of an array that the definitions use."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.arrays = arrays
        self.dtype, self.device = arrays[0].dtype, arrays[0].device

    def _with(self, function: Callable[..., Any], other: Any) -> Many:
        if isinstance(other, torch.Tensor) and function is not torch._foreach_mul:
            other = [other] * len(self.arrays)  # or PyTorch reads it on the host
        return Many(function(self.arrays, other.arrays if isinstance(other, Many) else other))

    def __add__(self, other: Any) -> Many:
        return self._with(torch._foreach_add, other)

    def __sub__(self, other: Any) -> Many:
        return self._with(torch._foreach_sub, other)

    def __mul__(self, other: Any) -> Many:
        return self._with(torch._foreach_mul, other)

    def __truediv__(self, other: Any) -> Many:
        return self._with(torch._foreach_div, other)

    def __rsub__(self, other: float) -> Many:
        return Many(torch._foreach_neg(self.arrays)) + other

    def __rtruediv__(self, other: float) -> Many:
        return Many(torch._foreach_reciprocal(self.arrays)) * other

    __radd__, __rmul__ = __add__, __mul__


def _larger(x: Many, other: Many | float) -> Many:
    both = isinstance(other, Many)
    return x._with(torch._foreach_maximum if both else torch._foreach_clamp_min, other)


class _ManyUpdates(OptimizerUpdates):
    """The definitions, of many arrays."""

    name = "torch"
    xp = SimpleNamespace(
        abs=lambda x: Many(torch._foreach_abs(x.arrays)),
        asarray=lambda x, **_: Many([a.clone() for a in x.arrays]),
        maximum=_larger,
        sign=lambda x: Many(torch._foreach_sign(x.arrays)),
        sqrt=lambda x: Many(torch._foreach_sqrt(x.arrays)),
    )


def _defined(kernel: str) -> Callable[..., tuple[Column, ...]]:
    """Give the definition of the update, of columns of arrays."""
    update = getattr(_ManyUpdates(), kernel)

    def of_columns(*columns: Column, **settings: Any) -> tuple[Column, ...]:
        arrays = [None if column[0] is None else Many(column) for column in columns]
        missing = [None] * len(columns[0])
        return tuple([missing if x is None else x.arrays for x in update(*arrays, **settings)])

    return of_columns


def _sgd(
    parameters: Column, gradients: Column, velocities: Column, *, momentum: float, **settings: Any
) -> tuple[Column, ...]:
    if not (momentum or settings["weight_decay"]):
        # The fused function rounds once; p - lr * g, rounded twice, has the same bits everywhere.
        torch._foreach_sub_(parameters, torch._foreach_mul(gradients, settings["lr"]))
        return parameters, velocities
    memory = velocities if momentum else []
    if is_first := bool(memory) and memory[0] is None:
        memory = [torch.empty_like(p) for p in parameters]
    # PyTorch's function goes through memory, and would take wrong elements of a transpose.
    is_plain = all(map(torch.Tensor.is_contiguous, (*parameters, *gradients, *memory)))
    if not (is_plain and parameters[0].device.type in FUSED):
        return _defined("sgd")(parameters, gradients, velocities, momentum=momentum, **settings)
    settings.update(momentum=momentum, maximize=False, is_first_step=is_first)
    torch._fused_sgd_(parameters, gradients, memory, **settings)
    return parameters, memory or velocities


def _adam(
    parameters: Column,
    gradients: Column,
    means: Column,
    squares: Column,
    largest: Column,
    *,
    lr: float,
    corrections: tuple[float, float],
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled_weight_decay: bool,
) -> tuple[Column, ...]:
    if weight_decay and decoupled_weight_decay:
        torch._foreach_mul_(parameters, 1 - lr * weight_decay)
    elif weight_decay:
        gradients = torch._foreach_add(gradients, parameters, alpha=weight_decay)
    torch._foreach_lerp_(means, gradients, 1 - betas[0])
    torch._foreach_mul_(squares, betas[1])
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - betas[1])
    if largest[0] is not None:
        torch._foreach_maximum_(largest, squares)
    scales: Any = torch._foreach_sqrt(squares if largest[0] is None else largest)
    torch._foreach_div_(scales, corrections[1] ** 0.5)
    torch._foreach_add_(scales, eps)
    torch._foreach_addcdiv_(parameters, means, scales, -lr / corrections[0])
    return parameters, means, squares, largest


FUSED = "cpu", "cuda"  # the devices of which the oldest PyTorch allowed has fused updates
NAMES = "nadam", "radam", "adamax", "adadelta", "lion", "adagrad", "rmsprop"
TOGETHER: dict[str, Callable[..., tuple[Column, ...]]] = {
    **{name: _defined(name) for name in NAMES},
    "sgd": _sgd,
    "adam": _adam,
}
