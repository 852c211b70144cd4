"""Rule 8: no gradient is computed for constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import Context, node, total

import gradcore
from gradcore import Exp, MatrixMultiply, TensorNode
from gradcore.graph import gradients


def test_no_gradient_is_computed_for_constants() -> None:
    asked: list[list[bool]] = []

    class Product(MatrixMultiply):
        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            asked.append([gradcore.needs(context, i) for i in range(2)])
            return MatrixMultiply.backward(context, go)

    images, w = np.ones((2, 3)), node(3, 4)
    total(Product.do_forward(images, w)).backward()
    total(Product.do_forward(TensorNode(images, requires_grad=False), w)).backward()
    total(Product.do_forward(w.T, w)).backward()
    assert asked == [[False, True], [False, True], [True, True]]


def test_what_depends_on_no_parameter_builds_no_graph() -> None:
    x = TensorNode(np.ones(3), requires_grad=False)
    y = Exp.do_forward(x * 2.0)
    assert y.source is None
    assert not y.requires_grad
    with pytest.raises(ValueError, match="requires a gradient"):
        total(y).backward()


def test_the_op_that_made_a_wanted_node_is_not_differentiated() -> None:
    called: list[str] = []

    class Noted(Exp):
        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            called.append("backward")
            return Exp.backward(context, go)

    y = Noted.do_forward(node(3))
    (gradient,) = gradients([(total(y * y), np.array(1.0))], [y])
    np.testing.assert_allclose(gradient, 2 * y.value)
    assert called == []
