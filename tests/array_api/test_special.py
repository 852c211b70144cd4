"""How exact the special functions are, and what they give at poles and infinities."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import TensorNode, ops
from gradcore.backends import Backend

GOLDEN: dict[str, list[list[float]]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "special.json").read_text()
)
KERNELS = ["erf", "erfc", "lgamma", "digamma", "polygamma 1", "polygamma 2", "polygamma 5"]
NAN = math.nan
INF = math.inf


def kernel(owner: Any, name: str, *first: Any) -> Any:
    """The kernel of that name as a function of x; `owner` may be the class that defines it."""
    function, _, n = name.partition(" ")
    return lambda x: getattr(owner, function)(*first, *([int(n)] if n else []), x)


@pytest.mark.parametrize("name", KERNELS)
def test_values(backend: Backend, dtype: str, name: str) -> None:
    """Allow 8 units in the last place, of the value or of the larger term of a reflection."""
    limits = np.finfo(dtype)
    x, y, scale = np.array(GOLDEN[name]).T
    known = (scale < limits.max) & (scale > 1e3 * limits.tiny)
    assert known.sum() > 50
    x, y, scale = x[known], y[known], scale[known]
    found = kernel(backend, name)(backend.asarray(x, dtype))
    assert found.dtype == backend.dtype(dtype)
    errors = abs(backend.to_numpy(found).astype("float64") - y) / (scale * limits.eps)
    assert errors.max() < 8, x[errors.argmax()]


POLES = [0.0, -0.0, -1.0, -2.0, -50.0, INF, -INF, NAN]


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("erf", [0.0, INF, -INF, NAN, 1e30, -1e30], [0.0, 1.0, -1.0, NAN, 1.0, -1.0]),
        ("erfc", [0.0, INF, -INF, NAN, 1e30, -1e30], [1.0, 0.0, 2.0, NAN, 0.0, 2.0]),
        ("lgamma", POLES, [INF, INF, INF, INF, INF, INF, INF, NAN]),
        ("digamma", POLES, [-INF, INF, NAN, NAN, NAN, INF, NAN, NAN]),
        ("polygamma 1", POLES, [INF, INF, INF, INF, INF, 0.0, INF, NAN]),
        ("polygamma 2", POLES, [-INF, -INF, -INF, -INF, -INF, 0.0, -INF, NAN]),
    ],
)
def test_poles_and_infinities(
    backend: Backend, dtype: str, name: str, x: list[float], expected: list[float]
) -> None:
    for shaped in (np.array(x), np.array(x).reshape(2, -1)):
        y = backend.to_numpy(kernel(backend, name)(backend.asarray(shaped, dtype)))
        np.testing.assert_array_equal(y, np.reshape(expected, shaped.shape))


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_the_base_definition(backend: Backend, dtype: str, name: str) -> None:
    x = backend.asarray(np.random.default_rng(0).uniform(-9, 9, (5, 60)), dtype)
    found, base = (
        backend.to_numpy(kernel(*o)(x)) for o in ((backend, name), (Backend, name, backend))
    )
    np.testing.assert_allclose(found, base, 1e-3 if dtype == "float32" else 1e-11)


def test_erf_stays_in_its_range(backend: Backend, dtype: str) -> None:
    x = backend.asarray(np.linspace(2, 7, 5001), dtype)
    y = backend.to_numpy(backend.erf(x))
    assert y.max() == 1
    assert backend.to_numpy(backend.erf(-x)).min() == -1
    assert backend.to_numpy(backend.erfc(x)).min() > 0


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
    for name in ("erf", "erfc", "lgamma", "digamma"):
        y = getattr(gradcore, name)(x).value
        expected = getattr(gradcore, name)(backend.asarray(np.arange(1, 4), "float32")).value
        assert y.dtype == backend.dtype("float32")
        assert np.array_equal(backend.to_numpy(y), backend.to_numpy(expected))
    assert gradcore.polygamma(1, x).dtype == backend.dtype("float32")
    for op in (ops.Erf, ops.Erfc, ops.LogGamma, ops.Digamma):
        with pytest.raises(TypeError, match=r": x is int64, expected real floating numbers"):
            op.do_forward(x)
    with pytest.raises(TypeError, match=r"^Polygamma: x is int64, expected real floating"):
        ops.Polygamma.do_forward(x, n=1)


# -- float16, and the ends of each dtype ---------------------------------------------------------

BITS = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}


def has(backend: Backend, precision: str) -> bool:
    known = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    return precision in known or (precision == "float16" and hasattr(backend.xp, precision))


@pytest.mark.parametrize("name", [*KERNELS, "polygamma 4"])
def test_float16_is_float32_rounded_once(backend: Backend, name: str) -> None:
    if not has(backend, "float16"):
        pytest.skip("no float16")
    numbers = np.concatenate([np.linspace(-9.3, 9.3, 200), [0.0, -0.0, 40.0, 300.0, 60000.0]])
    halves = numbers.astype("float16")
    function = kernel(backend, name)
    with np.errstate(over="ignore", invalid="ignore"):
        found = function(backend.asarray(halves))
        expected = backend.to_numpy(function(backend.asarray(halves.astype("float32"))))
        expected = expected.astype("float16")
    assert found.dtype == backend.dtype("float16")
    np.testing.assert_array_equal(backend.to_numpy(found), expected)


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
