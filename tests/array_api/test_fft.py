"""gradcore.array_api.fft, against NumPy and PyTorch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import array_api_strict
import numpy as np
import pytest

from gradcore import Sum, TensorNode, array_api, check_gradients, grad, namespace
from gradcore.array_api import fft
from gradcore.backends import Backend

VALUE = {"float32": 2e-6, "float64": 1e-13}
COMPLEX = {"float32": "complex64", "float64": "complex128"}

rng = np.random.default_rng(0)
REAL = rng.normal(size=(3, 5, 4))
Z = REAL + 1j * rng.normal(size=REAL.shape)

# Calls of gradcore's, NumPy's and PyTorch's fft, and what they are given.
CALLS: list[tuple[str, np.ndarray, dict[str, Any]]] = [
    *[
        (name, x, {"n": n, "axis": axis, "norm": norm})
        for name, x in (
            ("fft", Z),
            ("fft", REAL),
            ("ifft", Z),
            ("rfft", REAL),
            ("irfft", Z),
            ("irfft", REAL),
            ("hfft", Z),
            ("ihfft", REAL),
        )
        for n, axis, norm in (
            (None, -1, "backward"),
            (None, 1, "ortho"),  # of an odd number
            (1, -1, "forward"),
            (2, 0, "backward"),  # cut off
            (7, 1, "forward"),  # filled up
            (8, 1, "backward"),
        )
    ],
    *[
        (name, REAL if name == "rfftn" else Z, options)
        for name in ("fftn", "ifftn", "rfftn", "irfftn")
        for options in (
            {},
            {"axes": (0, 2), "norm": "ortho"},
            {"axes": (1,), "s": (3,), "norm": "forward"},
            {"axes": (2, 0, 1), "s": (3, -1, 6)},
        )
    ],
]
every_call = pytest.mark.parametrize(
    ("name", "x", "options"), CALLS, ids=[f"{c[0]} {c[1].dtype.kind} {c[2]}" for c in CALLS]
)


def in_dtype(x: np.ndarray, dtype: str) -> np.ndarray:
    return x.astype(COMPLEX[dtype] if np.iscomplexobj(x) else dtype)


@every_call
def test_value(
    backend: Backend, dtype: str, name: str, x: np.ndarray, options: dict[str, Any]
) -> None:
    expected = getattr(np.fft, name)(in_dtype(x, dtype), **options)
    raw = backend.asarray(in_dtype(x, dtype))
    y = getattr(fft, name)(TensorNode(raw), **options)
    assert y.requires_grad
    assert y.device == raw.device
    for found in (y.value, getattr(fft, name)(raw, **options)):  # arrays in, arrays out
        assert isinstance(found, backend.array_types)
        found = backend.to_numpy(found)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, VALUE[dtype], VALUE[dtype] * 10)


def parts(x: Any) -> list[Any]:
    xp = namespace(x)
    return [xp.real(x), xp.imag(x)] if xp.isdtype(x.dtype, "complex floating") else [x]


@every_call
def test_gradients(name: str, x: np.ndarray, options: dict[str, Any]) -> None:
    def call(*given: Any) -> Any:
        x = given[0] + 1j * given[1] if given[1:] else given[0]
        return parts(getattr(fft, name)(x, **options) ** 2)

    check_gradients(call, *[np.ascontiguousarray(part[:2, :, :3]) for part in parts(x)], order=3)


@every_call
def test_against_torch(name: str, x: np.ndarray, options: dict[str, Any]) -> None:
    """Gradients, and gradients of gradients, in PyTorch's convention."""
    torch = pytest.importorskip("torch")
    names = {"axis": "dim", "axes": "dim"}
    given = {names.get(key, key): v for key, v in options.items()}
    x = in_dtype(x, "float32")
    tensor = torch.tensor(x, requires_grad=True)
    node = TensorNode(x)
    theirs = getattr(torch.fft, name)(tensor, **given)
    ours = getattr(fft, name)(node, **options)
    w = in_dtype(Z if theirs.is_complex() else REAL, "float32").flatten()
    w = np.resize(w, ours.shape)
    (expected,) = torch.autograd.grad(
        (theirs * theirs * torch.tensor(w)).real.sum(), tensor, create_graph=True
    )
    loss = Sum.do_forward(parts(ours * ours * w)[0])
    loss.backward(create_graph=True)
    g = node.grad
    loss.zero_grad()
    (expected.abs() ** 2).sum().backward()
    Sum.do_forward(abs(g) ** 2).backward()
    for found, wanted in ((g.value, expected.detach()), (node.grad, tensor.grad)):
        wanted = wanted.resolve_conj().numpy()
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * abs(wanted).max())


def test_a_filter_is_learned_through_the_spectrum(backend: Backend) -> None:
    """Convolution by the transform has the gradients of the convolution itself."""
    signal, weights = REAL[0, 0].astype("float32"), REAL[1, 1, :3].astype("float32")
    x, w = backend.asarray(signal), backend.asarray(weights)
    shifted = [backend.asarray(np.convolve(signal, e).astype("float32")) for e in np.eye(3)]

    def by_transform(w: Any) -> Any:
        y = fft.irfft(fft.rfft(w, n=6) * fft.rfft(x, n=6), n=6)
        return Sum.do_forward(y * y)

    def by_sums(w: Any) -> Any:
        y = w[0] * shifted[0] + w[1] * shifted[1] + w[2] * shifted[2]
        return Sum.do_forward(y * y)

    found, expected = (backend.to_numpy(grad(f)(w)) for f in (by_transform, by_sums))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_frequencies_and_shifts(backend: Backend, n: int) -> None:
    x = np.arange(2.0 * n).reshape(2, n).astype("float32")
    node = TensorNode(backend.asarray(x))
    f = namespace(node).fft
    for name in ("fftfreq", "rfftfreq"):
        expected = getattr(np.fft, name)(n, d=0.3)
        for frequencies in (getattr(f, name), getattr(fft, name)):
            y = frequencies(n, d=0.3)
            default = backend.xp.__array_namespace_info__().default_dtypes(device=backend.device)
            assert y.dtype == default["real floating"]
            assert (y.requires_grad, y.device) == (False, node.device)
            np.testing.assert_allclose(backend.to_numpy(y.value), expected, rtol=1e-6)
        assert getattr(f, name)(n, dtype=backend.xp.float32).dtype == backend.xp.float32
    for name in ("fftshift", "ifftshift"):
        for axes in (None, 1, (-1, 0)):
            y = getattr(f, name)(node, axes=axes)
            expected = getattr(np.fft, name)(x, axes=axes)
            assert backend.to_numpy(y.value).tolist() == expected.tolist()
        shifted = getattr(np.fft, name)
        Sum.do_forward(getattr(f, name)(node) * node).backward()
        back = {"fftshift": np.fft.ifftshift, "ifftshift": np.fft.fftshift}[name]
        np.testing.assert_allclose(backend.to_numpy(node.grad), shifted(x) + back(x))
        node.zero_grad()


def test_the_distance_of_frequencies_may_be_learned() -> None:
    check_gradients(lambda d: fft.fftfreq(5, d=d), np.array(0.7))


def test_it_is_the_extension_of_every_namespace(backend: Backend) -> None:
    f = namespace(TensorNode(backend.asarray(REAL.astype("float32")))).fft
    assert [*f.__all__] == sorted(array_api_strict.fft.__all__) == [*fft.__all__]
    for name in f.__all__:
        theirs = [*inspect.signature(getattr(array_api_strict.fft, name)).parameters.values()]
        ours = [*inspect.signature(getattr(f, name)).parameters.values()]
        expected = [(p.name, p.kind, p.default) for p in theirs]
        found = [(p.name, p.kind, p.default) for p in ours if p.name != "backend"]
        assert found == expected, name
    assert "fft" in dir(array_api)


@pytest.mark.parametrize("kind", ["float16", "int32", "bool"])
def test_what_is_no_float32_is_transformed_as_such(kind: str) -> None:
    x = (4 * REAL).astype(kind)
    assert fft.fft(TensorNode(x)).dtype == fft.rfft(x).dtype == np.complex64
    np.testing.assert_allclose(fft.fft(x), np.fft.fft(x.astype("float32")), rtol=1e-5, atol=1e-5)
    if kind == "float16":
        assert fft.irfft(x).dtype == np.float16
        for name in ("fft", "rfft", "irfft"):
            slopes = grad(lambda x, name=name: Sum.do_forward(abs(getattr(fft, name)(x))))
            g, wide = slopes(x), slopes(x.astype(float))
            assert g.dtype == np.float16
            np.testing.assert_allclose(g, wide, rtol=1e-2, atol=1e-2)


def test_no_numbers_at_all() -> None:
    for x in (np.zeros((0, 4)), np.zeros((0, 4)) + 0j):
        node = TensorNode(x)
        y = fft.fft(node)
        Sum.do_forward(abs(y)).backward()
        assert (y.shape, node.grad.shape) == ((0, 4), (0, 4))
    y = fft.fftn(TensorNode(REAL), axes=())
    assert (y.dtype, y.value.tolist()) == (np.complex128, (REAL + 0j).tolist())


ERRORS: list[tuple[type[Exception], str, Callable[[Any], Any]]] = [
    (ValueError, "fft: transforms of (0,) numbers", lambda x: fft.fft(x, n=0)),
    (ValueError, "ifft: transforms of (0,) numbers", lambda x: fft.ifft(x[..., :0])),
    (ValueError, "irfft: transforms of (0,) numbers", lambda x: fft.irfft(x[..., :1])),
    (TypeError, "rfft: sizes (2.5,), expected integers", lambda x: fft.rfft(x, n=2.5)),
    (IndexError, "fft: axis 3 is out of range", lambda x: fft.fft(x, axis=3)),
    (IndexError, "rfft: axis -1 is out of range", lambda x: fft.rfft(x[0, 0, 0])),
    (ValueError, "fftn: axis (0, -3) names one axis twice", lambda x: fft.fftn(x, axes=(0, -3))),
    (ValueError, "fftn: sizes (2,) for axes (0, 1)", lambda x: fft.fftn(x, s=(2,), axes=(0, 1))),
    (ValueError, "rfftn: no axes", lambda x: fft.rfftn(x, axes=())),
    (ValueError, "irfftn: no axes", lambda x: fft.irfftn(x, axes=())),
    (ValueError, "hfft: norm is 'no', expected one of", lambda x: fft.hfft(x, norm="no")),
    (TypeError, "RFFT: x is complex128 (3, 5, 4), expected real", lambda x: fft.rfft(x + 0j)),
    (ValueError, "fftfreq: n is 0, expected an integer of", lambda _: fft.fftfreq(0)),
    (IndexError, "fftshift: axis 3 is out of range", lambda x: fft.fftshift(x, axes=3)),
]


@pytest.mark.parametrize(("error", "words", "call"), ERRORS, ids=[e[1] for e in ERRORS])
def test_errors(error: type[Exception], words: str, call: Callable[[Any], Any]) -> None:
    for x in (TensorNode(REAL), REAL):
        with pytest.raises(error) as caught:
            call(x)
        assert str(caught.value).startswith(words)
        assert "\n" not in str(caught.value)
