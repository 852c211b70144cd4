"""Losses as modules: the functions of `gradcore.losses`, with their settings."""
# ruff: noqa: A002 (torch says `input`)

from __future__ import annotations

from collections.abc import Sequence

from ..backends import Array
from ..functions import losses
from ..graph import TensorNode
from .module import Module

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
]


class CrossEntropyLoss(Module):
    """Compute the cross-entropy of softmax(input) and the target: see `gradcore.cross_entropy`."""

    def __init__(
        self,
        weight: Array | Sequence[float] | None = None,
        *,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        self.weight = _fixed(weight)
        self.ignore_index, self.reduction = ignore_index, reduction
        self.label_smoothing = label_smoothing

    def forward(self, input: TensorNode | Array, target: TensorNode | Array) -> TensorNode:
        return losses.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )


class NLLLoss(Module):
    """Compute the negative log-likelihood of the true classes: see `gradcore.nll_loss`."""

    def __init__(
        self,
        weight: Array | Sequence[float] | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        self.weight = _fixed(weight)
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input: TensorNode | Array, target: TensorNode | Array) -> TensorNode:
        ignored, reduction = self.ignore_index, self.reduction
        return losses.nll_loss(
            input, target, self.weight, ignore_index=ignored, reduction=reduction
        )


class MSELoss(Module):
    """Square the differences: see `gradcore.mse_loss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, input: TensorNode | Array, target: TensorNode | Array) -> TensorNode:
        return losses.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Module):
    """Compute the absolute differences: see `gradcore.l1_loss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, input: TensorNode | Array, target: TensorNode | Array) -> TensorNode:
        return losses.l1_loss(input, target, reduction=self.reduction)


class HuberLoss(Module):
    """Square differences near 0, and take absolute values beyond: see `gradcore.huber_loss`."""

    def __init__(self, *, delta: float = 1.0, reduction: str = "mean") -> None:
        self.delta, self.reduction = delta, reduction

    def forward(self, input: TensorNode | Array, target: TensorNode | Array) -> TensorNode:
        return losses.huber_loss(input, target, delta=self.delta, reduction=self.reduction)


class SmoothL1Loss(Module):
    """Compute the Huber loss, divided by beta: see `gradcore.smooth_l1_loss`."""

    def __init__(self, *, beta: float = 1.0, reduction: str = "mean") -> None:
        self.beta, self.reduction = beta, reduction

    def forward(self, input: TensorNode | Array, target: TensorNode | Array) -> TensorNode:
        return losses.smooth_l1_loss(input, target, beta=self.beta, reduction=self.reduction)


class BCEWithLogitsLoss(Module):
    """Compute the cross-entropy of sigmoid(input) and the target: see
    `gradcore.binary_cross_entropy_with_logits`."""

    def __init__(
        self, *, pos_weight: Array | Sequence[float] | None = None, reduction: str = "mean"
    ) -> None:
        self.pos_weight, self.reduction = _fixed(pos_weight), reduction

    def forward(self, input: TensorNode | Array, target: TensorNode | Array) -> TensorNode:
        return losses.binary_cross_entropy_with_logits(
            input, target, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(Module):
    """Compute the terms of the Kullback-Leibler divergence: see `gradcore.kl_div`."""

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        self.reduction, self.log_target = reduction, log_target

    def forward(self, input: TensorNode | Array, target: TensorNode | Array) -> TensorNode:
        return losses.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


def _fixed(weight: Array | Sequence[float] | None) -> TensorNode | None:
    """Make a weight a node, so that it moves with the module, but is no parameter."""
    return None if weight is None else TensorNode(weight, requires_grad=False)
