"""Hooks on nodes: what they see, replace and keep alive."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from comparing import no_garbage

import gradcore
from gradcore import Exp, Sum, TensorNode
from gradcore.backends import Backend


def node(backend: Backend, *numbers: float) -> TensorNode:
    return TensorNode(backend.asarray(np.array(numbers), "float32"))


def test_hook_sees_the_complete_gradient_once(backend: Backend) -> None:
    x, seen = node(backend, 1, 2), []
    y = x * x
    y.register_hook(lambda g: seen.append(("y", backend.to_numpy(g).tolist())))
    x.register_hook(lambda g: seen.append(("x", backend.to_numpy(g).tolist())))
    Sum.do_forward(y * 2.0 + y).backward()  # y and x are used twice
    assert seen == [("y", [3.0, 3.0]), ("x", [6.0, 12.0])]
    assert backend.to_numpy(x.grad).tolist() == [6.0, 12.0]


def test_hook_replaces_the_gradient(backend: Backend) -> None:
    x = node(backend, 1, 2)
    y = x * 2.0
    y.register_hook(lambda g: g * 10.0)
    with x.register_hook(lambda g: -g):
        Sum.do_forward(y).backward()
    assert backend.to_numpy(y.grad).tolist() == [10.0, 10.0]
    assert backend.to_numpy(x.grad).tolist() == [-20.0, -20.0]
    Sum.do_forward(x * 1.0).backward()  # its hook is off
    assert backend.to_numpy(x.grad).tolist() == [-19.0, -19.0]


def test_hook_lives_on_where_its_node_was_dropped() -> None:
    x, seen = TensorNode([1.0]), []
    y = Exp.do_forward(x)
    y.register_hook(lambda g: seen.append(float(g[0])))
    loss = Sum.do_forward(y * 3.0)
    del y
    loss.backward()
    assert seen == [3.0]


def test_hooks_run_in_order_and_can_be_removed() -> None:
    x = TensorNode([1.0])
    x.register_hook(lambda g: g + 1)
    handle = x.register_hook(lambda g: g * 10)
    (x * 1.0).backward()
    assert x.grad == [20.0]
    handle.remove()
    handle.remove()
    x.zero_grad()
    (x * 1.0).backward()
    assert x.grad == [2.0]


def test_hook_of_one_output_of_several() -> None:
    x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
    first, second = gradcore.Unstack.do_forward(x)
    second.register_hook(lambda g: g * 5.0)
    Sum.do_forward(first + second).backward()
    assert x.grad.tolist() == [[1.0, 1.0], [5.0, 5.0]]


def test_what_a_hook_gives_is_not_written_to() -> None:
    x, given = TensorNode([1.0]), np.array([5.0], np.float32)
    x.register_hook(lambda _: given)
    for _ in range(3):
        (x * x).backward()  # two gradients, so the engine has a sum of its own
    assert x.grad == [15.0]
    assert given == [5.0]


def test_what_a_hook_changes_in_place_is_of_its_own_node() -> None:
    x, z = TensorNode([1.0]), TensorNode([1.0])

    def double(g: Any) -> None:
        g *= 2.0

    x.register_hook(double)
    (x + z).backward()
    assert (x.grad, z.grad) == ([2.0], [1.0])
    y = x * 1.0
    y.register_hook(double)
    x.zero_grad()
    (y + z).backward()
    assert (y.grad, x.grad, z.grad) == ([2.0], [4.0], [2.0])


def test_hook_in_a_pass_that_builds_a_graph() -> None:
    x = TensorNode(np.array(3.0))
    x.register_hook(lambda g: g * 2.0)
    y = x * x * x
    y.backward(create_graph=True)
    first = x.grad
    y.zero_grad()
    first.backward()
    assert first.value == 2 * 27
    assert x.grad == 2 * (2 * 18)  # the second pass goes through the hook as well


def test_hook_that_gives_something_unfitting_is_an_error() -> None:
    x = TensorNode([1.0])
    x.register_hook(lambda _: np.zeros(3, np.float32))
    with pytest.raises(ValueError, match=r"grad is float32 \(3,\) .* expected float32 \(1,\)"):
        (x * 1.0).backward()
    with pytest.raises(ValueError, match="register_hook: this node requires no gradient"):
        TensorNode([1]).register_hook(print)
    y = TensorNode([1.0], name="y")
    y.register_hook(lambda _: "one")
    with pytest.raises(ValueError, match=r"grad is .*str.*, expected float32 \(1,\)"):
        Sum.do_forward(y).backward()


def test_hooks_hold_no_graph() -> None:
    gc.disable()
    try:
        x = TensorNode([1.0])
        y = Exp.do_forward(x)
        y.register_hook(lambda g: g)
        ref = weakref.ref(y.source)
        del y
        assert ref() is None
    finally:
        gc.enable()


def test_hooks_leave_nothing_to_the_garbage_collector() -> None:
    with no_garbage():
        x = TensorNode([1.0])
        y = Exp.do_forward(x)
        y.register_hook(lambda g: g)
        with x.register_hook(lambda g: g):
            Sum.do_forward(y).backward()
        del x, y


def test_what_a_hook_gives_becomes_an_array_that_may_be_changed() -> None:
    class Kind(np.ndarray):
        pass

    def locked(g: Any) -> Any:
        y = np.asarray(g * 2)
        y.flags.writeable = False
        return y

    for hook in (lambda g: g * 2, locked, lambda g: np.asarray(g * 2).view(Kind)):
        for start in (np.array(3.0), np.ones(2)):
            x = TensorNode(start)
            x.register_hook(hook)
            Sum.do_forward(x * x).backward()
            assert type(x.grad) is np.ndarray
            x.grad[...] = 0


def test_what_a_hook_keeps_stays_as_it_was() -> None:
    kept: list[Any] = []
    x = TensorNode(np.ones(2))
    x.register_hook(kept.append)
    Sum.do_forward(x * x).backward()
    x.grad *= 0
    Sum.do_forward(x * x).backward()
    np.testing.assert_array_equal(kept, [[2, 2], [2, 2]])
