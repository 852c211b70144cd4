"""Define how indices are checked, and how elements are chosen and added up at indices."""

from __future__ import annotations

from math import prod
from typing import Any

from ..types import Array
from .common import Definitions

__all__ = ["IndexingKernels", "index_error"]


def index_error(what: str, wrong: int, size: int, start: int) -> IndexError:
    """Make the error that says that `what` has the index `wrong`, which is not in [start, size)."""
    return IndexError(f"{what}: {wrong} is out of range; expected {start} to {size - 1}")


class IndexingKernels(Definitions):
    """Check indices, and choose or add up elements at indices."""

    def check_indices(self, what: str, indices: Array, size: int, start: int = 0) -> None:
        """Raise an IndexError, which names `what`, unless all `indices` are in [start, size).

        A backend whose device computes while the host goes on may raise the error later, when it
        reads from the device.

        Raises:
            TypeError: the indices are no integers.
        """
        xp = self.xp
        self.check_integers(what, indices)
        if prod(indices.shape) and not xp.all((indices >= start) & (indices < size)):
            low, high = int(xp.min(indices)), int(xp.max(indices))
            raise index_error(what, low if low < start else high, size, start)

    def check_integers(self, what: str, indices: Array) -> None:
        """Raise a TypeError, which names `what`, unless these are integers of this library."""
        ours = *self.array_types, *self.scalar_types
        if not issubclass(type(indices), ours):
            library = type(indices).__module__.partition(".")[0]
            raise TypeError(
                f"{what} are an array of {library}, expected one of {self.name}; move it: "
                f"gradcore.backends.get({self.name!r}).asarray(array)"
            )
        if not self.xp.isdtype(indices.dtype, "integral"):
            raise TypeError(f"{what} must be integers, not {indices.dtype}")

    def places_of(self, indices: Array, index: int) -> Array | None:
        """Find where the integers are `index`: a mask. A backend that reads them while a step runs,
        and at no cost, may give `None` if that is nowhere."""
        return indices == index

    def getitem(self, x: Array, key: Any) -> Array:
        """Give x[key], for a key of integers, slices, `None` and `...`: a view, if the library has
        views."""
        return x[key]

    def setitem(self, x: Array, key: Any, y: Array) -> Array:
        """Put y, broadcast, at `key` into x, whose memory no one else reads, and give x. A library
        whose arrays do not change gives a new array."""
        x[key] = y
        return x

    def additem(self, x: Array, key: Any, y: Array) -> Array:
        """Add y at `key`, a slice for each axis, to x, as `setitem` puts it there."""
        return self.setitem(x, key, x[key] + y)

    def select(self, x: Array, indices: Array) -> Array:
        """Choose from x (N, M, ...) the elements at the indices (N, ...) along axis 1: (N, ...)."""
        xp = self.xp
        chosen = xp.take_along_axis(x, xp.expand_dims(indices, axis=1), axis=1)
        return xp.squeeze(chosen, axis=1)

    def select_gradient(self, go: Array, indices: Array, size: int) -> Array:
        """Compute the gradient of x (N, size, ...) from that of `select`, which is go (N, ...)."""
        xp = self.xp
        columns = xp.arange(size, device=indices.device)
        columns = xp.reshape(columns, (-1, *[1] * (indices.ndim - 1)))
        chosen = xp.expand_dims(indices, axis=1) == columns
        return xp.where(chosen, xp.expand_dims(go, axis=1), 0.0)

    def scatter_add(self, x: Array, indices: Array, size: int) -> Array:
        """Add each row i of x to row `indices[i]` of an array of zeros, and return that array.

        Args:
            x: (M, ...)
            indices: (M,) integers in [0, size); they are not checked here.

        Returns:
            An array (size, ...). Where x has 16 bits, sums are in float32.
        """
        xp = self.xp
        x, dtype = self._wide(x), x.dtype
        y = xp.zeros((size, *x.shape[1:]), dtype=x.dtype, device=x.device)
        n, columns = x.shape[0], (...,) + (None,) * (x.ndim - 1)
        if n == 0:
            return xp.astype(y, dtype, copy=False)
        # Sort the rows by target. Then make each row the sum of all rows of its target up to it, in
        # steps of 1, 2, 4, ... rows. A row of another target is never added, as it may be NaN.
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
        return xp.astype(xp.where(found, xp.take(sums, last, axis=0), y), dtype, copy=False)
