"""Define special functions: a class for each topic."""

from .error import ErrorFunctions
from .incomplete import IncompleteFunctions

__all__ = ["SpecialFunctions"]


class SpecialFunctions(ErrorFunctions, IncompleteFunctions):
    """Compute special functions of each element by itself."""
