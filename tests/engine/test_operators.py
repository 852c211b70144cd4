"""TensorNode as an array: operators, comparisons, indexing, shapes, and ways out to other types."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcore import Sum, TensorNode, array_api
from gradcore.backends import Backend, get

X = np.array([[0.5, 1.25, 2.0], [1.5, 0.75, 1.0]])
Y = np.array([[1.5, 0.5, 1.25], [2.0, 1.75, 3.0]])
CLOSE = {"float32": 1e-5, "float64": 1e-8}

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
NUMBERS = [3, 1.5, np.float64(1.5), np.float32(1.5), np.int64(3)]


def function(functions: list[Callable[..., Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("function", functions, ids=lambda f: f.__name__)


def node(backend: Backend, x: Any, dtype: str) -> TensorNode:
    return TensorNode(backend.asarray(np.asarray(x), dtype))


def weights(shape: tuple[int, ...]) -> np.ndarray:
    return 1.0 + np.arange(np.prod(shape, dtype=int)).reshape(shape)


def check(backend: Backend, y: TensorNode, f: Callable[..., Any], *nodes: TensorNode) -> None:
    """Check that y is f(*nodes), and that y and the gradients have the nodes' dtype and device."""
    xs = [backend.to_numpy(x.value).astype(np.float64) for x in nodes]
    dtype = "float32" if nodes[0].dtype == backend.dtype("float32") else "float64"
    tolerance, w = CLOSE[dtype], weights(y.shape)
    assert isinstance(y, TensorNode)
    assert (y.dtype, y.device) == (nodes[0].dtype, nodes[0].device)
    np.testing.assert_allclose(backend.to_numpy(y.value), f(*xs), tolerance, tolerance)
    Sum.do_forward(y * backend.asarray(w, dtype)).backward()
    for i, x in enumerate(nodes):
        expected = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            step = np.zeros(x.shape)
            step[index] = 1e-5
            more, less = (np.sum(w * f(*xs[:i], xs[i] + s, *xs[i + 1 :])) for s in (step, -step))
            expected[index] = (more - less) / 2e-5
        assert (x.grad.dtype, x.grad.device) == (x.dtype, x.device)
        np.testing.assert_allclose(backend.to_numpy(x.grad), expected, 10 * tolerance, tolerance)


# -- Arithmetic -------------------------------------------------------------------------------


@function(ARITHMETIC)
def test_node_and_node(backend: Backend, dtype: str, function: Callable[..., Any]) -> None:
    x, y = node(backend, X, dtype), node(backend, Y, dtype)
    check(backend, function(x, y), function, x, y)
    x, row = node(backend, X, dtype), node(backend, Y[0], dtype)
    check(backend, function(x, row), function, x, row)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: type(n).__name__)
@function(ARITHMETIC)
def test_node_and_number(
    backend: Backend, dtype: str, function: Callable[..., Any], number: Any
) -> None:
    """Numbers, NumPy's among them, never change a dtype."""
    x = node(backend, X, dtype)
    check(backend, function(x, number), lambda x: function(x, float(number)), x)
    x = node(backend, X, dtype)
    check(backend, function(number, x), lambda x: function(float(number), x), x)


@function(ARITHMETIC)
def test_node_and_array(backend: Backend, dtype: str, function: Callable[..., Any]) -> None:
    x, array = node(backend, X, dtype), backend.asarray(Y, dtype)
    check(backend, function(x, array), lambda x: function(x, Y), x)
    if backend.name != "strict":  # whose arrays refuse, and don't leave it to the node
        x = node(backend, X, dtype)
        check(backend, function(array, x), lambda x: function(Y, x), x)


def test_matrix_product(backend: Backend, dtype: str) -> None:
    x, y = node(backend, X, dtype), node(backend, Y.T, dtype)
    check(backend, x @ y, operator.matmul, x, y)
    x, y = node(backend, X, dtype), node(backend, Y.T, dtype)
    check(backend, x.matmul(y), operator.matmul, x, y)
    x, array = node(backend, X, dtype), backend.asarray(Y.T, dtype)
    check(backend, x @ array, lambda x: x @ Y.T, x)
    if backend.name != "strict":
        x = node(backend, X, dtype)
        check(backend, array @ x, lambda x: Y.T @ x, x)


@function([operator.neg, operator.pos, abs])
def test_unary(backend: Backend, dtype: str, function: Callable[..., Any]) -> None:
    x = node(backend, X - 1.1, dtype)
    check(backend, function(x), function, x)


def test_an_expression(backend: Backend, dtype: str) -> None:
    def f(x: Any, y: Any) -> Any:
        return 2 - (x * y + 1) ** 2 / (3 * y) + -x @ y[:1].T * abs(x - 1.1) ** 0.5

    x, y = node(backend, X, dtype), node(backend, Y, dtype)
    check(backend, f(x, y), f, x, y)


def test_augmented_assignment_makes_a_new_node(backend: Backend, dtype: str) -> None:
    x = y = node(backend, X, dtype)
    y *= 2
    assert y is not x
    np.testing.assert_array_equal(backend.to_numpy(x.value), X)
    np.testing.assert_array_equal(backend.to_numpy(y.value), 2 * X)


def test_nodes_of_two_dtypes(backend: Backend, dtype: str) -> None:
    """The result has the wider dtype, and each gradient that of its node."""
    x, y = node(backend, X, "float32"), node(backend, Y, dtype)
    z = x * y
    assert z.dtype == backend.dtype(dtype)
    Sum.do_forward(z).backward()
    assert (x.grad.dtype, y.grad.dtype) == (x.dtype, y.dtype)
    np.testing.assert_array_equal(backend.to_numpy(x.grad), Y)
    np.testing.assert_array_equal(backend.to_numpy(y.grad), X)


def test_integers_have_no_gradient(backend: Backend) -> None:
    n = TensorNode(backend.asarray(np.array([1, 2, 3])))
    for y in (n, n + 1, 2 * n, n * n, -n, n[1:], n - n.value):
        assert not y.requires_grad
        assert y.dtype == n.dtype
    with pytest.raises(ValueError, match="nothing that requires a gradient"):
        Sum.do_forward(n * n).backward()
    with pytest.raises(TypeError, match="only floating"):
        TensorNode(n.value, requires_grad=True)


def test_numbers_and_lists_become_float32(backend: Backend) -> None:
    for x in (TensorNode(1.5), TensorNode([1.5, 2.0]), TensorNode([[1.5]])):
        assert x.dtype == backend.dtype("float32")
        assert x.device == backend.asarray(0.0).device
    assert not TensorNode([1, 2]).requires_grad


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (operator.add, "Add"),
        (operator.sub, "Sub"),
        (operator.mul, "Multiply"),
        (operator.truediv, "Divide"),
        (operator.pow, "Power"),
        (operator.matmul, "MatrixMultiply"),
    ],
)
def test_shapes_that_do_not_fit(backend: Backend, function: Callable[..., Any], op: str) -> None:
    x, y = node(backend, X, "float32"), node(backend, np.ones((4, 2)), "float32")
    for other in (y, y.value):
        with pytest.raises(ValueError, match=rf"^{op}: .*\(2, 3\).*\(4, 2\)"):
            function(x, other)


@function([*ARITHMETIC, operator.matmul])
def test_operands_that_are_no_numbers(backend: Backend, function: Callable[..., Any]) -> None:
    x = node(backend, X, "float32")
    for other, kind in (("a", "str"), (None, "NoneType"), ({}, "dict")):
        for operands in ((x, other), (other, x)):
            with pytest.raises(
                TypeError, match=f"inputs are nodes, arrays and numbers, not {kind}"
            ):
                function(*operands)


@function(ARITHMETIC)
def test_lists_of_numbers_are_operands(
    backend: Backend, dtype: str, function: Callable[..., Any]
) -> None:
    numbers = [1.1, 2, 3.0]  # in the dtype of the node, as a number
    x = node(backend, X, dtype)
    check(backend, function(x, numbers), lambda x: function(x, np.array(numbers)), x)
    x = node(backend, X, dtype)
    check(backend, function(numbers, x), lambda x: function(np.array(numbers), x), x)
    with pytest.raises(TypeError, match=r"not list; of nodes, stack\(nodes\) is a node"):
        function(x, [x[0, 0], 1.0, 2.0])


INTEGERS = [operator.mod, operator.floordiv, operator.and_, operator.or_, operator.xor]
INTEGERS += [operator.lshift, operator.rshift]


@function(INTEGERS)
def test_integers(backend: Backend, function: Callable[..., Any]) -> None:
    m, n = np.array([[13, 7], [6, 2]]), np.array([3, 2])
    x, y = TensorNode(backend.asarray(m)), TensorNode(backend.asarray(n))
    pairs = [(x, y, m, n), (x, y.value, m, n), (x, 3, m, 3), (13, y, 13, n)]
    if backend.name != "strict":
        pairs.append((x.value, y, m, n))
    for a, b, left, right in pairs:
        z = function(a, b)
        assert isinstance(z, TensorNode)
        np.testing.assert_array_equal(backend.to_numpy(z.value), function(left, right))
    np.testing.assert_array_equal(backend.to_numpy((~x).value), ~m)


def test_remainders_have_gradients(backend: Backend, dtype: str) -> None:
    x, y = node(backend, X, dtype), node(backend, Y, dtype)
    check(backend, x % y, operator.mod, x, y)
    assert not (x // y).requires_grad


# -- Comparisons ------------------------------------------------------------------------------


@function(COMPARISONS)
def test_comparisons(backend: Backend, dtype: str, function: Callable[..., Any]) -> None:
    """Nodes of booleans, which have no gradient."""
    x, y = node(backend, X, dtype), node(backend, Y.round(), dtype)
    results = [
        (function(x, 1.25), function(X, 1.25)),
        (function(1, x), function(1, X)),
        (function(x, np.float64(1.25)), function(X, 1.25)),
        (function(np.float64(1.25), x), function(1.25, X)),
        (function(x, y), function(X, Y.round())),
        (function(x, y.value), function(X, Y.round())),
    ]
    if backend.name != "strict":
        results.append((function(y.value, x), function(Y.round(), X)))
    for result, expected in results:
        assert isinstance(result, TensorNode)
        assert not result.requires_grad
        assert result.dtype == backend.dtype("bool")
        np.testing.assert_array_equal(backend.to_numpy(result.value), expected)


def test_a_comparison_can_choose(backend: Backend, dtype: str) -> None:
    x = node(backend, X, dtype)
    y = array_api.where(x > 1.1, x * x, 0.0)
    check(backend, y, lambda x: np.where(x > 1.1, x * x, 0.0), x)


def test_a_node_is_itself(backend: Backend) -> None:
    """Nodes are told apart by identity, in sets and dictionaries, and not by their values."""
    x, y = node(backend, 1.0, "float32"), node(backend, 1.0, "float32")
    assert len({x, y, x}) == 2
    assert {x: "x", y: "y"}[y] == "y"
    assert x in [y, x]
    assert bool(x == y)
    assert not bool(x != y)


# -- Indexing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        1,
        -1,
        np.int64(1),
        (0, 2),
        (1, -2),
        slice(1, None),
        slice(-1, None),
        (slice(None), slice(None, None, 2)),
        slice(None, None, -1),
        (slice(None, None, -1), slice(2, 0, -1)),
        None,
        (None, 1, ..., None),
        ...,
        (..., 1),
        (slice(None), None, slice(1, 3)),
        (slice(1, 1), 0),
    ],
    ids=str,
)
def test_indexing(backend: Backend, dtype: str, key: Any) -> None:
    x = node(backend, X, dtype)
    check(backend, x[key], lambda x: x[key], x)


def test_overlapping_parts_add_up(backend: Backend, dtype: str) -> None:
    def f(x: Any) -> Any:
        return x[0] * x[1] + x[0, 1:2] + x[0, ::-1]

    x = node(backend, X, dtype)
    check(backend, f(x), f, x)


def test_iteration_over_rows(backend: Backend) -> None:
    x = node(backend, X, "float32")
    rows = list(x)
    assert [row.shape for row in rows] == [(3,), (3,)]
    Sum.do_forward(rows[1] * 2).backward()
    np.testing.assert_array_equal(backend.to_numpy(x.grad), [[0, 0, 0], [2, 2, 2]])


def test_what_gradients_are_computed_for_keeps_its_value(backend: Backend) -> None:
    x = node(backend, X, "float32")
    with pytest.raises(TypeError, match=r"x is what gradients are .*; assign to a copy"):
        x[0] = 1.0


# -- Shapes -----------------------------------------------------------------------------------


def test_transposes(backend: Backend, dtype: str) -> None:
    x = node(backend, X, dtype)
    check(backend, x.T, lambda x: x.T, x)
    x = node(backend, np.stack([X, Y]), dtype)
    check(backend, x.mT, lambda x: x.swapaxes(1, 2), x)


def test_size_is_a_number_and_gives_the_shape(backend: Backend) -> None:
    x = node(backend, X, "float32")
    assert x.size == 6
    assert 2 * x.size == 12
    assert x.size() == (2, 3) == x.shape
    assert (x.size(0), x.size(1), x.size(-1), x.size(dim=0)) == (2, 3, 3, 2)
    scalar = node(backend, 1.0, "float32")
    assert (scalar.size, scalar.size(), scalar.shape, scalar.ndim) == (1, (), (), 0)
    with pytest.raises(IndexError):
        x.size(2)


def test_shape_dtype_device(backend: Backend, dtype: str) -> None:
    x = node(backend, X, dtype)
    assert (x.shape, x.ndim, len(x)) == ((2, 3), 2, 2)
    assert (x.dtype, x.device) == (x.value.dtype, x.value.device)
    assert (x.grad.shape, x.grad.dtype) == ((2, 3), x.dtype)


# -- Ways out ---------------------------------------------------------------------------------


def test_python_numbers(backend: Backend, dtype: str) -> None:
    x = node(backend, 2.5, dtype)
    assert (float(x), int(x), bool(x), bool(x - 2.5)) == (2.5, 2, True, False)
    assert float(node(backend, X, dtype)[1, 0]) == 1.5
    assert int(TensorNode(backend.asarray(np.array(7)))) == 7
    with pytest.raises(TypeError, match=r"shape \(\)"):
        len(x)


def test_several_numbers_are_no_number(backend: Backend) -> None:
    x = node(backend, X, "float32")
    for convert in (float, int, bool):
        with pytest.raises((TypeError, ValueError)):
            convert(x)


def test_as_numpy_array(backend: Backend) -> None:
    """Only on the host, and only where no gradient is lost on the way."""
    x = node(backend, X, "float32")
    with pytest.raises(TypeError, match=r"\.value"):
        np.asarray(x)
    constant = TensorNode(x.value, requires_grad=False)
    if backend.name in ("numpy", "torch", "jax"):
        array = np.asarray(constant)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, X)
        assert np.asarray(constant, dtype=np.float64).dtype == np.float64
        assert not np.shares_memory(np.array(constant, copy=True), np.asarray(constant))
    else:
        with pytest.raises((TypeError, RuntimeError)):
            np.asarray(constant)


def test_as_an_index() -> None:
    n = TensorNode([[1]])[0, 0]
    assert [5, 6, 7][n] == 6
    assert list(range(n)) == [0]
    with pytest.raises(TypeError):
        operator.index(TensorNode(1.0))


def test_dlpack(backend: Backend) -> None:
    """Only where no gradient is lost on the way."""
    x = node(backend, X, "float32")
    with pytest.raises(TypeError, match=r"\.value"):
        x.__dlpack__()
    if backend.name == "numpy" and x.value.flags.writeable:
        constant = TensorNode(x.value, requires_grad=False)
        assert constant.__dlpack_device__() == (1, 0)
        np.testing.assert_array_equal(np.from_dlpack(constant), x.value)
        assert np.shares_memory(np.from_dlpack(constant), x.value)
        assert not np.shares_memory(np.from_dlpack(constant, copy=True), x.value)
        again = array_api.from_dlpack(constant)
        assert (again.requires_grad, again.shape) == (False, x.shape)


def test_to_device(backend: Backend) -> None:
    x = node(backend, X, "float32")
    assert x.to_device(x.device) is x
    with pytest.raises(ValueError, match=r"^to_device: stream"):
        x.to_device(x.device, stream=1)
    if backend.name == "strict":
        there = get("strict", "device2").device
        with pytest.raises(ValueError, match=r"^to_device: .*\.value"):
            x.to_device(there)
        moved = TensorNode(x.value, requires_grad=False).to_device(there)
        assert (moved.device, moved.requires_grad) == (there, False)


def test_the_version_of_the_standard() -> None:
    x = TensorNode(1.0)
    assert x.__array_namespace__(api_version="2025.12") is x.__array_namespace__()
    with pytest.raises(ValueError, match=r"'2020.10'.*2024\.12"):
        x.__array_namespace__(api_version="2020.10")


def test_comparison_to_none_and_text() -> None:
    x = TensorNode([1.0, 2.0])
    assert (x == None) is False  # noqa: E711
    assert x != "a"
    assert x in [None, "a", x]


def test_iteration() -> None:
    assert [float(row) for row in TensorNode([1.0, 2.0])] == [1.0, 2.0]
    with pytest.raises(TypeError, match="shape"):
        iter(TensorNode(1.0))


def test_a_number_of_a_class_of_its_own_is_a_number() -> None:
    class Length(float):
        pass

    x = TensorNode(np.array([1.0, 2.0, 3.0]))
    assert (x - x.size).value.tolist() == [-2.0, -1.0, 0.0]
    assert (Length(0.5) * x).value.tolist() == [0.5, 1.0, 1.5]
