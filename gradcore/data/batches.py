"""Batches of a dataset."""

from __future__ import annotations

from collections.abc import Iterator

from ..backends import Array, Backend, backend_of
from ..backends.random import generator


class Batches:
    """The batches of an epoch: each iteration gives all instances once.

    The data stay where they are, and so do the batches, unless they are to go elsewhere: where the
    data are too large for a GPU, batches from the host's memory. The order of an epoch is drawn on
    the host when the iteration begins, by the generator that `manual_seed` seeds: the same seed
    gives the same batches on every backend.

    >>> for x, y in Batches(xtrain, ytrain, batch_size=128):

    Args:
        x: the instances, an array of shape (N, ...).
        y: what belongs to each, an array of shape (N, ...).
        batch_size: the number of instances in a batch; the last batch has what is left.
        shuffle: a new order for each epoch. Without it the batches are slices of the data, in
            their order, and share their memory where the library has views.
        to: a backend; batches of data of another one, or on another device than this one's, are
            copied to its device; from the host to a GPU while that computes with the batch before.

    Raises:
        TypeError: `x` or `y` is not an array.
        ValueError: `x` and `y` differ in length, or `batch_size` is less than 1.
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        batch_size: int,
        shuffle: bool = True,
        to: Backend | None = None,
    ) -> None:
        for array in (x, y):
            backend_of(array)
        if not x.shape or not y.shape or x.shape[0] != y.shape[0]:
            raise ValueError(
                f"Batches: x has shape {tuple(x.shape)} and y {tuple(y.shape)}, "
                "expected the same length"
            )
        if batch_size < 1:
            raise ValueError(f"Batches: batch_size = {batch_size}, expected at least 1")
        self.x, self.y = x, y
        self.batch_size = batch_size
        self.shuffle = shuffle
        is_there = to is None or all(_is_on(to, array) for array in (x, y))
        self.to = None if is_there else to

    def __len__(self) -> int:
        """The number of batches."""
        return -(-self.x.shape[0] // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        n, size = self.x.shape[0], self.batch_size
        cuts = [(i, min(i + size, n)) for i in range(0, n, size)]
        batches: Iterator[tuple[Array, ...]]
        if self.shuffle:
            order = generator().permutation(n)
            batches = zip(*(_shuffled(x, order, cuts) for x in (self.x, self.y)), strict=True)
        else:
            batches = ((self.x[i:j, ...], self.y[i:j, ...]) for i, j in cuts)
        return self.to.copies(batches) if self.to else batches


def _is_on(to: Backend, array: Array) -> bool:
    """Whether it is an array of this backend, and on its device if that is a certain one."""
    if not issubclass(type(array), to.array_types):
        return False
    # Libraries compare their devices, but not with what `to.device` may be: a number, a name.
    return to.device is None or bool(array.device == to.asarray([0]).device)


def _shuffled(array: Array, order: Array, cuts: list[tuple[int, int]]) -> Iterator[Array]:
    """The array's batches, in an order that was drawn on the host."""
    xp = backend_of(array).xp
    order = xp.asarray(order, device=array.device)
    for i, j in cuts:
        yield xp.take(array, order[i:j], axis=0)
