"""Derivatives as functions: against closed forms, and against PyTorch's."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import no_garbage

import gradcore
from gradcore import (
    Exp,
    MatrixMultiply,
    Op,
    TensorNode,
    custom_gradient,
    grad,
    hessian,
    hessian_vector_product,
    jacobian,
    jvp,
    namespace,
    no_grad,
    stop_gradient,
    value_and_grad,
    vjp,
)
from gradcore.backends import Backend
from gradcore.engine.arrays import value_of
from gradcore.engine.trees import leaves, tree_map

TOLERANCE = {"float32": 2e-4, "float64": 1e-10}


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1.5, size=shape)


def plain(x: Any) -> Any:
    """A tree of arrays or nodes, as NumPy arrays."""
    if isinstance(x, dict):
        return {key: plain(entry) for key, entry in x.items()}
    if isinstance(x, tuple | list):
        return type(x)(map(plain, x))
    x = x.value if isinstance(x, TensorNode) else x
    return gradcore.backends.backend_of(x).to_numpy(x)


def assert_close(found: Any, expected: Any, dtype: str = "float64") -> None:
    if isinstance(expected, dict | tuple | list):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for key in expected if isinstance(expected, dict) else range(len(expected)):
            assert_close(found[key], expected[key], dtype)
        return
    found = plain(found)
    assert str(found.dtype) == dtype
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def cube(x: Any) -> Any:
    return namespace(x).sum(x * x * x)


def network(p: Any, x: Any) -> Any:
    """With broadcasting, products, and parameters in a tree. (N, 3) to ()"""
    xp = namespace(p["w"])
    hidden = xp.tanh(xp.matmul(x, p["w"]) + p["more"][0])
    return xp.sum(xp.exp(hidden * p["more"][1]) / (1.0 + hidden * hidden))


def parameters(make: Callable[[np.ndarray], Any]) -> Any:
    return {"w": make(numbers(3, 2)), "more": [make(numbers(2, seed=1)), make(numbers(1, seed=2))]}


@pytest.fixture(params=["arrays", "nodes"])
def kind(request: Any) -> Callable[[Any], Any]:
    return TensorNode if request.param == "nodes" else lambda x: x


# -- Closed forms -----------------------------------------------------------------------------


def test_orders_of_a_cube(backend: Backend, dtype: str, kind: Any) -> None:
    raw = numbers(3)
    x = kind(backend.asarray(raw, dtype))
    value, g = value_and_grad(cube)(x)
    assert type(value) is type(g) is type(x)
    assert_close(value, np.sum(raw**3), dtype)
    assert_close(g, 3 * raw**2, dtype)
    assert_close(hessian(cube)(x), np.diag(6 * raw), dtype)
    third = np.zeros((3, 3, 3))
    third[range(3), range(3), range(3)] = 6
    assert_close(jacobian(hessian(cube))(x), third, dtype)
    v = numbers(3, seed=4)
    assert_close(
        hessian_vector_product(cube, x, kind(backend.asarray(v, dtype))), 6 * raw * v, dtype
    )
    square, along = jvp(lambda x: x * x, x, kind(backend.asarray(v, dtype)))
    assert type(along) is type(x)
    assert_close(square, raw**2, dtype)
    assert_close(along, 2 * raw * v, dtype)


def test_grad_of_grad_of_grad() -> None:
    x = np.asarray(0.7)
    f: Any = lambda x: namespace(x).exp(2.0 * x)  # noqa: E731
    for order in range(1, 6):
        f = grad(f)
        found = f(x)
        assert isinstance(found, np.ndarray)
        assert_close(found, 2**order * np.exp(1.4))


def test_no_confusion_of_nested_variables() -> None:
    # d/dx (x * d/dy (x + y)) = 1, and d/dx (x * d/dy (x y)) = 2 x.
    x, y = np.asarray(3.0), np.asarray(5.0)
    assert_close(grad(lambda x: x * grad(lambda y: x + y)(y))(x), 1.0)
    assert_close(grad(lambda x: x * grad(lambda y: x * y)(y))(x), 6.0)
    assert_close(grad(lambda x: grad(lambda y: x * x * y)(x))(x), 6.0)


def test_vjp_can_be_called_repeatedly_and_gives_one_for_each_argument() -> None:
    a, b = numbers(2, 3), numbers(3, seed=1)
    value, pull = vjp(lambda a, b: {"product": a * b, "b": (b, 2.0)}, a, b)
    assert_close(value["product"], a * b)
    go = {"product": numbers(2, 3, seed=2), "b": (np.ones(3), 0.0)}
    for _ in range(2):
        assert_close(pull(go), (go["product"] * b, (go["product"] * a).sum(axis=0) + 1.0))


def test_jacobian_of_trees_and_of_what_it_does_not_depend_on() -> None:
    x, y = numbers(2), numbers(2, 1, seed=1)
    found = jacobian(lambda x, y: {"a": x * x, "b": [y + x]}, (0, 1))(x, y)
    assert_close(found["a"], (np.diag(2 * x), np.zeros((2, 2, 1))))
    by_x = np.broadcast_to(np.eye(2), (2, 2, 2))
    by_y = np.broadcast_to(np.eye(2)[:, None, :, None], (2, 2, 2, 1))
    assert_close(found["b"], [(by_x, by_y)])
    assert jacobian(lambda x: x * x)(np.zeros((0, 2))).shape == (0, 2, 0, 2)


def test_independence_gives_zeros(backend: Backend, dtype: str, kind: Any) -> None:
    x = kind(backend.asarray(numbers(2, 2), dtype))
    for f in (lambda x: 1.0 * stop_gradient(x)[0, 0], lambda _: backend.asarray([1.0], dtype)):
        g = grad(f)(x)
        assert type(g) is type(x)
        assert g.device == x.device
        assert_close(g, np.zeros((2, 2)), dtype)
    assert_close(hessian(lambda x: namespace(x).sum(x))(x), np.zeros((2, 2, 2, 2)), dtype)


def test_python_floats_are_differentiated_in_the_widest_dtype(backend: Backend) -> None:
    sin, half = gradcore.array_api.sin, math.sin(0.5)
    exact = "float64" in namespace(backend.asarray(0.0)).__array_namespace_info__().dtypes(
        device=backend.device
    )
    dtype = "float64" if exact else "float32"
    value, along = jvp(sin, 0.5, 1.0)
    for found, expected in [
        (grad(sin)(0.5), math.cos(0.5)),
        (
            grad(lambda tree: tree["a"][0] * tree["b"])({"a": [0.1], "b": 0.3}),
            {"a": [0.3], "b": 0.1},
        ),
        (value_and_grad(sin)(0.5), (half, math.cos(0.5))),
        (vjp(sin, 0.5)[0], half),
        (vjp(sin, 0.5)[1](1.0), math.cos(0.5)),
        ((value, along), (half, math.cos(0.5))),
        (jacobian(sin)(0.5), math.cos(0.5)),
        (hessian(sin)(0.5), -half),
        (hessian_vector_product(sin, 0.5, 1.0), -half),
        (custom_gradient(lambda x: (x, lambda go: 3.0 * go))(0.1), 0.1),
        (value_and_grad(lambda x: 0.1)(0.5), (0.1, 0.0)),  # noqa: ARG005
    ]:
        assert_close(found, expected, dtype)


def test_other_numbers_keep_their_dtype_and_parameters_are_float32() -> None:
    for dtype in ("float16", "float32", "float64"):
        assert grad(gradcore.array_api.sin)(np.dtype(dtype).type(0.5)).dtype == dtype
        assert grad(gradcore.array_api.sin)(np.asarray(0.5, dtype)).dtype == dtype
    assert TensorNode(0.5).dtype == TensorNode([0.5]).dtype == gradcore.Linear(2, 1).w.dtype
    assert TensorNode(0.5).dtype == np.float32
    with pytest.raises(TypeError, match=r"^grad: .* not of int64 \(\)"):
        grad(gradcore.array_api.sin)(2)


def test_result_that_is_the_argument() -> None:
    assert_close(grad(lambda x: x)(np.asarray(2.0)), 1.0)
    assert_close(grad(lambda x, _: x, (0, 1))(2.0, 3.0), (1.0, 0.0))


# -- What is outside stays as it is -------------------------------------------------------------


def test_gradients_outside_are_left_alone() -> None:
    w, x = TensorNode(numbers(3, 2)), TensorNode(numbers(4, 3, seed=1))
    middle = Exp.do_forward(w)
    bias = TensorNode(numbers(2))
    f = lambda x: namespace(x).sum(x @ middle + bias)  # noqa: E731
    g, _ = grad(f)(x), hessian_vector_product(f, x, TensorNode(np.ones((4, 3))))
    assert not any(n.has_grad for n in (w, x, middle, bias))
    # ... and their graphs are not released, and lead on from the gradient.
    namespace(g).sum(g).backward(retain_graph=True)
    assert_close(w.grad, 4 * np.exp(w.value))
    grad(f)(x.value)
    namespace(middle).sum(middle).backward()
    assert_close(w.grad, 5 * np.exp(w.value))


def test_only_what_was_asked_for_is_computed() -> None:
    asked = []

    class Product(MatrixMultiply):
        @staticmethod
        def backward(context: Any, *gos: Any) -> Any:
            asked.append([gradcore.needs(context, i) for i in range(2)])
            return MatrixMultiply.backward(context, *gos)

    class Never(Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return x * 1.0

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            raise AssertionError

    w = Never.do_forward(TensorNode(numbers(3, 2)))
    x = numbers(4, 3)
    for _ in range(2):
        grad(lambda x: namespace(x).sum(Product.do_forward(x, w)) + namespace(w).sum(w))(x)
    grad(lambda x, w: namespace(x).sum(Product.do_forward(x, w)), (0, 1))(x, w.value)
    assert asked == [[True, False], [True, False], [True, True]]


def test_results_do_not_share_memory_with_anything() -> None:
    x, c = numbers(3), numbers(3, seed=1)
    a, b = grad(lambda x, y: namespace(x).sum(x * c + y), (0, 1))(x, x)
    a += 1.0
    b += 1.0
    np.testing.assert_array_equal(c, numbers(3, seed=1))
    np.testing.assert_array_equal(b, 2 * np.ones(3))


@pytest.mark.parametrize("kind", ["array", "constant", "node"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x,
        lambda x: namespace(x).reshape(x, (-1,)),
        lambda x: namespace(x).permute_dims(x, (1, 0)),
        lambda x: namespace(x).broadcast_to(x, (2, 2, 2)),
        lambda x: x[0, :],
        lambda x: namespace(x).exp(x),
        lambda x: namespace(x).sum(x, axis=0),
        lambda x: (x, x, namespace(x).reshape(x, (-1,))),
        custom_gradient(lambda x: (x, lambda go: go)),
        gradcore.checkpoint(lambda x: x),
    ],
)
def test_values_and_gradients_of_vjp_own_their_memory(f: Any, kind: str) -> None:
    own = numbers(2, 2)
    x = own if kind == "array" else TensorNode(own, requires_grad=kind == "node")
    value, pull = vjp(f, x)
    values = [y for _, y in leaves(value)]
    us = tree_map(lambda y: np.ones(y.shape), value)
    raw_us = [u for _, u in leaves(us)]
    g, again = pull(us), pull(tree_map(lambda u: TensorNode(u, requires_grad=False), us))
    both = vjp(lambda a, b: tree_map(lambda y, z: y + z, f(a), f(b)), x, x)[1](us)
    arrays = [value_of(y) for y in (g, again, *both)]
    if kind != "node":  # those of a graph may be views, as nodes are
        arrays += map(value_of, values)
    for i, a in enumerate(arrays):
        for b in (own, *raw_us, *arrays[:i]):
            assert not np.shares_memory(a, b)
    if kind == "array":
        before = g.copy()
        for y in (*values, g):
            y[...] = 7.0
        np.testing.assert_array_equal(pull(us), before)


def test_what_is_made_of_constants_has_no_graph() -> None:
    x = TensorNode(numbers(3), requires_grad=False)
    square = lambda x: x * x  # noqa: E731
    found = [
        grad(cube)(x),
        *value_and_grad(cube)(x),
        vjp(square, x)[0],
        vjp(square, x)[1](x),
        vjp(square, x)[1](x.value),
        *jvp(square, x, x),
        jvp(square, x.value, x)[1],
        jacobian(square)(x),
        hessian(cube)(x),
        hessian_vector_product(cube, x, x),
        grad(lambda y: namespace(y).sum(grad(cube)(y)))(x),
        gradcore.checkpoint(square)(x),
        grad(gradcore.checkpoint(cube))(x),
    ]
    for y in found:
        assert isinstance(y, TensorNode)
        assert not y.requires_grad
        assert y.source is None
    assert_close(found[-3], 6 * x.value)


def test_what_depends_on_a_node_outside_has_a_graph() -> None:
    x, w = TensorNode(numbers(3), requires_grad=False), TensorNode(numbers(3, seed=1))
    for given in (x, TensorNode(x.value)):
        for derivative in (
            lambda f, x: grad(lambda x: namespace(x).sum(f(x)))(x),
            lambda f, x: value_and_grad(lambda x: namespace(x).sum(f(x)))(x)[1],
            lambda f, x: vjp(f, x)[1](np.ones(3)),
            lambda f, x: jvp(f, x, np.ones(3))[1],
            lambda f, x: jacobian(f)(x),
        ):
            w.zero_grad()
            y = derivative(lambda x: x * x * w, given)
            namespace(y).sum(y).backward()
            assert_close(w.grad, 2 * x.value)
    # ... and the node may be an argument of a transform outside.
    inner = lambda w: namespace(w).sum(w * grad(lambda x: namespace(x).sum(x * x * w))(x))  # noqa: E731
    assert_close(grad(inner)(w.value), 4 * w.value * x.value)
    v = TensorNode(numbers(3))
    namespace(v).sum(vjp(lambda x: x * x, x)[1](v)).backward()
    assert_close(v.grad, 2 * x.value)


def test_copies_of_what_is_differentiated_keep_the_gradient_and_pickles_are_refused() -> None:
    def f(x: Any) -> Any:
        xp = namespace(x)
        return xp.sum(x + 2.0 * copy.deepcopy(x) + 3.0 * copy.copy(x * x))

    for x in (np.ones(2), TensorNode(np.ones(2))):
        assert_close(grad(f)(x), np.full(2, 9.0))
    assert_close(hessian(f)(np.ones(2)), 6.0 * np.eye(2))

    def written(x: Any) -> Any:
        y = copy.deepcopy(x)
        y[0] = 5.0 * x[1]
        return namespace(x).sum(y * x)

    assert_close(grad(written)(np.array([1.0, 2.0])), np.array([10.0, 9.0]))
    with pytest.raises(TypeError, match="can't be pickled"):
        grad(lambda x: namespace(x).sum(pickle.loads(pickle.dumps(x))))(np.ones(2))
    with pytest.raises(TypeError, match=r"TensorNode\(x\) has no gradient of x.*copy=True"):
        grad(lambda x: namespace(x).sum(TensorNode(x)))(np.ones(2))
    layer = gradcore.Linear(2, 2)  # a leaf from elsewhere has copies of its own, as outside
    assert_close(
        grad(lambda x: namespace(x).sum(copy.deepcopy(layer)(x)))(np.ones((1, 2), np.float32)),
        layer.w.value.sum(0, keepdims=True),
        "float32",
    )


def test_under_no_grad() -> None:
    x = TensorNode(numbers(3))
    with no_grad():
        g = grad(cube)(x)
        assert_close(hessian(cube)(x), np.diag(6 * x.value))
    assert not g.requires_grad
    assert g.source is None
    assert_close(g, 3 * x.value**2)


def test_nested_in_a_long_chain() -> None:
    """Each pass stops at the start of its own function: this would take minutes otherwise."""
    x = y = TensorNode(np.asarray(1.0))
    for _ in range(2_000):
        y = grad(lambda y: 0.5 * y * y)(y)
    y.backward()
    assert_close(x.grad, 1.0)


# -- Steering ---------------------------------------------------------------------------------


def test_stop_gradient() -> None:
    x = numbers(3)
    assert_close(grad(lambda x: namespace(x).sum(x * stop_gradient([x])[0]))(x), x)
    assert stop_gradient(x) is x


def test_custom_gradient(backend: Backend, dtype: str) -> None:
    @custom_gradient
    def log1pexp(x: Any) -> Any:
        xp = namespace(x)
        e = xp.exp(x)
        return xp.log(1.0 + e), lambda go: go * (1.0 - 1.0 / (1.0 + e))

    raw = numbers(3)
    x = backend.asarray(raw, dtype)
    s = 1 / (1 + np.exp(-raw))
    assert_close(log1pexp(x), np.log1p(np.exp(raw)), dtype)
    assert_close(grad(lambda x: namespace(x).sum(log1pexp(x)))(x), s, dtype)
    assert_close(hessian(lambda x: namespace(x).sum(log1pexp(x)))(x), np.diag(s * (1 - s)), dtype)


def test_custom_gradient_of_trees_says_what_it_wants() -> None:
    @custom_gradient
    def f(p: Any, x: Any, *, scale: float) -> Any:
        y = p["a"] * x * scale
        return {"y": y, "p": p["b"]}, lambda gy, gb: ({"a": 100.0 * gy, "b": gb}, None)

    def loss(p: Any, x: Any) -> Any:
        found = f(p, x, scale=2.0)
        return namespace(found["y"]).sum(found["y"] + found["p"])

    p, x = {"a": numbers(2), "b": numbers(2)}, numbers(2)
    expected = ({"a": np.full(2, 100.0), "b": np.ones(2)}, np.zeros(2))
    assert_close(grad(loss, (0, 1))(p, x), expected)
    g = custom_gradient(lambda x, y: (x * y, lambda go: go))
    with pytest.raises(ValueError, match="gave 1 gradients for 2"):
        grad(g)(1.0, 2.0)


def test_gradients_of_one_s_own_go_by_the_keys() -> None:
    def loss(of: Any) -> Any:
        f = custom_gradient(lambda p: (p["a"] * p["b"], of))
        return lambda p: namespace(p["a"]).sum(f(p))

    p = {"a": numbers(2), "b": numbers(2)}
    found = grad(loss(lambda go: {"b": 2.0 * go, "a": go}))(p)
    assert_close(found, {"a": np.ones(2), "b": np.full(2, 2.0)})
    found = grad(loss(lambda go: {"b": None, "a": go}))(p)
    assert_close(found, {"a": np.ones(2), "b": np.zeros(2)})
    with pytest.raises(ValueError, match="<lambda>: the gradient of input 0: expected a dict"):
        grad(loss(lambda go: [go, go]))(p)


def test_custom_gradient_leaves_nothing_to_the_garbage_collector() -> None:
    f = custom_gradient(lambda x: (x * x, lambda go: 2.0 * go * x))
    with no_garbage():
        hessian(lambda x: namespace(x).sum(f(x)))(numbers(3))


def test_numbers_take_the_dtype(backend: Backend, dtype: str) -> None:
    """Numbers may be gradients of the value, and directions."""
    x = backend.asarray(2.0, dtype)
    assert_close(vjp(lambda x: x * x, x)[1](1.0), 4.0, dtype)
    assert_close(jvp(lambda x: x * x, x, 1), (4.0, 4.0), dtype)
    assert_close(hessian_vector_product(lambda x: x * x, x, 0.5), 1.0, dtype)


# -- Errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: grad(lambda x: x)(np.ones(3)), ValueError, r"float64 \(3,\), expected a scalar"),
        (lambda: grad(lambda x: [x])(np.ones(3)), ValueError, "a list, expected a scalar"),
        (lambda: grad(cube)(np.ones(3, int)), TypeError, "not of int64"),
        (lambda: grad(cube)(TensorNode(3)), TypeError, "of floating arrays"),
        (lambda: grad(cube)("three"), TypeError, "grad: .*str"),
        (lambda: grad(lambda x: x > 0.0)(np.ones(())), TypeError, "expected real floating"),
        (lambda: grad(cube, 1)(np.ones(3)), ValueError, "argnums has 1, but there are 1"),
        (lambda: jacobian(lambda x: x > 0.0)(np.ones(2)), TypeError, "jacobian: .* bool"),
        (
            lambda: vjp(cube, np.ones(3))[1](np.ones(3)),
            ValueError,
            r"\(3,\), expected float64 \(\)",
        ),
        (lambda: vjp(lambda x: [x], 1.0)[1]({"a": 1.0}), ValueError, "expected a list .* a dict"),
        (lambda: jvp(cube, np.ones(3), np.ones(2)), ValueError, "direction is .*2.*expected .*3"),
        (lambda: hessian_vector_product(cube, np.ones(3), np.ones(2)), ValueError, "v is"),
        (lambda: grad(lambda _: "three")(1.0), TypeError, "grad: in what the function gave: .*str"),
        (lambda: jvp(lambda x: (x, x > 0.0), 1.0, 1.0), TypeError, r"jvp: .* bool \(\) in \[1\]"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# -- PyTorch ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_against_torch(backend: Backend, dtype: str, kind: Any) -> None:
    torch = pytest.importorskip("torch")
    make = lambda a: kind(backend.asarray(a, dtype))  # noqa: E731
    p, v = parameters(make), parameters(lambda a: make(a - 1.0))
    x = backend.asarray(numbers(4, 3, seed=5), dtype)
    f = lambda p: network(p, x)  # noqa: E731

    tp, tv = parameters(torch.asarray), parameters(lambda a: torch.asarray(a - 1.0))
    tx = torch.asarray(numbers(4, 3, seed=5))

    def theirs(p: Any) -> Any:
        hidden = torch.tanh(tx @ p["w"] + p["more"][0])
        return torch.sum(torch.exp(hidden * p["more"][1]) / (1.0 + hidden * hidden))

    g, h = torch.func.grad(theirs), torch.func.hessian(theirs)

    def arrays(tree: Any) -> Any:
        return torch.utils._pytree.tree_map(lambda t: t.detach().numpy(), tree)

    assert_close(grad(f)(p), arrays(g(tp)), dtype)
    assert_close(hessian(f)(p), arrays(h(tp)), dtype)
    assert_close(hessian_vector_product(f, p, v), arrays(torch.func.vjp(g, tp)[1](tv)[0]), dtype)
    assert_close(jvp(f, p, v)[1], arrays(torch.func.jvp(theirs, (tp,), (tv,))[1]), dtype)
    third = torch.func.jacrev(lambda b: h({**tp, "more": [b, tp["more"][1]]})["more"][0]["more"][0])
    ours = jacobian(lambda b: hessian(f)({**p, "more": [b, p["more"][1]]})["more"][0]["more"][0])
    assert_close(ours(p["more"][0]), arrays(third(tp["more"][0])), dtype)


def test_a_number_made_of_what_is_differentiated_is_refused() -> None:
    x = np.array(2.0)
    with pytest.raises(TypeError, match=r"float\(x\) makes a number.*stop_gradient"):
        grad(lambda x: math.log(x) * x)(x)
    assert grad(lambda x: float(stop_gradient(x)) * x)(x) == 2.0
    assert grad(lambda x: x * x if x > 1 else x)(x) == 4.0  # a comparison has no gradient
    assert float(TensorNode(x) * 2.0) == 4.0  # outside, as for printing a loss
