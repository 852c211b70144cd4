"""Define special functions: a class for each topic."""

from .bessel import BesselFunctions
from .elementary import ElementaryFunctions
from .error import ErrorFunctions
from .gamma import GammaFunctions

__all__ = ["SpecialFunctions"]


class SpecialFunctions(BesselFunctions, ElementaryFunctions, ErrorFunctions, GammaFunctions):
    """Compute special functions of each element by itself."""
