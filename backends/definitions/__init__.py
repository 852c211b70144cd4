"""Define what each kernel computes, in plain array API code: one class for each topic.

`Backend` inherits from all of them, and a class inherits from those whose methods it calls. A
definition is written to be read and to be right on every library, also on nodes of a graph, which
differentiates it. Backends override it to be fast.
"""

from .attention import AttentionKernels
from .convolution import ConvolutionKernels
from .elementwise import ElementwiseKernels
from .images import ImageKernels
from .indexing import IndexingKernels
from .linalg import LinalgKernels
from .losses import LossKernels
from .normalization import NormalizationKernels
from .random_bits import RandomBits
from .recurrent import RecurrentKernels
from .special import SpecialFunctions
from .updates import OptimizerUpdates

__all__ = [
    "AttentionKernels",
    "ConvolutionKernels",
    "ElementwiseKernels",
    "ImageKernels",
    "IndexingKernels",
    "LinalgKernels",
    "LossKernels",
    "NormalizationKernels",
    "OptimizerUpdates",
    "RandomBits",
    "RecurrentKernels",
    "SpecialFunctions",
]
