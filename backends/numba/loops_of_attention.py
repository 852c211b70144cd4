"""Loops of attention, compiled by numba, for `attention.py`, of float32.

A head's keys and values are copied next to each other, and its queries come a few at a time, so
that their scores stay in the cache next to the core. Importing this imports numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..types import Array
from .compiling import compiled
from .elementary import exp
from .vectors import ROWS, product

__all__ = ["attention", "attention_gradient"]

BLOCK = 8 * ROWS  # queries whose weights are kept for the gradients of keys and values
LANES = 16
GAP = 16  # numbers between rows, which may else compete for the cache
LEAST = np.float32(-np.inf)


@compiled
def times(w: Array, x: Array, start: int, offsets: Array, zeros: Array, y: Array) -> None:
    """Write w (R, K) times the rows of x that start at `start` + `offsets` (K,) into y (R, I)."""
    product(w, x, start, offsets, zeros, y)


@compiled
def add_times(w: Array, x: Array, offsets: Array, y: Array) -> None:
    product(w, x, 0, offsets, None, y)


@compiled
def turn(x: Array, step: int, y: Array) -> None:
    """Write x (N, E) into y as (E, N), with rows `step` apart."""
    N, E = x.shape
    for low in range(0, N, LANES):
        for e in range(E):
            for n in range(low, min(low + LANES, N)):
                y[e * step + n] = x[n, e]


@compiled
def softmax(row: Array) -> None:
    """Make weights of the scores of one query, in place. Where all are -inf, weights are 0."""
    zero, best = np.float32(0.0), np.empty(LANES, np.float32)
    most, whole = LEAST, len(row) - len(row) % LANES
    if whole:
        for j in range(LANES):
            best[j] = row[j]
        for i in range(LANES, whole, LANES):
            for j in range(LANES):
                best[j] = row[i + j] if row[i + j] > best[j] else best[j]
        for j in range(LANES):
            most = best[j] if best[j] > most else most
    for i in range(whole, len(row)):
        most = row[i] if row[i] > most else most
    most = zero if most == LEAST else most
    total = zero
    for i in range(len(row)):
        z = exp(row[i] - most)
        row[i] = z
        total += z
    factor = np.float32(1.0) / total if total != zero else zero
    for i in range(len(row)):
        row[i] *= factor


@compiled
def weights(
    mask: Array, at: tuple[int, int, int], causal: bool, p: Array, low: int, R: int, seen: int
) -> None:
    """Make weights of the scores in rows `low` to `low` + R of p, up to column `seen`.

    Args:
        at: instance, head and place of the first of these queries.
    """
    a, h, first = at
    for r in range(R):
        row = p[low + r]
        if mask.size:
            added = mask[a, h, first + r]
            for s in range(seen):
                row[s] += added[s]
        n = min(first + r + 1, seen) if causal else seen
        softmax(row[:n])
        for s in range(n, seen):
            row[s] = np.float32(0.0)


@compiled
def attention(
    q: Array, k: Array, v: Array, mask: Array, causal: bool, scale: float,
    y: Array, start: int, stop: int,
) -> None:  # fmt: skip
    """Compute the instances and heads `start` to `stop`, counted together.

    Args:
        q, k, v: (A, H, L, E), (A, H, S, E) and (A, H, S, V), contiguous.
        mask: (A, H, L, S); for no mask, no numbers.
        y: (A, L, H, V), contiguous.
    """
    (_, H, L, E), (S, V), factor = q.shape, v.shape[2:], np.float32(scale)
    step, values = S + GAP, v.reshape(v.size)
    keys, queries = np.empty(E * step, q.dtype), np.empty((ROWS, E), q.dtype)
    p, zeros = np.empty((ROWS, S), q.dtype), np.zeros((1, max(S, V)), q.dtype)
    to_keys, to_values = np.arange(E) * step, np.arange(S) * V
    for n in range(start, stop):
        a, h = n // H, n % H
        turn(k[a, h], step, keys)
        for low in range(0, L, ROWS):
            R = min(ROWS, L - low)
            seen = min(S, low + ROWS) if causal else S
            for r in range(R):
                scaled(q[a, h, low + r], factor, queries[r])
            times(queries[:R, :E], keys, 0, to_keys, zeros, p[:R, :seen])
            weights(mask, (a, h, low), causal, p, 0, R, seen)
            times(p[:R, :seen], values, n * S * V, to_values, zeros, y[a, low : low + R, h])


@compiled
def scaled(x: Array, factor: Any, y: Array) -> None:
    for i in range(len(x)):
        y[i] = x[i] * factor


@compiled
def attention_gradient(
    q: Array, k: Array, v: Array, go: Array, mask: Array, causal: bool, scale: float,
    gq: Array, gk: Array, gv: Array, start: int, stop: int,
) -> None:  # fmt: skip
    """Compute the gradients gq, gk and gv; arguments are as for `attention`."""
    (_, H, L, E), (S, V), factor = q.shape, v.shape[2:], np.float32(scale)
    zero, step, keys = np.float32(0.0), S + GAP, k.reshape(k.size)
    keys_turned, values_turned = np.empty(E * step, q.dtype), np.empty(V * step, q.dtype)
    some, given = np.empty(BLOCK * E, q.dtype), np.empty(BLOCK * V, q.dtype)
    queries, gos = some.reshape(BLOCK, E), given.reshape(BLOCK, V)
    p, g = np.empty((BLOCK, S), q.dtype), np.empty((BLOCK, S), q.dtype)
    zeros = np.zeros((1, max(S, V, E)), q.dtype)
    to_keys, to_values, of_keys = np.arange(E) * step, np.arange(V) * step, np.arange(S) * E
    of_queries, of_gos = np.arange(BLOCK) * E, np.arange(BLOCK) * V
    for n in range(start, stop):
        a, h = n // H, n % H
        turn(k[a, h], step, keys_turned)
        turn(v[a, h], step, values_turned)
        gk[a, :, h] = zero
        gv[a, :, h] = zero
        for block in range(0, L, BLOCK):
            rows = min(BLOCK, L - block)
            for r in range(rows):
                scaled(q[a, h, block + r], factor, queries[r])
                scaled(go[a, h, block + r], np.float32(1.0), gos[r])
            for low in range(0, rows, ROWS):
                R, first = min(ROWS, rows - low), block + low
                seen, high = min(S, first + ROWS) if causal else S, low + R
                times(queries[low:high, :E], keys_turned, 0, to_keys, zeros, p[low:high, :seen])
                weights(mask, (a, h, first), causal, p, low, R, seen)
                times(gos[low:high, :V], values_turned, 0, to_values, zeros, g[low:high, :seen])
                for r in range(low, high):
                    weight, row, total = p[r], g[r], zero
                    for s in range(seen):
                        total += weight[s] * row[s]
                    for s in range(seen):
                        row[s] = weight[s] * (row[s] - total)
                out = gq[a, first : first + R, h]
                times(g[low:high, :seen], keys, n * S * E, of_keys, zeros, out)
                for r in range(R):
                    scaled(gq[a, first + r, h], factor, gq[a, first + r, h])
            for s in range(0, min(S, block + rows) if causal else S, ROWS):
                high, low = min(s + ROWS, S), max(s - block, 0) if causal else 0
                add_times(p[low:rows, s:high].T, given, of_gos[low:], gv[a, s:high, h])
                add_times(g[low:rows, s:high].T, some, of_queries[low:], gk[a, s:high, h])
