"""Draw the random numbers that decide a run, on the host: the same on every backend.

Where too many numbers are needed, as for dropout, the host draws only a key, from which the device
computes the numbers, also the same on every backend; see `Backend.random_bits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from typing import Any

import numpy as np

__all__ = [
    "apart",
    "generator",
    "get_state",
    "load_state_dict",
    "manual_seed",
    "new_key",
    "refused",
    "set_rank",
    "set_state",
    "state_dict",
]

_of_all = [np.random.default_rng()]
_generator = ContextVar("generator", default=_of_all)  # a list of one, which all threads share
_rank: ContextVar[int] = ContextVar("rank", default=0)
_objection: ContextVar[str] = ContextVar("objection", default="")


def generator() -> np.random.Generator:
    """Give the generator of initial weights, shuffles and splits.

    Example:
        >>> gradcore.random.manual_seed(0)
        >>> gradcore.random.generator().integers(10, size=3).shape
        (3,)
    """
    if why := _objection.get():
        raise ValueError(why)
    return _generator.get()[0]


@contextmanager
def apart() -> Iterator[None]:
    """In the block, draw from a generator of the block's own, which begins as a copy of the one
    outside: threads that train one model each then draw the same numbers.

    Example:
        >>> gradcore.random.manual_seed(0)
        >>> with gradcore.random.apart():
        ...     first = gradcore.random.new_key()
        >>> print(first == gradcore.random.new_key())
        True
    """
    token = _generator.set([deepcopy(_generator.get()[0])])
    try:
        yield
    finally:
        _generator.reset(token)


@contextmanager
def refused(why: str) -> Iterator[None]:
    """In the block, let nothing be drawn: that is a ValueError, which says why.

    Example:
        >>> with gradcore.backends.random.refused("no numbers here"):
        ...     gradcore.rand(3)
        Traceback (most recent call last):
        ValueError: no numbers here
    """
    token = _objection.set(why)
    try:
        yield
    finally:
        _objection.reset(token)


def manual_seed(seed: int) -> None:
    """Start the generator anew: the same seed gives the same run.

    Example:
        >>> gradcore.manual_seed(0)
        >>> first = gradcore.nn.Linear(4, 2).w.value
        >>> gradcore.manual_seed(0)
        >>> print((first == gradcore.nn.Linear(4, 2).w.value).all())
        True
    """
    try:
        _generator.get()[0] = np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        expected = f"manual_seed: seed = {seed!r}, expected an integer of at least 0"
        raise type(error)(expected) from None


def new_key() -> int:
    """Draw a key for `Backend.random_bits`, below 2**63.

    Example:
        >>> gradcore.random.new_key() < 2**63
        True
    """
    return (int(generator().integers(2**63)) + _rank.get()) % 2**63


def set_rank(rank: int) -> None:
    """Have `new_key` give other keys here, in this thread of Python's, than where the rank is
    another. The numbers of `generator` stay the same, so that all ranks shuffle data alike.

    Example:
        >>> with gradcore.random.apart():
        ...     first = gradcore.random.new_key()
        >>> gradcore.random.set_rank(1)
        >>> print(gradcore.random.new_key() - first)
        1
        >>> gradcore.random.set_rank(0)
    """
    _rank.set(rank)


def get_state() -> dict[str, Any]:
    """Give the generator's state as plain numbers and strings, which JSON can hold.

    Example:
        >>> state = gradcore.random.get_state()
        >>> first = gradcore.random.new_key()
        >>> gradcore.random.set_state(state)
        >>> print(first == gradcore.random.new_key())
        True
    """
    return dict(_generator.get()[0].bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Set the generator to a state that `get_state` gave: the same numbers follow again.

    Example:
        >>> state = gradcore.random.get_state()
        >>> first = gradcore.rand(3).value
        >>> gradcore.random.set_state(state)
        >>> print((first == gradcore.rand(3).value).all())
        True
    """
    _generator.get()[0].bit_generator.state = state


state_dict, load_state_dict = get_state, set_state  # so `gradcore.save` takes this module
