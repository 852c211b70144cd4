"""Define special functions: a class for each topic."""

from .error import ErrorFunctions
from .gamma import GammaFunctions

__all__ = ["SpecialFunctions"]


class SpecialFunctions(ErrorFunctions, GammaFunctions):
    """Compute special functions of each element by itself."""
