"""How exact the Bessel functions are, and what they give at 0 and infinity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from special_functions import check_definition, check_float16, check_points, check_values

import gradcore
from gradcore import special
from gradcore.backends import Backend

FAMILIES = ["jn", "yn", "ive", "kve"]
KERNELS = [f"{family} {n}" for family in FAMILIES for n in (0, 1, 2, 5, 12)]
SOME = [f"{family} {n}" for family in [*FAMILIES, "iv", "kv"] for n in (0, 1, 3)]
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", KERNELS)
def test_values(backend: Backend, dtype: str, name: str) -> None:
    check_values(backend, dtype, "bessel", name)


@pytest.mark.parametrize("name", SOME)
def test_kernels_are_the_base_definition(backend: Backend, dtype: str, name: str) -> None:
    low = -30 if name[0] in "ji" else 0.1
    check_definition(backend, dtype, name, np.random.default_rng(0).uniform(low, 30, (5, 60)))


@pytest.mark.parametrize("name", SOME)
def test_float16_is_float32_rounded_once(backend: Backend, name: str) -> None:
    check_float16(backend, name, np.linspace(0.1, 30, 100))


AT = [0.0, -0.0, INF, -INF, NAN, -1.0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jn 0", [1.0, 1.0, 0.0, 0.0, NAN]),
        ("jn 1", [0.0, 0.0, 0.0, 0.0, NAN]),
        ("jn 4", [0.0, 0.0, 0.0, 0.0, NAN]),
        ("yn 0", [-INF, -INF, 0.0, NAN, NAN, NAN]),
        ("yn 3", [-INF, -INF, 0.0, NAN, NAN, NAN]),
        ("ive 0", [1.0, 1.0, 0.0, 0.0, NAN]),
        ("ive 3", [0.0, 0.0, 0.0, 0.0, NAN]),
        ("kve 0", [INF, INF, 0.0, NAN, NAN, NAN]),
        ("kve 3", [INF, INF, 0.0, NAN, NAN, NAN]),
        ("kv 2", [INF, INF, 0.0, NAN, NAN, NAN]),
    ],
)
def test_zeros_and_infinities(
    backend: Backend, dtype: str, name: str, expected: list[float]
) -> None:
    check_points(backend, dtype, name, AT[: len(expected)], expected)


def test_derivatives_are_those_of_the_neighbors(backend: Backend, dtype: str) -> None:
    """At 0 too, where formulas with a division by x have none."""

    def derivative(f: Any) -> Any:
        return gradcore.grad(lambda x: gradcore.Sum.apply(f(x)))

    zero, f = backend.asarray([0.0], dtype), special.i0
    for expected in (0.0, 0.5, 0.0, 0.375, 0.0):
        f = derivative(f)
        np.testing.assert_allclose(backend.to_numpy(f(zero)), [expected], 1e-6)
    f = special.j1
    for expected in (0.5, 0.0, -0.375):
        f = derivative(f)
        np.testing.assert_allclose(backend.to_numpy(f(zero)), [expected], 1e-6)


def test_orders_may_be_an_array_of_whole_numbers(backend: Backend, dtype: str) -> None:
    x = gradcore.TensorNode(backend.asarray([1.0, 2.0, 3.0], dtype))
    y = special.yn(backend.asarray([0, 2, 0]), x)
    expected = [0.08825696421567697, -0.6174081041906827, 0.37685001001279034]
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, 1e-5)
    gradcore.Sum.apply(y).backward()
    expected = [0.7812128213002887, 0.5103756726497451, -0.3246744247918]
    np.testing.assert_allclose(backend.to_numpy(x.grad), expected, 1e-5)
    with pytest.raises(ValueError, match=r"^jn: n is 0\.5, expected whole numbers"):
        special.jn(0.5, x)
