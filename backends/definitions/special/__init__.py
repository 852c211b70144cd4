"""Define special functions: a class for each topic."""

from ..common import Definitions
from .bessel import BesselFunctions
from .elementary import ElementaryFunctions
from .error import ErrorFunctions
from .incomplete import IncompleteFunctions
from .integrals import IntegralFunctions

__all__ = ["KERNELS", "SpecialFunctions"]


class SpecialFunctions(
    BesselFunctions,
    ElementaryFunctions,
    ErrorFunctions,
    IncompleteFunctions,
    IntegralFunctions,
):
    """Compute special functions of each element by itself."""


KERNELS = frozenset(  # the names of the functions
    name
    for topic in SpecialFunctions.__mro__
    if issubclass(topic, Definitions) and topic is not Definitions
    for name in vars(topic)
    if not name.startswith("_")
)
