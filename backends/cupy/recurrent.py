"""Recurrent layers on CuPy: at each step one product, and one launch for all that follows."""

from __future__ import annotations

import cupy

from ..base import Backend
from ..types import Array
from .kernels import WIDE, elementwise

__all__ = ["CupyRecurrence"]

step = elementwise(  # the gates hold the products with x
    "lstm",
    "raw T product, W before, int64 H",
    "T y, W cell, raw T gates",
    f"""
{WIDE}
long long at = i / H * 4 * H + i % H;
A z[4];
for (int k = 0; k < 4; ++k) {{
    z[k] = A(gates[at + k * H]) + A(product[at + k * H]);
    z[k] = k == 2 ? tanh(z[k]) : A(1) / (A(1) + exp(-z[k]));
    gates[at + k * H] = z[k];
}}
A next = z[1] * A(before) + z[0] * z[2];
cell = next;
y = z[3] * tanh(next);
""",
)
step_back = elementwise(  # gh and gc are of later steps, gy and gcell of this one
    "lstm_gradient",
    "raw T gates, T before, T cell, T gh, T gy, W gc, T gcell, int64 H",
    "W gc_before, raw T gz",
    f"""
{WIDE}
long long at = i / H * 4 * H + i % H;
A in = gates[at], forget = gates[at + H], candidate = gates[at + 2 * H], out = gates[at + 3 * H];
A s = tanh(A(cell)), g = A(gh) + A(gy), rest = A(gc) + A(gcell) + g * out * (A(1) - s * s);
gz[at] = rest * candidate * in * (A(1) - in);
gz[at + H] = rest * A(before) * forget * (A(1) - forget);
gz[at + 2 * H] = rest * in * (A(1) - candidate * candidate);
gz[at + 3 * H] = g * s * out * (A(1) - out);
gc_before = rest * forget;
""",
)


class CupyRecurrence(Backend):
    def lstm(
        self, x: Array, h: Array, c: Array, w_ih: Array, w_hh: Array, b: Array | None
    ) -> tuple[Array, Array, Array]:
        if not _is_fit(x, h, c, w_ih, w_hh):
            return super().lstm(x, h, c, w_ih, w_hh, b)
        (T, N, M), H = x.shape, h.shape[1]
        z = self.linear(x.reshape(T * N, M), w_ih, b)
        gates = cupy.ascontiguousarray(z).reshape(T, N, 4 * H)
        c = self._wide(c)  # between steps, as gc below
        y, cells = cupy.empty((T, N, H), x.dtype), cupy.empty((T, N, H), c.dtype)
        for t in range(T):
            product = cupy.ascontiguousarray(cupy.matmul(h, w_hh.T))
            step(product, c, H, y[t], cells[t], gates[t])
            h, c = y[t], cells[t]
        return y, cells.astype(x.dtype, copy=False), gates

    def lstm_gradient(
        self,
        c: Array,
        w_hh: Array,
        cells: Array,
        gates: Array,
        *gos: Array,
        given: tuple[bool, bool, bool],
    ) -> tuple[Array, Array, Array]:
        if given[2] or not _is_fit(c, w_hh, cells, gates, *gos):
            return super().lstm_gradient(c, w_hh, cells, gates, *gos, given=given)
        (T, N, H), rest = cells.shape, iter(gos)
        zeros = cupy.zeros((N, H), c.dtype)
        gy, gcells = (next(rest) if there else None for there in given[:2])
        gates, gz = cupy.ascontiguousarray(gates), cupy.empty((T, N, 4 * H), c.dtype)
        gh, gc = zeros, self._wide(zeros)
        for t in range(T - 1, -1, -1):
            more = [zeros if g is None else g[t] for g in (gy, gcells)]
            before, gc_before = cells[t - 1] if t else c, cupy.empty((N, H), gc.dtype)
            step_back(gates[t], before, cells[t], gh, more[0], gc, more[1], H, gc_before, gz[t])
            gc, gh = gc_before, cupy.matmul(gz[t], w_hh)
        return gz, gh, gc.astype(c.dtype, copy=False)


def _is_fit(*arrays: Array) -> bool:
    """Say whether the kernels take the arrays: floating, of one dtype, and not empty."""
    dtypes = {a.dtype for a in arrays}
    return len(dtypes) == 1 and dtypes.pop().kind == "f" and all(a.size for a in arrays)
