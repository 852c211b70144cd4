"""Gradient checkpointing: the same gradients, and less memory."""

from __future__ import annotations

import copy
import tracemalloc
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Linear, Module, Sum, TensorNode, checkpoint, nn
from gradcore import array_api as xp
from gradcore.backends import Backend
from gradcore.backends.random import get_state


class Block(Module):
    def __init__(self, size: int) -> None:
        self.inner = Linear(size, 2 * size)
        self.outer = Linear(2 * size, size)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        return x + self.dropout(self.outer(gradcore.tanh(self.inner(x))))


def run(blocks: list[Block], data: Any, wrap: Any) -> tuple[Any, list[Any], Any]:
    """The loss, the gradients of input and parameters, and the generator's state after it."""
    gradcore.manual_seed(1)
    x = TensorNode(data)
    y = x
    for block in blocks:
        block.zero_grad()
        y = wrap(block)(y)
    loss = Sum.do_forward(y * y)
    state = get_state()
    loss.backward()
    assert get_state() == state
    return loss.value, [x.grad, *[p.grad for block in blocks for p in block.parameters()]], state


def test_gradients_are_the_same_also_with_dropout(backend: Backend) -> None:
    gradcore.manual_seed(0)
    blocks = [Block(3) for _ in range(3)]
    data = backend.asarray(np.random.default_rng(0).normal(size=(4, 3)), "float32")
    plain, recomputed = run(blocks, data, lambda block: block), run(blocks, data, checkpoint)
    assert float(plain[0]) == float(recomputed[0])
    for a, b in zip(plain[1], recomputed[1], strict=True):
        np.testing.assert_allclose(backend.to_numpy(a), backend.to_numpy(b), rtol=1e-6)
    assert plain[2] == recomputed[2]


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_are_taken_once(backend: Backend, momentum: float | None) -> None:
    x, states = backend.asarray(np.arange(8.0).reshape(4, 2), "float32"), []
    for wrap in (lambda layer: layer, checkpoint):
        layer = nn.BatchNorm1d(2, momentum=momentum)
        for factor in (1.0, 2.0):
            y = wrap(layer)(TensorNode(x * factor))
            Sum.do_forward(y * y).backward()
        states.append([backend.to_numpy(array) for array in layer.state_dict().values()])
    for plain, recomputed in zip(*states, strict=True):
        np.testing.assert_array_equal(plain, recomputed)


def test_memory_is_that_of_one_block_and_the_inputs() -> None:
    n, size = 10, 200_000

    def block(x: Any) -> Any:
        for _ in range(10):
            x = gradcore.sigmoid(x)
        return x

    def peak(function: Any) -> float:
        x = TensorNode(np.zeros(size, np.float32))
        tracemalloc.start()
        y = x
        for _ in range(n):
            y = function(y)
        Sum.do_forward(y).backward()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most / (4 * size)  # in arrays of x's size

    assert peak(block) > 10 * n
    assert peak(checkpoint(block)) < 4 * n


def test_trees_constants_and_several_results() -> None:
    def f(tree: Any, factor: Any, *, shift: float) -> Any:
        a, b = tree["a"], tree["b"][0]
        return {"sum": a * factor + b, "product": (a * b + shift, a), "number": 3}

    def loss(f: Any) -> tuple[Any, Any]:
        a, b = TensorNode([1.0, 2.0]), TensorNode([3.0, 4.0])
        out = f({"a": a, "b": [b]}, np.array([5.0, 6.0], np.float32), shift=1.0)
        assert out["number"] == 3
        product, same = out["product"]
        Sum.do_forward(out["sum"] * product * same).backward()
        return a.grad.tolist(), b.grad.tolist()

    assert loss(checkpoint(f)) == loss(f)


def test_nodes_used_from_outside_get_their_gradient_once() -> None:
    def gradient(wrap: Any) -> Any:
        p = TensorNode(np.array(2.0))
        q = xp.exp(p)  # depends on p, and both are used
        x = TensorNode(np.array(3.0))
        y = wrap(lambda x: x * q * p)(x)
        (y * q).backward()
        return float(p.grad), float(x.grad), float(q.grad)

    assert gradient(checkpoint) == pytest.approx(gradient(lambda f: f), rel=1e-12)


def test_it_has_gradients_of_gradients_and_nests() -> None:
    w = TensorNode(np.array(0.7))

    def f(x: Any) -> Any:
        return xp.sin(x * w) * x

    twice = checkpoint(lambda x: checkpoint(f)(x) * x)
    for x in (np.array(1.3), np.array(-0.4)):
        expected = gradcore.grad(gradcore.grad(lambda x: f(x) * x))(x)
        assert gradcore.grad(gradcore.grad(twice))(x) == pytest.approx(expected, rel=1e-12)
    gradcore.check_gradients(twice, np.array(1.3), order=3)

    y = twice(TensorNode(np.array(1.3)))
    y.backward(create_graph=True)
    first = w.grad
    y.zero_grad()
    first.backward()
    h = 1e-5
    slopes = []
    for step in (h, -h):
        v = TensorNode(np.array(0.7 + step))
        slopes.append(float(gradcore.grad(lambda v: xp.sin(1.3 * v) * 1.3 * 1.3)(v.value)))
    assert float(w.grad) == pytest.approx((slopes[0] - slopes[1]) / (2 * h), rel=1e-6)


def test_two_passes_with_retain_graph() -> None:
    x = TensorNode(np.array(2.0))
    y = checkpoint(lambda x: x * x * x)(x)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad == 24
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()


def test_a_parameter_given_another_value_is_an_error() -> None:
    w = TensorNode(np.array(2.0))
    y = checkpoint(lambda x: x * w)(TensorNode(np.array(3.0)))
    w.value = np.array(5.0)
    with pytest.raises(RuntimeError, match="checkpoint: a node that the function uses was given"):
        y.backward()


def test_what_requires_a_gradient_may_change_before_the_pass() -> None:
    a, b, w = (TensorNode(np.arange(1.0, 4.0) * n) for n in (1, 10, 100))
    w.requires_grad = False
    y = xp.sum(checkpoint(lambda a, b: a * a * b * w)(a, b))
    a.requires_grad, w.requires_grad = False, True
    y.backward()
    assert not a.has_grad
    assert not w.has_grad
    np.testing.assert_array_equal(b.grad, a.value**2 * w.value)


def test_a_copy_of_an_argument_keeps_the_gradient() -> None:
    x = TensorNode(np.ones(3))
    f = checkpoint(lambda x: xp.sum(x) + 2.0 * xp.sum(copy.deepcopy(x)))
    f(x).backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 3.0))
    np.testing.assert_array_equal(gradcore.grad(f)(x.value), np.full(3, 3.0))


def test_where_there_is_nothing_to_differentiate() -> None:
    assert checkpoint(lambda x: x * 2)(np.array([3.0])).tolist() == [6.0]
    y = checkpoint(lambda x: x * 2)(TensorNode([3.0], requires_grad=False))
    assert not y.requires_grad
    with gradcore.no_grad():
        assert checkpoint(lambda x: x * 2)(TensorNode([3.0])).source is None
    w = TensorNode([3.0])  # no argument has a gradient, but a parameter has
    Sum.do_forward(checkpoint(lambda x: x * w)(np.array([2.0], np.float32))).backward()
    assert w.grad == [2.0]


def test_nodes_may_share_an_array() -> None:
    data = np.array([1.0, 2.0])
    x, w = TensorNode(data), TensorNode(data)
    xp.sum(checkpoint(lambda x: x * w * w)(x)).backward()
    np.testing.assert_allclose(x.grad, data**2)
    np.testing.assert_allclose(w.grad, 2 * data**2)
