"""Define special functions: a class for each topic."""

from .bessel import BesselFunctions
from .elementary import ElementaryFunctions
from .error import ErrorFunctions
from .incomplete import IncompleteFunctions
from .integrals import IntegralFunctions

__all__ = ["SpecialFunctions"]


class SpecialFunctions(
    BesselFunctions,
    ElementaryFunctions,
    ErrorFunctions,
    IncompleteFunctions,
    IntegralFunctions,
):
    """Compute special functions of each element by itself."""
