"""Values, gradients and their gradients where numbers are special: 0, infinite, equal, NaN.

The right ones are limits. Where there is none, or where a formula does not reach it, NaN stands
for "not known"; a finite number that is wrong is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, nan, sqrt
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Sum, TensorNode, array_api
from gradcore.backends import Backend

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of infinite results


def derivatives(
    backend: Backend, function: Callable[..., Any], *point: float
) -> tuple[float, list[float], list[list[float]]]:
    """The value, the gradient and the Hessian of a function of numbers."""
    nodes = [TensorNode(backend.asarray(float(x))) for x in point]
    y = function(*nodes)
    value = float(backend.to_numpy(y.value))
    y.backward(create_graph=True)
    gradient = [x.grad for x in nodes]
    y.zero_grad()
    rows = []
    for g in gradient:
        if g.requires_grad:
            g.backward(retain_graph=True)
        rows.append([float(backend.to_numpy(x.grad)) for x in nodes])
        g.zero_grad()
        for x in nodes:
            x.zero_grad()
    return value, [float(backend.to_numpy(g.value)) for g in gradient], rows


def assert_right(found: Any, expected: Any, where: str) -> None:
    """Compare with what is right; NaN is found in place of an infinite number, or of none."""
    found, expected = np.asarray(found), np.asarray(expected)
    honest = np.isnan(found) & ~np.isfinite(expected)
    np.testing.assert_allclose(np.where(honest, expected, found), expected, 1e-5, err_msg=where)


POWERS = {  # of a = 0: b, the value, the gradient, the Hessian
    -1.0: (inf, [-inf, -inf], [[inf, inf], [inf, inf]]),
    0.0: (1.0, [0.0, 0.0], [[0.0, inf], [inf, nan]]),
    0.5: (0.0, [inf, 0.0], [[-inf, -inf], [-inf, 0.0]]),
    1.0: (0.0, [1.0, 0.0], [[0.0, -inf], [-inf, 0.0]]),
    1.5: (0.0, [0.0, 0.0], [[inf, 0.0], [0.0, 0.0]]),
    2.0: (0.0, [0.0, 0.0], [[2.0, 0.0], [0.0, 0.0]]),
    3.0: (0.0, [0.0, 0.0], [[0.0, 0.0], [0.0, 0.0]]),
}


@pytest.mark.parametrize("b", POWERS)
def test_powers_of_zero_to_second_order(backend: Backend, b: float) -> None:
    found = derivatives(backend, lambda a, b: a**b, 0.0, b)
    for order, (number, expected) in enumerate(zip(found, POWERS[b], strict=True)):
        assert_right(number, expected, f"0 ** {b}, order {order}")


@pytest.mark.parametrize("b", POWERS)
def test_a_constant_exponent_gives_the_same(backend: Backend, b: float) -> None:
    value, (slope, _), ((curvature, _), _) = POWERS[b]
    for exponent in (b, backend.asarray(b)):
        found = derivatives(backend, lambda a, b=exponent: a**b, 0.0)
        assert found == (value, [slope], [[curvature]])


def test_powers_of_negative_numbers_to_whole_exponents(backend: Backend) -> None:
    for b, expected in (
        (2.0, (4.0, -4.0, 2.0)),
        (3.0, (-8.0, 12.0, -12.0)),
        (0.0, (1.0, 0.0, 0.0)),
    ):
        value, (slope, other), (row, _) = derivatives(backend, lambda a, b: a**b, -2.0, b)
        assert (value, slope, row[0]) == expected
        assert np.isnan(other), "by the exponent there is no derivative"


def test_the_mixed_derivative_of_a_power_whose_exponent_is_zero(backend: Backend) -> None:
    found = derivatives(backend, lambda a, b: a**b, 4.0, 0.0)
    assert_right(found[1], [0.0, log(4)], "gradient")
    assert_right(found[2], [[0.0, 0.25], [0.25, log(4) ** 2]], "Hessian")


def test_the_third_derivative_of_a_power(backend: Backend) -> None:
    third = gradcore.grad(gradcore.grad(gradcore.grad(lambda b: array_api.pow(2.0, b))))
    np.testing.assert_allclose(float(third(backend.asarray(3.0))), 8 * log(2) ** 3, 1e-5)


UNARY: dict[str, list[tuple[float, float, float]]] = {  # x, the first derivative, the second
    "sqrt": [(0.0, inf, -inf), (inf, 0.0, 0.0)],
    "abs": [(0.0, 0.0, 0.0), (inf, 1.0, 0.0), (-inf, -1.0, 0.0)],  # at 0 a choice, PyTorch's
    "log": [(0.0, inf, -inf), (inf, 0.0, 0.0)],
    "log2": [(0.0, inf, -inf)],
    "log10": [(0.0, inf, -inf)],
    "log1p": [(-1.0, inf, -inf), (inf, 0.0, 0.0)],
    "expm1": [(-inf, 0.0, 0.0), (inf, inf, inf)],
    "exp": [(-inf, 0.0, 0.0), (inf, inf, inf)],
    "asin": [(1.0, inf, inf), (-1.0, inf, -inf)],
    "acos": [(1.0, -inf, -inf), (-1.0, -inf, inf)],
    "acosh": [(1.0, inf, -inf)],
    "atanh": [(1.0, inf, inf), (-1.0, inf, -inf)],
    "tanh": [(inf, 0.0, 0.0), (-inf, 0.0, 0.0)],
    "reciprocal": [(0.0, -inf, inf), (inf, 0.0, 0.0)],
    "square": [(0.0, 0.0, 2.0)],
}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number_at_the_ends_of_their_domains(backend: Backend, name: str) -> None:
    for x, *expected in UNARY[name]:
        _, (slope,), ((curvature,),) = derivatives(backend, getattr(array_api, name), x)
        assert_right([slope, curvature], expected, f"{name}({x})")


@pytest.mark.parametrize("name", UNARY)
def test_derivatives_at_nan_are_nan(backend: Backend, name: str) -> None:
    value, (slope,), _ = derivatives(backend, getattr(array_api, name), nan)
    assert np.isnan(value)
    assert np.isnan(slope)


R = sqrt(0.5)
BINARY: list[tuple[str, float, float, list[float], list[list[float]]]] = [
    ("hypot", 0.0, 0.0, [0.0, 0.0], [[nan, nan], [nan, nan]]),
    ("hypot", 0.0, 2.0, [0.0, 1.0], [[0.5, 0.0], [0.0, 0.0]]),
    ("hypot", 3e-30, 4e-30, [0.6, 0.8], [[1.28e29, -9.6e28], [-9.6e28, 7.2e28]]),
    ("hypot", 3e30, 4e30, [0.6, 0.8], [[1.28e-31, -9.6e-32], [-9.6e-32, 7.2e-32]]),
    ("atan2", 0.0, 0.0, [0.0, 0.0], [[nan, nan], [nan, nan]]),
    ("atan2", 0.0, 2.0, [0.5, 0.0], [[0.0, -0.25], [-0.25, 0.0]]),
    ("atan2", 2.0, 0.0, [0.0, -0.5], [[0.0, 0.25], [0.25, 0.0]]),
    ("atan2", 0.0, -2.0, [-0.5, 0.0], [[0.0, -0.25], [-0.25, 0.0]]),
    ("atan2", 3.0, 4.0, [0.16, -0.12], [[-0.0384, -0.0112], [-0.0112, 0.0384]]),
    ("atan2", 1e-18, 1e-18, [5e17, -5e17], [[-5e35, 0.0], [0.0, 5e35]]),
    ("logaddexp", 2.0, 2.0, [0.5, 0.5], [[0.25, -0.25], [-0.25, 0.25]]),
    ("logaddexp", 1e15, 1e15, [0.5, 0.5], [[0.25, -0.25], [-0.25, 0.25]]),
    ("logaddexp", -inf, 1.0, [0.0, 1.0], [[0.0, 0.0], [0.0, 0.0]]),
    ("logaddexp", inf, 1.0, [1.0, 0.0], [[0.0, 0.0], [0.0, 0.0]]),
    ("logaddexp", 0.0, -1e4, [1.0, 0.0], [[0.0, 0.0], [0.0, 0.0]]),
    ("divide", 1.0, 0.0, [inf, -inf], [[0.0, -inf], [-inf, inf]]),
    ("divide", 1.0, inf, [0.0, 0.0], [[0.0, 0.0], [0.0, 0.0]]),
    ("divide", 0.0, 2.0, [0.5, 0.0], [[0.0, -0.25], [-0.25, 0.0]]),
    ("maximum", 2.0, 2.0, [0.5, 0.5], [[0.0, 0.0], [0.0, 0.0]]),
    ("minimum", inf, inf, [0.5, 0.5], [[0.0, 0.0], [0.0, 0.0]]),
    ("remainder", 1.0, 0.1, [1.0, -9.0], [[0.0, 0.0], [0.0, 0.0]]),
    ("remainder", -7.5, 2.0, [1.0, 4.0], [[0.0, 0.0], [0.0, 0.0]]),
    ("remainder", 7.5, -2.0, [1.0, 4.0], [[0.0, 0.0], [0.0, 0.0]]),
    ("remainder", 2.0, inf, [1.0, 0.0], [[0.0, 0.0], [0.0, 0.0]]),
]


@pytest.mark.parametrize(("name", "a", "b", "gradient", "hessian"), BINARY)
def test_functions_of_two_numbers(
    backend: Backend, name: str, a: float, b: float, gradient: Any, hessian: Any
) -> None:
    where = f"{name}({a}, {b})"
    _, slopes, curvatures = derivatives(backend, getattr(array_api, name), a, b)
    for found, expected in ((slopes, gradient), (curvatures, hessian)):
        scale = max(np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)), 1e-30)
        assert_right(np.divide(found, scale), np.divide(expected, scale), where)


def test_an_angle_keeps_its_gradient_for_large_and_small_numbers(backend: Backend) -> None:
    for size in (1e-30, 1e-10, 1.0, 1e10, 1e30):
        for a, b in ((3.0, 4.0), (-4.0, 3.0), (0.0, 1.0), (1.0, 0.0)):
            x, y = (TensorNode(backend.asarray(v * size)) for v in (a, b))
            array_api.atan2(x, y).backward()
            found = np.multiply([float(x.grad), float(y.grad)], size)
            np.testing.assert_allclose(found, np.divide([b, -a], a * a + b * b), 1e-5, 1e-7)


def test_a_recursion_of_logaddexp_starts_from_minus_infinity(backend: Backend) -> None:
    x = TensorNode(backend.asarray([-inf, -inf, 2.0, 1.0]))
    y = array_api.logaddexp(array_api.logaddexp(array_api.logaddexp(x[0], x[1]), x[2]), x[3])
    y.backward()
    p = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(backend.to_numpy(x.grad), [0.0, 0.0, p, 1 - p], 1e-6)


@pytest.mark.parametrize("strange", [nan, inf, -inf])
def test_what_where_does_not_take_has_no_say(backend: Backend, strange: float) -> None:
    mask = backend.asarray([True, False])
    a, b = (TensorNode(backend.asarray(x)) for x in ([1.0, strange], [strange, 2.0]))
    y = array_api.where(mask, a, b)
    Sum.do_forward(y * y).backward()
    assert backend.to_numpy(a.grad).tolist() == [2.0, 0.0]
    assert backend.to_numpy(b.grad).tolist() == [0.0, 4.0]
    kept = gradcore.Masked.do_forward(a, mask=mask)
    assert backend.to_numpy(kept.value).tolist() == [1.0, 0.0]


def test_an_infinite_length_has_gradients_of_nan_and_not_zero(backend: Backend) -> None:
    large = float(np.finfo("float32").max)
    for function in (
        lambda x: gradcore.linalg.vector_norm(x),
        lambda x: gradcore.array_api.hypot(x[0], x[1]),
        lambda x: gradcore.array_api.std(x - 0.5 * large),
    ):
        x = TensorNode(backend.asarray(np.array([large, large, -large]), "float32"))
        function(x).backward()
        found = backend.to_numpy(x.grad)
        assert np.isnan(found[:2]).all(), found


def test_a_length_of_tiny_numbers_is_zero_and_so_is_its_gradient(backend: Backend) -> None:
    tiny = float(np.finfo("float32").tiny)
    x = TensorNode(backend.asarray(np.array([tiny, -tiny]), "float32"))
    y = gradcore.linalg.vector_norm(x)
    y.backward()
    assert float(backend.to_numpy(y.value)) == 0.0
    assert (backend.to_numpy(x.grad) == 0.0).all()


@pytest.mark.parametrize("strange", [inf, -inf, nan])
@pytest.mark.parametrize(
    "name",
    ["svd", "svdvals", "eig", "eigh", "eigvals", "eigvalsh", "inv", "pinv", "slogdet", "det"],
)
def test_a_matrix_with_infinity_or_nan_gives_nan_and_leaves_the_other_alone(
    backend: Backend, name: str, strange: float
) -> None:
    """SVD of an infinity may never return, and NaN fail the whole stack; det has an SVD in its
    gradient."""
    function = getattr(gradcore.linalg, name)
    good = np.diag([3.0, 2.0, 1.0])
    bad = good + np.array([[0.0, strange, 0.0], [strange, 0.0, 0.0], [0.0, 0.0, 0.0]])

    def parts(matrices: list[np.ndarray]) -> list[np.ndarray]:
        x = TensorNode(backend.asarray(np.stack(matrices), "float32"))
        ys = function(x)
        ys = [*ys] if isinstance(ys, tuple) else [ys]
        values = ys[1:2] if name in ("svd", "slogdet") else ys[:1]
        array_api.sum(array_api.real(values[0])).backward()
        arrays = [x.grad] if name == "det" else [*[y.value for y in values], x.grad]
        return [backend.to_numpy(array) for array in arrays]

    for found, expected in zip(parts([bad, good]), parts([good, good]), strict=True):
        assert np.isnan(found[0]).all(), found[0]
        np.testing.assert_allclose(found[1], expected[1], 1e-4, 1e-5)
