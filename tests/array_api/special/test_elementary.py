"""How exact elementary functions are, and what they give at special points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from special_functions import check_definition, check_float16, check_points, check_values, has

import gradcore
from gradcore import TensorNode, special
from gradcore.backends import Backend

OF_ONE = ["cbrt", *[f"{name} {n}" for name in ("exprel", "sinc") for n in (0, 1, 2, 5)]]
OF_TWO = ["log_ratio", "rel_entr", "kl_div"]
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", [*OF_ONE, *OF_TWO])
def test_values(backend: Backend, dtype: str, name: str) -> None:
    check_values(backend, dtype, "elementary", name, 24 if name == "sinc 5" else 8)


@pytest.mark.parametrize("name", [*OF_ONE, *OF_TWO])
def test_kernels_are_the_base_definition(backend: Backend, dtype: str, name: str) -> None:
    low = 0 if name in OF_TWO else -9
    x = np.random.default_rng(0).uniform(low, 9, (1 + (name in OF_TWO), 5, 60))
    check_definition(backend, dtype, name, *x)


@pytest.mark.parametrize("name", [*OF_ONE, *OF_TWO])
def test_float16_is_float32_rounded_once(backend: Backend, name: str) -> None:
    x = np.random.default_rng(0).uniform(0, 9, (1 + (name in OF_TWO), 90))
    check_float16(backend, name, *x)


PAIRS = (
    [0.0, 0.0, 2.0, -1.0, 1.0, INF, 1.0, INF, NAN, 0.0],
    [0.0, 2.0, 0.0, 1.0, -1.0, 1.0, INF, INF, 0.0, NAN],
)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("cbrt", ([0.0, -0.0, 27.0, -8.0, INF, -INF, NAN], [0.0, -0.0, 3.0, -2.0, INF, -INF, NAN])),
        ("exprel 0", ([0.0, INF, -INF, NAN], [1.0, INF, 0.0, NAN])),
        ("exprel 1", ([0.0, INF, -INF, NAN], [0.5, INF, 0.0, NAN])),
        ("sinc 0", ([0.0, 1.0, -2.0, 1e9, INF, -INF, NAN], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, NAN])),
        ("sinc 1", ([0.0, INF, NAN], [0.0, 0.0, NAN])),
        ("log_ratio", (*PAIRS, [NAN, -INF, INF, NAN, NAN, INF, -INF, NAN, NAN, NAN])),
        ("rel_entr", (*PAIRS, [0.0, 0.0, INF, INF, INF, INF, -INF, NAN, NAN, NAN])),
    ],
)
def test_special_points(backend: Backend, dtype: str, name: str, given: Any) -> None:
    check_points(backend, dtype, name, *given)


def derivatives(f: Any, backend: Backend, dtype: str, *x: float) -> list[list[float]]:
    """The value, the gradient, and the gradient of the gradients' sum, of numbers."""
    nodes = [TensorNode(backend.asarray(np.asarray(a), dtype)) for a in x]
    y = f(*nodes)
    assert y.dtype == backend.dtype(dtype)
    y.backward(create_graph=True)
    first = [a.grad for a in nodes]
    y.zero_grad()
    total = sum(first[1:], first[0])
    if total.requires_grad:
        total.backward()
    found = [[y.value], [g.value for g in first], [a.grad for a in nodes]]
    return [[float(backend.to_numpy(v)) for v in row] for row in found]


POINTS: list[tuple[str, tuple[float, ...], float, list[float], list[float] | None]] = [
    ("sinc", (0.0,), 1.0, [0.0], [-math.pi**2 / 3]),
    ("sinc", (1e-4,), 1 - math.pi**2 * 1e-8 / 6, [-math.pi**2 * 1e-4 / 3], [-math.pi**2 / 3]),
    ("sinc", (1.0,), 0.0, [-1.0], [2.0]),
    ("exprel", (0.0,), 1.0, [0.5], [1 / 3]),
    ("logit", (0.5,), 0.0, [4.0], [0.0]),
    ("logit", (0.0,), -INF, [INF], None),
    ("logit", (1.0,), INF, [INF], None),
    ("logit", (1.5,), NAN, [NAN], None),
    ("entr", (0.0,), 0.0, [INF], None),
    ("entr", (-1.0,), -INF, [NAN], None),
    ("xlogy", (0.0, 0.0), 0.0, [-INF, 0.0], None),
    ("xlogy", (0.0, 2.0), 0.0, [math.log(2), 0.0], [0.5, 0.5]),
    ("xlogy", (2.0, 0.0), -INF, [-INF, INF], None),
    ("xlog1py", (0.0, -1.0), 0.0, [-INF, 0.0], None),
    ("rel_entr", (0.0, 2.0), 0.0, [-INF, 0.0], None),
    ("kl_div", (2.0, 2.0), 0.0, [0.0, 0.0], [0.0, 0.0]),
    ("kl_div", (0.0, 2.0), 2.0, [-INF, 1.0], None),
    ("huber", (1.5, 1.5), 1.125, [0.0, 1.5], None),
    ("huber", (1.5, 0.0), 0.0, [0.0, 0.0], [0.0, 1.0]),
    ("huber", (1.5, INF), INF, [INF, 1.5], None),
    ("huber", (-1.0, 1.0), INF, [0.0, 0.0], None),
    ("pseudo_huber", (0.0, 2.0), 0.0, [2.0, 0.0], None),
    ("pseudo_huber", (0.0, 0.0), 0.0, [0.0, 0.0], None),
    ("boxcox", (2.0, 0.0), math.log(2), [0.5, math.log(2) ** 2 / 2],
     [-0.25 + math.log(2) / 2, math.log(2) / 2 + math.log(2) ** 3 / 3]),
    ("boxcox", (0.0, 2.0), -0.5, [NAN, NAN], None),
    ("boxcox1p", (0.0, 0.5), 0.0, [1.0, 0.0], [-0.5, 0.0]),
    ("inv_boxcox", (0.7, 0.0), math.exp(0.7), [math.exp(0.7), -0.245 * math.exp(0.7)], None),
    ("inv_boxcox1p", (0.0, 0.0), 0.0, [1.0, 0.0], None),
    ("cbrt", (0.0,), 0.0, [INF], None),
    ("erfinv", (1.0,), INF, [INF], None),
    ("erfinv", (1.1,), NAN, [NAN], None),
    ("erfcinv", (0.0,), INF, [-INF], None),
    ("ndtri", (0.0,), -INF, [INF], None),
    ("ndtri_exp", (-INF,), -INF, [0.0], None),
    ("log_ndtr", (-INF,), -INF, [INF], None),
    ("log_ndtr", (INF,), 0.0, [0.0], None),
    ("y0", (0.0,), -INF, [INF], None),
    ("k0e", (0.0,), INF, [NAN], None),
    ("j0", (INF,), 0.0, [0.0], None),
    ("i0e", (0.0,), 1.0, [0.0], None),
    ("cosdg", (0.0,), 1.0, [0.0], [-((math.pi / 180) ** 2)]),
    ("cosdg", (270.0,), 0.0, [math.pi / 180], [0.0]),
    ("sindg", (-180.0,), 0.0, [-math.pi / 180], [0.0]),
    ("tandg", (45.0,), 1.0, [math.pi / 90], [math.pi**2 / 8100]),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of infinite results
@pytest.mark.parametrize(("name", "x", "value", "gradient", "second"), POINTS)
def test_derivatives_at_special_points(
    backend: Backend, dtype: str, name: str, x: Any, value: float, gradient: Any, second: Any
) -> None:
    found = derivatives(getattr(special, name), backend, dtype, *x)
    for numbers, expected in zip(found, ([value], gradient, second), strict=True):
        if expected is not None:
            np.testing.assert_allclose(numbers, expected, 1e-5, 1e-7)


def test_boxcox_is_smooth_at_zero(backend: Backend, dtype: str) -> None:
    """Its derivative by lambda does not lose digits where lambda is small."""
    slope = gradcore.grad(lambda a: special.boxcox(backend.asarray(np.asarray(3.0), dtype), a))
    for lmbda in (0.0, 1e-12, -1e-8, 1e-4):
        found = float(slope(backend.asarray(np.asarray(lmbda), dtype)))
        log = math.log(3)
        expected = log**2 / 2 + lmbda * log**3 / 3 + lmbda**2 * log**4 / 8 + lmbda**3 * log**5 / 30
        np.testing.assert_allclose(found, expected, 8 * np.finfo(dtype).eps)


def test_numbers_integers_and_16_bits(backend: Backend) -> None:
    x = TensorNode(backend.asarray([1.0, 2.0], "float32"))
    assert special.huber(1.5, x).dtype == backend.dtype("float32")
    whole = backend.asarray(np.array([1, 2]))
    assert special.xlogy(whole, x).dtype == backend.dtype("float32")
    assert special.xlogy(whole, whole).dtype == backend.dtype("float32")
    expected = [0.0, 2 * math.log(2)]
    np.testing.assert_allclose(
        backend.to_numpy(special.xlogy(whole, 2 * x / 2).value), expected, 1e-6
    )
    if not has(backend, "float16"):
        pytest.skip("no float16")
    half = TensorNode(backend.asarray(np.array([300.0, 2.0], "float16")))
    y = special.pseudo_huber(1.0, half)  # 300² overflows in float16
    assert y.dtype == backend.dtype("float16")
    np.testing.assert_allclose(backend.to_numpy(y.value), [299.0, 1.236], 1e-3)
    gradcore.Sum.apply(y).backward()
    np.testing.assert_allclose(backend.to_numpy(half.grad), [1.0, 0.8945], 1e-3)
