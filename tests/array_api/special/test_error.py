"""How exact the error function and its kin are, and what they give at poles and infinities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from special_functions import check_definition, check_float16, check_points, check_values

import gradcore
from gradcore import ops
from gradcore.backends import Backend

KERNELS = ["erf", "erfc"]
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", KERNELS)
def test_values(backend: Backend, dtype: str, name: str) -> None:
    check_values(backend, dtype, "error", name)


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
        ("erf", [0.0, INF, -INF, NAN, 1e30, -1e30], [0.0, 1.0, -1.0, NAN, 1.0, -1.0]),
        ("erfc", [0.0, INF, -INF, NAN, 1e30, -1e30], [1.0, 0.0, 2.0, NAN, 0.0, 2.0]),
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
