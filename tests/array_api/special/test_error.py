"""How exact the error function and its kin are, and what they give at poles and infinities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from special_functions import check_definition, check_float16, check_points, check_values

import gradcore
from gradcore import ops
from gradcore.backends import Backend

KERNELS = ["erf", "erfc", "erfcx 0", "ndtr", "log_ndtr", "erfinv", "erfcinv", "ndtri", "ndtri_exp"]
DERIVATIVES = ["erfcx 1", "erfcx 2", "erfcx 5"]
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", KERNELS)
def test_values(backend: Backend, dtype: str, name: str) -> None:
    check_values(backend, dtype, "error", name)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_an_order_of_erfcx_costs_two_bits(backend: Backend, dtype: str, name: str) -> None:
    check_values(backend, dtype, "error", name, 4.0 ** int(name[-1]) + 4)


DOMAINS = {f"erfcx {n}": (-5, 9) for n in (0, 1, 2, 5)}
DOMAINS |= {"erfinv": (-1, 1), "erfcinv": (0, 2), "ndtri": (0, 1), "ndtri_exp": (-99, 0)}


@pytest.mark.parametrize("name", [*KERNELS, *DERIVATIVES])
def test_kernels_are_the_base_definition(backend: Backend, dtype: str, name: str) -> None:
    x = np.random.default_rng(0).uniform(*DOMAINS.get(name, (-9, 9)), (5, 60))
    check_definition(backend, dtype, name, x)


@pytest.mark.parametrize("name", [*KERNELS, *DERIVATIVES])
def test_float16_is_float32_rounded_once(backend: Backend, name: str) -> None:
    numbers = [0.0, -0.0, 40.0, 300.0, 60000.0]
    check_float16(backend, name, np.concatenate([np.linspace(-9.3, 9.3, 200), numbers]))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("erf", [0.0, INF, -INF, NAN, 1e30, -1e30], [0.0, 1.0, -1.0, NAN, 1.0, -1.0]),
        ("erfc", [0.0, INF, -INF, NAN, 1e30, -1e30], [1.0, 0.0, 2.0, NAN, 0.0, 2.0]),
        ("erfcx 0", [0.0, INF, -INF, NAN, -1e30], [1.0, 0.0, INF, NAN, INF]),
        ("erfcx 1", [INF, -INF, NAN], [-0.0, -INF, NAN]),
        ("ndtr", [0.0, INF, -INF, NAN, 1e30, -1e30], [0.5, 1.0, 0.0, NAN, 1.0, 0.0]),
        ("log_ndtr", [INF, -INF, NAN, 1e30], [0.0, -INF, NAN, 0.0]),
        ("erfinv", [0.0, 1.0, -1.0, 1.1, -INF, NAN], [0.0, INF, -INF, NAN, NAN, NAN]),
        ("erfcinv", [0.0, 1.0, 2.0, 2.1, -0.1, NAN], [INF, 0.0, -INF, NAN, NAN, NAN]),
        ("ndtri", [0.0, 0.5, 1.0, 1.1, -0.1, NAN], [-INF, 0.0, INF, NAN, NAN, NAN]),
        ("ndtri_exp", [0.0, -INF, INF, 0.1, NAN], [INF, -INF, NAN, NAN, NAN]),
    ],
)
def test_poles_and_infinities(
    backend: Backend, dtype: str, name: str, x: list[float], expected: list[float]
) -> None:
    check_points(backend, dtype, name, x, expected)


def test_erf_stays_in_its_range(backend: Backend, dtype: str) -> None:
    x = backend.asarray(np.linspace(2, 7, 5001), dtype)
    y = backend.to_numpy(backend.erf(x))
    assert y.max() == 1
    assert backend.to_numpy(backend.erf(-x)).min() == -1
    assert backend.to_numpy(backend.erfc(x)).min() > 0


def test_derivatives_keep_their_digits_in_the_tails(backend: Backend, dtype: str) -> None:
    """Of log_ndtr the first derivative approaches -x, and the second 1 - 1/x²."""
    x = -np.array([5.0, 20.0, 1e3, 1e6])
    f: Any = gradcore.special.log_ndtr
    slope = gradcore.grad(lambda a: gradcore.Sum.apply(f(a)))
    curvature = gradcore.grad(lambda a: gradcore.Sum.apply(slope(a)))
    expected = [5.186503967125843, 20.04975306852785, 1000.000999998000, 1000000.000001]
    found = backend.to_numpy(slope(backend.asarray(x, dtype)))
    np.testing.assert_allclose(found, expected, 8 * np.finfo(dtype).eps)
    expected = [-0.9673036, -0.9975367, -0.999999, -1.0]  # -m (m + x), for the slope m
    found = backend.to_numpy(curvature(backend.asarray(x, dtype)))
    np.testing.assert_allclose(found, expected, 1e-6)
    p = gradcore.grad(lambda a: gradcore.Sum.apply(gradcore.special.ndtri_exp(a)))
    found = backend.to_numpy(p(backend.asarray(np.array([-1e4, -1e8]), dtype)))
    np.testing.assert_allclose(found, [0.00707279, 7.0710681e-5], 1e-5)


def test_integers_become_float32_and_the_ops_refuse_them(backend: Backend) -> None:
    x = backend.asarray(np.arange(1, 4))
    for name in ("erf", "erfc"):
        y = getattr(gradcore, name)(x).value
        expected = getattr(gradcore, name)(backend.asarray(np.arange(1, 4), "float32")).value
        assert y.dtype == backend.dtype("float32")
        assert np.array_equal(backend.to_numpy(y), backend.to_numpy(expected))
    for op in (ops.Erf, ops.Erfc):
        with pytest.raises(TypeError, match=r": x is int64, expected real floating numbers"):
            op.do_forward(x)
