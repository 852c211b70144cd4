"""The ops, each defined once. A new op is a class in one of these files, named in its `__all__`.

`Array` stands for an array of any library. A backward pass that builds a graph of its own, for
gradients of gradients, calls `backward` with nodes, which are array API objects too.
"""

import typing as _typing

from . import (
    activations,
    convolution,
    decompositions,
    dropout,
    elementwise,
    fft,
    indexing,
    linalg,
    losses,
    normalization,
    pooling,
    recurrent,
    reductions,
    shape,
    special,
)
from .activations import *  # noqa: F403
from .convolution import *  # noqa: F403
from .decompositions import *  # noqa: F403
from .dropout import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .fft import *  # noqa: F403
from .indexing import *  # noqa: F403
from .linalg import *  # noqa: F403
from .losses import *  # noqa: F403
from .normalization import *  # noqa: F403
from .pooling import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .reductions import *  # noqa: F403
from .shape import *  # noqa: F403
from .special import *  # noqa: F403

if not _typing.TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    __all__ = [
        name
        for file in (
            *(activations, convolution, decompositions, dropout, elementwise, fft, indexing),
            *(linalg, losses, normalization, pooling, recurrent, reductions, shape, special),
        )
        for name in file.__all__
    ]
