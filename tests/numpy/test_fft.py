"""NumPy's fft on nodes, by gradcore.numpy.fft and by NumPy itself."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from gradcore import TensorNode, check_gradients, grad
from gradcore.backends import Backend
from gradcore.numpy import fft

X = np.random.default_rng(0).normal(size=(3, 4))
CALLS: dict[str, dict[str, Any]] = {
    "fft": {"n": 5, "norm": "ortho"},
    "ifft": {"axis": 0},
    "rfft": {"n": 3},
    "irfft": {"n": 5},
    "hfft": {},
    "ihfft": {"axis": 0, "norm": "forward"},
    "fftn": {"s": (2, 5), "axes": (1, 0)},
    "ifftn": {},
    "rfftn": {"axes": (0,)},
    "irfftn": {"s": (4, -1), "axes": (0, 1)},
    "fft2": {},
    "ifft2": {"s": (2, 2), "axes": (0, 1)},
    "rfft2": {"norm": None},
    "irfft2": {},
    "fftshift": {"axes": 1},
    "ifftshift": {},
}


@pytest.mark.parametrize("name", CALLS)
def test_numpys_function_of_a_node_is_gradcores(backend: Backend, name: str) -> None:
    theirs, ours, options = getattr(np.fft, name), getattr(fft, name), CALLS[name]
    x = X.astype("float32")
    node = TensorNode(backend.asarray(x))
    for y in (theirs(node, **options), ours(node, **options)):
        found, expected = backend.to_numpy(y.value), theirs(x, **options)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert {*inspect.signature(ours).parameters} == {*inspect.signature(theirs).parameters}


@pytest.mark.parametrize("name", CALLS)
def test_gradients(name: str) -> None:
    def size(x: Any) -> Any:
        return abs(getattr(np.fft, name)(x, **CALLS[name])) ** 2

    check_gradients(size, X)


def test_dtypes_are_numpys() -> None:
    for x in ([1, 2, 3], np.arange(3), [0.5, 1.0], np.ones(3, "float16"), np.ones(3, "complex64")):
        for found, expected in ((fft.fft(x), np.fft.fft(x)), (fft.irfft(x), np.fft.irfft(x))):
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found, expected, atol=1e-3)
    y = np.zeros(3, complex)
    assert fft.fft(X[0, :3], out=y) is y
    np.testing.assert_allclose(y, np.fft.fft(X[0, :3]))


def test_frequencies_are_arrays_of_the_default_backend(backend: Backend) -> None:
    for name in ("fftfreq", "rfftfreq"):
        y = getattr(fft, name)(5, 0.5)
        assert isinstance(y, backend.array_types)
        expected = getattr(np.fft, name)(5, 0.5)
        np.testing.assert_allclose(backend.to_numpy(y), expected, rtol=1e-6)


def test_a_spectrum_is_differentiated_through_numpy() -> None:
    """The sum of squares is that of the spectrum, by Parseval's theorem."""
    with np.errstate(all="raise"):
        g = grad(lambda x: np.sum(np.abs(np.fft.fft(x, norm="ortho")) ** 2))(X)
    np.testing.assert_allclose(g, 2.0 * X)
