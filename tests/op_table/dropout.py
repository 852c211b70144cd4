"""The row of gradcore/ops/dropout.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .rows import Row, case, refuses


def _factors(shape: tuple[int, ...], p: float, key: int) -> np.ndarray:
    """Give the factor of each element, from NumPy's own generator."""
    n = int(np.prod(shape))
    words = np.random.Philox(key=key).random_raw((n + 1) // 2)
    bits = np.stack([words & 0xFFFFFFFF, words >> 32], axis=1).ravel()[:n]
    factors = np.where(bits / 2**32 < p, 0.0, 1 / (1 - p) if p < 1 else 0.0)
    return factors.reshape(shape)


def _torch(x: Any, p: float, key: int) -> Any:
    return x * x.new_tensor(_factors(tuple(x.shape), p, key))


ROWS = [
    Row(
        ops.Dropout,
        lambda x, p, key: x * _factors(x.shape, p, key),
        [
            case((2, 3), p=0.5, key=1),
            case((3, 4, 5), p=0.25, key=2**63 - 1),
            case((7,), p=0.0, key=2),
            case((7,), p=1.0, key=2),
            case((), p=0.5, key=3),
            case((1,), p=0.5, key=4),
            case((0, 2), p=0.5, key=5),
        ],
        _torch,
        refuses=[
            refuses(case((2,), p=1.5, key=0), ValueError, "1.5"),
            refuses(case((2,), p=-0.1, key=0), ValueError, "-0.1"),
        ],
        complex=True,
    ),
]
