"""Special functions of each element by itself, with the names of scipy.special and torch.special.
Results have the shape that the inputs are broadcast to. Integers become float32, or the dtype of
the other inputs. Definitions: https://docs.scipy.org/doc/scipy/reference/special.html and
https://dlmf.nist.gov."""

from typing import TYPE_CHECKING

from . import bessel, elementary, error, incomplete, integrals
from .bessel import *  # noqa: F403
from .elementary import *  # noqa: F403
from .error import *  # noqa: F403
from .gamma import *  # noqa: F403
from .gamma import __all__ as _of_gamma
from .incomplete import *  # noqa: F403
from .integrals import *  # noqa: F403

# The file gamma.py has the name of a function. Importing the file binds the name to it, and then to
# the function.
if not TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    _files = (bessel, elementary, error, incomplete, integrals)
    __all__ = [*_of_gamma, *(name for file in _files for name in file.__all__)]

    def __dir__() -> list[str]:
        return __all__
