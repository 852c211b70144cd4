"""NumPy's names, on nodes and on arrays of every backend: `import gradcore.numpy as np`, as the
examples of its functions have it.

Signatures and dtypes are NumPy's. Given nodes, functions give nodes; given arrays, arrays of their
library; given numbers and lists, arrays of the default backend, whose floats are float64. No
formula is here: each function is one of `gradcore.array_api`, or made of some. See
docs/how-to/numpy.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as _numpy
from numpy import bool as bool  # noqa: A004

from . import (
    assignment,
    calculus,
    constants,
    creation,
    elementwise,
    functional,
    grids,
    ignoring_nan,
    indexing,
    logic,
    manipulation,
    polynomials,
    products,
    reductions,
    sets,
    statistics,
)
from . import fft as fft
from . import linalg as linalg
from . import protocols as protocols
from . import random as random
from .assignment import *  # noqa: F403
from .calculus import *  # noqa: F403
from .constants import *  # noqa: F403
from .creation import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .functional import *  # noqa: F403
from .grids import *  # noqa: F403
from .ignoring_nan import *  # noqa: F403
from .indexing import *  # noqa: F403
from .logic import *  # noqa: F403
from .manipulation import *  # noqa: F403
from .polynomials import *  # noqa: F403
from .products import *  # noqa: F403
from .reductions import *  # noqa: F403
from .sets import *  # noqa: F403
from .statistics import *  # noqa: F403
from .ufuncs import Ufunc as ufunc  # noqa: N813 (NumPy's name)

_FILES = (
    assignment, calculus, constants, creation, elementwise, functional, grids, ignoring_nan,
    indexing, logic, manipulation, polynomials, products, reductions, sets, statistics,
)  # fmt: skip


def __getattr__(name: str) -> Any:
    advice = ""
    if not name.startswith("_") and hasattr(_numpy, name):
        advice = f", but numpy.{name} takes x.value, which has no gradient"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{advice}")


if not TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    __all__ = ["bool", "fft", "linalg", "random", "ufunc"]
    for _file in _FILES:
        __all__ += _file.__all__

    def __dir__() -> list[str]:
        return __all__
