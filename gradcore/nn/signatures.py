"""Signatures and docstrings of modules that are made of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["LateSignature", "begin_docstring"]


class LateSignature:
    """The signature of a class that has a `function`, found when somebody first asks for it, which
    `inspect.signature(cls)` does: a hundred signatures take milliseconds.

    Args:
        chosen: gives, of the class and the parameters of its function, those of the class.
    """

    def __init__(self, chosen: Callable[[Any, list[inspect.Parameter]], Any]) -> None:
        self.chosen = chosen

    def __get__(self, module: Any, cls: Any) -> inspect.Signature:
        if "_signature" not in vars(cls):  # a class above may have another
            parameters = [*inspect.signature(cls.function).parameters.values()]
            cls._signature = inspect.Signature(self.chosen(cls, parameters))
        found: inspect.Signature = cls._signature
        return found


def begin_docstring(cls: Any) -> None:
    """Put the docstring of a class's `function`, without its example, before that of the class, if
    that is only an example, or is missing."""
    own = cls.__doc__ or ""
    if own.strip().partition("\n")[0] in ("", "Example:"):
        cls.__doc__ = (cls.function.__doc__ or "").partition("Example:\n")[0].rstrip() + f"\n{own}"
