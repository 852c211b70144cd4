"""Rule 1: backward visits only what the loss depends on, and each op once.

An op's turn comes when the gradients of all of its outputs are in.
"""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import numpy as np
import pytest
from graphs import Context, Halves, node, total

from gradcore import Exp, Id, Op, TensorNode


class Recorder(Op):
    """The identity; counts its backward passes."""

    calls = 0

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        return x

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        Recorder.calls += 1
        return go


def test_diamond_visits_each_opnode_once_after_all_of_its_outputs() -> None:
    x = node(3)
    Recorder.calls = 0
    middle = Recorder.do_forward(x)
    left, right = Exp.do_forward(middle), middle * 3.0
    total(left * right).backward()
    assert Recorder.calls == 1
    v = x.value
    np.testing.assert_allclose(x.grad, 3 * np.exp(v) * (1 + v))


def test_uneven_paths_to_one_node() -> None:
    x = node(3)
    Recorder.calls = 0
    middle = Recorder.do_forward(x)
    far = middle
    for _ in range(5):
        far = Id.do_forward(far)
    total(middle + far).backward()
    assert Recorder.calls == 1
    np.testing.assert_array_equal(x.grad, np.full(3, 2.0))


def test_unused_branch_is_not_visited_and_blocks_nothing() -> None:
    x = node(3)
    middle = x * 2.0
    Recorder.calls = 0
    unused = Recorder.do_forward(middle)
    total(middle).backward()
    assert Recorder.calls == 0
    assert not unused.has_grad
    np.testing.assert_array_equal(x.grad, np.full(3, 2.0))


def test_node_used_twice_by_one_op() -> None:
    x = node(3)
    total(x * x).backward()
    np.testing.assert_allclose(x.grad, 2 * x.value)
    x.zero_grad()
    total(x + x).backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 2.0))


def test_two_losses_over_one_node_add_up() -> None:
    x = node(3)
    shared = Exp.do_forward(x)
    first, second = total(shared), total(shared * 2.0)
    first.backward(retain_graph=True)
    second.backward()
    np.testing.assert_allclose(x.grad, 3 * np.exp(x.value))
    np.testing.assert_allclose(shared.grad, np.full(3, 3.0))


def test_second_loss_gives_the_same_as_alone() -> None:
    """Only this pass's gradient is sent on, not what an earlier pass left in the nodes."""
    x = node(3)
    loss = total(Exp.do_forward(x * x))
    loss.backward(retain_graph=True)
    once = x.grad.copy()
    loss.backward()
    np.testing.assert_allclose(x.grad, 2 * once)


@pytest.mark.parametrize("used", [0, 1])
def test_multi_output_op_with_one_output_unused(used: int) -> None:
    x = node(4)
    halves = Halves.do_forward(x)
    assert len(halves) == 2
    total(halves[used] * 3.0).backward()
    expected = np.zeros(4)
    expected[2 * used : 2 * used + 2] = 3
    np.testing.assert_array_equal(x.grad, expected)


def test_multi_output_op_with_one_output_dropped() -> None:
    x = node(4)
    _, right = Halves.do_forward(x)
    del _
    total(right).backward()
    np.testing.assert_array_equal(x.grad, [0, 0, 1, 1])


def test_results_of_several_threads() -> None:
    x = node(3)
    parts: list[TensorNode] = []
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(lambda: parts.append(x * x),))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total(parts[3] + parts[2] + parts[1] + parts[0]).backward()
    np.testing.assert_allclose(x.grad, 8 * x.value)
