"""NumPy's names, on nodes and on arrays of every backend: `import gradcore.numpy as np`.

Signatures and dtypes are NumPy's. Given nodes, functions give nodes; given arrays, arrays of their
library; given numbers and lists, arrays of the default backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    creation,
    elementwise,
    indexing,
    logic,
    manipulation,
    products,
    reductions,
)
from . import fft as fft
from . import linalg as linalg
from . import protocols as protocols
from . import random as random
from .creation import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .indexing import *  # noqa: F403
from .logic import *  # noqa: F403
from .manipulation import *  # noqa: F403
from .products import *  # noqa: F403
from .reductions import *  # noqa: F403

if not TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    __all__ = ["fft", "linalg", "random"]
    for _file in (creation, elementwise, indexing, logic, manipulation, products, reductions):
        __all__ += _file.__all__

    def __dir__() -> list[str]:
        return __all__
