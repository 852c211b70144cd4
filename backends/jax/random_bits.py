"""Random numbers that a key decides, by NumPy on the CPU and else in integers of 32 bits, which JAX
has without its 64 bits too."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..base import Backend
from ..definitions.random_bits import PHILOX, PHILOX_KEY
from ..types import Array, Number

__all__ = ["JaxRandomBits"]

Pair = tuple[Any, Any]  # the lower and the upper 32 bits of numbers of 64


class JaxRandomBits(Backend):
    """Compute the random numbers of the definition."""

    def random_bits(self, key: Number, n: int, device: Any = None) -> Array:
        """Compute what the definition does. A key that is an array is uint64 or, where JAX has no
        64 bits, uint32 (2,): the lower half first."""
        platform = jax.default_backend() if device is None else device.platform
        if isinstance(key, int) and platform == "cpu":
            words = np.random.Philox(key=key).random_raw(-(-n // 2))
            bits = words.astype("<u8", copy=False).view("<u4")[:n]
            return jnp.asarray(bits.astype(np.uint32, copy=False), device=device)
        if isinstance(key, int):
            key = tuple(np.uint32(key >> shift & 0xFFFFFFFF) for shift in (0, 32, 64, 96))
        elif key.ndim:
            key = key[0], key[1], np.uint32(0), np.uint32(0)
        else:
            low, high = ((key >> np.uint64(k)).astype(jnp.uint32) for k in (0, 32))
            key = low, high, np.uint32(0), np.uint32(0)
        bits = _philox(key, n)
        return bits if device is None else jax.device_put(bits, device)


@partial(jax.jit, static_argnums=1)
def _philox(key: tuple[Any, Any, Any, Any], n: int) -> Array:
    first = jnp.arange(1, -(-n // 8) + 1, dtype=jnp.uint32)
    none = jnp.zeros_like(first)
    low0, high0, low1, high1 = map(jnp.asarray, key)
    start = ([(first, none), *[(none, none)] * 3], (low0, high0), (low1, high1))
    # A loop, and not ten rounds in a row: of these XLA makes one expression for each output, which
    # computes what it shares with others again, and so on for each round before.
    words, _, _ = lax.fori_loop(0, 10, _round, start)
    return jnp.stack([half for word in words for half in word], axis=1).reshape(-1)[:n]


def _round(_: Any, state: tuple[list[Pair], Pair, Pair]) -> tuple[list[Pair], Pair, Pair]:
    words, k0, k1 = state
    (low0, high0), (low1, high1) = _product(PHILOX[0], words[0]), _product(PHILOX[1], words[2])
    words = [_mixed(high1, words[1], k0), low1, _mixed(high0, words[3], k1), low0]
    return words, _added(k0, PHILOX_KEY[0]), _added(k1, PHILOX_KEY[1])


def _mixed(a: Pair, b: Pair, c: Pair) -> Pair:
    return a[0] ^ b[0] ^ c[0], a[1] ^ b[1] ^ c[1]


def _halves(a: int) -> tuple[np.uint32, np.uint32]:
    return np.uint32(a & 0xFFFFFFFF), np.uint32(a >> 32 & 0xFFFFFFFF)


def _sum(*numbers: Any) -> Pair:
    """Add numbers of 32 bits; give the sum, and what is carried."""
    total, carry = numbers[0], np.uint32(0)
    for n in numbers[1:]:
        total = total + n
        carry = carry + (total < n).astype(jnp.uint32)
    return total, carry


def _added(key: Pair, a: int) -> Pair:
    """Add a to a key of 64 bits."""
    low, high = _halves(a)
    total, carry = _sum(key[0], low)
    return total, key[1] + high + carry


def _times(a: np.uint32, b: Any) -> Pair:
    """Multiply numbers of 32 bits: the lower and the upper half of the product."""
    few, half = np.uint32(16), np.uint32(0xFFFF)
    a0, a1, b0, b1 = a & half, a >> few, b & half, b >> few
    middle = (a0 * b0 >> few) + (a0 * b1 & half) + (a1 * b0 & half)
    return a * b, a1 * b1 + (a0 * b1 >> few) + (a1 * b0 >> few) + (middle >> few)


def _product(a: int, b: Pair) -> tuple[Pair, Pair]:
    """Multiply numbers of 64 bits: the lower and the upper half of the product."""
    (a0, a1), (b0, b1) = _halves(a), b
    (low, p), (q, r) = _times(a0, b0), _times(a0, b1)
    (s, t), (u, v) = _times(a1, b0), _times(a1, b1)
    second, carry = _sum(p, q, s)
    third, more = _sum(carry, r, t, u)
    return (low, second), (third, v + more)
