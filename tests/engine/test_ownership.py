"""Rule 6: the engine writes in place only into buffers that it allocated itself.

Inputs, outputs, incoming gradients, and arrays that an op keeps are never written to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import Context, node, total

import gradcore
from gradcore import Id, Op, TensorNode


def test_a_gradient_that_an_op_keeps_is_not_given_away() -> None:
    kept = np.full(2, 3.0, np.float32)

    class Triple(gradcore.Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return 3.0 * x

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            return kept

    x = TensorNode([1.0, 2.0])
    gradcore.Sum.do_forward(Triple.do_forward(x)).backward()
    x.grad *= 5.0
    assert kept.tolist() == [3.0, 3.0]


def test_leaves_do_not_share_gradients() -> None:
    a, b = node(3), node(3)
    held = a + b
    loss = total(held)
    loss.backward()
    a.grad[:] = 7
    np.testing.assert_array_equal(b.grad, np.ones(3))
    np.testing.assert_array_equal(held.grad, np.ones(3))


def test_leaves_do_not_share_gradients_that_are_nodes() -> None:
    a, b = node(3), node(3)
    total(a + b).backward(create_graph=True)
    assert a.grad is not b.grad
    a.grad[0] = 5.0
    a.grad.value[1] = 5.0
    np.testing.assert_array_equal(b.grad.value, np.ones(3))


def test_accumulation_leaves_what_an_op_gave_alone() -> None:
    given: list[Any] = []

    class Keeps(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            return x + 0

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            given.append(go * 2)
            return given[-1]

    x = node(3)
    loss = total(Keeps.do_forward(x) + Keeps.do_forward(x) + Keeps.do_forward(x))
    loss.backward(retain_graph=True)
    loss.backward()
    assert len(given) == 6
    for g in given:
        np.testing.assert_array_equal(g, np.full(3, 2.0))
    np.testing.assert_array_equal(x.grad, np.full(3, 12.0))


class Saves(Op):
    """Add nothing; the gradient is an array that the context keeps."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["ones"] = np.ones_like(x)
        return x + 0

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return context["ones"]


@pytest.mark.parametrize("of", ["a leaf", "a held node"])
def test_gradient_that_an_op_saved_in_its_context_is_not_shared(of: str) -> None:
    x = node(3) if of == "a leaf" else node(3) + 0.0
    loss = total(Saves.do_forward(x))
    loss.backward(retain_graph=True)
    x.grad *= 5
    loss.backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 6.0))


def test_read_only_inputs_and_gradients_work() -> None:
    w = node(3)
    w.value.flags.writeable = False
    total(w * w + w).backward()
    np.testing.assert_allclose(w.grad, 2 * w.value + 1)


def test_gradient_is_not_an_input_that_an_op_saved() -> None:
    class Swapped(Op):
        @staticmethod
        def forward(context: Context, a: Any, b: Any) -> Any:
            context["ab"] = a, b
            return a * b

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            a, b = context["ab"]
            return b, a

    a, b = node(3), node(3, seed=1)
    before = b.value.copy()
    total(Swapped.do_forward(a, b)).backward()
    a.grad *= 0
    np.testing.assert_array_equal(b.value, before)


def test_a_read_only_gradient_is_copied() -> None:
    class ReadOnly(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            g = go * 2
            g.flags.writeable = False
            return g

    x, z = node(3), node(3)
    (total(ReadOnly.do_forward(Id.do_forward(x))) + total(z * z)).backward()
    x.grad *= 0
