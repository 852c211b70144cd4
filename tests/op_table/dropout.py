"""The rows of gradcore/ops/dropout.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .rows import Row, case, refuses


def _bits(n: int, key: int) -> np.ndarray:
    """Give random numbers below 2**32, from NumPy's own generator."""
    words = np.random.Philox(key=key).random_raw((n + 1) // 2)
    return np.stack([words & 0xFFFFFFFF, words >> 32], axis=1).ravel()[:n]


def _factors(shape: tuple[int, ...], p: float, key: int, together: int | None = None) -> np.ndarray:
    """Give the factor of each element."""
    if together is not None:
        shape = (*shape[:together], *[1] * (len(shape) - together))
    bits = _bits(int(np.prod(shape)), key)
    factors = np.where(bits / 2**32 < p, 0.0, 1 / (1 - p) if p < 1 else 0.0)
    return factors.reshape(shape)


def _torch(x: Any, p: float, key: int, together: int | None = None) -> Any:
    return x * x.new_tensor(_factors(tuple(x.shape), p, key, together))


def _between(shape: tuple[int, ...], low: float, high: float, key: int) -> np.ndarray:
    part = (_bits(int(np.prod(shape)), key) >> 8) / 2**24
    return (low + (high - low) * part).reshape(shape)


ROWS = [
    Row(
        ops.Dropout,
        lambda x, p, key, together=None: x * _factors(x.shape, p, key, together),
        [
            case((2, 3), p=0.5, key=1),
            case((3, 4, 5), p=0.25, key=2**63 - 1),
            case((7,), p=0.0, key=2),
            case((7,), p=1.0, key=2),
            case((), p=0.5, key=3),
            case((1,), p=0.5, key=4),
            case((0, 2), p=0.5, key=5),
            case((3, 4, 5), p=0.5, key=6, together=2),
            case((3, 4), p=0.5, key=7, together=1),
        ],
        _torch,
        refuses=[
            refuses(case((2,), p=1.5, key=0), ValueError, "1.5"),
            refuses(case((2,), p=-0.1, key=0), ValueError, "-0.1"),
        ],
        complex=True,
    ),
    Row(
        ops.UniformScale,
        lambda x, low, high, key: x * _between(x.shape, low, high, key),
        [
            case(shape, low=-0.5, high=2.0, key=key)
            for key, shape in enumerate([(2, 3), (), (1,), (0, 2), (5, 7)])
        ],
        lambda x, low, high, key: x * x.new_tensor(_between(tuple(x.shape), low, high, key)),
    ),
]
