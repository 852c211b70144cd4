"""Define triangular equations and triangular factors of matrices."""

from __future__ import annotations

from ..types import Array
from .indexing import IndexingKernels

__all__ = ["LinalgKernels"]

BLOCK = 32  # rows: the library solves equations with fewer as if they were not triangular


class LinalgKernels(IndexingKernels):
    """Solve triangular equations, and factor matrices into triangular ones."""

    def solve_triangular(self, a: Array, b: Array, upper: bool, unitriangular: bool) -> Array:
        """Find the x with a @ x = b, from one triangle of a (..., M, M); for b (..., M, K).

        Equations are split in two halves: of the half solved first, a product goes to the other.

        Args:
            upper: which triangle; the other one is not read.
            unitriangular: whether the diagonal counts as ones, and is not read.
        """
        xp, n = self.xp, a.shape[-1]
        if n <= BLOCK or not b.shape[-1]:
            part = xp.triu(a) if upper else xp.tril(a)
            if unitriangular:
                eye = xp.eye(n, dtype=a.dtype, device=a.device)
                part = xp.where(eye == 1, eye, part)
            return xp.linalg.solve(part, b) if b.shape[-1] else xp.matmul(part, b)
        h, of = n // 2, (upper, unitriangular)
        top, bottom = b[..., :h, :], b[..., h:, :]
        if upper:
            bottom = self.solve_triangular(a[..., h:, h:], bottom, *of)
            top = top - xp.matmul(a[..., :h, h:], bottom)
            top = self.solve_triangular(a[..., :h, :h], top, *of)
        else:
            top = self.solve_triangular(a[..., :h, :h], top, *of)
            bottom = bottom - xp.matmul(a[..., h:, :h], top)
            bottom = self.solve_triangular(a[..., h:, h:], bottom, *of)
        return xp.concat([top, bottom], axis=-2)

    def lu(self, a: Array, pivot: bool) -> tuple[Array, Array, Array]:
        """Factor each matrix (..., M, N), with its rows in another order, into L @ U, in one step
        for each column.

        Args:
            pivot: whether rows may change places, so that the largest element of each column that
                is left comes first.

        Returns:
            L, without its diagonal of ones, and U, in one matrix (..., M, N); which row of a each
            row is, (..., M) int64; and with which row each one of the first changed places,
            (..., min(M, N)) int64.
        """
        xp, (m, n) = self.xp, a.shape[-2:]
        a, stack = xp.asarray(a, copy=True), a.shape[:-2]
        places = xp.arange(m, dtype=xp.int64, device=a.device)
        order, pivots = xp.broadcast_to(places, (*stack, m)), []
        for k in range(min(m, n)):
            if pivot:
                p = k + xp.argmax(xp.abs(a[..., k:, k]), axis=-1, keepdims=True)
            else:
                p = xp.full((*stack, 1), k, device=a.device)
            p = xp.astype(p, xp.int64, copy=False)
            pivots.append(p)
            rows = xp.where(places == k, p, xp.where(places == p, k, places))
            order = xp.take_along_axis(order, rows, axis=-1)
            a = xp.take_along_axis(a, xp.broadcast_to(rows[..., None], a.shape), axis=-2)
            first = a[..., k : k + 1, k : k + 1]
            below = xp.where(first == 0, xp.zeros_like(first), a[..., k + 1 :, k : k + 1])
            below = below / xp.where(first == 0, xp.ones_like(first), first)
            a = self.setitem(a, (..., slice(k + 1, None), slice(k, k + 1)), below)
            rest = (..., slice(k + 1, None), slice(k + 1, None))
            a = self.setitem(a, rest, a[rest] - xp.matmul(below, a[..., k : k + 1, k + 1 :]))
        none = xp.zeros((*stack, 0), dtype=xp.int64, device=a.device)
        return a, order, xp.concat(pivots, axis=-1) if pivots else none
