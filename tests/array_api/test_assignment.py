"""`x[key] = y` on nodes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcore import Sum, TensorNode, check_gradients, grad, hessian, namespace, no_grad
from gradcore.backends import Backend
from gradcore.engine import traversal

X = np.array([1.3, 0.4, 2.0])
Y = np.array([0.3, 0.7, 1.5])
MASK = np.array([True, False, True])


def part(x: Any, y: Any) -> None:
    x[1:] = y[:2]
    x[0] = 2.5


def of_itself(x: Any, y: Any) -> None:
    x[1:] = x[:-1] * y[1:]
    x[...] = x


def used_before(x: Any, y: Any) -> Any:
    before = x * x
    x[:2] = y[1:]
    x[1:] = before[1:] * x[1:]
    return before * x


def masked(x: Any, y: Any) -> None:
    x[x > 1.0] = y[1]
    x[y < 0.0] = 7.0


def by_mask(x: Any, y: Any) -> None:
    mask = namespace(x).asarray(MASK) if isinstance(x, TensorNode) else MASK
    x[mask] = x[1:] * y[:2]


def by_indices(x: Any, y: Any) -> None:
    x[np.array([2, 0, 2])] = y  # twice the same place: the last counts
    x[np.array([-2])] = y[2]


def by_lists(x: Any, y: Any) -> None:
    x[[0, 1]] = y[1:] * x[0]
    x[[True, False, False]] = y[2]
    x[(MASK,)] = y[0] * x[1]


def by_none(x: Any, y: Any) -> None:
    x[np.array([], dtype=int)] = y[:0]


@pytest.mark.parametrize(
    "change", [part, of_itself, used_before, masked, by_mask, by_indices, by_lists, by_none]
)
def test_value_and_gradients(change: Callable[..., Any]) -> None:
    def f(x: Any, y: Any) -> Any:
        xp = namespace(x)
        x = xp.exp(x)  # whose gradient is made of its output
        after = change(x, y)
        return xp.sum(x * x * y) + (0.0 if after is None else xp.sum(after * after))

    with_nodes = f(TensorNode(X.copy()), TensorNode(Y.copy()))
    np.testing.assert_allclose(with_nodes.value, f(X, Y), rtol=1e-14)
    check_gradients(f, X, Y, order=3)


@pytest.mark.parametrize("change", [part, of_itself, used_before, masked])
def test_on_every_backend(backend: Backend, change: Callable[..., Any]) -> None:
    def f(x: Any, y: Any) -> Any:
        x = namespace(x).asarray(x, copy=True)
        change(x, y)
        return Sum.apply(x * x * y)

    x, y = (backend.asarray(a.astype("float32")) for a in (X, Y))
    expected = grad(f, (0, 1))(X, Y)
    for g, e in zip(grad(f, (0, 1))(x, y), expected, strict=True):
        assert g.dtype == x.dtype
        np.testing.assert_allclose(backend.to_numpy(g), e, rtol=1e-5)


def test_constant_takes_a_gradient() -> None:
    x = TensorNode(np.array(3.0))
    made = namespace(x).zeros((2, 2), dtype=x.dtype)
    twice = made * x  # of what it was: zeros
    made[0, :] = x * x
    assert made.requires_grad
    made.value[...] += 0.0
    (Sum.do_forward(made) + Sum.do_forward(twice)).backward()
    assert x.grad == 2 * 2 * 3.0


def test_constants_used_before() -> None:
    """A constant keeps the value that it had when it was used, in gradients of gradients too."""

    def f(x: Any) -> Any:
        xp = namespace(x)
        weights = xp.asarray([1.0, 2.0, 3.0], dtype=xp.float64)
        y = x * x * weights
        weights[1:] = 5.0
        return xp.sum(y * weights * x)

    check_gradients(f, X, order=3)
    w = np.array([1.0, 10.0, 15.0])
    np.testing.assert_allclose(hessian(f)(X), np.diag(6 * X * w))


def test_backward_from_before_and_after() -> None:
    a = TensorNode(X.copy())
    x = a * 2.0
    before = Sum.do_forward(x * x)
    x[0] = 1.0
    (before + Sum.do_forward(x)).backward()
    np.testing.assert_allclose(a.grad, 8 * X + [0.0, 2.0, 2.0])


def test_one_of_several_outputs() -> None:
    def f(x: Any) -> Any:
        xp = namespace(x)
        first, second = (xp.exp(row) for row in xp.unstack(x))
        first, second = xp.unstack(xp.stack([first, second]))
        second[0] = first[1] * second[2]
        return xp.sum(first * second * second)

    check_gradients(f, np.stack([X, Y]), order=3)


def test_gradient_of_what_it_was_goes() -> None:
    x = TensorNode(X) * 2.0
    Sum.do_forward(x).backward(retain_graph=True)
    assert x.has_grad
    x[0] = 1.0
    assert not x.has_grad


@pytest.mark.parametrize("key", [..., slice(None), slice(None, None, -1), MASK | True])
def test_what_is_written_over_as_a_whole_gets_no_gradient_also_where_it_was_nan(key: Any) -> None:
    def f(x: Any) -> Any:
        y = namespace(x).stack([0.0 * x / (x - x)] * 3)  # NaN, whose gradient is NaN
        y[key] = x * x
        return namespace(x).sum(y)

    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(grad(f)(X), 6.0 * X)


def test_value_is_cast() -> None:
    x = TensorNode(np.zeros(2, dtype="float32"), requires_grad=False)
    y = TensorNode(np.array(1.5))
    x[0] = y
    assert x.dtype == np.float32
    Sum.do_forward(x).backward()
    assert (y.grad, y.grad.dtype) == (1.0, np.float64)


def test_array_stays_as_it_is() -> None:
    array = np.zeros(3)
    x = TensorNode(array, requires_grad=False)
    x[0] = 1.0
    np.testing.assert_array_equal(array, [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(x.value, [1.0, 0.0, 0.0])


def test_refuses_what_gradients_are_with_respect_to() -> None:
    def assigns(x: Any) -> Any:
        x[0] = 1.0
        return Sum.apply(x * x * x)

    x = TensorNode(X.copy())
    with pytest.raises(TypeError, match=r"with respect to.*assign to a copy"):
        x[0] = 1.0
    np.testing.assert_array_equal(x.value, X)
    for derivative in (grad(assigns), hessian(assigns), grad(lambda x: grad(assigns)(x)[1])):
        with pytest.raises(TypeError, match=r"with respect to"):
            derivative(X)
    with no_grad():  # where nothing is computed that this takes x out of
        x[0] = 1.0
    np.testing.assert_array_equal(x.value[0], 1.0)
    assert x.requires_grad


@pytest.mark.parametrize(
    ("key", "y", "error"),
    [
        (5, 1.0, IndexError),
        (slice(2), np.ones(3), ValueError),
        (np.array([5]), 1.0, IndexError),
        (np.array([True, False]), 1.0, IndexError),
        (np.array([True, False]), np.ones(1), IndexError),
        (MASK, np.ones(3), ValueError),
        ("key", 1.0, TypeError),
    ],
)
def test_refuses(key: Any, y: Any, error: type[Exception]) -> None:
    x = TensorNode(X) * 1.0
    with pytest.raises(error):
        x[key] = y
    Sum.do_forward(x * x).backward()  # as if nothing had been
    np.testing.assert_array_equal(x.value, X)
    np.testing.assert_array_equal(x.grad, 2 * X)


def test_frees_without_the_collector() -> None:
    a = TensorNode(X.copy())
    gc.disable()
    try:
        x = a * 2.0
        before = x * a
        for _ in range(3):
            x[1:] = x[:-1] * before[1:]
        at = id(x)
        assert at in traversal.assigned
        refs = [weakref.ref(x), weakref.ref(x.source.inputs[-1]), weakref.ref(before)]
        del x, before
        assert [ref() for ref in refs] == [None, None, None]
        assert at not in traversal.assigned
    finally:
        gc.enable()


def test_second_pass_over_what_was_released() -> None:
    a = TensorNode(X.copy())
    x = a * 2.0
    before = Sum.do_forward(x * x)
    x[0] = 1.0
    after = Sum.do_forward(x)
    after.backward()
    with pytest.raises(RuntimeError, match=r"SetItem, whose graph .* released"):
        before.backward()
    before.zero_grad()


def test_many_assignments() -> None:
    a = TensorNode(np.ones(2000))
    x = a * 1.0
    for i in range(1, 2000):
        x[i] = x[i - 1] * 1.001
    x[-1].backward()
    assert a.grad[0] == pytest.approx(1.001**1999)
    assert not a.grad[1:].any()


def test_a_step_of_training_outside_no_grad_says_how_to_write_it() -> None:
    p = TensorNode(X)
    (p * p).sum().backward()
    with pytest.raises(TypeError, match=r"x has a gradient.*no_grad\(\).*x\.value \+= y"):
        p -= 0.1 * p.grad
    np.testing.assert_array_equal(p.value, X)
    same = p
    with no_grad():
        p -= 0.1 * p.grad
    assert p is same
    np.testing.assert_allclose(p.value, 0.8 * X)
    p.zero_grad()
    p -= 1.0  # without a gradient, this is another node, and p the variable's name
    np.testing.assert_allclose(same.value, 0.8 * X)
