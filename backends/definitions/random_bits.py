"""Define random numbers that a key decides: the same on every device."""

from __future__ import annotations

from typing import Any

from ..types import Array, Number
from .common import Definitions

__all__ = ["PHILOX", "PHILOX_KEY", "RandomBits"]

PHILOX = 0xD2E7470EE14C6C93, 0xCA5A826395121157  # the multipliers
PHILOX_KEY = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B  # what each round adds to the key


def signed(n: int) -> int:
    """Give the number of int64 that has the lowest 64 bits of n."""
    return (n + 2**63) % 2**64 - 2**63


def upper_half(x: Array) -> Array:
    """Give the upper 32 bits of each number of int64."""
    return (x >> 32) & (2**32 - 1)


class RandomBits(Definitions):
    """Compute random numbers from a key, by counting instead of by a state."""

    def random_bits(self, key: Number, n: int, device: Any = None) -> Array:
        """Compute `n` random integers in [0, 2**32) from a key: the same on every backend.

        For each counter 1, 2, ... Philox4x64-10 makes four 64-bit integers of the counter and the
        key (https://doi.org/10.1145/2063384.2063405), as NumPy's `Philox(key=key)` does. The result
        is the halves of these integers, the lower half of each first.

        Args:
            key: an integer below 2**128 or, in a step being captured, a uint64 array of no
                dimensions.
            n: how many numbers.
            device: the library's device for them.

        Returns:
            An array (n,) of an integer dtype of 32 bits or more.
        """
        xp, low = self.xp, 2**32 - 1  # int64 has the bits: not all libraries can shift uint64
        blocks = -(-n // 8)
        first = xp.arange(1, blocks + 1, dtype=xp.int64, device=device)
        words = [first, *[xp.zeros_like(first)] * 3]

        def product(a: int, b: Array) -> tuple[Array, Array]:
            """Give the upper and the lower 64 bits of a * b, from the four products of halves."""
            a1, a0, b1, b0 = a >> 32, a & low, upper_half(b), b & low
            middle = upper_half(a0 * b0) + (a0 * b1 & low) + a1 * b0
            return a1 * b1 + upper_half(a0 * b1) + upper_half(middle), signed(a) * b

        is_number = isinstance(key, int)
        key, upper = (key, key >> 64) if is_number else (xp.reshape(key, (1,)), 0)
        key = key if is_number else xp.astype(key, xp.int64)
        for i in range(10):
            added = i * PHILOX_KEY[0]
            keys = (
                signed(key + added) if is_number else key + signed(added),
                signed(upper + i * PHILOX_KEY[1]),
            )
            (high0, low0), (high1, low1) = (
                product(PHILOX[0], words[0]),
                product(PHILOX[1], words[2]),
            )
            words = [high1 ^ words[1] ^ keys[0], low1, high0 ^ words[3] ^ keys[1], low0]
        halves = [half for word in words for half in (word & low, upper_half(word))]
        return xp.reshape(xp.stack(halves, axis=1), (-1,))[:n]
