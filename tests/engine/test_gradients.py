"""Rule 5: the engine sums gradients back over broadcast axes, and checks their shape and dtype.

A gradient that doesn't fit is an error that names the op, what it gave and what was expected.
"""

from __future__ import annotations

from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from graphs import Context, node, total

import gradcore
from gradcore import Op, TensorNode


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4,)),
        ((3, 4), (3, 1)),
        ((3, 4), ()),
        ((2, 1, 4), (3, 1)),
        ((1, 1), (5,)),
        ((0, 3), (3,)),
    ],
)
def test_gradients_are_summed_over_broadcast_axes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = node(*a), node(*b, seed=1)
    weight = np.random.default_rng(2).normal(size=np.broadcast_shapes(a, b))
    total(x * y * weight).backward()
    for n, other in ((x, y), (y, x)):
        full = np.broadcast_to(other.value, weight.shape) * weight
        extra = tuple(range(full.ndim - n.ndim))
        kept = tuple(i for i, size in enumerate(n.shape) if size == 1)
        expected = full.sum(axis=extra).sum(axis=kept, keepdims=True)
        np.testing.assert_allclose(n.grad, expected)
        assert n.grad.shape == n.shape
        assert isinstance(n.grad, np.ndarray)


def wrong(gradient: Any) -> type[Op]:
    class Wrong(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return gradient(go)

    return Wrong


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (lambda go: go[:1], ValueError, r"Wrong.backward .*shape \(1,\).*expected \(3,\)"),
        (lambda go: go[None, :2], ValueError, r"Wrong.backward .*shape \(1, 2\)"),
        (lambda go: np.sum(go), ValueError, r"Wrong.backward .*shape \(\)"),
        (
            lambda go: go.astype(np.float32),
            TypeError,
            r"Wrong.backward .*float32, expected float64",
        ),
        (lambda go: go > 0, TypeError, r"Wrong.backward .*bool, expected float64"),
        (lambda go: (go, go), ValueError, r"Wrong.backward gave 2 gradients for 1 inputs"),
        (lambda _: 1.0, TypeError, r"Wrong.backward gave .*float"),
        (lambda _: "one", TypeError, r"Wrong.backward gave .*str"),
        (lambda go: strict.asarray(go), TypeError, r"Wrong.backward gave array_api_strict"),
    ],
)
def test_wrong_gradient_names_the_op(gradient: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        total(wrong(gradient).do_forward(node(3))).backward()


def test_an_error_inside_backward_names_the_op() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        total(wrong(lambda _: 1 // 0).do_forward(node(3))).backward()
    assert caught.value.__notes__ == ["in Wrong.backward"]


def test_no_gradient_stands_for_zero() -> None:
    x = node(3)
    total(wrong(lambda _: None).do_forward(x)).backward()
    assert not x.has_grad


def test_promotion_of_dtypes_is_undone() -> None:
    x, y = TensorNode(np.ones(3, np.float32)), TensorNode(np.ones((2, 3)))
    total(x * y).backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64
    np.testing.assert_array_equal(x.grad, np.full(3, 2, np.float32))


def test_a_wrong_gradient_is_an_error_also_where_nobody_wants_it() -> None:
    class Wrong(Op):
        @staticmethod
        def forward(context: Context, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return go, np.zeros(7)

    w = node(3)
    with pytest.raises(ValueError, match=r"Wrong\.backward gave a gradient of shape \(7,\)"):
        gradcore.grad(lambda x: total(Wrong.do_forward(x, w)))(np.ones(3))
