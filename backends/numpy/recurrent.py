"""Compute recurrent layers with NumPy, each step in a few arrays that stay in the cache."""

from __future__ import annotations

import numpy as np

from ..definitions import RecurrentKernels
from ..definitions.common import is_half

__all__ = ["NumpyRecurrence"]


class NumpyRecurrence(RecurrentKernels):
    """Override the definitions. The first product gives the sigmoid gates with the other sign, as
    their exponential is taken next."""

    # For 64 steps of 32 sequences, 64 features and 256 units, 24 ms in place of 27 ms, and the
    # gradient 22 ms in place of 26 ms (one core). A GRU by its definition is no slower than so.

    def lstm(
        self,
        x: np.ndarray,
        h: np.ndarray,
        c: np.ndarray,
        w_ih: np.ndarray,
        w_hh: np.ndarray,
        b: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if is_half(x):
            return super().lstm(x, h, c, w_ih, w_hh, b)
        (T, N, M), H = x.shape, h.shape[1]
        signs = np.repeat(np.asarray([-1, -1, 1, -1], x.dtype), H)
        gates = x.reshape(T * N, M) @ (w_ih.T * signs)
        if b is not None:
            gates += b * signs
        gates = gates.reshape(T, N, 4 * H)
        y, cells = np.empty((T, N, H), x.dtype), np.empty((T, N, H), x.dtype)
        w = np.multiply(w_hh.T, signs, order="C")
        products, part = np.empty_like(gates[0]), np.empty_like(y[0])
        with np.errstate(over="ignore"):  # 1 / (1 + infinity) is right
            for t in range(T):
                z, new, out = gates[t], cells[t], y[t]
                i, f, g, o = (z[:, k * H : (k + 1) * H] for k in range(4))
                z += np.matmul(h, w, out=products)
                np.tanh(g, out=g)
                for sigmoid in (z[:, : 2 * H], o):
                    np.exp(sigmoid, out=sigmoid)
                    sigmoid += 1.0
                    np.reciprocal(sigmoid, out=sigmoid)
                np.multiply(f, c, out=new)
                new += np.multiply(i, g, out=part)
                np.tanh(new, out=out)
                out *= o
                h, c = out, new
        return y, cells, gates

    def lstm_gradient(
        self,
        c: np.ndarray,
        w_hh: np.ndarray,
        cells: np.ndarray,
        gates: np.ndarray,
        *gos: np.ndarray,
        given: tuple[bool, bool, bool],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if is_half(c) or given[2]:
            return super().lstm_gradient(c, w_hh, cells, gates, *gos, given=given)
        (T, _, H), rest = cells.shape, iter(gos)
        gy, gcells = (next(rest) if there else None for there in given[:2])
        gz, gh, gc = np.empty(gates.shape, gates.dtype), np.zeros_like(c), np.zeros_like(c)
        s, part = np.empty_like(c), np.empty_like(c)
        for t in range(T - 1, -1, -1):
            z, out = gates[t], gz[t]
            i, f, g, o = (z[:, k * H : (k + 1) * H] for k in range(4))
            gi, gf, gg, go = (out[:, k * H : (k + 1) * H] for k in range(4))
            if gy is not None:
                gh += gy[t]
            np.tanh(cells[t], out=s)
            np.multiply(s, s, out=part)
            np.subtract(1.0, part, out=part)
            part *= o
            part *= gh
            gc += part
            if gcells is not None:
                gc += gcells[t]
            np.subtract(1.0, z, out=out)
            out *= z
            np.multiply(g, g, out=gg)
            np.subtract(1.0, gg, out=gg)
            gi *= np.multiply(gc, g, out=part)
            gf *= np.multiply(gc, cells[t - 1] if t else c, out=part)
            gg *= np.multiply(gc, i, out=part)
            go *= np.multiply(gh, s, out=part)
            gc *= f
            np.matmul(out, w_hh, out=gh)
        return gz, gh, gc
