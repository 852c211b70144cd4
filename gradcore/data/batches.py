"""Batches of a dataset."""

from __future__ import annotations

import reprlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from itertools import starmap
from numbers import Number
from typing import Any

import numpy as np

from ..backends import Array, Backend, backend_of, default, get
from ..backends.random import generator
from ..engine.arrays import backend_or_none, is_integer, is_node, value_of
from ..engine.trees import leaves, tree_map
from .datasets import TensorDataset

__all__ = ["Batches", "DataLoader", "default_collate"]

Cut = tuple[int, int]  # where a batch begins and ends in the order of an epoch


@dataclass
class Epoch:
    """An epoch in progress."""

    number: int
    order: Any  # an array of indices of NumPy; `None`: as the data are
    given: int = 0  # how many instances were given


class DataLoader:
    """Give the data in batches: each iteration is an epoch.

    The order of an epoch is drawn on the host when the iteration begins: the same seed gives the
    same batches on every backend. A loader has a `state_dict`, also in the middle of an epoch: a
    loader that loads it goes on with the next batch. Names are those of torch.utils.data.

    Args:
        dataset: an array (N, ...); or a tuple or dictionary of arrays of one length N, also nested,
            of which a batch is a tuple or dictionary of some rows; or anything else with a length
            and indexing, whose instances `collate_fn` puts together. (Given a `collate_fn`, the
            instances of arrays are their rows.)
        batch_size: the number of instances in a batch; the last batch may have fewer.
        shuffle: whether each epoch has a new order. If not, batches of arrays are slices of them,
            and share memory with them where the library has views.
        sampler: gives the indices of an epoch, in place of `shuffle`: an iterable with a length.
        num_workers: how many threads read batches ahead; 0: each is read when it is asked for. A
            dataset that draws random numbers should draw them from a generator of its own.
        collate_fn: makes a batch of a list of instances. `None`: `default_collate`, whose arrays
            are then moved to the default backend.
        pin_memory: without effect; a copy to a GPU always goes by way of pinned memory.
        drop_last: whether to leave out a last batch that has fewer instances.
        prefetch_factor: how many batches each thread reads ahead.
        to: the backend whose device batches are copied to, if the data are not there. A copy from
            the host to a GPU is made while the GPU computes with the batch before.
        seed: decides the order of each epoch by its number. `None`: the generator draws it that
            `manual_seed` seeds; of several processes, 0.
        rank, world_size: which share of each epoch this process gives, of how many processes. All
            shares have one length: with `drop_last` some instances are left out, without it some
            are given twice.
        split_batches: whether `batch_size` is that of all processes together. Then each gives its
            part of each batch that one process would give. Parts are of equal length, but for
            those of a last batch with fewer instances, which may even be empty. The state does not
            depend on the number of processes.

    Attributes:
        epoch: the number of the next epoch.
        part: of the latest batch, the rows that this process has of the whole batch: the first, the
            one behind the last, and how many the whole batch has.

    Raises:
        TypeError: the dataset has no length or no indexing.
        ValueError: the arrays differ in length, or a number is out of range; or with
            `split_batches`, `batch_size` is no multiple of `world_size`.

    Example:
        >>> x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
        >>> for inputs, labels in DataLoader((x, y), batch_size=2):
        ...     print(inputs.tolist(), labels)
        ...
        [[0.0, 1.0], [2.0, 3.0]] [0 1]
        [[4.0, 5.0], [6.0, 7.0]] [2 3]
        [[8.0, 9.0]] [4]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        *,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,  # noqa: ARG002
        drop_last: bool = False,
        prefetch_factor: int = 2,
        to: Backend | None = None,
        seed: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        split_batches: bool = False,
    ) -> None:
        name = type(self).__name__
        if isinstance(dataset, TensorDataset) and not collate_fn:
            dataset = dataset.tensors
        dataset = value_of(dataset)
        self.dataset, self.columns = dataset, None
        if isinstance(dataset, dict | tuple) or backend_or_none(dataset):
            dataset = tree_map(value_of, dataset)
            self.length = _common_length(name, dataset)
            if collate_fn:
                self.dataset = _Rows(dataset, self.length)
            else:
                self.columns = dataset
        elif hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
            self.length = len(dataset)
        else:
            raise TypeError(
                f"{name}: the dataset is a {type(dataset).__name__}, expected arrays, or something "
                "with a length and indexing"
            )
        for key, n, least in (
            ("batch_size", batch_size, 1),
            ("prefetch_factor", prefetch_factor, 1),
            ("num_workers", num_workers, 0),
            ("world_size", world_size, 1),
            ("rank", rank, 0),
        ):
            if not is_integer(n) or n < least or (key == "rank" and n >= world_size):
                most = f" and less than world_size = {world_size}" if key == "rank" else ""
                raise ValueError(f"{name}: {key} = {n!r}, expected at least {least}{most}")
        if shuffle and sampler is not None:
            raise ValueError(f"{name}: shuffle and sampler exclude each other")
        for key, given, fits, expected in [
            ("sampler", sampler, _is_sampler, "an iterable with a length"),
            ("collate_fn", collate_fn, callable, "a function"),
            ("to", to, _is_backend, "a backend, such as gradcore.backends.get('cupy')"),
            ("seed", seed, is_integer, "an integer"),
        ]:
            if not (given is None or fits(given)):
                found = f"{name}: {key} is a {type(given).__name__}"
                raise TypeError(f"{found}, expected {expected}, or None")
        if seed is not None and seed < 0:
            raise ValueError(f"{name}: seed = {seed!r}, expected at least 0")
        if split_batches and batch_size % world_size:
            problem = f"batch_size = {batch_size} is no multiple of world_size = {world_size}"
            raise ValueError(f"{name}: {problem}, so its processes can't share a batch evenly")
        self.batch_size, self.shuffle, self.sampler = int(batch_size), shuffle, sampler
        self.num_workers, self.prefetch_factor = num_workers, prefetch_factor
        self.collate_fn = collate_fn or default_collate
        self.drop_last = drop_last
        self.to = to
        if self.columns is not None:
            is_there = to is None or all(_is_on(to, x) for _, x in leaves(self.columns))
            self.to = None if is_there else to
        # Whose batches are split draw alike by the generator: `DataParallel` sees to that.
        is_share = world_size > 1 and not split_batches
        self.seed = 0 if seed is None and shuffle and is_share else seed
        self.rank, self.world_size, self.split_batches = rank, world_size, split_batches
        self._shares = world_size if is_share else 1  # of an epoch
        self.epoch = 0
        self.part = (0, 0, 0)
        self._now: Epoch | None = None  # the epoch in progress
        self._to_resume: Epoch | None = None

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._cuts(self._share()))

    def __iter__(self) -> Iterator[Any]:
        now = self._to_resume
        if now is None:
            now = Epoch(self.epoch, self._order())
            self.epoch += 1
        self._now, self._to_resume = now, None
        cuts = self._cuts(self._share(), now.given)
        fetch = self._reader(now.order)
        parts = [self._part(*cut) for cut in cuts]
        batches: Iterator[Any] = starmap(fetch, parts)
        if self.num_workers:
            batches = _ahead(fetch, parts, self.num_workers, self.prefetch_factor)
        place = self.to
        if self.columns is None and self.collate_fn is default_collate:
            place = place or default()
        return self._counted(_copied(place, batches) if place else batches, cuts, now)

    def _counted(self, batches: Iterator[Any], cuts: list[Cut], now: Epoch) -> Iterator[Any]:
        """Give the batches, and note how far the epoch is."""
        for batch, (start, end) in zip(batches, cuts, strict=True):
            now.given = end
            first, last = self._part(start, end)
            self.part = first - start, last - start, end - start
            yield batch
        if self._now is now:
            self._now = None

    # -- The order of an epoch ----------------------------------------------------------------

    def _order(self) -> Any:
        """Draw the order of the next epoch: of this process's share, as an array of indices."""
        if self.sampler is not None:
            order = np.asarray([*self.sampler])
            if not _are_indices(order, self.length):
                found = reprlib.repr(order.tolist())
                raise IndexError(
                    f"{type(self).__name__}: the sampler gave {found}, expected integers below "
                    f"{self.length}, the number of instances"
                )
            order = order.astype(np.int64)
        elif self.shuffle:
            rng = (
                generator() if self.seed is None else np.random.default_rng((self.seed, self.epoch))
            )
            order = rng.permutation(self.length)
        elif self._shares > 1:
            order = np.arange(self.length)
        else:
            return None
        if self._shares == 1:
            return order
        # With np.resize, the order begins anew at its end.
        return np.resize(order, self._share() * self._shares)[self.rank :: self._shares]

    def _share(self) -> int:
        """Count the instances that this process gives in an epoch."""
        n = self.length if self.sampler is None else len(self.sampler)  # type: ignore[arg-type]
        return n // self._shares if self.drop_last else -(-n // self._shares)

    def _part(self, start: int, end: int) -> Cut:
        """Give where this process's part of a batch begins and ends."""
        if not self.split_batches:
            return start, end
        first, last = (
            start + (end - start) * r // self.world_size for r in (self.rank, self.rank + 1)
        )
        return first, last

    def _cuts(self, n: int, first: int = 0) -> list[Cut]:
        """Cut the instances `first` to n into batches."""
        size = self.batch_size
        cuts = [(i, min(i + size, n)) for i in range(first, n, size)]
        return cuts[:-1] if self.drop_last and cuts and n - cuts[-1][0] < size else cuts

    def _reader(self, order: Any) -> Callable[[int, int], Any]:
        """Make a function that reads a batch, from the places where it begins and ends."""
        columns = self.columns
        if columns is None:
            return lambda i, j: self.collate_fn(
                [self._instance(k) for k in (range(i, j) if order is None else order[i:j].tolist())]
            )
        return _rows(columns, order)

    def _instance(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except Exception as error:
            error.add_note(f"{type(self).__name__}: while reading instance {index}")
            raise

    # -- The state ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Give what the next batches depend on, besides the generator that `manual_seed` seeds: the
        number of the epoch and, in the middle of one, how many instances it has given and its
        order.

        Example:
            >>> loader = DataLoader(np.arange(6), batch_size=2)
            >>> batches = iter(loader)
            >>> print(next(batches), loader.state_dict()["epoch"])
            [0 1] 0
        """
        now = self._to_resume or self._now
        if now is None:
            return {"epoch": self.epoch, "given": 0, "order": None}
        return {"epoch": now.number, "given": now.given, "order": now.order}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`: the next iteration gives what is left of its epoch.

        Raises:
            ValueError: `state` is no state of a loader of this dataset; nothing is changed.

        Example:
            >>> loader = DataLoader(np.arange(6), batch_size=2, shuffle=True)
            >>> batches = iter(loader)
            >>> first = next(batches)
            >>> other = DataLoader(np.arange(6), batch_size=2, shuffle=True)
            >>> other.load_state_dict(loader.state_dict())
            >>> print(np.array_equal(next(batches), next(iter(other))))
            True
        """
        expected = ["epoch", "given", "order"]
        if not isinstance(state, Mapping) or sorted(state) != expected:
            found = sorted(state) if isinstance(state, Mapping) else type(state).__name__
            raise ValueError(f"{type(self).__name__}: found {found}, expected {expected}")
        epoch, given, order = (state[name] for name in expected)
        n = self._share()
        if order is not None:
            backend = backend_or_none(order)
            order = backend.to_numpy(order) if backend else np.asarray(order)
        if not (is_integer(epoch) and is_integer(given) and epoch >= 0 and 0 <= given <= n) or (
            order is not None and (order.shape != (n,) or not _are_indices(order, self.length))
        ):
            raise ValueError(
                f"{type(self).__name__}: the state is of another dataset, not of {self}"
            )
        order = None if order is None else order.astype(np.int64)
        is_between = given == 0 and order is None
        self.epoch = int(epoch) if is_between else int(epoch) + 1
        self._to_resume = None if is_between else Epoch(int(epoch), order, int(given))
        self._now = None

    def __repr__(self) -> str:
        n, how = len(self), ", shuffled" if self.shuffle else ""
        share = f", share {self.rank} of {self.world_size}" if self.world_size > 1 else ""
        return (
            f"{type(self).__name__}({self.length:,} instances, "
            f"{n:,} batches of {self.batch_size}{how}{share})"
        )


class Batches(DataLoader):
    """Give x and y in batches, shuffled: `DataLoader((x, y), batch_size, shuffle=True)`.

    Args:
        x: the instances, an array of shape (N, ...).
        y: the labels or other targets of the instances, an array of shape (N, ...).
        batch_size, shuffle, to: see `DataLoader`.

    Raises:
        TypeError: `x` or `y` is not an array.
        ValueError: `x` and `y` differ in length, or `batch_size` is less than 1.

    Example:
        >>> x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
        >>> for inputs, labels in Batches(x, y, batch_size=2):
        ...     print(inputs.shape, labels.shape)
        ...
        (2, 2) (2,)
        (2, 2) (2,)
        (1, 2) (1,)
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        batch_size: int,
        shuffle: bool = True,
        to: Backend | None = None,
        **options: Any,
    ) -> None:
        for array in (x, y):
            backend_of(array)
        super().__init__((x, y), batch_size, shuffle, to=to, **options)
        self.x, self.y = x, y


def default_collate(instances: list[Any]) -> Any:
    """Put instances together: arrays and numbers of each place become one array, in which the first
    axis counts the instances; tuples, lists and dictionaries stay what they are; of anything else,
    such as strings, there is a list.

    Python's floats become float32.

    Raises:
        ValueError: the instances differ in shape or form.

    Example:
        >>> x, y = default_collate([(np.array([1.0, 2.0]), 0), (np.array([3.0, 4.0]), 1)])
        >>> print(x.tolist(), y)
        [[1.0, 2.0], [3.0, 4.0]] [0 1]
    """
    try:
        return _collated(instances)
    except (KeyError, TypeError, ValueError):
        forms = dict.fromkeys(map(_form, instances))
        if len(forms) == 1:
            raise
    raise ValueError(
        f"default_collate: instances of one batch are {' and '.join([*forms][:2])}, expected one "
        "form; give a collate_fn that puts them together"
    )


def _collated(instances: list[Any]) -> Any:
    first = instances[0]
    if isinstance(first, dict):
        return {key: default_collate([x[key] for x in instances]) for key in first}
    if isinstance(first, tuple | list):
        entries = [default_collate(list(xs)) for xs in zip(*instances, strict=True)]
        return type(first)(*entries) if hasattr(first, "_fields") else type(first)(entries)
    if is_node(first):
        return _collated([value_of(x) for x in instances])
    if backend := backend_or_none(first):
        return backend.xp.stack([backend.asarray(x) for x in instances])
    return get("numpy").asarray(instances) if isinstance(first, Number) else instances


def _form(instance: Any) -> str:
    """Say what instances of one batch must have in common."""
    if isinstance(instance, dict):
        return f"a dictionary of {sorted(map(repr, instance))}"
    if isinstance(instance, tuple | list):
        return f"a {type(instance).__name__} of {len(instance)}"
    is_array = backend_or_none(instance) is not None and instance.ndim
    return f"an array {tuple(instance.shape)}" if is_array else "a number or something else"


def _rows(columns: Any, order: Any) -> Callable[[int, int], Any]:
    """Make a function of i and j that takes the rows i to j, in this order, of the arrays of a
    tree. (To walk the tree again for each batch of two arrays takes several µs.)"""
    if isinstance(columns, dict):
        entries = {key: _rows(x, order) for key, x in columns.items()}
        return lambda i, j: {key: take(i, j) for key, take in entries.items()}
    if isinstance(columns, tuple | list):
        parts, kind = [_rows(x, order) for x in columns], type(columns)
        if kind is tuple and len(parts) == 2:  # the usual ones
            x, y = parts
            return lambda i, j: (x(i, j), y(i, j))
        if hasattr(columns, "_fields"):
            return lambda i, j: kind(*[take(i, j) for take in parts])
        return lambda i, j: kind([take(i, j) for take in parts])
    if columns is None:
        return lambda i, j: None  # noqa: ARG005
    if order is None:
        return lambda i, j: columns[i:j, ...]
    xp = backend_of(columns).xp
    take, order = xp.take, xp.asarray(order, device=columns.device)
    return lambda i, j: take(columns, order[i:j], axis=0)


class _Rows:
    """The rows of the arrays of a tree, as a dataset."""

    def __init__(self, columns: Any, length: int) -> None:
        self.columns, self.length = columns, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int, /) -> Any:
        return tree_map(lambda x: x[index, ...], self.columns)


def _ahead(
    fetch: Callable[[int, int], Any], cuts: list[Cut], threads: int, factor: int
) -> Iterator[Any]:
    """Read batches in threads, some of them before they are asked for, and give them in order.
    Where no thread can be started, as in a browser, read each when it is asked for."""
    from concurrent.futures import ThreadPoolExecutor  # imports logging, which takes a while

    waiting: deque[Any] = deque()
    run: Any
    with ThreadPoolExecutor(threads, "gradcore-loader") as pool:
        if not _starts(pool):
            yield from starmap(fetch, cuts)
            return
        try:
            for cut in cuts:
                # In a copy of this context, in which `use_backend` may have chosen.
                run = copy_context().run
                waiting.append(pool.submit(run, fetch, *cut))
                if len(waiting) > threads * factor:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _starts(pool: Any) -> bool:
    """Whether a thread can be started."""
    try:
        pool.submit(int)
    except RuntimeError:
        return False
    return True


def _copied(to: Backend, batches: Iterable[Any]) -> Iterator[Any]:
    """Copy the arrays of each batch to a backend."""
    read: deque[Any] = deque()

    def arrays() -> Iterator[list[Array]]:
        for batch in batches:
            read.append(batch)
            yield [x for _, x in leaves(batch) if backend_or_none(x)]

    for copies in to.copies(arrays()):
        copy = iter(copies)
        yield tree_map(lambda x, copy=copy: next(copy) if backend_or_none(x) else x, read.popleft())


def _common_length(name: str, columns: Any) -> int:
    """Give the length of all arrays of a tree."""
    shapes: dict[Any, tuple[int, ...]] = {}
    for path, x in leaves(columns):
        if backend_or_none(x) is None:
            found = f"a {type(columns).__name__} with a {type(x).__name__}"
            raise TypeError(
                f"{name}: the dataset is {found}, expected arrays; or a list of instances"
            )
        shapes[path] = tuple(x.shape)
    if not shapes or not all(shapes.values()) or len({s[0] for s in shapes.values()}) != 1:
        found = " and ".join(map(str, shapes.values())) or "of none"
        raise ValueError(f"{name}: the arrays have shapes {found}, expected one length")
    return next(iter(shapes.values()))[0]


def _are_indices(order: Any, n: int) -> bool:
    if order.size == 0:
        return True
    return order.dtype.kind in "iu" and bool(order.min() >= -n and order.max() < n)


def _is_backend(x: Any) -> bool:
    return isinstance(x, Backend)


def _is_sampler(x: Any) -> bool:
    return hasattr(x, "__len__") and (hasattr(x, "__iter__") or hasattr(x, "__getitem__"))


def _is_on(to: Backend, array: Array) -> bool:
    """Whether the array is of this backend, and on its device, if the backend has a fixed one."""
    if not issubclass(type(array), to.array_types):
        return False
    # `to.device` may be a number or a name; libraries compare only device objects.
    return to.device is None or bool(array.device == to.asarray([0]).device)
