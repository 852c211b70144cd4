"""Where Python can't start a thread, as in a browser, what would use threads runs without."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcore.backends.numpy import threads
from gradcore.data import DataLoader, load_mnist


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.parametrize("num_workers", [0, 3])
def test_batches_are_read_one_by_one(num_workers: int) -> None:
    batches = list(DataLoader(np.arange(10.0), batch_size=4, num_workers=num_workers))
    assert [list(batch) for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_an_error_of_a_dataset_is_what_is_raised() -> None:
    class Broken:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, i: int) -> float:
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken") as raised:
        list(DataLoader(Broken(), num_workers=2))
    assert "thread" not in str(raised.value.__context__)


def test_mnist_is_the_images_that_ship(data_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "gradcore"):
        (x, _), _, _ = load_mnist()
    assert len(x) == 3000
    assert "can't start new thread" in caplog.text
    assert not data_cache.exists() or not list(data_cache.rglob("*.gz"))


def test_loops_run_in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "count", lambda: 4)
    threads.pool.cache_clear()
    done = np.zeros(100)

    def loop(start: int, stop: int) -> None:
        done[start:stop] += 1

    threads.share(loop, 100)
    threads.pool.cache_clear()
    assert (done == 1).all()
