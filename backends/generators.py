"""Tell whether a step draws random numbers by other generators than gradcore's.

A program has what such generators gave as the step was captured, in each replay the same. So a step
that draws by them is refused.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

__all__ = ["GENERATORS", "Generators"]

GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)


class Generators:
    """The generators of Python and NumPy, and further ones, in the state that they have now.

    Args:
        others: of the types in GENERATORS.
    """

    def __init__(self, others: Iterable[Any] = ()) -> None:
        self._all: list[tuple[str, Callable[[], Any], Callable[[Any], object]]] = [
            ("Python's random", random.getstate, random.setstate),
            ("np.random", np.random.get_state, np.random.set_state),
        ]
        for x in others:
            name = f"a {type(x).__module__}.{type(x).__name__}"
            if isinstance(x, random.Random):
                self._all.append((name, x.getstate, x.setstate))
            elif isinstance(x, np.random.RandomState):
                self._all.append((name, x.get_state, x.set_state))
            else:
                bits = x.bit_generator
                read, write = partial(getattr, bits, "state"), partial(setattr, bits, "state")
                self._all.append((name, read, write))
        self._then = [read() for _, read, _ in self._all]

    def drawn_from(self) -> str | None:
        """Name a generator that has drawn since, if there is one."""
        for (name, read, _), then in zip(self._all, self._then, strict=True):
            if pickle.dumps(read()) != pickle.dumps(then):
                return name
        return None

    def restore(self) -> None:
        for (_, _, write), then in zip(self._all, self._then, strict=True):
            write(then)
