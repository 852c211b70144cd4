"""The mode that finds NaN, infinity and arrays changed in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

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


def node(backend: Backend, *numbers: float) -> TensorNode:
    return TensorNode(backend.asarray(np.array(numbers), "float32"))


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


@pytest.mark.parametrize("changed", ["x", "w", "c"])
def test_what_a_checkpointed_function_reads_is_changed_in_place(changed: str) -> None:
    x, w, c = TensorNode([1.0, 2.0], name="x"), TensorNode([3.0, 4.0], name="w"), np.ones(2, "f")
    values = {"x": x.value, "w": w.value, "c": c}

    def step() -> None:
        y = gradcore.checkpoint(lambda x: gradcore.tanh(x * w * 0.1) * c)(x)
        values[changed][0] = 2.5
        Sum.do_forward(y).backward()

    message = found(step)
    if changed == "c":  # an array that the engine does not know
        assert message.startswith("checkpoint: its function gave float32 (2,) numbers, and others")
    else:
        assert f"'{changed}', float32 (2,), as it was in forward" in message
    assert "gradcore.checkpoint(lambda x" in message


def test_arrays_changed_in_place_between_two_derivatives() -> None:
    x = TensorNode([1.0, 2.0], name="x")

    def step() -> None:
        x.zero_grad()
        Sum.do_forward(x * x * x).backward(create_graph=True)
        loss = Sum.do_forward(x.grad)
        x.value[0] = 3.0
        loss.backward()

    assert "changed in place since" in found(step)
    x.zero_grad()


def test_nothing_is_found_where_all_is_well(backend: Backend) -> None:
    w, x = node(backend, 1.0, 2.0), node(backend, 3.0, 4.0)
    with detect_anomaly():
        for _ in range(2):
            loss = Sum.do_forward(gradcore.sigmoid(w * x) + x)
            x.value = x.value + 1.0  # a new array, not a changed one
            loss.backward(retain_graph=True)
            w.value -= 0.1 * w.grad  # changed, when no pass needs it any more
            loss = loss * 2.0
        again = gradcore.checkpoint(lambda x: gradcore.softmax(gradcore.tanh(x * w)))
        rows = TensorNode(backend.asarray(np.ones((3, 2)), "float32"))
        Sum.do_forward(again(rows) * rows).backward()
    with np.errstate(all="ignore"):
        Log.do_forward(TensorNode([-1.0]))  # outside, nothing is checked


def test_under_no_grad_and_of_raw_arrays() -> None:
    def without_graph() -> None:
        with gradcore.no_grad():
            Log.do_forward(TensorNode([-1.0]))

    assert found(without_graph).startswith("Log made NaN")
