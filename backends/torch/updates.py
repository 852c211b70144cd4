"""Optimizers' updates, by PyTorch's functions for many arrays at once; in place."""

from __future__ import annotations

from typing import Any

import torch

from ..base import Backend
from ..types import Array

__all__ = ["TorchUpdates"]


class TorchUpdates(Backend):
    """Update all parameters of one dtype together, where PyTorch has functions for that."""

    def update_all(
        self, kernel: str, arrays: list[tuple[Array | None, ...]], **settings: Any
    ) -> list[tuple[Array | None, ...]]:
        together = TOGETHER.get(kernel)
        numbers = (n for x in settings.values() for n in (x if isinstance(x, tuple) else (x,)))
        if together is None or any(isinstance(n, torch.Tensor) for n in numbers):
            return super().update_all(kernel, arrays, **settings)  # with arrays of a captured step
        dtypes = {x.dtype for of_one in arrays for x in of_one if x is not None}
        if len(dtypes) > 1 or dtypes.isdisjoint(DTYPES):
            return super().update_all(kernel, arrays, **settings)
        return together(arrays, **settings)


def _columns(arrays: list[tuple[Array | None, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*arrays, strict=True)]


def _sgd(
    arrays: list[tuple[Array | None, ...]],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> list[tuple[Array | None, ...]]:
    parameters, gradients, velocities = _columns(arrays)
    if weight_decay:
        gradients = torch._foreach_add(gradients, parameters, alpha=weight_decay)
    if momentum:
        if any(v is None for v in velocities):
            velocities = _started(velocities, gradients, momentum, 1 - dampening)
        else:
            torch._foreach_mul_(velocities, momentum)
            torch._foreach_add_(velocities, gradients, alpha=1 - dampening)
        if nesterov:
            gradients = torch._foreach_add(gradients, velocities, alpha=momentum)
        else:
            gradients = velocities
    # Not `alpha=-lr`, which rounds once: p -= lr * g has the same bits on all backends.
    torch._foreach_sub_(parameters, torch._foreach_mul(gradients, lr))
    return list(zip(parameters, velocities, strict=True))


def _started(
    velocities: list[Array | None], gradients: list[Array], momentum: float, share: float
) -> list[Array]:
    """Give the new velocities, where some are in their first step."""
    pairs = zip(velocities, gradients, strict=True)
    return [g.clone() if v is None else v.mul_(momentum).add_(g, alpha=share) for v, g in pairs]


def _adam(
    arrays: list[tuple[Array | None, ...]],
    *,
    lr: float,
    corrections: tuple[float, float],
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled_weight_decay: bool,
) -> list[tuple[Array | None, ...]]:
    parameters, gradients, means, squares, largest = _columns(arrays)
    if weight_decay and decoupled_weight_decay:
        torch._foreach_mul_(parameters, 1 - lr * weight_decay)
    elif weight_decay:
        gradients = torch._foreach_add(gradients, parameters, alpha=weight_decay)
    torch._foreach_lerp_(means, gradients, 1 - betas[0])
    torch._foreach_mul_(squares, betas[1])
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - betas[1])
    if largest[0] is not None:
        torch._foreach_maximum_(largest, squares)
    scales = torch._foreach_sqrt(squares if largest[0] is None else largest)
    torch._foreach_div_(scales, corrections[1] ** 0.5)
    torch._foreach_add_(scales, eps)
    torch._foreach_addcdiv_(parameters, means, scales, -lr / corrections[0])
    return list(zip(parameters, means, squares, largest, strict=True))


TOGETHER = {"sgd": _sgd, "adam": _adam}
DTYPES = frozenset({torch.float32, torch.float64})
