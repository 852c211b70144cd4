"""Rule 3: no reference cycle needs the garbage collector."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from graphs import Halves, total

from gradcore import Sigmoid, TensorNode


def growth(work: Callable[[], None]) -> int:
    """Give the bytes that three runs of `work` leave, without the garbage collector."""
    work()
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            work()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.parametrize("retain_graph", [True, False, None])
def test_memory_returns_without_the_garbage_collector(retain_graph: bool | None) -> None:
    x = TensorNode(np.ones(100_000))

    def work() -> None:
        hidden = Sigmoid.do_forward(x * 2.0)
        left, right = Halves.do_forward(hidden)
        loss = total(left * right)
        if retain_graph is not None:
            loss.backward(retain_graph=retain_graph)
        x.zero_grad()

    assert growth(work) < 100_000  # less than one of the arrays


def test_create_graph_frees_after_zero_grad() -> None:
    x = TensorNode(np.ones(100_000))

    def work() -> None:
        loss = total(Sigmoid.do_forward(x * x) * x)
        loss.backward(create_graph=True)
        loss.zero_grad()

    assert growth(work) < 100_000
