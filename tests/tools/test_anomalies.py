"""Hooks on nodes, and the mode that finds NaN, infinity and arrays changed in place."""

from __future__ import annotations

import gc
import math
import weakref
from typing import Any

import numpy as np
import pytest
from comparing import no_garbage

import gradcore
from gradcore import (
    AnomalyError,
    Divide,
    Exp,
    Log,
    Multiply,
    Op,
    Sqrt,
    Sum,
    TensorNode,
    detect_anomaly,
)
from gradcore.backends import Backend

# -- Hooks on nodes ---------------------------------------------------------------------------


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


# -- Anomalies --------------------------------------------------------------------------------


class BadBackward(Op):
    @staticmethod
    def forward(context: dict[str, Any], x: Any) -> Any:
        return x + 1.0

    @staticmethod
    def backward(context: dict[str, Any], go: Any) -> Any:
        return go * math.nan


def found(function: Any) -> str:
    with np.errstate(all="ignore"), detect_anomaly(), pytest.raises(AnomalyError) as caught:
        function()
    message = str(caught.value)
    assert __file__ in message  # where in the user's code
    return message


def test_the_op_that_first_made_nan_is_named(backend: Backend) -> None:
    x = node(backend, -1.0, 4.0)
    message = found(lambda: Sum.do_forward(Exp.do_forward(Log.do_forward(x))))
    assert message.startswith("Log made NaN of float32 (2,), which had none")
    assert "Exp.do_forward(Log.do_forward(x))" in message


def test_infinity_is_found_where_it_is_made() -> None:
    x = TensorNode([0.0, 1.0], name="x")
    assert found(lambda: 1.0 / x).startswith("Divide made infinity of 1.0, 'x', float32 (2,)")
    masked = x + np.array([-np.inf, 0.0], np.float32)  # as in a mask
    with detect_anomaly():
        gradcore.softmax(masked)


def test_nan_in_data_is_found_where_it_comes_in() -> None:
    x, data = TensorNode([1.0, 2.0]), np.array([1.0, np.nan], np.float32)
    assert found(lambda: x * data).startswith("Multiply: its input 1, float32 (2,), has NaN")


def test_backward_that_makes_nan_or_infinity_is_named(backend: Backend) -> None:
    x = node(backend, 0.0, 1.0)
    x.name = "x"
    message = found(lambda: Sum.do_forward(Sqrt.do_forward(x)).backward())
    assert "Sqrt.backward made infinity in the gradient of its input 0, 'x'" in message
    y = node(backend, 1.0)
    assert "BadBackward.backward made NaN" in found(lambda: BadBackward.do_forward(y).backward())


@pytest.mark.parametrize("op", [Multiply, Divide])
def test_array_changed_in_place_before_backward(op: type[Op]) -> None:
    w, x = TensorNode([1.0, 2.0], name="w"), TensorNode([3.0, 4.0])

    def step() -> None:
        loss = Sum.do_forward(op.do_forward(x, w))
        w.value -= 0.1
        loss.backward()

    message = found(step)
    assert f"{op.__name__}.backward needs its input 1, 'w', float32 (2,)," in message
    assert "changed in place" in message
    assert "op.do_forward(x, w)" in message


def test_output_changed_in_place_before_backward() -> None:
    def step() -> None:
        y = Exp.do_forward(TensorNode([1.0, 2.0]))
        y.value[0] = 3.0
        Sum.do_forward(y).backward()

    assert "Exp.backward needs its output, float32 (2,)," in found(step)


def test_nothing_is_found_where_all_is_well(backend: Backend) -> None:
    w, x = node(backend, 1.0, 2.0), node(backend, 3.0, 4.0)
    with detect_anomaly():
        for _ in range(2):
            loss = Sum.do_forward(gradcore.sigmoid(w * x) + x)
            x.value = x.value + 1.0  # a new array, not a changed one
            loss.backward(retain_graph=True)
            w.value -= 0.1 * w.grad  # changed, when no pass needs it any more
            loss = loss * 2.0
    with np.errstate(all="ignore"):
        Log.do_forward(TensorNode([-1.0]))  # outside, nothing is checked


def test_under_no_grad_and_of_raw_arrays() -> None:
    def without_graph() -> None:
        with gradcore.no_grad():
            Log.do_forward(TensorNode([-1.0]))

    assert found(without_graph).startswith("Log made NaN")
