"""Random numbers that a key decides."""

from __future__ import annotations

from typing import Any

from ..types import Array, Number
from .common import Definitions

__all__ = ["PHILOX", "PHILOX_KEY", "RandomBits"]

PHILOX = 0xD2E7470EE14C6C93, 0xCA5A826395121157  # its multipliers, and what is added to its key
PHILOX_KEY = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B


class RandomBits(Definitions):
    def random_bits(self, key: Number, n: int, device: Any = None) -> Array:
        """`n` random numbers, uint32, that the key decides: the same on every backend.

        They are the halves, the lower first, of what Philox4x64-10 makes of the key, below 2**128,
        and the counters 1, 2, ..., 64-bit integers in fours; NumPy's `Philox(key=key)` gives these
        (https://doi.org/10.1145/2063384.2063405). In a step being captured, the key is below
        2**64, in a uint64 array of no dimensions.
        """
        xp, low = self.xp, 2**32 - 1
        blocks = -(-n // 8)
        first = xp.arange(1, blocks + 1, dtype=xp.uint64, device=device)
        words = [first, *[xp.zeros_like(first)] * 3]

        def product(a: int, b: Array) -> tuple[Array, Array]:
            """The upper and the lower 64 bits of a * b, by way of the four products of halves."""
            a1, a0, b1, b0 = a >> 32, a & low, b >> 32, b & low
            middle = (a0 * b0 >> 32) + (a0 * b1 & low) + a1 * b0
            return a1 * b1 + (a0 * b1 >> 32) + (middle >> 32), a * b

        is_number = isinstance(key, int)
        key, upper = (key, key >> 64) if is_number else (xp.reshape(key, (1,)), 0)
        for i in range(10):
            added = i * PHILOX_KEY[0] % 2**64
            keys = (
                (key + added) % 2**64 if is_number else key + added,
                (upper + i * PHILOX_KEY[1]) % 2**64,
            )
            (high0, low0), (high1, low1) = (
                product(PHILOX[0], words[0]),
                product(PHILOX[1], words[2]),
            )
            words = [high1 ^ words[1] ^ keys[0], low1, high0 ^ words[3] ^ keys[1], low0]
        halves = [half for word in words for half in (word & low, word >> 32)]
        return xp.reshape(xp.astype(xp.stack(halves, axis=1), xp.uint32), (-1,))[:n]
