"""Loaders: what they take, threads that read ahead, shares of processes, and resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import TensorNode
from gradcore.backends import default, get, use_backend
from gradcore.data import (
    Batches,
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)


class Rows(Dataset):
    """Instances that tell which they are, of each kind that can be collated."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int, /) -> dict[str, Any]:
        if index == 66:
            raise RuntimeError("a broken file")
        x = np.full((2, 3), index, np.float32)
        return {"x": x, "i": (index, 0.5 * index), "name": f"row {index}"}


def order(batches: Any) -> list[list[int]]:
    return [np.asarray(default().to_numpy(batch["i"][0])).tolist() for batch in batches]


def test_a_dictionary_of_arrays_gives_dictionaries(backend: Any) -> None:
    x, i = (
        backend.asarray(np.arange(12, dtype="float32").reshape(6, 2)),
        backend.asarray(np.arange(6)),
    )
    loader = DataLoader({"x": x, "nested": (i, [i])}, 4, shuffle=True)
    seen = []
    for batch in loader:
        assert isinstance(batch["x"], backend.array_types)
        which = backend.to_numpy(batch["nested"][0])
        np.testing.assert_array_equal(backend.to_numpy(batch["nested"][1][0]), which)
        np.testing.assert_array_equal(backend.to_numpy(batch["x"])[:, 0], 2 * which)
        seen += which.tolist()
    assert sorted(seen) == list(range(6))
    assert len(loader) == 2


def test_arrays_alone_and_in_any_number() -> None:
    x = np.arange(5)
    assert [b.tolist() for b in DataLoader(x, 2)] == [[0, 1], [2, 3], [4]]
    assert [[y.tolist() for y in b] for b in DataLoader((x, x, -x), 3)] == [
        [[0, 1, 2], [0, 1, 2], [0, -1, -2]],
        [[3, 4], [3, 4], [-3, -4]],
    ]
    [batch] = DataLoader(TensorDataset(x, x), 9, shuffle=True)
    assert isinstance(batch, tuple)
    assert sorted(batch[0].tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("workers", [0, 3])
def test_instances_are_put_together_on_the_default_backend(backend: Any, workers: int) -> None:
    with use_backend(backend.name, backend.device):
        batches = list(DataLoader(Rows(5), 2, num_workers=workers))
        for start, batch in zip((0, 2, 4), batches, strict=True):
            numbers = list(range(start, min(start + 2, 5)))
            assert isinstance(batch["x"], backend.array_types)
            assert tuple(batch["x"].shape) == (len(numbers), 2, 3)
            assert backend.to_numpy(batch["x"])[:, 0, 0].tolist() == numbers
            whole, half = map(backend.to_numpy, batch["i"])
            assert (whole.dtype, half.dtype) == (np.int64, np.float32)
            assert half.tolist() == [0.5 * n for n in numbers]
            assert batch["name"] == [f"row {n}" for n in numbers]


def test_threads_keep_the_order_and_the_errors() -> None:
    gradcore.manual_seed(3)
    expected = order(DataLoader(Rows(50), 4, shuffle=True))
    gradcore.manual_seed(3)
    assert order(DataLoader(Rows(50), 4, shuffle=True, num_workers=4)) == expected
    for workers in (0, 2):
        with pytest.raises(RuntimeError, match="a broken file") as caught:
            order(DataLoader(Rows(70), 4, num_workers=workers))
        assert caught.value.__notes__ == ["DataLoader: while reading instance 66"]
    for batch in DataLoader(Rows(50), 4, num_workers=2):  # abandoned
        assert batch["name"][0] == "row 0"
        break


def test_threads_read_at_the_same_time() -> None:
    from threading import Barrier

    both = Barrier(2, timeout=20)

    class Meeting(Rows):
        def __getitem__(self, index: int, /) -> dict[str, Any]:
            both.wait()
            return super().__getitem__(index)

    assert order(DataLoader(Meeting(4), 1, num_workers=2)) == [[0], [1], [2], [3]]


@pytest.mark.parametrize(("n", "drop", "sizes"), [(10, True, [4, 4]), (10, False, [4, 4, 2]),
                                                  (3, True, []), (8, True, [4, 4])])  # fmt: skip
def test_the_last_batch_can_be_dropped(n: int, drop: bool, sizes: list[int]) -> None:
    for shuffle in (True, False):
        loader = DataLoader(np.arange(n), 4, shuffle, drop_last=drop)
        assert [len(batch) for batch in loader] == sizes
        assert len(loader) == len(sizes)


LOADERS = {
    "shuffled": lambda: DataLoader(Rows(11), 3, shuffle=True),
    "in order": lambda: DataLoader(Rows(11), 3),
    "by a seed": lambda: DataLoader(Rows(11), 3, shuffle=True, seed=5),
    "by a sampler": lambda: DataLoader(Rows(11), 3, sampler=WeightedRandomSampler([1] * 11, 8)),
    "in threads": lambda: DataLoader(Rows(11), 3, shuffle=True, num_workers=2),
    "a share": lambda: DataLoader(Rows(11), 3, shuffle=True, rank=1, world_size=2),
    "columns": lambda: DataLoader({"i": (np.arange(11),)}, 3, shuffle=True),
    "copied": lambda: DataLoader({"i": (np.arange(11),)}, 3, True, to=get("strict")),
}


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS)
def test_a_loader_goes_on_in_the_middle_of_an_epoch(make: Any, tmp_path: Path) -> None:
    gradcore.manual_seed(1)

    def read(batch: Any) -> list[int]:
        x = batch["i"][0]
        return gradcore.backends.backend_of(x).to_numpy(x).tolist()

    first = make()
    for stop in range(len(first) + 1):
        batches = iter(first)
        for _ in range(stop):
            next(batches)
        state = {"loader": first, "random": gradcore.random}
        gradcore.save(tmp_path / "x", state)
        rest, following = list(map(read, batches)), list(map(read, first))
        second = make()
        gradcore.manual_seed(99)
        gradcore.load(tmp_path / "x", into={"loader": second, "random": gradcore.random})
        assert second.state_dict()["given"] == first.batch_size * stop or stop == len(first)
        assert list(map(read, second)) == rest
        assert list(map(read, second)) == following
        assert second.epoch == first.epoch


def test_a_seed_decides_each_epoch_by_its_number() -> None:
    def epochs(seed: int) -> list[list[list[int]]]:
        loader = DataLoader({"i": (np.arange(20),)}, 20, shuffle=True, seed=seed)
        return [order(loader), order(loader)]

    assert epochs(1) == epochs(1)
    assert epochs(1)[0] != epochs(1)[1]
    assert epochs(1) != epochs(2)
    before = gradcore.random.get_state()
    epochs(1)
    assert gradcore.random.get_state() == before


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("n", "world"), [(12, 3), (10, 4), (1, 3), (7, 7)])
def test_processes_share_an_epoch(n: int, world: int, shuffle: bool) -> None:
    def shares(drop: bool) -> list[list[int]]:
        loaders = [
            DataLoader(np.arange(n), 2, shuffle, drop_last=drop, rank=rank, world_size=world)
            for rank in range(world)
        ]
        assert len({len(loader) for loader in loaders}) == 1
        return [[i for batch in loader for i in batch.tolist()] for loader in loaders]

    whole = shares(drop=False)
    assert len({len(share) for share in whole}) == 1
    assert {i for share in whole for i in share} == set(range(n))
    dropped = [i for share in shares(drop=True) for i in share]
    assert len(dropped) == len({*dropped})


def test_shares_are_those_of_pytorch() -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    for n, world, drop in ((10, 4, False), (10, 4, True), (3, 5, False)):
        for rank in range(world):
            ours = DataLoader(np.arange(n), 1, drop_last=drop, rank=rank, world_size=world)
            theirs = torch_data.DistributedSampler(range(n), world, rank, False, drop_last=drop)
            assert [int(x[0]) for x in ours] == list(theirs)


def test_weights_decide_how_often_an_instance_is_drawn() -> None:
    gradcore.manual_seed(0)
    sampler = WeightedRandomSampler([0, 1, 3], 4000)
    [batch] = DataLoader(np.arange(3), 4000, sampler=sampler)
    counts = np.bincount(batch, minlength=3) / 4000
    np.testing.assert_allclose(counts, [0, 0.25, 0.75], atol=0.03)
    [batch] = DataLoader(np.arange(3), 9, sampler=WeightedRandomSampler([1, 1, 1], 3, False))
    assert sorted(batch.tolist()) == [0, 1, 2]


def test_datasets_are_put_together_and_split() -> None:
    both = ConcatDataset([Rows(3), Rows(2)])
    assert [both[i]["name"][4:] for i in range(-1, 5)] == ["1", "0", "1", "2", "0", "1"]
    with pytest.raises(IndexError, match="index 5, and there are 5 instances"):
        both[5]
    assert [x["i"][0] for x in map(Subset(Rows(9), [4, 2]).__getitem__, range(2))] == [4, 2]
    gradcore.manual_seed(0)
    for lengths, sizes in (([3, 7], [3, 7]), ([0.5, 0.25, 0.25], [6, 2, 2])):
        parts = random_split(Rows(10), lengths)
        assert [len(part) for part in parts] == sizes
        assert sorted(i for part in parts for i in part.indices) == list(range(10))
    with pytest.raises(ValueError, match=r"lengths \[3, 4\] do not add up to 10"):
        random_split(Rows(10), [3, 4])


X = np.arange(4.0)
WRONG: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (5, {}, TypeError, "the dataset is a int, expected arrays, or something with a length"),
    ({}, {}, ValueError, "the arrays have shapes of none, expected one length"),
    ({"x": np.ones(3), "y": np.ones(2)}, {}, ValueError, r"shapes \(3,\) and \(2,\), expected one"),
    (np.ones(3), {"batch_size": 0}, ValueError, "batch_size = 0, expected at least 1"),
    (np.ones(3), {"num_workers": -1}, ValueError, "num_workers = -1, expected at least 0"),
    (np.ones(3), {"rank": 2, "world_size": 2}, ValueError, "rank = 2, .* less than world_size = 2"),
    (np.ones(3), {"shuffle": True, "sampler": [1]}, ValueError, "shuffle and sampler exclude"),
]


@pytest.mark.parametrize(("dataset", "options", "error", "text"), WRONG)
def test_wrong_arguments_of_a_loader(
    dataset: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        DataLoader(dataset, **options)


def test_a_state_of_another_dataset_is_refused() -> None:
    loader = DataLoader(np.arange(5), 2, shuffle=True)
    next(iter(loader))
    state = loader.state_dict()
    for wrong in (
        {},
        {**state, "given": 9},
        {**state, "order": np.arange(6)},
        {**state, "order": np.array([0, 1, 2, 3, 5])},
        {**state, "epoch": -1},
    ):
        with pytest.raises(ValueError, match=r"expected|another dataset"):
            loader.load_state_dict(wrong)
        assert loader.state_dict() == state
    assert repr(Batches(np.ones(5), np.ones(5), 2)) == (
        "Batches(5 instances, 3 batches of 2, shuffled)"
    )


X = np.arange(4.0)
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: DataLoader(X, sampler=3), TypeError, "sampler is a int, expected an iterable"),
    (lambda: DataLoader(X, collate_fn=3), TypeError, "collate_fn is a int, expected a function"),
    (lambda: DataLoader(X, to="cupy"), TypeError, "to is a str, expected a backend"),
    (lambda: DataLoader(X, shuffle=True, seed=-1), ValueError, "seed = -1, expected at least 0"),
    (lambda: DataLoader(([1, 2], [3, 4])), TypeError, "a tuple with a int, expected arrays; or a"),
    (
        lambda: [*DataLoader(X, sampler=[1.5])],
        IndexError,
        r"gave \[1\.5\], expected integers",
    ),
    (lambda: [*DataLoader(X, sampler=[4])], IndexError, r"gave \[4\], expected integers below 4"),
    (
        lambda: [*DataLoader([X, X[:2]], 2)],
        ValueError,
        r"are an array \(4,\) and an array \(2,\)",
    ),
    (lambda: [*DataLoader([{"a": 1}, {"b": 1}], 2)], ValueError, "expected one form"),
    (lambda: WeightedRandomSampler([0, 0], 2), ValueError, "expected numbers of at least 0, n"),
    (lambda: WeightedRandomSampler([1, -1], 2), ValueError, "expected numbers of at least 0, n"),
    (lambda: WeightedRandomSampler([1, 0], 2, False), ValueError, "at most 1 without replacement"),
    (lambda: random_split(X, [-1, 5]), ValueError, "expected integers of at least 0"),
]


@pytest.mark.parametrize(("call", "kind", "problem"), REFUSED)
def test_what_can_not_be_loaded_is_named(call: Any, kind: type[Exception], problem: str) -> None:
    with pytest.raises(kind, match=problem) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_function_puts_rows_of_arrays_together() -> None:
    rows = [*DataLoader((X, X + 1), 3, collate_fn=list)]
    assert rows == [[(0, 1), (1, 2), (2, 3)], [(3, 4)]]


def test_nodes_are_loaded_as_arrays() -> None:
    for dataset in (TensorNode(X), [TensorNode(x) for x in X]):
        assert [x.tolist() for x in DataLoader(dataset, 3)] == [[0, 1, 2], [3]]
