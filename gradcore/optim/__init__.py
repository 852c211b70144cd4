"""Optimizers, which change parameters so that a loss becomes smaller; schedules of settings."""

from .base import Optimizer
from .mixed import MixedPrecision
from .optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from .schedules import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    SequentialLR,
    StepLR,
)

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "LRScheduler",
    "LinearLR",
    "MixedPrecision",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "SequentialLR",
    "StepLR",
]
