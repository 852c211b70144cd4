"""Programs in autograd's words, on every backend: values are mathematics, or autograd's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import gradcore
import gradcore.autograd.numpy as np
from gradcore.autograd import (
    checkpoint,
    deriv,
    elementwise_grad,
    grad,
    grad_and_aux,
    grad_named,
    hessian,
    hessian_vector_product,
    holomorphic_grad,
    jacobian,
    make_ggnvp,
    make_jvp,
    make_vjp,
    multigrad_dict,
    value_and_grad,
)
from gradcore.autograd.extend import Box, VSpace, defjvp, defvjp, primitive
from gradcore.autograd.misc.fixed_points import fixed_point
from gradcore.autograd.misc.flatten import flatten
from gradcore.autograd.misc.optimizers import adam, rmsprop, sgd
from gradcore.autograd.scipy.signal import convolve
from gradcore.autograd.scipy.stats import multivariate_normal as mvn
from gradcore.autograd.scipy.stats import norm, t
from gradcore.autograd.test_util import check_grads
from gradcore.autograd.tracer import Node, getval, isbox, trace

A = [[0.5, -1.0, 2.0], [0.25, 1.5, -0.5]]


def cube(x: Any) -> Any:
    return np.sum(x**3)


def host(x: Any) -> Any:
    """The numbers of a tree as NumPy's arrays."""
    if isinstance(x, dict):
        return {key: host(entry) for key, entry in x.items()}
    if isinstance(x, list | tuple):
        return type(x)([host(entry) for entry in x])
    return x if isinstance(x, onp.generic | float) else gradcore.backends.backend_of(x).to_numpy(x)


def close(x: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert list(x) == list(expected)
        x, expected = list(x.values()), list(expected.values())
    if isinstance(expected, list | tuple) and isinstance(x, list | tuple):
        assert len(x) == len(expected)
        for a, b in zip(x, expected, strict=True):
            close(a, b)
    else:
        onp.testing.assert_allclose(host(x), expected, rtol=1e-6, atol=1e-8)


V, E = [1.0, 2.0], onp.exp(0.5)
CALLS: dict[str, tuple[Callable[[], Any], Any]] = {
    "grad": (lambda: grad(cube)(np.array(V)), [3.0, 12.0]),
    "several": (lambda: grad(lambda x, y: x * y**2, (0, 1))(2.0, 3.0), (9.0, 12.0)),
    "tree": (
        lambda: grad(lambda d: d["a"] * d["b"][0] ** 2)({"a": 2.0, "b": [3.0, 1.0]}),
        {"a": 9.0, "b": [12.0, 0.0]},
    ),
    "value_and_grad": (lambda: value_and_grad(cube)(np.array(V)), (9.0, [3.0, 12.0])),
    "aux": (lambda: grad_and_aux(lambda x: (cube(x), 2.0 * x))(np.array(V))[0], [3.0, 12.0]),
    "elementwise": (lambda: elementwise_grad(elementwise_grad(np.exp))(np.array([0.5])), [E]),
    "deriv": (lambda: deriv(np.exp)(0.5), E),
    "jvp": (lambda: make_jvp(lambda x: x**2)(np.array(V))(np.array([1.0, -1.0]))[1], [2.0, -4.0]),
    "vjp": (lambda: make_vjp(lambda x: x**2)(np.array(V))[0](np.array([1.0, -1.0])), [2.0, -4.0]),
    "jacobian": (lambda: jacobian(lambda x: x[::-1] ** 2)(np.array(V)), [[0.0, 4.0], [2.0, 0.0]]),
    "hessian": (lambda: hessian(cube)(np.array(V)), [[6.0, 0.0], [0.0, 12.0]]),
    "hvp": (lambda: hessian_vector_product(cube)(np.array(V), np.array([1.0, 2.0])), [6.0, 24.0]),
    "ggnvp": (lambda: make_ggnvp(lambda x: x**2)(np.array(V))(np.array([1.0, 1.0])), [4.0, 16.0]),
    "named": (lambda: grad_named(lambda x, y: x * y**2, "y")(2.0, 3.0), 12.0),
    "multigrad": (lambda: multigrad_dict(lambda x, y: x * y**2)(2.0, y=3.0), {"x": 9.0, "y": 12.0}),
    "checkpoint": (lambda: grad(checkpoint(cube))(np.array(V)), [3.0, 12.0]),
    "third": (lambda: grad(grad(grad(lambda x: x**4)))(2.0), 48.0),
    "closure": (lambda: grad(lambda x: x * grad(lambda y: x * y**2)(3.0))(2.0), 24.0),
    "array of nodes": (lambda: grad(lambda x: np.sum(np.array([x, x**2])))(3.0), 7.0),
    "independent": (lambda: grad(lambda x: 1.0)(2.0), 0.0),
    "flatten": (lambda: flatten({"b": [1.0, np.array(V)], "a": 3.0})[0], [3.0, 1.0, 1.0, 2.0]),
    "convolve": (
        lambda: grad(lambda x: np.sum(convolve(x, np.array([1.0, 10.0, 100.0]))[:2]))(np.array(V)),
        [11.0, 1.0],
    ),
    "norm": (lambda: grad(norm.logpdf)(1.5, 0.5, 2.0), -0.25),
    "t": (lambda: grad(t.logpdf)(1.0, 3.0), -1.0),
    "mvn": (
        lambda: grad(mvn.logpdf)(np.array(V), np.zeros(2), np.diag(np.array([1.0, 2.0]))),
        [-1.0, -1.0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_autograds_operators_give_what_mathematics_gives(backend: Any, name: str) -> None:
    call, expected = CALLS[name]
    close(call(), expected)


def test_results_outside_are_floats_of_numpy_and_arrays_no_nodes() -> None:
    value, g = value_and_grad(cube)(np.array(V))
    assert isinstance(value, onp.float64)
    assert type(g) is onp.ndarray
    assert f"{value:6.2f}" == "  9.00"
    assert not isbox(value)
    assert grad(np.sin)(2.0).dtype == onp.float64


@pytest.mark.parametrize("x", [2, True, [1, 2.0], onp.array([1, 2])], ids=str)
def test_a_gradient_by_integers_is_an_error(x: Any) -> None:
    with pytest.raises(TypeError, match=r"floating|integer"):
        grad(lambda x: 1.0)(x)


def test_arrays_of_numpy_go_to_the_device_and_gradients_come_back_for_scipys_optimizers() -> None:
    with gradcore.use_backend("strict", "device1"):
        w = np.array(V)
        value, g = value_and_grad(lambda x: np.sum(x**2 * w))(onp.array([1.0, 3.0]))
    assert isinstance(value, onp.float64 | onp.ndarray)
    close(g, [2.0, 12.0])
    assert type(g) is onp.ndarray


def test_complex_gradients_are_autograds_the_conjugates_of_pytorchs() -> None:
    z = onp.array(1.0 + 2.0j)
    close(grad(lambda z: np.real(z * (3.0 + 1.0j)))(z), 3.0 + 1.0j)
    close(gradcore.grad(lambda z: np.real(z * (3.0 + 1.0j)))(z), 3.0 - 1.0j)
    close(holomorphic_grad(lambda z: z**2)(z), 2.0 + 4.0j)
    close(grad(lambda z: np.abs(z) ** 2)(z), 2.0 - 4.0j)
    vjp, _ = make_vjp(lambda z: z**2)(z)
    close(vjp(1.0j), 1.0j * (2.0 + 4.0j))
    with pytest.raises(TypeError, match="complex"):
        grad(lambda x: x * 1.0j)(1.0)
    check_grads(lambda z: np.abs(z * np.exp(z)), order=2)(0.5 + 0.25j)


# -- Definitions of one's own ---------------------------------------------------------------------


def test_a_primitive_sees_arrays_and_its_vjps_give_gradients_of_all_orders(backend: Any) -> None:
    @primitive
    def power(x: Any, n: Any, also: Any = 0.0) -> Any:
        assert not isbox(x)
        assert not isbox(grad(np.sin)(x))
        return x**n + also

    defvjp(power, lambda ans, x, n, also=0.0: lambda g: g * n * power(x, n - 1), None)
    close(grad(power)(2.0, 3), 12.0)
    close(grad(grad(power))(2.0, 3), 12.0)
    close(grad(lambda x: power(x, 3, also=1.0) * x)(2.0), 33.0)
    close(make_jvp(power)(2.0, 3)(0.5)[1], 6.0)
    with pytest.raises(NotImplementedError, match="argument 2"):
        grad(power, 2)(2.0, 3, 1.0)


def test_a_primitive_takes_and_gives_trees() -> None:
    @primitive
    def both(pair: Any, k: Any) -> Any:
        return {"sum": pair[0] + k * pair[1], "first": pair[0]}

    def vjp(ans: Any, pair: Any, k: Any) -> Any:
        return lambda g: (g["sum"] + g["first"], k * g["sum"])

    defvjp(both, vjp, lambda ans, pair, k: lambda g: pair[1] * g["sum"])

    def f(pair: Any, k: Any) -> Any:
        y = both(pair, k)
        return y["sum"] * y["first"]

    close(grad(f, (0, 1))((2.0, 3.0), 4.0), ((16.0, 8.0), 6.0))


def test_a_primitive_that_takes_nodes_by_a_closure_is_an_error_and_loses_no_gradient() -> None:
    @primitive
    def scaled(x: Any) -> Any:
        return x * factor

    defvjp(scaled, lambda ans, x: lambda g: g)
    factor: Any = 2.0
    assert grad(scaled)(1.0) == 1.0
    factor = gradcore.TensorNode(2.0)
    with pytest.raises(TypeError, match="pass the node as an argument"):
        grad(scaled)(1.0)


def test_odeint_of_a_function_that_closes_over_a_node_is_an_error() -> None:
    pytest.importorskip("scipy")
    from gradcore.autograd.scipy.integrate import odeint

    times = np.linspace(0.0, 1.0, 3)
    decay = lambda y, t, k: -k * y  # noqa: E731
    slope = grad(lambda k: odeint(decay, np.ones(1), times, (k,))[-1, 0])(1.0)
    assert slope == pytest.approx(-onp.exp(-1.0), abs=1e-6)
    with pytest.raises(TypeError, match="of odeint, in `args`"):
        grad(lambda k: odeint(lambda y, t: -k * y, np.ones(1), times)[-1, 0])(1.0)


def test_a_primitive_with_jvps_alone_has_the_transposed_gradients() -> None:
    @primitive
    def product(x: Any, y: Any) -> Any:
        return x * y

    defjvp(product, lambda g, ans, x, y: g * y, lambda g, ans, x, y: x * g)
    close(grad(product, (0, 1))(2.0, 3.0), (3.0, 2.0))
    close(make_jvp(product, 1)(2.0, 3.0)(1.0)[1], 2.0)
    defjvp(product, "same")  # what f does is not known, so it can't be transposed
    with pytest.raises(NotImplementedError, match="product"):
        grad(product)(2.0, 3.0)


def test_gradients_flow_to_objects_of_a_class_with_a_vector_space() -> None:
    class Steps:
        def __init__(self, heights: dict[int, Any]) -> None:
            self.heights = heights

        @primitive
        def __call__(self, i: int) -> Any:
            return self.heights.get(i, 0.0)

    class StepsBox(Box, Steps): ...

    class Space(VSpace):
        def zeros(self) -> Any:
            return Steps({})

        def _add(self, f: Any, g: Any) -> Any:
            keys = f.heights.keys() | g.heights.keys()
            return Steps({k: f.heights.get(k, 0.0) + g.heights.get(k, 0.0) for k in keys})

    defvjp(Steps.__call__, lambda ans, f, i: lambda g: Steps({i: g}))
    StepsBox.register(Steps)
    Space.register(Steps)
    g = grad(lambda f: f(1) ** 2 + 3.0 * f(2) + f(1))(Steps({1: 5.0}))
    assert {k: float(h) for k, h in g.heights.items()} == {1: 11.0, 2: 3.0}


def test_a_fixed_point_has_the_gradients_of_the_implicit_function() -> None:
    def root(a: Any) -> Any:
        step = lambda a: lambda x: x - 0.1 * (x**2 - a)  # noqa: E731
        return fixed_point(step, a, 1.0, lambda x, y: np.abs(x - y), 1e-13)

    close(grad(root)(2.0), 0.5 / onp.sqrt(2.0))
    close(grad(grad(root))(2.0), -0.25 * 2.0**-1.5)


def test_check_grads_finds_wrong_gradients_of_both_orders() -> None:
    onp.random.seed(0)  # of the directions, along which a short one would hide the fault

    @primitive
    def double(x: Any) -> Any:
        return x * 2.0

    @primitive
    def same(x: Any) -> Any:
        return x

    check_grads(lambda x: np.sin(x) * x)(onp.array(A))
    defvjp(double, lambda ans, x: lambda g: g * 2.001)
    with pytest.raises(AssertionError, match=r"\(VJP\) check of double failed"):
        check_grads(double, modes=["rev"])(1.0)
    defvjp(double, lambda ans, x: lambda g: same(g) * 2.0)
    defvjp(same, lambda ans, x: lambda g: g * 1.001)
    with pytest.raises(AssertionError, match=r"\(VJP\) check of vjp_double failed"):
        check_grads(double, modes=["rev"])(1.0)


@pytest.mark.parametrize(("optimize", "rate"), [(sgd, 0.5), (rmsprop, 0.05), (adam, 0.1)])
def test_optimizers_bring_trees_to_the_minimum(backend: Any, optimize: Any, rate: float) -> None:
    start = {"w": np.array([1.0, -2.0]), "b": [0.5]}
    seen: list[int] = []

    def loss(p: Any, i: int) -> Any:
        return np.sum((p["w"] - 3.0) ** 2) + (p["b"][0] + 1.0) ** 2

    def callback(p: Any, i: int, g: Any) -> None:
        seen.append(i)
        assert list(g) == ["w", "b"]

    end = optimize(grad(loss), start, callback, num_iters=150, step_size=rate)
    assert seen == list(range(150))
    onp.testing.assert_allclose(host(end["w"]), [3.0, 3.0], atol=0.1)
    assert abs(float(end["b"][0]) + 1.0) < 0.1


def test_a_trace_has_a_node_for_each_step_that_depends_on_the_argument() -> None:
    class Named(Node):
        def __init__(self, value, fun, args, kwargs, parent_argnums, parents) -> None:  # type: ignore[no-untyped-def]
            self.text = f"{fun.__name__}({', '.join(p.text for p in parents)})"

        def initialize_root(self) -> None:
            self.text = "x"

    value, node = trace(Named.new_root(), lambda x: np.sin(x) * x + np.cos(1.0), 2.0)
    assert node.text == "Add(Multiply(Sin(x), x))"
    close(value, 2.0 * onp.sin(2.0) + onp.cos(1.0))
    with pytest.warns(UserWarning, match="independent"):
        assert trace(Named.new_root(), lambda x: 1.0, 2.0)[1] is None


def test_getval_takes_the_value_out_of_a_node() -> None:
    seen: list[Any] = []
    grad(lambda x: seen.append(getval(x)) or x)(2.0)
    assert seen == [2.0]
    assert isinstance(seen[0], float)


@pytest.mark.parametrize(
    ("module", "name"),
    [("numpy.fft", "fft"), ("numpy.linalg", "svd"), ("numpy.random", "randn"),
     ("scipy.stats.norm", "logpdf"), ("scipy.stats.poisson", "pmf"), ("scipy.stats.t", "pdf")],
)  # fmt: skip
def test_modules_are_imported_by_name(module: str, name: str) -> None:
    assert callable(getattr(importlib.import_module(f"gradcore.autograd.{module}"), name))
