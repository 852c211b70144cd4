"""Rule 4: backward releases each op's context and intermediate value once it is done with it.

Nodes that the caller still holds keep their gradients; `retain_graph=True` keeps everything; a
second pass over a released graph is an error.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
from graphs import Context, node, total

from gradcore import Exp, Id, Op, Sum, TensorNode


def test_released_graph_keeps_gradients_of_held_nodes_only() -> None:
    x = node(3)
    held = x * 2.0
    dropped = Exp.do_forward(held)
    loss = total(dropped)
    source, watched = loss.source, weakref.ref(dropped)
    assert source is not None
    del dropped
    assert watched() is not None
    loss.backward()
    assert watched() is None
    assert source.context is None
    np.testing.assert_allclose(held.grad, np.exp(2 * x.value))
    np.testing.assert_allclose(x.grad, 2 * np.exp(2 * x.value))
    np.testing.assert_array_equal(loss.grad, 1.0)


def test_values_are_let_go_of_during_the_pass() -> None:
    """When the first ops' backward runs, what came later is gone already."""
    alive: list[bool] = []

    class Look(Id):
        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            alive.append(watched() is not None)
            return go

    first = Look.do_forward(node(3))
    later = Exp.do_forward(first)
    watched = weakref.ref(later.value)
    loss = total(later)
    del later
    loss.backward()
    assert alive == [False]


def test_retain_graph_keeps_all() -> None:
    x = node(3)
    loss = total(Exp.do_forward(x))
    loss.backward(retain_graph=True)
    assert loss.source is not None
    assert loss.source.inputs[0].source.context
    loss.backward()


def test_second_pass_over_a_released_graph_is_an_error() -> None:
    x = node(3)
    shared = Exp.do_forward(x)
    loss, other = total(shared), total(shared * 2.0)
    loss.backward()
    with pytest.raises(RuntimeError, match=r"Sum, .*earlier backward pass.*retain_graph=True"):
        loss.backward()
    with pytest.raises(RuntimeError, match=r"Exp, .*earlier backward pass"):
        other.backward()
    with pytest.raises(RuntimeError, match="released"):
        total(shared * 3.0).backward()


@pytest.mark.parametrize("retain_graph", [True, False])
def test_zero_grad_and_clear_after_a_pass(retain_graph: bool) -> None:
    x, y = node(3), node(3, seed=1)
    held = x * y
    loss = total(Exp.do_forward(held))
    loss.backward(retain_graph=retain_graph)
    loss.zero_grad()
    for n in (x, y, held, loss):
        assert not n.has_grad
        np.testing.assert_array_equal(n.grad, np.zeros(n.shape))
    loss.clear()
    assert loss.source is None
    assert held.source is None
    assert x.value.shape == (3,)


def test_zero_grad_does_not_touch_what_the_loss_does_not_depend_on() -> None:
    x, y = node(3), node(3)
    total(y * 2.0).backward()
    loss = total(x)
    loss.backward()
    loss.zero_grad()
    assert y.has_grad
    assert not x.has_grad


def test_intermediate_nodes_are_let_go_of_before_their_op_is_visited() -> None:
    """Otherwise each would get a gradient, a copy, that nobody asks for."""
    alive, refs = [], []

    class Probe(Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return x * 1.0

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            alive.append(sum(ref() is not None for ref in refs))
            return go

    y = TensorNode([1.0])
    for _ in range(4):
        y = Probe.do_forward(y)
        refs.append(weakref.ref(y))
    loss = Sum.do_forward(y)
    del y
    loss.backward()
    assert alive == [3, 2, 1, 0]
