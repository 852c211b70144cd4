"""Indices in range, and elements chosen or added up at indices."""

from __future__ import annotations

from ..types import Array
from .common import Definitions

__all__ = ["IndexingKernels", "index_error"]


def index_error(what: str, wrong: int, size: int, start: int) -> IndexError:
    """That `what` has an index that is not in [start, size)."""
    return IndexError(f"{what}: {wrong} is out of range; expected {start} to {size - 1}")


class IndexingKernels(Definitions):
    def check_indices(self, what: str, indices: Array, size: int, start: int = 0) -> None:
        """Raise IndexError, naming `what`, unless all integer `indices` are in [start, size). A
        backend whose device works on its own may raise it later, as it reads from the device."""
        xp = self.xp
        self.check_integers(what, indices)
        if indices.size and not xp.all((indices >= start) & (indices < size)):
            low, high = int(xp.min(indices)), int(xp.max(indices))
            raise index_error(what, low if low < start else high, size, start)

    def check_integers(self, what: str, indices: Array) -> None:
        """Raise TypeError, naming `what`, unless the indices are integers."""
        if not self.xp.isdtype(indices.dtype, "integral"):
            raise TypeError(f"{what} must be integers, not {indices.dtype}")

    def select(self, x: Array, indices: Array) -> Array:
        """Of x (N, M, ...) the elements at the indices (N, ...) along axis 1: (N, ...)."""
        xp = self.xp
        chosen = xp.take_along_axis(x, xp.expand_dims(indices, axis=1), axis=1)
        return xp.squeeze(chosen, axis=1)

    def scatter_add(self, x: Array, indices: Array, size: int) -> Array:
        """Zeros (size, ...), to whose row `indices[i]` row i of x is added, for all i.

        Args:
            x: (M, ...)
            indices: (M,) integers in [0, size), which nothing checks here.
        """
        xp = self.xp
        y = xp.zeros((size, *x.shape[1:]), dtype=x.dtype, device=x.device)
        n, columns = x.shape[0], (...,) + (None,) * (x.ndim - 1)
        if n == 0:
            return y
        # Rows of one target next to each other, each then the sum of those up to it: no row of
        # another target plays a part, not even where it is NaN.
        order = xp.argsort(indices, stable=True)
        targets, sums = xp.take(indices, order), xp.take(x, order, axis=0)
        step = 1
        while step < n:
            same = (targets[step:] == targets[:-step])[columns]
            more = sums[step:, ...] + xp.where(same, sums[:-step, ...], xp.zeros_like(y[:1, ...]))
            sums = xp.concat([sums[:step, ...], more], axis=0)
            step *= 2
        places = xp.arange(size, dtype=targets.dtype, device=x.device)
        last = xp.searchsorted(targets, places, side="right") - 1
        last = xp.where(last < 0, 0, last)
        found = (xp.take(targets, last) == places)[columns]
        return xp.where(found, xp.take(sums, last, axis=0), y)
