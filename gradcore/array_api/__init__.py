"""The functions of the array API standard on nodes (https://data-apis.org/array-api/2025.12/).

`namespace(node)` gives these functions, so that code written against the standard can be
differentiated. The backward methods of gradcore's ops are such code: they run on nodes too, and so
there are gradients of gradients. Given arrays only, the functions give arrays.

Dtypes, and functions that make new arrays (`zeros`, `arange`, ...), belong to a library. In this
module they are those of the default backend. The namespace of a node, `namespace_of(backend)`, has
the same functions, and the dtypes of the node's backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backends import default
from . import fft as fft
from . import linalg as linalg
from . import special as special
from .assignment import *  # noqa: F403
from .constant import *  # noqa: F403
from .einsum import einsum as einsum
from .elementwise import *  # noqa: F403
from .indexing import *  # noqa: F403
from .manipulation import *  # noqa: F403
from .namespace import FUNCTIONS, OF_A_BACKEND, VERSION
from .namespace import e as e
from .namespace import inf as inf
from .namespace import namespace_of as namespace_of
from .namespace import nan as nan
from .namespace import newaxis as newaxis
from .namespace import pi as pi
from .products import *  # noqa: F403
from .reductions import *  # noqa: F403

__array_api_version__ = VERSION


def __getattr__(name: str) -> Any:
    if name not in OF_A_BACKEND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(namespace_of(default()), name)


if not TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    __all__ = [
        "e",
        "fft",
        "inf",
        "linalg",
        "namespace_of",
        "nan",
        "newaxis",
        "pi",
        "special",
        *FUNCTIONS,
    ]

    def __dir__() -> list[str]:
        return __all__
