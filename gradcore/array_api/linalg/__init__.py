"""Linear algebra on nodes: the array API standard's `linalg` extension, NumPy's `norm`, and what
else torch.linalg has
(https://data-apis.org/array-api/2025.12/extensions/linear_algebra_functions.html).

`namespace(node).linalg` is this module. Given arrays only, its functions give arrays. Matrices are
the last two axes, (..., M, N).

What happens to matrices that have no result, such as the inverse of a singular one, is up to the
array library. NumPy raises an error. On a GPU a check would have to wait for the result, so the
result is infinities or NaN. Gradients of degenerate matrices: docs/reference/array_api.md.
"""

from typing import TYPE_CHECKING

from . import equations, matrices, standard
from .equations import *  # noqa: F403
from .matrices import *  # noqa: F403
from .standard import *  # noqa: F403

if not TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    __all__ = [name for file in (standard, equations, matrices) for name in file.__all__]

    def __dir__() -> list[str]:
        return __all__
