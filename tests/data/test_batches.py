"""Batches: their order, their arrays, and where they are copied to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore.backends import get
from gradcore.data import Batches


def numbered(backend: Any, n: int) -> tuple[Any, Any]:
    """Instances that tell which they are."""
    return (
        backend.asarray(np.arange(3 * n, dtype=np.float32).reshape(n, 3)),
        backend.asarray(np.arange(n)),
    )


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("n", "size"), [(10, 4), (12, 4), (3, 8), (5, 1), (1, 1), (0, 2)])
def test_an_epoch_gives_every_instance_once(backend: Any, n: int, size: int, shuffle: bool) -> None:
    x, y = numbered(backend, n)
    batches = Batches(x, y, size, shuffle)
    seen: list[int] = []
    for xbatch, ybatch in batches:
        assert isinstance(xbatch, backend.array_types)
        assert xbatch.device == x.device
        assert ybatch.device == y.device
        assert (xbatch.dtype, ybatch.dtype) == (x.dtype, y.dtype)
        which = backend.to_numpy(ybatch)
        np.testing.assert_array_equal(backend.to_numpy(xbatch)[:, 0], 3 * which)
        seen += which.tolist()
    assert sorted(seen) == list(range(n))
    assert shuffle or seen == sorted(seen)
    sizes = [batch.shape[0] for _, batch in batches]
    assert sizes == [size] * (n // size) + ([n % size] if n % size else [])
    assert len(batches) == len(sizes)


def test_the_seed_decides_the_order_on_every_backend(backend: Any) -> None:
    def epochs(batches: Batches) -> list[list[list[int]]]:
        gradcore.manual_seed(7)
        return [[backend_of(y).to_numpy(y).tolist() for _, y in batches] for _ in range(2)]

    backend_of = gradcore.backends.backend_of
    here = epochs(Batches(*numbered(backend, 50), 8))
    assert here == epochs(Batches(*numbered(gradcore.backends.get("numpy"), 50), 8))
    assert here[0] != here[1]


def test_another_seed_gives_another_order() -> None:
    orders = []
    for seed in (7, 8):
        gradcore.manual_seed(seed)
        [(_, order)] = Batches(np.arange(50), np.arange(50), 50)
        orders.append(order.tolist())
    assert orders[0] != orders[1]


def test_the_order_is_drawn_when_the_epoch_begins() -> None:
    batches = Batches(np.arange(20), np.arange(20), 20)
    gradcore.manual_seed(1)
    first, second = iter(batches), iter(batches)
    later = next(second)[0]
    gradcore.manual_seed(1)
    np.testing.assert_array_equal(
        next(first)[0], gradcore.backends.random.generator().permutation(20)
    )
    np.testing.assert_array_equal(later, gradcore.backends.random.generator().permutation(20))


def test_batches_without_shuffling_draw_nothing_and_copy_nothing() -> None:
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6)
    gradcore.manual_seed(1)
    for xbatch, ybatch in Batches(x, y, 4, shuffle=False):
        assert np.shares_memory(xbatch, x)
        assert np.shares_memory(ybatch, y)
    drawn = gradcore.backends.random.generator().random()
    gradcore.manual_seed(1)
    assert drawn == gradcore.backends.random.generator().random()


def test_batches_do_not_look_at_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """No number is brought to the host, which would make a GPU wait."""
    strict = pytest.importorskip("array_api_strict")

    def refuse(_: object) -> None:
        raise AssertionError("the host has waited for the device")

    x, y = numbered(gradcore.backends.get("strict"), 10)
    for name in ("__bool__", "__int__", "__float__", "__index__", "__array__"):
        monkeypatch.setattr(type(strict.zeros(1)), name, refuse, raising=False)
    for shuffle in (True, False):
        assert len(list(Batches(x, y, 4, shuffle))) == 3


def test_batches_of_images_and_of_other_types() -> None:
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float64).reshape(2, 3, 4, 5)[..., ::-1]
    y = np.asarray([[True, False], [False, True]])
    [(xbatch, ybatch)] = Batches(x, y, 5)
    order = [0, 1] if ybatch[0, 0] else [1, 0]
    np.testing.assert_array_equal(xbatch, x[order])
    np.testing.assert_array_equal(ybatch, y[order])


@pytest.mark.parametrize(
    ("x", "y", "size", "error", "text"),
    [
        (np.ones((4, 2)), np.ones(3), 2, ValueError, r"shapes \(4, 2\) and \(3,\)"),
        (np.ones(()), np.ones(3), 2, ValueError, r"shapes \(\) and \(3,\)"),
        (np.ones(3), np.ones(()), 2, ValueError, r"shapes \(3,\) and \(\)"),
        (np.ones(3), np.ones(3), 0, ValueError, "batch_size = 0, expected at least 1"),
        (np.ones(3), np.ones(3), -5, ValueError, "batch_size = -5, expected at least 1"),
        (
            [1, 2],
            np.ones(2),
            1,
            TypeError,
            "expected an array, not list; gradcore.asarray makes one",
        ),
        (np.ones(2), None, 1, TypeError, "expected an array, not NoneType"),
    ],
)
def test_wrong_batches(x: Any, y: Any, size: int, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Batches(x, y, size)


def test_batches_go_from_the_host_to_a_device() -> None:
    x, y = np.arange(12.0, dtype=np.float32).reshape(6, 2), np.arange(6)
    pytest.importorskip("array_api_strict")
    to = get("strict", "device2")
    for shuffle in (False, True):
        gradcore.manual_seed(0)
        here = list(Batches(x, y, 4, shuffle))
        gradcore.manual_seed(0)
        there = list(Batches(x, y, 4, shuffle, to=to))
        assert [len(batch) for batch in there] == [2, 2]
        for ours, theirs in zip(here, there, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                assert b.device == to.device
                np.testing.assert_array_equal(to.to_numpy(b), a, strict=True)
    for data in (
        (to.asarray(x), to.asarray(y)),
        (get("strict", "device1").asarray(x), to.asarray(y)),
    ):
        for place in (to, get("strict", "device1"), get("strict", "device2")):
            for batch in Batches(*data, 4, False, to=place):
                assert {a.device for a in batch} == {place.asarray([0]).device}
    already = Batches(to.asarray(x), to.asarray(y), 4, to=to)
    assert already.to is None
    assert Batches(x, y, 4, to=get("numpy")).to is None
