"""Draw the random numbers that decide a run, on the host: the same on every backend.

Where too many numbers are needed, as for dropout, the host draws only a key, from which the device
computes the numbers, also the same on every backend; see `Backend.random_bits`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "generator",
    "get_state",
    "load_state_dict",
    "manual_seed",
    "new_key",
    "set_state",
    "state_dict",
]

_generator = np.random.default_rng()


def generator() -> np.random.Generator:
    """Give the generator of initial weights, shuffles and splits."""
    return _generator


def manual_seed(seed: int) -> None:
    """Start the generator anew: the same seed gives the same run."""
    global _generator
    try:
        _generator = np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        expected = f"manual_seed: seed = {seed!r}, expected an integer of at least 0"
        raise type(error)(expected) from None


def new_key() -> int:
    """Draw a key for `Backend.random_bits`, below 2**63."""
    return int(_generator.integers(2**63))


def get_state() -> dict[str, Any]:
    """Give the generator's state as plain numbers and strings, which JSON can hold."""
    return dict(_generator.bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Set the generator to a state that `get_state` gave: the same numbers follow again."""
    _generator.bit_generator.state = state


state_dict, load_state_dict = get_state, set_state  # so `gradcore.save` takes this module
