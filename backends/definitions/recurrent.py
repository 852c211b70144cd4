"""Define recurrent layers over whole sequences, and their gradients."""

from __future__ import annotations

from typing import Any

from ..types import Array
from .common import is_half
from .elementwise import ElementwiseKernels

__all__ = ["RecurrentKernels"]


class RecurrentKernels(ElementwiseKernels):
    """Compute an LSTM (https://arxiv.org/abs/1402.1128, without peepholes) or a GRU
    (https://arxiv.org/abs/1406.1078) over T steps.

    x is (T, N, I), h and c at the start are (N, H), w_ih (G, I), w_hh (G, H) and biases (G,), in
    the order of PyTorch: input gate, forget gate, candidate, output gate of an LSTM, where G is
    4 H; and reset gate, update gate, candidate of a GRU, where G is 3 H. The products with x of all
    steps are one product. Of 16 bits, all is computed in float32 and rounded once.
    """

    def lstm(
        self, x: Array, h: Array, c: Array, w_ih: Array, w_hh: Array, b: Array | None
    ) -> tuple[Array, Array, Array]:
        """Compute y (T, N, H), what h is after each step; the cells (T, N, H), what c is; and the
        gates (T, N, 4 H)."""
        xp, like = self.xp, x
        x, h, c, w_ih, w_hh = (self._wide(a) for a in (x, h, c, w_ih, w_hh))
        T, N, _ = x.shape
        b = b if b is None else self._wide(b)
        projected = self.linear(xp.reshape(x, (T * N, x.shape[2])), w_ih, b)
        ys, cells, gates = [], [], []
        for z in xp.unstack(xp.reshape(projected, (T, N, w_hh.shape[0]))):
            z = z + self.linear(h, w_hh, None)
            i, f, g, o = _four(z)
            i, f, g, o = self.sigmoid(i), self.sigmoid(f), xp.tanh(g), self.sigmoid(o)
            c = f * c + i * g
            h = o * xp.tanh(c)
            ys.append(h)
            cells.append(c)
            gates.append(xp.concat([i, f, g, o], axis=1))
        y, c, z = (_rounded(xp, xp.stack(a), like) for a in (ys, cells, gates))
        return y, c, z

    def lstm_gradient(
        self,
        c: Array,
        w_hh: Array,
        cells: Array,
        gates: Array,
        *gos: Array,
        given: tuple[bool, bool, bool],
    ) -> tuple[Array, Array, Array]:
        """Compute the gradient of what the gates are computed from, (T, N, 4 H), and those of h and
        c, (N, H), from c, w_hh, and the cells and gates that `lstm` gives.

        Args:
            gos: the gradients of y, the cells and the gates, as far as they are not zero.
            given: of which of the three there is a gradient.
        """
        xp, like = self.xp, c
        c, w_hh, cells, gates, *some = (self._wide(a) for a in (c, w_hh, cells, gates, *gos))
        rest = iter(some)
        gys, gcs, ggates = (xp.unstack(next(rest)) if there else None for there in given)
        cs, zs = [c, *xp.unstack(cells)], xp.unstack(gates)
        gh, gc, gzs = xp.zeros_like(c), xp.zeros_like(c), []
        for t in range(len(zs) - 1, -1, -1):
            i, f, g, o = _four(zs[t])
            s = xp.tanh(cs[t + 1])
            gh = gh if gys is None else gh + gys[t]
            gc = gc + gh * o * (1.0 - s * s)
            gc = gc if gcs is None else gc + gcs[t]
            gi, gf, gg, g_o = gc * g, gc * cs[t], gc * i, gh * s
            if ggates is not None:
                more = _four(ggates[t])
                gi, gf, gg, g_o = gi + more[0], gf + more[1], gg + more[2], g_o + more[3]
            gz = [gi * i * (1.0 - i), gf * f * (1.0 - f), gg * (1.0 - g * g), g_o * o * (1.0 - o)]
            gzs.append(xp.concat(gz, axis=1))
            gc = gc * f
            gh = xp.matmul(gzs[-1], w_hh)
        gz, gh, gc = (_rounded(xp, a, like) for a in (xp.stack(gzs[::-1]), gh, gc))
        return gz, gh, gc

    def gru(
        self,
        x: Array,
        h: Array,
        w_ih: Array,
        w_hh: Array,
        b_ih: Array | None,
        b_hh: Array | None,
    ) -> tuple[Array, Array]:
        """Compute y (T, N, H), what h is after each step; and (T, N, 4 H), what the reset gate is
        multiplied with, the reset gate, the update gate and the candidate."""
        xp, like = self.xp, x
        x, h, w_ih, w_hh = (self._wide(a) for a in (x, h, w_ih, w_hh))
        (T, N, _), H = x.shape, h.shape[1]
        b_ih, b_hh = (b if b is None else self._wide(b) for b in (b_ih, b_hh))
        projected = self.linear(xp.reshape(x, (T * N, x.shape[2])), w_ih, b_ih)
        ys, gates = [], []
        for z in xp.unstack(xp.reshape(projected, (T, N, 3 * H))):
            of_h = self.linear(h, w_hh, b_hh)
            ru = self.sigmoid(z[:, : 2 * H] + of_h[:, : 2 * H])
            q, r, u = of_h[:, 2 * H :], ru[:, :H], ru[:, H:]
            n = xp.tanh(z[:, 2 * H :] + r * q)
            h = n + u * (h - n)
            ys.append(h)
            gates.append(xp.concat([q, r, u, n], axis=1))
        y, z = (_rounded(xp, xp.stack(a), like) for a in (ys, gates))
        return y, z

    def gru_gradient(
        self,
        h: Array,
        w_hh: Array,
        y: Array,
        gates: Array,
        *gos: Array,
        given: tuple[bool, bool],
    ) -> tuple[Array, Array]:
        """Compute the gradients (T, N, 4 H) of what the reset gate is multiplied with, and of what
        the gates and the candidate are computed from, and that of h (N, H), from h, w_hh, and what
        `gru` gives.

        Args:
            gos: the gradients of y and the gates, as far as they are not zero.
            given: of which of the two there is a gradient.
        """
        xp, like = self.xp, h
        h, w_hh, y, gates, *some = (self._wide(a) for a in (h, w_hh, y, gates, *gos))
        rest, H = iter(some), h.shape[1]
        gys, ggates = (xp.unstack(next(rest)) if there else None for there in given)
        w = xp.concat([w_hh[2 * H :, :], w_hh[: 2 * H, :]])  # in the order of the gates here
        hs, zs, gh, gzs = [h, *xp.unstack(y)], xp.unstack(gates), xp.zeros_like(h), []
        for t in range(len(zs) - 1, -1, -1):
            q, r, u, n = _four(zs[t])
            gh = gh if gys is None else gh + gys[t]
            gn, gu = gh * (1.0 - u), gh * (hs[t] - n)
            more = None if ggates is None else _four(ggates[t])
            gn = gn if more is None else gn + more[3]
            gn = gn * (1.0 - n * n)
            gq, gr = gn * r, gn * q
            if more is not None:
                gq, gr, gu = gq + more[0], gr + more[1], gu + more[2]
            gzs.append(xp.concat([gq, gr * r * (1.0 - r), gu * u * (1.0 - u), gn], axis=1))
            gh = gh * u + xp.matmul(gzs[-1][:, : 3 * H], w)
        gz, gh = (_rounded(xp, a, like) for a in (xp.stack(gzs[::-1]), gh))
        return gz, gh


def _rounded(xp: Any, x: Array, like: Array) -> Array:
    return xp.astype(x, like.dtype) if is_half(like) else x


def _four(z: Array) -> tuple[Array, Array, Array, Array]:
    """Give the four parts of z (N, 4 H)."""
    H = z.shape[1] // 4
    i, f, g, o = (z[:, k * H : (k + 1) * H] for k in range(4))
    return i, f, g, o
