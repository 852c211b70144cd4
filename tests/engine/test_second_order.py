"""Rule 7: with `create_graph=True` a backward pass builds a graph of its own, of every order.

A floating array that an op saved must be an input or an output of the op. Any other is an error
on second order, never a wrong number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import Context, node, total

import gradcore
from gradcore import Multiply, Op, TensorNode, namespace, no_grad


def test_derivatives_of_every_order() -> None:
    x = TensorNode(np.array(2.0))
    derivative = x**5
    for expected in (5 * 2.0**4, 20 * 2.0**3, 60 * 2.0**2, 120 * 2.0, 120.0, 0.0):
        x.zero_grad()
        derivative.backward(create_graph=True)
        derivative = x.grad
        assert isinstance(derivative, TensorNode)
        np.testing.assert_allclose(derivative.value, expected)
    x.zero_grad()


def test_gradient_penalty_of_a_small_network() -> None:
    """d/dw of |d loss / dx|^2, against central differences."""
    rng = np.random.default_rng(0)
    start, data, targets = (
        rng.normal(size=(3, 4)),
        rng.normal(size=(5, 4)),
        np.array([0, 2, 1, 1, 0]),
    )

    def penalty(w: TensorNode) -> TensorNode:
        x = TensorNode(data)
        loss = gradcore.logceloss(gradcore.logsoftmax(gradcore.sigmoid(x @ w.T)), targets)
        loss.backward(create_graph=True)
        g, x.grad = x.grad, None
        w.grad = None
        return total(g * g)

    w = TensorNode(start)
    penalty(w).backward()
    direction, h = rng.normal(size=(3, 4)), 1e-5
    plus, minus = (
        penalty(TensorNode(start + h * direction)),
        penalty(TensorNode(start - h * direction)),
    )
    np.testing.assert_allclose(
        np.sum(w.grad * direction), (plus.value - minus.value) / (2 * h), rtol=1e-7
    )


def test_saved_intermediate_is_an_error_on_second_order_and_not_on_first() -> None:
    class Square(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["twice"] = 2 * x
            return x * x

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return go * context["twice"]

    x = node(3)
    total(Square.do_forward(x)).backward()
    np.testing.assert_allclose(x.grad, 2 * x.value)
    with pytest.raises(RuntimeError, match=r"Square .*'twice'"):
        total(Square.do_forward(x)).backward(create_graph=True)


def test_intermediate_in_a_dictionary_is_an_error_on_second_order() -> None:
    class Square(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["saved"] = {"inside": [x, 2 * x]}
            return x * x

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return go * context["saved"]["inside"][1]

    with pytest.raises(RuntimeError, match="'saved'"):
        total(Square.do_forward(node(3))).backward(create_graph=True)


def test_second_order_after_a_value_was_replaced_is_an_error() -> None:
    x = TensorNode(np.array(3.0))
    y = x * x
    x.value = np.array(5.0)
    y.backward(retain_graph=True)
    assert x.grad == 6  # forward was at 3
    with pytest.raises(RuntimeError, match="input of Multiply was given another value"):
        y.backward(create_graph=True)


def test_gradient_of_a_linear_function_is_a_constant() -> None:
    x = node(3)
    total(x * 3.0).backward(create_graph=True)
    assert not x.grad.requires_grad


def test_second_order_through_a_dropped_output() -> None:
    class Both(Op):
        """exp(x) and x^2, where the gradient of the second uses the first output's node."""

        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["x"], context["y"] = x, namespace(x).exp(x)
            return context["y"], x * x

        @staticmethod
        def backward(context: Context, gexp: Any, gsquare: Any) -> Any:
            return gexp * context["y"] + gsquare * 2.0 * context["x"]

    x = TensorNode(np.array([0.5]))
    exp, square = Both.do_forward(x)
    del square
    total(exp).backward(create_graph=True)
    g = x.grad
    x.zero_grad()
    total(g).backward()
    np.testing.assert_allclose(x.grad, np.exp([0.5]))

    x.zero_grad()
    exp, square = Both.do_forward(x)
    del exp
    total(square).backward(create_graph=True)
    g = x.grad
    x.zero_grad()
    total(g).backward()
    np.testing.assert_allclose(x.grad, [2.0])


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("other", ["array", "constant node", "node", "itself"])
def test_second_order_where_two_inputs_share_an_array(other: str, swap: bool) -> None:
    x = TensorNode(np.array(3.0))
    y = {
        "array": x.value,
        "constant node": TensorNode(x.value, requires_grad=False),
        "node": TensorNode(x.value),
        "itself": x,
    }[other]
    Multiply.do_forward(*((y, x) if swap else (x, y))).backward(create_graph=True)
    first = x.grad
    x.zero_grad()
    if first.requires_grad:
        first.backward()
    assert first == (6 if other == "itself" else 3)
    assert x.grad == (2 if other == "itself" else 0)


class Triple(Op):
    """a b c"""

    @staticmethod
    def forward(context: Context, a: Any, b: Any, c: Any) -> Any:
        context["abc"] = a, b, c
        return a * b * c

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b, c = context["abc"]
        return go * b * c, go * a * c, go * a * b


def test_second_order_where_three_inputs_share_an_array() -> None:
    a = TensorNode(np.array(3.0))
    b = TensorNode(a.value)
    Triple.do_forward(a, b, a.value).backward(create_graph=True)
    (ga, gb), a.grad, b.grad = (a.grad, b.grad), None, None
    (ga + gb).backward()  # ga = b c and gb = a c, with c a constant
    assert (a.grad, b.grad) == (3, 3)


def test_scalar_intermediate_is_an_error_on_second_order() -> None:
    class Square(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["twice"] = 2.0 * x  # of a 0-d array, NumPy's scalar
            return x * x

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return go * context["twice"]

    with pytest.raises(RuntimeError, match="'twice'"):
        Square.do_forward(TensorNode(np.array(3.0))).backward(create_graph=True)


def test_create_graph_works_under_no_grad() -> None:
    x = TensorNode(np.array(3.0))
    y = x * x
    with no_grad():
        y.backward(create_graph=True)
    g = x.grad
    x.zero_grad()
    g.backward()
    assert x.grad == 2
