"""NumPy's own functions on nodes, and operators between its arrays and nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from engine.test_operators import X, Y, check, node

import gradcore
from gradcore import TensorNode
from gradcore.backends import Backend
from gradcore.numpy import protocols

Function = Callable[..., Any]
ONE_LINE = r"^[^\n]*$"

FUNCTIONS: list[Function] = [
    lambda x: np.sin(x) * np.log1p(np.exp(x)),
    lambda x: np.add(x, 2.0) + np.multiply(3.0, x) - np.subtract(x, x * x),
    lambda x: np.maximum(x, 1.1) + np.hypot(x, 2.0) + np.power(x, 3) + np.sqrt(x),
    lambda x: np.matmul(x, x.T) + np.dot(x, x.T),
    lambda x: np.sum(x, axis=0) + np.mean(x, 0) + np.prod(x, axis=0),
    lambda x: np.max(x, axis=1, keepdims=True) + np.std(x, axis=1, ddof=1, keepdims=True),
    lambda x: np.where(x > 0.9, x, 0.0) + np.clip(x, 0.8, 1.3),
    lambda x: np.stack([x, x * 2.0]) + np.concatenate([x, x])[:2],
    lambda x: np.reshape(x, (3, 2)) + np.transpose(x) + np.swapaxes(x, 0, 1),
    lambda x: np.expand_dims(x, 0) + np.broadcast_to(x, (2, 2, 3)),
    lambda x: np.einsum("ij,kj->ik", x, x) + np.tensordot(x, x.T, axes=1),
    lambda x: np.linalg.norm(x, axis=1),
    lambda x: np.cumsum(x, axis=1) + np.sort(x, axis=1) + np.flip(x, axis=1),
    lambda x: np.add.reduce(x) + np.multiply.reduce(x, axis=0) + np.maximum.reduce(x),
    lambda x: np.add.accumulate(x, axis=1) + np.multiply.accumulate(x),
    lambda x: np.subtract.outer(x[0], x[1] * 2.0) + np.multiply.outer(x[0], x[1]),
]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_functions_of_numpy_on_nodes_have_gradients(
    backend: Backend, dtype: str, f: Function
) -> None:
    x = node(backend, X, dtype)
    check(backend, f(x), f, x)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "floordiv", "mod", "lt"])
def test_operators_of_arrays_are_those_of_nodes(name: str) -> None:
    f, x = getattr(operator, name), node(gradcore.backends.get("numpy"), Y, "float64")
    for left in (X, np.float64(1.5), X[0, 0]):
        y = f(left, x)
        assert isinstance(y, TensorNode)
        np.testing.assert_array_equal(y.value, f(left, Y))
    if name not in ("floordiv", "mod", "lt"):
        check(gradcore.backends.get("numpy"), f(X, x), lambda x: f(X, x), x)


def test_the_product_of_an_array_and_a_node() -> None:
    x = TensorNode(Y.T.copy())
    np.testing.assert_array_equal((X @ x).value, X @ Y.T)
    assert isinstance(X @ x, TensorNode)


def test_numbers_of_numpy_change_no_dtype_from_either_side() -> None:
    x = TensorNode(np.ones(3, np.float32))
    for y in (x * np.float64(2.0), np.float64(2.0) * x, np.multiply(np.int64(2), x)):
        assert (y.dtype, y.requires_grad) == (np.float32, True)


def test_new_arrays_like_a_node(backend: Backend) -> None:
    x = node(backend, X, "float32")
    with gradcore.use_backend("numpy"):
        made = np.zeros(3, dtype="float32", like=x)
    assert type(made) is type(x.value)
    assert made.device == x.device
    assert np.zeros_like(x).shape == x.shape


def test_where_and_dtype_and_out_of_a_universal_function() -> None:
    x = TensorNode(X)
    y = np.multiply(x, 2.0, where=X > 1.0, out=TensorNode(np.zeros(X.shape), requires_grad=False))
    np.testing.assert_array_equal(y.value, np.where(X > 1.0, 2 * X, 0.0))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, np.where(X > 1.0, 2.0, 0.0))
    assert np.sin(x, dtype=np.float32).dtype == np.float32


# -- What loses a gradient ------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "**", "%", "//"])
def test_writing_a_node_to_an_array_says_what_to_write(sign: str) -> None:
    values = {"array": X.copy(), "node": TensorNode(X)}
    with pytest.raises(TypeError) as caught:
        exec(f"array {sign}= node", values)
    message = str(caught.value)
    assert message.startswith(f"array {sign}= node: an array that is written to keeps no gradient")
    assert f"write array = array {sign} node, or make the array a node" in message
    exec(f"array = gradcore.TensorNode(array); array {sign}= node", values | {"gradcore": gradcore})
    array = X.copy()
    array -= TensorNode(X, requires_grad=False)
    assert isinstance(array, np.ndarray)
    assert not array.any()


@pytest.mark.parametrize(
    "call",
    [
        lambda x, y: np.add(x, 1.0, out=y),
        lambda x, y: np.sum(x, axis=0, out=y[0]),
        lambda x, y: np.add.reduce(x, out=y[0]),
        lambda x, y: np.stack([x[0], x[1]], out=y),
        lambda x, y: np.add.at(y, [0, 0], x[0]),
        lambda x, y: np.copyto(y, x),
        lambda x, y: np.place(y, X > 0.0, x),
    ],
)
def test_an_array_as_out_says_what_to_write(call: Function) -> None:
    message = r"^numpy\.\S+: an array that is written to keeps no gradient; write y = \.\.\."
    with pytest.raises(TypeError, match=message):
        call(TensorNode(X), np.zeros(X.shape))
    call(TensorNode(X, requires_grad=False), y := np.zeros(X.shape))
    assert y.any()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("numpy.frexp", np.frexp),
        ("numpy.spacing", np.spacing),
        ("numpy.ldexp", lambda x: np.ldexp(x, 2)),
        ("numpy.polydiv", lambda x: np.polydiv(x[0], x[1])),
        ("square (vectorized)", None),
    ],
)
def test_what_has_no_gradient_is_refused_in_a_line_that_says_what_to_do(
    name: str, call: Function
) -> None:
    if "vectorized" in name:

        def square(x: float) -> float:
            return x * x

        call = np.frompyfunc(square, 1, 1)
    with pytest.raises(TypeError, match=ONE_LINE) as caught:
        call(TensorNode(X))
    assert str(caught.value).startswith(f"{name}: gradcore.numpy has no such function")
    assert "custom_gradient, or give x.value" in str(caught.value)


def test_functions_without_gradient_take_constants_as_arrays() -> None:
    x = TensorNode(X, requires_grad=False)
    np.testing.assert_array_equal(np.ldexp(x, 2), np.ldexp(X, 2))
    np.testing.assert_array_equal(np.frexp(x)[1], np.frexp(X)[1])
    np.testing.assert_array_equal(np.sign(x, out=X.copy()), np.ones(X.shape))


def test_functions_about_arrays_take_all_nodes() -> None:
    x = TensorNode(X)
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 3), 2, 6)
    assert not np.iscomplexobj(x)
    assert np.result_type(x, np.float32) == np.float64
    assert np.array_repr(x) == repr(X)
    assert not np.can_cast(x, np.float32)


def test_arrays_of_nodes_say_how_to_join_nodes() -> None:
    x = TensorNode(X)
    for call in (lambda: np.array([x, x]), lambda: np.array([x[0, 0], 1.0]), lambda: np.mean([x])):
        with pytest.raises(
            TypeError, match=r"or call gradcore\.numpy, as in gradcore\.numpy\.array\(nodes\)"
        ):
            call()


def test_a_part_of_an_array_does_not_take_a_node_that_is_differentiated() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(3)
        y[0] = x[0]
        return x.sum()

    with pytest.raises(ValueError, match="setting an array element") as caught:
        gradcore.grad(f)(np.ones(3))
    assert "float(x) makes a number, which has no gradient" in str(caught.value.__cause__)


# -- Other libraries ------------------------------------------------------------------------------


def test_universal_functions_of_scipy_are_those_of_special() -> None:
    special = pytest.importorskip("scipy.special._ufuncs")  # itself, also in SciPy's array mode
    x = TensorNode(X)
    y = special.expit(x) + special.erf(x)
    np.testing.assert_allclose(y.value, special.expit(X) + special.erf(X))
    assert y.requires_grad
    message = r"^scipy\.special\.kei: gradcore\.special has no such function"
    with pytest.raises(TypeError, match=message):
        special.kei(x)


def test_functions_of_cupy_on_nodes(backend: Backend) -> None:
    """CuPy asks the arguments of its universal functions and of elementwise kernels."""

    def cupy(name: str, *inputs: Any, nin: int, **keywords: Any) -> Any:
        kernel = SimpleNamespace(name=name, nin=nin)
        return x.__cupy_override_elementwise_kernel__(kernel, *inputs, **keywords)

    x = node(backend, X, "float32")
    check(backend, cupy("cupy_sin", x, nin=1), np.sin, x)
    assert cupy("cupy_add", x.value, x, nin=2).requires_grad
    assert cupy("cupyx_scipy_special_erf", x, nin=1).requires_grad
    message = r"^array -= node: .*write array = array - node"
    with pytest.raises(TypeError, match=message):
        cupy("cupy_subtract", x.value, x, x.value, nin=2)
    with pytest.raises(TypeError, match=r"^CuPy's sin: gradcore\.numpy has no such function"):
        cupy("sin", x, nin=1)  # a kernel of the user's


def test_every_function_of_numpy_that_has_a_counterpart_is_found() -> None:
    found = protocols._functions()
    for name in gradcore.numpy.__all__:
        theirs = getattr(np, name, None)
        if callable(theirs) and not isinstance(theirs, type):
            assert (theirs in found) == (theirs is not getattr(gradcore.numpy, name)), name
