"""How exact integrals of elementary functions are, and what they give at 0 and infinity."""

from __future__ import annotations

import math

import numpy as np
import pytest
from special_functions import check_definition, check_float16, check_points, check_values

import gradcore
from gradcore import TensorNode, special
from gradcore.backends import Backend

KERNELS = [*[f"expn {n}" for n in (-2, 0, 1, 2, 7)], "expi", "spence"]
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", KERNELS)
def test_values(backend: Backend, dtype: str, name: str) -> None:
    check_values(backend, dtype, "integrals", name)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_the_base_definition(backend: Backend, dtype: str, name: str) -> None:
    check_definition(backend, dtype, name, np.random.default_rng(0).uniform(0.1, 9, (5, 60)))


@pytest.mark.parametrize("name", KERNELS)
def test_float16_is_float32_rounded_once(backend: Backend, name: str) -> None:
    check_float16(backend, name, np.linspace(0.1, 9, 100))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("expn 0", [0.0, INF, -1.0, NAN], [INF, 0.0, NAN, NAN]),
        ("expn 1", [0.0, INF, -1.0, NAN], [INF, 0.0, NAN, NAN]),
        ("expn 3", [0.0, INF, -1.0, NAN], [0.5, 0.0, NAN, NAN]),
        ("expi", [0.0, INF, -INF, NAN], [-INF, INF, 0.0, NAN]),
        ("spence", [1.0, INF, -1.0, NAN], [0.0, -INF, NAN, NAN]),
    ],
)
def test_zeros_and_infinities(
    backend: Backend, dtype: str, name: str, x: list[float], expected: list[float]
) -> None:
    check_points(backend, dtype, name, x, expected)


def test_elliptic_integrals_and_legendre_functions(backend: Backend, dtype: str) -> None:
    """Values and derivatives of mpmath; the first derivative of K by p is infinite at p = 0."""
    for name, x, value, slope in (
        ("ellipk", -3.0, 1.0782578237498217, 0.078788301660932),
        ("ellipk", 0.0, math.pi / 2, math.pi / 8),
        ("ellipk", 0.9, 2.578092113348173, 4.70536400760698),
        ("ellipkm1", 1e-30, 35.92507075603058, -5e29),
        ("ellipe", 0.9, 1.1047747327040733, -0.8185096559133893),
        ("ellipe", -3.0, 2.422112055136804, -0.22397570523116374),
        ("ellipk", 1.0, INF, None),
        ("ellipe", 1.0, 1.0, None),
    ):
        node = TensorNode(backend.asarray(np.asarray(x), dtype))
        y = getattr(special, name)(node)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(float(y.value), value, 32 * eps, err_msg=name)
        if slope is not None:
            y.backward()
            np.testing.assert_allclose(float(node.grad), slope, 64 * eps, err_msg=name)
    node = TensorNode(backend.asarray(np.asarray(0.3), dtype))
    y = special.lpmv(2, 3, node)  # 15 x (1 - x²)
    y.backward()
    np.testing.assert_allclose([float(y.value), float(node.grad)], [4.095, 10.95], 1e-5)
    with pytest.raises(ValueError, match=r"^lpmv: m is 0\.5 and v 1, expected whole numbers"):
        special.lpmv(0.5, 1, node)


def test_the_dilogarithm_is_smooth_at_one(backend: Backend, dtype: str) -> None:
    slope = gradcore.grad(special.spence)
    curvature = gradcore.grad(slope)
    for x in (1.0, 1 + 2.0**-12, 1 - 2.0**-12):
        node = backend.asarray(np.asarray(x), dtype)
        t = x - 1
        np.testing.assert_allclose(float(slope(node)), -1 + t / 2 - t * t / 3, 1e-6)
        np.testing.assert_allclose(float(curvature(node)), 0.5 - 2 * t / 3, 1e-5)
