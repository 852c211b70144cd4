"""What each kernel means: a class for each topic, in plain array API code; `Backend` has them all.

A class inherits from those whose methods it calls.
"""

from .convolution import ConvolutionKernels
from .elementwise import ElementwiseKernels
from .indexing import IndexingKernels
from .losses import LossKernels
from .normalization import NormalizationKernels
from .random_bits import RandomBits
from .special import SpecialFunctions
from .updates import OptimizerUpdates

__all__ = [
    "ConvolutionKernels",
    "ElementwiseKernels",
    "IndexingKernels",
    "LossKernels",
    "NormalizationKernels",
    "OptimizerUpdates",
    "RandomBits",
    "SpecialFunctions",
]
