"""Datasets: anything with a length and indexing. Names are those of torch.utils.data."""

from __future__ import annotations

import reprlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import inf
from typing import Any, Protocol

import numpy as np

from ..backends import Array
from ..backends.random import generator
from ..engine.arrays import backend_or_none, is_integer, value_of

__all__ = ["ConcatDataset", "Dataset", "Subset", "TensorDataset", "WeightedRandomSampler",
           "random_split"]  # fmt: skip


class Dataset(Protocol):
    """Anything with a length, and an instance at each index from 0 on. A class of your own need not
    be derived from this one.

    Example:
        >>> class Squares(Dataset):
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, i):
        ...         return {"x": np.array([i]), "y": i * i}
        ...
        >>> for batch in DataLoader(Squares(), batch_size=2):
        ...     print(batch["x"].tolist(), batch["y"])
        ...
        [[0], [1]] [0 1]
        [[2], [3]] [4 9]
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class TensorDataset(Dataset):
    """Arrays of one length: instance i is the tuple of their rows i.

    Raises:
        ValueError: the lengths differ.

    Example:
        >>> data = TensorDataset(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 1]))
        >>> x, y = data[1]
        >>> print(len(data), x, y)
        2 [3. 4.] 1
    """

    def __init__(self, *tensors: Array) -> None:
        self.tensors = tensors
        shapes = [tuple(x.shape) for x in tensors]
        if not all(shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(f"TensorDataset: the shapes are {shapes}, expected one length")

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: int, /) -> tuple[Array, ...]:
        return tuple([x[index, ...] for x in self.tensors])


class Subset(Dataset):
    """The instances of a dataset at these indices, in their order.

    Example:
        >>> data = Subset(TensorDataset(np.array([10, 11, 12, 13])), [3, 0])
        >>> print(len(data), data[0][0])
        2 13
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> Any:
        return self.dataset[self.indices[index]]


class ConcatDataset(Dataset):
    """The instances of several datasets, one after the other.

    Raises:
        IndexError: when an instance is asked for, and there is no such index.

    Example:
        >>> data = ConcatDataset([TensorDataset(np.zeros(3)), TensorDataset(np.ones(2))])
        >>> print(len(data), data[3][0])
        5 1.0
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.datasets = list(datasets)
        self.ends = list(accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, index: int, /) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"ConcatDataset: index {index}, and there are {len(self)} instances")
        index %= len(self)
        i = bisect_right(self.ends, index)
        return self.datasets[i][index - (self.ends[i - 1] if i else 0)]


def random_split(dataset: Dataset, lengths: Sequence[float]) -> list[Subset]:
    """Split a dataset at random, by the generator that `manual_seed` seeds.

    Args:
        lengths: how many instances each part has; or which fractions of all, whose sum is 1. What
            is left by rounding down goes to the first parts, one each.

    Raises:
        ValueError: the lengths do not add up to that of the dataset.

    Example:
        >>> train, validation = random_split(TensorDataset(np.arange(10)), [0.8, 0.2])
        >>> print(len(train), len(validation))
        8 2
    """
    n = len(dataset)
    if all(isinstance(x, float) for x in lengths) and abs(sum(lengths) - 1) < 1e-9:
        counts = [int(n * x) for x in lengths]
        left = n - sum(counts)
        lengths = [count + (i < left) for i, count in enumerate(counts)]
    if sum(lengths) != n or not all(is_integer(x) and x >= 0 for x in lengths):
        raise ValueError(
            f"random_split: the lengths {list(lengths)} do not add up to {n}; expected integers of "
            "at least 0, or fractions"
        )
    order = generator().permutation(n).tolist()
    ends = list(accumulate(map(int, lengths)))
    return [Subset(dataset, order[i:j]) for i, j in zip([0, *ends], ends, strict=False)]


class WeightedRandomSampler:
    """Indices drawn with these weights, anew in each epoch: a `sampler` for `DataLoader`.

    Args:
        weights: of each instance; they need not add up to 1.
        num_samples: how many indices an epoch has.
        replacement: whether an index may be drawn again.

    Raises:
        ValueError: the weights are negative or all 0, or `num_samples` is out of range.

    Example:
        >>> sampler = WeightedRandomSampler([0.0, 1.0, 1.0], num_samples=4)
        >>> loader = DataLoader(np.array([10, 11, 12]), batch_size=4, sampler=sampler)
        >>> for batch in loader:
        ...     print(batch.shape, 10 in batch)
        ...
        (4,) False
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True
    ) -> None:
        name, given = type(self).__name__, value_of(weights)
        backend = backend_or_none(given)
        values = np.asarray(backend.to_numpy(given) if backend else given, np.float64)
        total = values.sum()
        if values.ndim != 1 or not (values >= 0).all() or not 0 < total < inf:
            found = reprlib.repr(values.tolist())
            raise ValueError(
                f"{name}: weights = {found}, expected numbers of at least 0, not all 0"
            )
        most = inf if replacement else int((values > 0).sum())
        if not is_integer(num_samples) or not 0 < num_samples <= most:
            limit = "" if replacement else f", at most {most} without replacement"
            raise ValueError(f"{name}: num_samples = {num_samples!r}, expected at least 1{limit}")
        self.probabilities = (values / total).tolist()
        self.num_samples, self.replacement = num_samples, replacement

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        n, size = len(self.probabilities), self.num_samples
        drawn = generator().choice(n, size, self.replacement, self.probabilities)
        return iter(drawn.tolist())
