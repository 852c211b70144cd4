"""For type checkers, which do not know that `gradcore.special` is `gradcore.array_api.special`."""

from .array_api.special import *  # noqa: F403
