"""For type checkers, which do not know that `gradcore.linalg` is `gradcore.array_api.linalg`."""

from .array_api.linalg import *  # noqa: F403
