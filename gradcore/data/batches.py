"""Batches of a dataset."""

from __future__ import annotations

from collections.abc import Iterator

from ..backends import Array, Backend, backend_of
from ..backends.random import generator

__all__ = ["Batches"]


class Batches:
    """Give the data in batches: each iteration is an epoch, and has each instance once.

        for x, y in Batches(xtrain, ytrain, batch_size=128):
            ...

    The order of an epoch is drawn on the host when the iteration begins, by the generator that
    `manual_seed` seeds: the same seed gives the same batches on every backend. Batches are on the
    device of the data, unless `to` names another: data that are too large for the memory of a GPU
    stay in that of the host.

    Args:
        x: the instances, an array of shape (N, ...).
        y: the labels or other targets of the instances, an array of shape (N, ...).
        batch_size: the number of instances in a batch; the last batch may have fewer.
        shuffle: whether each epoch has a new order. If not, the batches are slices of the data, in
            the order of the data, and share memory with the data where the library has views.
        to: the backend whose device batches are copied to, if the data are not there. A copy from
            the host to a GPU is made while the GPU computes with the batch before.

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
    """Whether the array is of this backend, and on its device, if the backend has a fixed one."""
    if not issubclass(type(array), to.array_types):
        return False
    # `to.device` may be a number or a name; libraries compare only device objects.
    return to.device is None or bool(array.device == to.asarray([0]).device)


def _shuffled(array: Array, order: Array, cuts: list[tuple[int, int]]) -> Iterator[Array]:
    """Give the batches of one array, in an order that was drawn on the host."""
    xp = backend_of(array).xp
    order = xp.asarray(order, device=array.device)
    for i, j in cuts:
        yield xp.take(array, order[i:j], axis=0)
