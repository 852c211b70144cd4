"""How exact the gamma functions are, and what they give at poles and infinities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from special_functions import (
    BITS,
    check_definition,
    check_float16,
    check_points,
    check_values,
    has,
    kernel,
)

import gradcore
from gradcore import TensorNode, ops
from gradcore.array_api import special
from gradcore.backends import Backend

KERNELS = ["lgamma", "digamma", "polygamma 1", "polygamma 2", "polygamma 5"]
NAN, INF = math.nan, math.inf
EULER = 0.57721566490153286
POLES = [0.0, -0.0, -1.0, -2.0, -50.0, INF, -INF, NAN]


@pytest.mark.parametrize("name", KERNELS)
def test_values(backend: Backend, dtype: str, name: str) -> None:
    check_values(backend, dtype, "gamma", name)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_the_base_definition(backend: Backend, dtype: str, name: str) -> None:
    check_definition(backend, dtype, name, np.random.default_rng(0).uniform(-9, 9, (5, 60)))


@pytest.mark.parametrize("name", KERNELS)
def test_float16_is_float32_rounded_once(backend: Backend, name: str) -> None:
    numbers = [0.0, -0.0, 40.0, 300.0, 60000.0]
    check_float16(backend, name, np.concatenate([np.linspace(-9.3, 9.3, 200), numbers]))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("lgamma", POLES, [INF, INF, INF, INF, INF, INF, INF, NAN]),
        ("digamma", POLES, [-INF, INF, NAN, NAN, NAN, INF, NAN, NAN]),
        ("polygamma 1", POLES, [INF, INF, INF, INF, INF, 0.0, INF, NAN]),
        ("polygamma 2", POLES, [-INF, -INF, -INF, -INF, -INF, 0.0, -INF, NAN]),
    ],
)
def test_poles_and_infinities(
    backend: Backend, dtype: str, name: str, x: list[float], expected: list[float]
) -> None:
    check_points(backend, dtype, name, x, expected)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        (
            "gamma",
            (
                [0.0, -0.0, -1, -2.5, INF, -INF, NAN, 5, -1e-30],
                [INF, -INF, NAN, -0.9453087, INF, NAN, NAN, 24, -1e30],
            ),
        ),
        (
            "zeta",
            (
                [1.0, 0.5, 2, 2, 2, 2, 0, INF, 1e4, 1e4, 1e30],
                [2.0, 2, 0, -1, -1.5, INF, 1, 1, 1, 2, 1],
                [INF, NAN, INF, INF, NAN, 0, -0.5, 1, 1, 0, 1],
            ),
        ),
        ("betaln", ([2.0, 0, -1, INF, 2], [1.0, 1, 2, 1, -INF], [-0.6931472, INF, INF, -INF, NAN])),
    ],
)
def test_poles_of_gamma_zeta_and_betaln(
    backend: Backend, dtype: str, name: str, columns: tuple[list[float], ...]
) -> None:
    *given, expected = columns
    y = kernel(backend, name)(*(backend.asarray(z, dtype) for z in given))
    np.testing.assert_allclose(backend.to_numpy(y), expected, 1e-6)


def test_gradients_of_all_orders_at_the_zeros_of_rgamma() -> None:
    x, (first, second) = np.array([0.0, -1.0, -2.0]), ([1.0, -1.0, 2.0], [2 * EULER, 0.0, 0.0])
    slope = gradcore.grad(lambda z: ops.Sum.apply(special.rgamma(z)))
    np.testing.assert_allclose(slope(x), first, 1e-13)
    curvature = gradcore.grad(lambda z: ops.Sum.apply(slope(z)))(x[:1])
    np.testing.assert_allclose(curvature, second[:1], 1e-12)


def test_derivatives_of_every_order(backend: Backend, dtype: str) -> None:
    def derivative(f: Any) -> Any:
        return gradcore.grad(lambda x: ops.Sum.apply(f(x)))

    x, f = backend.asarray([1.5, 4.0, -0.5], dtype), gradcore.lgamma
    for n in range(5):
        f = derivative(f)
        expected = gradcore.polygamma(n, x).value
        assert np.array_equal(backend.to_numpy(f(x)), backend.to_numpy(expected)), n


@pytest.mark.parametrize("n", [-1, 1.0, True])
def test_polygamma_of_no_order(n: Any) -> None:
    with pytest.raises(ValueError, match=rf"^Polygamma: n = {n}, expected a positive integer"):
        gradcore.polygamma(n, TensorNode([1.0]))


def test_integers_become_float32_and_the_ops_refuse_them(backend: Backend) -> None:
    x = backend.asarray(np.arange(1, 4))
    for name in ("lgamma", "digamma"):
        y = getattr(gradcore, name)(x).value
        expected = getattr(gradcore, name)(backend.asarray(np.arange(1, 4), "float32")).value
        assert y.dtype == backend.dtype("float32")
        assert np.array_equal(backend.to_numpy(y), backend.to_numpy(expected))
    assert gradcore.polygamma(1, x).dtype == backend.dtype("float32")
    for op in (ops.LogGamma, ops.Digamma):
        with pytest.raises(TypeError, match=r": x is int64, expected real floating numbers"):
            op.do_forward(x)
    with pytest.raises(TypeError, match=r"^Polygamma: x is int64, expected real floating"):
        ops.Polygamma.do_forward(x, n=1)


@pytest.mark.parametrize("precision", BITS)
def test_lgamma_of_the_smallest_numbers(backend: Backend, precision: str) -> None:
    """It is -log|x|, also of negative denormal numbers, of which pi times x has few digits."""
    if not has(backend, precision):
        pytest.skip(f"no {precision}")
    least, tiny = np.finfo(precision).smallest_subnormal, np.finfo(precision).tiny
    x = np.array([least, 5 * least, tiny / 2, tiny, 2 * tiny]).astype(precision)
    expected = [-math.log(float(z)) for z in x]
    for signed in (x, -x):
        y = backend.to_numpy(backend.lgamma(backend.asarray(signed)))
        np.testing.assert_allclose(y.astype("float64"), expected, rtol=8 * BITS[precision])


def test_binom_has_its_derivative_by_a_whole_k(backend: Backend, dtype: str) -> None:
    """There its value is from a formula for whole k, which has none."""
    n, k = (TensorNode(backend.asarray(np.asarray(x), dtype)) for x in (5.0, 2.0))
    y = gradcore.special.binom(n, k)
    y.backward()
    assert float(y.value) == 10
    found = [float(x.grad) for x in (n, k)]
    np.testing.assert_allclose(found, [4.5, 10 / 3], 1e-5)  # 10 (digamma(4) - digamma(3))


def test_gamma_next_to_minus_zero_is_finite_and_1_over_it_is_0_at_all_poles() -> None:
    x = np.array([-1e-300, -1e-200])
    np.testing.assert_allclose(special.gamma(x).value, 1 / x)
    assert (special.rgamma(np.array([-2.0, -171.0, -172.0, -1e5])).value == 0).all()
