"""The random numbers that decide a run: drawn on the host, so the same on every backend.

Where there are too many of these, as for dropout, the host draws a key, and the device makes the
same numbers of it on every backend, see `Backend.random_bits`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_generator = np.random.default_rng()


def generator() -> np.random.Generator:
    """The generator of initial weights, shuffles and splits."""
    return _generator


def manual_seed(seed: int) -> None:
    """Start the generator anew: the same seed gives the same run."""
    global _generator
    _generator = np.random.default_rng(seed)


def new_key() -> int:
    """A key for the `random_bits` of a backend, drawn from the generator."""
    return int(_generator.integers(2**63))


def get_state() -> dict[str, Any]:
    """The generator's state, of plain numbers and strings, so that JSON can hold it."""
    return dict(_generator.bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Go on from where `get_state` was called."""
    _generator.bit_generator.state = state
