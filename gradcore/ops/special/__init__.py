"""Special functions, by topic. Their gradients consist of the same functions."""

from typing import TYPE_CHECKING

from ...backends.definitions.special.common import without_warnings
from . import bessel, elementary, error, gamma, incomplete, integrals
from .bessel import *  # noqa: F403
from .elementary import *  # noqa: F403
from .error import *  # noqa: F403
from .gamma import *  # noqa: F403
from .incomplete import *  # noqa: F403
from .integrals import *  # noqa: F403

if not TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    __all__ = [
        name
        for file in (bessel, elementary, error, gamma, incomplete, integrals)
        for name in file.__all__
    ]

    # As in SciPy, infinities and NaN come without a warning.
    for _op in map(globals().__getitem__, __all__):
        _op.forward, _op.backward = map(
            staticmethod, map(without_warnings, (_op.forward, _op.backward))
        )
