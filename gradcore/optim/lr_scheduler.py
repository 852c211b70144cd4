"""The schedules, by the name of their module in PyTorch."""

from .cycles import CyclicLR as CyclicLR
from .cycles import OneCycleLR as OneCycleLR
from .scheduler import LRScheduler as LRScheduler
from .schedules import ChainedScheduler as ChainedScheduler
from .schedules import ConstantLR as ConstantLR
from .schedules import CosineAnnealingLR as CosineAnnealingLR
from .schedules import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from .schedules import ExponentialLR as ExponentialLR
from .schedules import LambdaLR as LambdaLR
from .schedules import LinearLR as LinearLR
from .schedules import MultiplicativeLR as MultiplicativeLR
from .schedules import MultiStepLR as MultiStepLR
from .schedules import PolynomialLR as PolynomialLR
from .schedules import ReduceLROnPlateau as ReduceLROnPlateau
from .schedules import SequentialLR as SequentialLR
from .schedules import StepLR as StepLR

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
