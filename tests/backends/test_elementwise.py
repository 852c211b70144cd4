"""Linear, masked, sigmoid and gradients of activations: overrides against the base definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from comparing import close

import gradcore
from gradcore import Sum, TensorNode
from gradcore.backends import Backend


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_masked_is_the_base_definition(backend: Backend, kind: str) -> None:
    """This holds for infinities and NaN too, where 0 times x would not be 0."""
    has = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    if kind not in has and not (kind == "float16" and hasattr(backend.xp, kind)):
        pytest.skip(f"no {kind}")
    numbers = np.arange(24.0).reshape(2, 3, 4)
    numbers[0, 0] = math.inf, -math.inf, math.nan, -0.0
    many = np.broadcast_to(numbers, (20, *numbers.shape))
    for x in (numbers, numbers.T, numbers[:, ::-1, 1::2], numbers[:, 0, 0], np.array(2.0), many):
        x = x.astype(kind)
        for shape in (x.shape, x.shape[-1:]):
            mask = np.random.default_rng(1).uniform(size=shape) < 0.5
            arrays = backend.asarray(x), backend.asarray(mask)
            found, expected = backend.masked(*arrays), Backend.masked(backend, *arrays)
            assert found.dtype == expected.dtype
            assert isinstance(found, backend.array_types)
            np.testing.assert_array_equal(backend.to_numpy(found), backend.to_numpy(expected))


@pytest.mark.parametrize("b", [True, False])
@pytest.mark.parametrize(
    ("n", "i", "o"), [(1, 3, 2), (20, 7, 19), (67, 5, 3), (40, 1, 1), (0, 2, 3), (70, 300, 67)]
)
def test_linear_is_the_base_definition(
    backend: Backend, dtype: str, n: int, i: int, o: int, b: bool
) -> None:
    x, w, v = (np.random.default_rng(1).normal(size=s).astype(dtype) for s in ((n, i), (o, i), o))
    bias = backend.asarray(v) if b else None
    # As they come, transposed in memory, and with gaps.
    for change in (np.asarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]):
        arrays = backend.asarray(change(x)), backend.asarray(change(w)), bias
        found, expected = backend.linear(*arrays), Backend.linear(backend, *arrays)
        assert found.dtype == expected.dtype
        close(backend, found, backend.to_numpy(expected), dtype)
        stack = backend.xp.reshape(arrays[0], (1, n, i))
        several = backend.linear(stack, *arrays[1:])
        assert several.shape == (1, n, o)
        close(backend, several[0, ...], backend.to_numpy(expected), dtype)


@pytest.mark.parametrize(("m", "k", "n"), [(1, 3, 2), (20, 7, 19), (70, 300, 67), (2, 0, 3)])
def test_product_is_the_base_definition(
    backend: Backend, dtype: str, m: int, k: int, n: int
) -> None:
    a, b = (np.random.default_rng(1).normal(size=s).astype(dtype) for s in ((m, k), (k, n)))
    for change in (np.asarray, np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2]):
        arrays = backend.asarray(change(a)), backend.asarray(change(b))
        found, expected = backend.product(*arrays), Backend.product(backend, *arrays)
        assert found.dtype == expected.dtype
        close(backend, found, backend.to_numpy(expected), dtype)


@pytest.mark.parametrize("kernel", ["relu_gradient", "sigmoid_gradient"])
def test_gradients_of_activations_are_the_base_definitions(
    backend: Backend, dtype: str, kernel: str
) -> None:
    y, go = np.random.default_rng(1).uniform(-1.0, 1.0, size=(2, 6, 60)).astype(dtype)
    y = np.maximum(y, 0.0)
    for change in (np.asarray, np.transpose, lambda x: x[:, ::-2], lambda x: x[:2, :3]):
        arrays = backend.asarray(change(y)), backend.asarray(change(go))
        expected = backend.to_numpy(getattr(Backend, kernel)(backend, *arrays))
        close(backend, getattr(backend, kernel)(*arrays), expected, dtype)


def test_relu_and_its_gradient_are_the_base_definitions_for_special_numbers(
    backend: Backend, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradcore.backends.numpy.backend.LIGHT", 300)  # threads share the second
    some = math.inf, -math.inf, math.nan, -0.0, 0.0, 1.0, -2.0
    pairs = np.array([(x, go) for x in some for go in some], dtype).T  # (2, 49)
    for x, go in (pairs, np.repeat(pairs, 7, axis=1), pairs[:, :0], pairs[:, 38], pairs[:, 3]):
        array, g = backend.asarray(x), backend.asarray(go)
        y = backend.relu(array)
        expected = backend.to_numpy(Backend.relu(backend, array))
        np.testing.assert_array_equal(backend.to_numpy(y), expected)
        gx, right = backend.relu_gradient(y, g), Backend.relu_gradient(backend, y, g)
        assert (gx.dtype, gx.shape) == (g.dtype, g.shape)
        np.testing.assert_array_equal(backend.to_numpy(gx), backend.to_numpy(right))


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_sigmoid_is_the_base_definition(backend: Backend, kind: str) -> None:
    """The values are right, too; in float32 and float64, what would be denormal is 0."""
    has = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    if kind not in has and not (kind == "float16" and hasattr(backend.xp, kind)):
        pytest.skip(f"no {kind}")
    ends = [-math.inf, -1e4, -90.0, -88.0, -87.3, 1e4, math.inf, math.nan]
    numbers = np.concatenate([np.linspace(-20.0, 20.0, 56), ends]).astype(kind)
    for x in (numbers, numbers.reshape(8, 8).T, numbers[::2], np.asarray(numbers[0]), numbers[:0]):
        array = backend.asarray(x)
        found, expected = backend.sigmoid(array), Backend.sigmoid(backend, array)
        assert found.dtype == expected.dtype
        arrays = backend.to_numpy(found), backend.to_numpy(expected)
        finfo = np.finfo(kind)
        atol = finfo.smallest_subnormal if kind == "float16" else 1.01 * finfo.tiny
        np.testing.assert_allclose(*arrays, 4 * finfo.eps, atol)
        with np.errstate(over="ignore"):
            right = 1 / (1 + np.exp(-x.astype("float64")))
        np.testing.assert_allclose(arrays[0], right, 4 * finfo.eps, atol)


def test_sigmoid_and_its_gradients_are_not_denormal(backend: Backend, dtype: str) -> None:
    """CPUs take long with such numbers, which pixels from 0 to 255 otherwise lead to."""
    x = TensorNode(backend.asarray(-np.geomspace(1.0, 1e4, 200), dtype))
    y = gradcore.sigmoid(x)
    Sum.do_forward(y * 1e-6).backward()
    for array in (y.value, x.grad):
        numbers = backend.to_numpy(array)
        assert numbers[numbers != 0].min() >= np.finfo(dtype).tiny
        assert (numbers == 0).any()
