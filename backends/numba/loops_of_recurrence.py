"""Loops of recurrent layers, compiled by numba, for `backend.py`.

Each loop goes through all steps for some of the sequences of a batch, so threads need not wait for
one another at each step. All arrays are contiguous and of float32. Importing this imports numba.
"""

from __future__ import annotations

import numpy as np

from ..types import Array
from .compiling import compiled
from .elementary import exp, tanh
from .vectors import BYTES, ROWS, product

__all__ = ["lstm", "lstm_gradient", "panels"]


@compiled
def panels(w: Array) -> Array:
    """Copy w (K, M) as (P, K, W), P panels of W columns each, the last filled up with zeros: rows
    of w itself would compete for the cache."""
    K, M = w.shape
    W = 2 * BYTES // w.itemsize
    y = np.zeros((-(-M // W), K, W), w.dtype)
    for p in range(len(y)):
        for k in range(K):
            for m in range(p * W, min(p * W + W, M)):
                y[p, k, m - p * W] = w[k, m]
    return y


@compiled
def multiplied(x: Array, w: Array, zeros: Array, offsets: Array, y: Array) -> None:
    """Write x (N, K) times the matrix (K, M) whose panels are w into y (N, M)."""
    (N, M), (_, K, W) = y.shape, w.shape
    flat = w.reshape(-1)
    for p in range(len(w)):
        for n in range(0, N, ROWS):
            some, out = x[n : n + ROWS, :], y[n : n + ROWS, p * W : p * W + W]
            product(some, flat, p * K * W, offsets, zeros, out)


@compiled
def lstm(
    h: Array, c: Array, w: Array, y: Array, cells: Array, gates: Array, start: int, stop: int
) -> None:
    """Write the results for sequences `start` to `stop`; `gates` hold the products with x.

    Args:
        w: the panels of w_hh.T.
    """
    one, (T, N, H) = np.float32(1.0), y.shape
    offsets, zeros = np.arange(H) * w.shape[2], np.zeros(ROWS, y.dtype)
    products = np.empty((stop - start, 4 * H), y.dtype)
    for t in range(T):
        before = y[t - 1] if t else h
        multiplied(before[start:stop, :], w, zeros, offsets, products)
        for n in range(start, stop):
            z, s = gates[t, n], products[n - start]
            old, new, out = (cells[t - 1, n] if t else c[n]), cells[t, n], y[t, n]
            for k in range(H):
                i = one / (one + exp(-(z[k] + s[k])))
                f = one / (one + exp(-(z[H + k] + s[H + k])))
                g = tanh(z[2 * H + k] + s[2 * H + k])
                o = one / (one + exp(-(z[3 * H + k] + s[3 * H + k])))
                z[k], z[H + k], z[2 * H + k], z[3 * H + k] = i, f, g, o
                new[k] = f * old[k] + i * g
                out[k] = o * tanh(new[k])


@compiled
def lstm_gradient(
    c: Array,
    w: Array,
    cells: Array,
    gates: Array,
    gy: Array,
    gz: Array,
    gh: Array,
    gc: Array,
    start: int,
    stop: int,
) -> None:
    """Write the gradients for sequences `start` to `stop` into gz, gh and gc, of which the last is
    zeros.

    Args:
        w: the panels of w_hh.
    """
    one, (T, N, H) = np.float32(1.0), cells.shape
    offsets, zeros = np.arange(4 * H) * w.shape[2], np.zeros(ROWS, c.dtype)
    for t in range(T - 1, -1, -1):
        for n in range(start, stop):
            z, out, go = gates[t, n], gz[t, n], gy[t, n]
            old, new, rest, back = (cells[t - 1, n] if t else c[n]), cells[t, n], gc[n], gh[n]
            for k in range(H):
                i, f, g, o = z[k], z[H + k], z[2 * H + k], z[3 * H + k]
                s, total = tanh(new[k]), back[k] + go[k]
                cell = rest[k] + total * o * (one - s * s)
                out[k] = cell * g * i * (one - i)
                out[H + k] = cell * old[k] * f * (one - f)
                out[2 * H + k] = cell * i * (one - g * g)
                out[3 * H + k] = total * s * o * (one - o)
                rest[k] = cell * f
        multiplied(gz[t, start:stop, :], w, zeros, offsets, gh[start:stop, :])
