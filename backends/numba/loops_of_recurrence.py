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

__all__ = ["gru", "gru_gradient", "lstm", "lstm_gradient", "panels"]

STEPS = 4  # so many have their products with x together: all weights might not fit into the cache


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
    N, (_, K, W) = len(y), w.shape
    flat = w.reshape(-1)
    for p in range(len(w)):
        for n in range(0, N, ROWS):
            some, out = x[n : n + ROWS, :], y[n : n + ROWS, p * W : p * W + W]
            product(some, flat, p * K * W, offsets, zeros, out)


@compiled
def multiply_steps(x: Array, w: Array, zeros: Array, y: Array) -> None:
    """Do as `multiplied` for each step of x (T, N, K) and y (T, N, M), panel by panel."""
    (T, N, K), W = x.shape, w.shape[2]
    flat, offsets = w.reshape(-1), np.arange(K) * W
    for p in range(len(w)):
        for t in range(T):
            for n in range(0, N, ROWS):
                some, out = x[t, n : n + ROWS, :], y[t, n : n + ROWS, p * W : p * W + W]
                product(some, flat, p * K * W, offsets, zeros, out)


# The loops over units below read and write few arrays each: then LLVM checks that these are apart
# in memory, and takes many units at a time.


@compiled
def add_and_sigmoid(x: Array, b: Array, z: Array) -> None:
    one = np.float32(1.0)
    for k in range(len(z)):
        z[k] = one / (one + exp(-(z[k] + x[k] + b[k])))


@compiled
def add_and_tanh(x: Array, b: Array, z: Array) -> None:
    for k in range(len(z)):
        z[k] = tanh(z[k] + x[k] + b[k])


@compiled
def add(x: Array, y: Array) -> None:
    for k in range(len(y)):
        y[k] += x[k]


@compiled
def copy(x: Array, y: Array) -> None:
    for k in range(len(x)):
        y[k] = x[k]


@compiled
def lstm(
    x: Array,
    h: Array,
    c: Array,
    w_x: Array,
    w: Array,
    b: Array,
    y: Array,
    cells: Array,
    gates: Array,
    start: int,
    stop: int,
) -> None:
    """Write the results for sequences `start` to `stop`.

    Args:
        w_x, w: the panels of w_ih.T and w_hh.T.
    """
    T, _, H = y.shape
    offsets, zeros = np.arange(H) * w.shape[2], np.zeros(ROWS, y.dtype)
    products = np.empty((stop - start, 4 * H), y.dtype)
    for t in range(T):
        if t % STEPS == 0:
            multiply_steps(
                x[t : t + STEPS, start:stop], w_x, zeros, gates[t : t + STEPS, start:stop]
            )
        before = y[t - 1] if t else h
        multiplied(before[start:stop, :], w, zeros, offsets, products)
        for n in range(start, stop):
            z, more = gates[t, n], products[n - start]
            add_and_sigmoid(more[: 2 * H], b[: 2 * H], z[: 2 * H])
            add_and_tanh(more[2 * H : 3 * H], b[2 * H : 3 * H], z[2 * H : 3 * H])
            add_and_sigmoid(more[3 * H :], b[3 * H :], z[3 * H :])
            i, f, g, o = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]
            old, new, out = (cells[t - 1, n] if t else c[n]), cells[t, n], y[t, n]
            for k in range(H):
                new[k] = f[k] * old[k] + i[k] * g[k]
            for k in range(H):
                out[k] = o[k] * tanh(new[k])


@compiled
def lstm_gradient(
    c: Array,
    w: Array,
    cells: Array,
    gates: Array,
    gy: Array,
    gcells: Array,
    gz: Array,
    gh: Array,
    gc: Array,
    start: int,
    stop: int,
) -> None:
    """Write the gradients for sequences `start` to `stop` into gz, and into gh and gc, which are
    zeros.

    Args:
        gy, gcells: (T, N, H), or if there are none (0, N, H).
        w: the panels of w_hh.
    """
    one, (T, _, H) = np.float32(1.0), cells.shape
    offsets, zeros = np.arange(4 * H) * w.shape[2], np.zeros(ROWS, c.dtype)
    for t in range(T - 1, -1, -1):
        for n in range(start, stop):
            z, gates_gradient = gates[t, n], gz[t, n]
            i, f, g, o = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]
            gi, gf = gates_gradient[:H], gates_gradient[H : 2 * H]
            gg, go = gates_gradient[2 * H : 3 * H], gates_gradient[3 * H :]
            old, new = (cells[t - 1, n] if t else c[n]), cells[t, n]
            cell, out, s = gc[n], gh[n], gg
            if len(gy):
                add(gy[t, n], out)
            if len(gcells):
                add(gcells[t, n], cell)
            for k in range(H):
                s[k] = tanh(new[k])
            for k in range(H):
                cell[k] += out[k] * o[k] * (one - s[k] * s[k])
            for k in range(H):
                go[k] = out[k] * s[k] * o[k] * (one - o[k])
            for k in range(H):
                gg[k] = cell[k] * i[k] * (one - g[k] * g[k])
            for k in range(H):
                gf[k] = cell[k] * old[k] * f[k] * (one - f[k])
            for k in range(H):
                gi[k] = cell[k] * g[k] * i[k] * (one - i[k])
            for k in range(H):
                cell[k] *= f[k]
        multiplied(gz[t, start:stop, :], w, zeros, offsets, gh[start:stop, :])


@compiled
def gru(
    x: Array,
    h: Array,
    w_x: Array,
    w: Array,
    b_x: Array,
    b: Array,
    y: Array,
    gates: Array,
    start: int,
    stop: int,
) -> None:
    """Write the results for sequences `start` to `stop`.

    Args:
        w_x, w: the panels of w_ih.T and w_hh.T.
        b_x, b: b_ih, with b_hh but for its last part, which is b.
    """
    T, _, H = y.shape
    offsets, zeros = np.arange(H) * w.shape[2], np.zeros(ROWS, y.dtype)
    products = np.empty((stop - start, 3 * H), y.dtype)
    for t in range(T):
        if t % STEPS == 0:
            of_x = gates[t : t + STEPS, start:stop, H:]
            multiply_steps(x[t : t + STEPS, start:stop], w_x, zeros, of_x)
        before = y[t - 1] if t else h
        multiplied(before[start:stop, :], w, zeros, offsets, products)
        for i in range(start, stop):
            z, more, old, out = gates[t, i], products[i - start], before[i], y[t, i]
            add_and_sigmoid(more[: 2 * H], b_x[: 2 * H], z[H : 3 * H])
            q, r, u, n = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]
            of_h = more[2 * H :]
            for k in range(H):
                q[k] = of_h[k] + b[k]
            for k in range(H):
                of_h[k] = r[k] * q[k]
            add_and_tanh(of_h, b_x[2 * H :], n)
            for k in range(H):
                out[k] = n[k] + u[k] * (old[k] - n[k])


@compiled
def gru_gradient(
    h: Array,
    w: Array,
    y: Array,
    gates: Array,
    gy: Array,
    gz: Array,
    gh: Array,
    start: int,
    stop: int,
) -> None:
    """Write the gradients for sequences `start` to `stop` into gz, and into gh, which is zeros.

    Args:
        gy: (T, N, H), or if there is none (0, N, H).
        w: the panels of w_hh, its last part first.
    """
    one, (T, _, H) = np.float32(1.0), y.shape
    offsets, zeros = np.arange(3 * H) * w.shape[2], np.zeros(ROWS, h.dtype)
    products = np.empty((stop - start, H), h.dtype)
    some = np.empty((stop - start, 3 * H), h.dtype)
    for t in range(T - 1, -1, -1):
        before = y[t - 1] if t else h
        for i in range(start, stop):
            z, out, old = gates[t, i], gh[i], before[i]
            q, r, u, n = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]
            gates_gradient = some[i - start]
            gq, gr, gu = gates_gradient[:H], gates_gradient[H : 2 * H], gates_gradient[2 * H :]
            gn = gz[t, i, 3 * H :]
            if len(gy):
                add(gy[t, i], out)
            for k in range(H):
                gn[k] = out[k] * (one - u[k]) * (one - n[k] * n[k])
            for k in range(H):
                gu[k] = out[k] * (old[k] - n[k]) * u[k] * (one - u[k])
            for k in range(H):
                gq[k] = gn[k] * r[k]
            for k in range(H):
                gr[k] = gq[k] * q[k] * (one - r[k])
            for k in range(H):
                out[k] *= u[k]
            copy(gates_gradient, gz[t, i])
        multiplied(some, w, zeros, offsets, products)
        for i in range(start, stop):
            add(products[i - start], gh[i])
