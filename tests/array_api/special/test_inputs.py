"""What functions of gradcore.special take, and that they don't warn."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

from gradcore import TensorNode, special
from gradcore import array_api as xp
from gradcore.backends import Backend

OF_TWO = {"beta", "gammainc", "xlogy", "logaddexp", "stdtr", "powm1"}
NAMES = ["erf", "gammaln", "exp2", "log1p", "expit", "sinc", "j0", "i0", "exp1", "ellipk", "round"]
EXTREMES = [0.0, -0.0, 1e-310, 0.5, 1.0, -2.0, 800.0, 1e200, -1e200, math.inf, -math.inf, math.nan]


def call(name: str, x: Any) -> TensorNode:
    result: TensorNode = getattr(special, name)(*([x, x] if name in OF_TWO else [x]))
    return result


@pytest.mark.parametrize("name", [*NAMES, *sorted(OF_TWO)])
def test_numbers_and_lists_are_computed_in_the_widest_dtype_of_the_default_backend(
    backend: Backend, name: str
) -> None:
    dtypes = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    width = "float64" if "float64" in dtypes else "float32"
    for x in (0.3, 1, [0.3, 0.4], (1, 1)):
        y = call(name, x)
        assert y.dtype == backend.dtype(width)
        expected = call(name, backend.asarray(np.asarray(x).tolist(), backend.dtype(width)))
        found, expected = (backend.to_numpy(node.value) for node in (y, expected))
        np.testing.assert_array_equal(found, expected)


def test_a_list_beside_an_array_counts_as_an_array_and_a_number_does_not() -> None:
    x = np.array([0.3], "float32")
    assert special.beta(x, [0.3, 0.4]).dtype == "float64"
    assert special.beta(0.3, x).dtype == "float32"


@pytest.mark.parametrize("name", [*NAMES, *sorted(OF_TWO), "gamma", "rgamma", "cosdg", "entr"])
def test_extremes_give_no_warning(name: str) -> None:
    for dtype in ("float32", "float64"):
        with np.errstate(over="ignore"):
            x = np.array(EXTREMES, dtype)
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            y = call(name, TensorNode(x))
        assert y.shape == x.shape


def test_gradients_of_extremes_give_no_warning() -> None:
    x = TensorNode(np.array(EXTREMES[:-1]))
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        xp.sum(special.erf(x)).backward()
    np.testing.assert_array_equal(x.grad[[0, 6, 7, 8, 9, 10]], [2 / math.sqrt(math.pi), *[0.0] * 5])


@pytest.mark.parametrize("name", ["gammainc", "xlogy", "erf", "stdtr"])
def test_large_arrays_take_memory_of_few_arrays(name: str) -> None:
    x = np.linspace(0.1, 2.0, 40_000).reshape(200, 1, 200)
    args = [x] if name == "erf" else [np.array([0.5, 1.5, 2.5])[:, None], x]
    function = getattr(special, name)
    tracemalloc.start()
    y = function(*args).value
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * y.nbytes + 50 * 8 * 2**16  # of parts, one in each of two threads
    rows = [function(*[a if a.shape[0] < 9 else a[i] for a in args]).value for i in range(200)]
    np.testing.assert_allclose(y, np.stack(rows), rtol=1e-14)


def test_gradients_of_parameters_of_large_arrays_are_those_of_their_parts() -> None:
    a, x = TensorNode(np.array([[0.5], [3.0]])), TensorNode(np.linspace(0.1, 9.0, 20_000))
    xp.sum(special.gammainc(a, x)).backward()
    found = 0.0
    for part in np.split(x.value, 4):
        small = TensorNode(a.value)
        xp.sum(special.gammainc(small, part)).backward()
        found = found + small.grad
    np.testing.assert_allclose(a.grad, found, rtol=1e-12)
