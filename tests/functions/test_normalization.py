"""Layer, RMS and group normalization, as functions and as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import call_is_torchs, close

import gradcore
from gradcore import Sum, TensorNode, check_gradients, nn
from gradcore.backends import Backend, get
from gradcore.backends.numpy import blocks

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


X = normal(2, 4, 3)
# Name, inputs, and what PyTorch calls the settings.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], dict[str, Any]]] = [
    ("layer_norm", (X, 3), {}, {}),
    ("layer_norm", (X, (4, 3), normal(4, 3), normal(4, 3)), {"eps": 0.1}, {"eps": 0.1}),
    ("layer_norm", (5 + 2 * X, (3,), normal(3)), {}, {}),
    ("rms_norm", (X, 3), {}, {}),
    ("rms_norm", (X, (4, 3), normal(4, 3)), {"eps": 0.1}, {"eps": 0.1}),
    ("group_norm", (X, 2), {}, {}),
    ("group_norm", (normal(2, 4, 3, 2), 2, normal(4), normal(4)), {"eps": 0.1}, {"eps": 0.1}),
    ("group_norm", (normal(3, 4), 1, normal(4), normal(4)), {}, {}),
    ("instance_norm", (X,), {}, {}),
    ("instance_norm", (X, None, None, normal(4), normal(4)), {"eps": 0.1}, {"eps": 0.1}),
    ("instance_norm", (normal(3, 2, 2, 3, 2),), {}, {}),
    ("local_response_norm", (X, 3), {"alpha": 0.5}, {"alpha": 0.5}),
    ("local_response_norm", (normal(2, 5, 2, 3), 4, 0.5, 2.0, 0.5), {}, {}),
    ("local_response_norm", (normal(1, 3, 2, 1, 2), 9, 2.0), {}, {}),
]


@pytest.mark.parametrize(("name", "inputs", "settings", "torchs"), CALLS)
def test_against_torch(
    backend: Backend, dtype: str, name: str, inputs: Any, settings: Any, torchs: Any
) -> None:
    call_is_torchs(backend, dtype, name, inputs, settings, torchs)


def test_norms_are_what_their_definitions_say(backend: Backend, dtype: str) -> None:
    x, w, b = 3 + 2 * normal(4, 6, 5), normal(6), normal(6)
    mean, variance = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    given, scale, shift = (backend.asarray(a, dtype) for a in (x, w, b))
    close(backend, gradcore.layer_norm(given, (6, 5)), expected, dtype)
    one = gradcore.group_norm(given, 1, scale, shift)
    close(backend, one, expected * w[:, None] + b[:, None], dtype)
    mean, variance = x.mean(axis=2, keepdims=True), x.var(axis=2, keepdims=True)
    each = gradcore.group_norm(given, 6)
    close(backend, each, (x - mean) / np.sqrt(variance + 1e-5), dtype)
    root = np.sqrt((x * x).mean(axis=2, keepdims=True) + 0.1)
    close(backend, gradcore.rms_norm(given, 5, eps=0.1), x / root, dtype)


@pytest.mark.parametrize("shape", [(1, 1), (40, 11), (2, 9000)])
def test_kernels_of_layer_norm_are_the_base_definitions(
    backend: Backend, dtype: str, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 64)
    x, go = 3 + 2 * normal(*shape), normal(*shape)
    w, b = (backend.asarray(normal(shape[1]), dtype) for _ in range(2))
    for order in (lambda a: a, lambda a: a.T):
        given = [order(backend.asarray(order(a).copy(), dtype)) for a in (x, go)]
        for kernel, arguments in (
            ("layer_norm", (given[0], w, b)),
            ("layer_norm_gradient", (given[0], w, given[1])),
        ):
            expected = getattr(Backend, kernel)(backend, *arguments, eps=0.1)
            found = getattr(backend, kernel)(*arguments, eps=0.1)
            several = (found, expected) if isinstance(found, tuple) else ((found,), (expected,))
            for y, z in zip(*several, strict=True):
                close(backend, y, backend.to_numpy(z), dtype)


def test_an_instance_is_normalized_as_a_group_of_one_channel(backend: Backend, dtype: str) -> None:
    x, w, b = (backend.asarray(a, dtype) for a in (X, normal(4), normal(4)))
    expected = gradcore.group_norm(x, 4, w, b)
    close(
        backend,
        gradcore.instance_norm(x, None, None, w, b),
        backend.to_numpy(expected.value),
        dtype,
    )
    running = [TensorNode(backend.asarray(n, dtype), requires_grad=False) for n in ([0.0] * 4,) * 2]
    gradcore.instance_norm(x, *running, momentum=0.5)
    variance = X.var(axis=2, ddof=1)
    for node, statistic in zip(running, (X.mean(axis=2), variance), strict=True):
        close(backend, node, statistic.mean(axis=0) / 2, dtype)
    close(backend, gradcore.instance_norm(x, *running, use_input_stats=False),
          backend.to_numpy(gradcore.batch_norm(x, *running).value), dtype)  # fmt: skip


def test_neighbours_of_local_response_norm(backend: Backend, dtype: str) -> None:
    """By hand: of two channels, the one before counts and the one after does not."""
    x = backend.asarray([[[1.0], [2.0], [3.0]]], dtype)
    y = gradcore.local_response_norm(x, 2, alpha=2.0, beta=1.0, k=1.0)
    close(backend, y, np.asarray([[[1 / 2], [2 / 6], [3 / 14]]]), dtype)


def test_sums_of_layer_norm_are_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of 16-bit numbers in many blocks are as exact as in one."""
    monkeypatch.setattr(blocks, "BLOCK", 64)
    backend, x, go, w = get("numpy"), normal(2000, 8), normal(2000, 8), normal(8)
    halves = [a.astype("float16") for a in (x, w, go)]
    found = backend.layer_norm_gradient(*halves, eps=0.1)
    expected = Backend.layer_norm_gradient(backend, *[a.astype(float) for a in halves], eps=0.1)
    for y, z in zip(found[1:], expected[1:], strict=True):
        assert y.dtype == np.float16
        np.testing.assert_allclose(y, z, rtol=1e-3, atol=1e-2)


def test_norms_of_nothing(backend: Backend) -> None:
    for shape, call in (
        ((5, 0), lambda x: gradcore.layer_norm(x, 0)),
        ((0, 3), lambda x: gradcore.layer_norm(x, 3)),
        ((2, 0, 1), lambda x: gradcore.layer_norm(x, (0, 1), x[0, ...])),
        ((2, 0, 3), lambda x: gradcore.layer_norm(x, (0, 3), x[0, ...])),
        ((2, 4, 0), lambda x: gradcore.group_norm(x, 2)),
        ((0, 4, 3), lambda x: gradcore.instance_norm(x)),
        ((2, 4, 0), lambda x: gradcore.instance_norm(x)),
        ((2, 0, 3), lambda x: gradcore.local_response_norm(x, 2)),
    ):
        x = TensorNode(backend.asarray(np.zeros(shape, "float32")))
        y = call(x)
        assert y.shape == x.shape
        Sum.do_forward(y).backward()
        assert x.grad.shape == x.shape


def test_the_eps_of_rms_norm_is_that_of_the_dtype_it_computes_in() -> None:
    for name, eps in (("float16", 2.0**-23), ("float32", 2.0**-23), ("float64", 2.0**-52)):
        x = np.asarray([1e-3], name)
        expected = float(x[0]) / (float(x[0]) ** 2 + eps) ** 0.5
        assert abs(gradcore.rms_norm(x, 1).value[0] - expected) < 1e-3


@pytest.mark.parametrize("number", [100000.1, 12345.67, 3e8])
def test_norms_of_equal_numbers_are_zero(backend: Backend, number: float) -> None:
    """However large these are: the mean is exact, and no rounding looks like variance."""
    if backend.name.startswith("cupy"):
        pytest.skip("CuPy's mean is rounded")
    x = backend.asarray(np.full((3, 768), number), "float32")
    for y in (
        gradcore.layer_norm(x, 768),
        gradcore.group_norm(x, 4),
        gradcore.batch_norm(backend.xp.reshape(x, (256, 3, 3)), training=True),
    ):
        np.testing.assert_allclose(backend.to_numpy(y.value), 0.0, atol=1e-3)


def test_weights_may_be_lists(backend: Backend, dtype: str) -> None:
    x = backend.asarray([[1.0, 3.0], [5.0, 2.0]], dtype)
    for name, given in (
        ("layer_norm", (2,)),
        ("group_norm", (1,)),
        ("batch_norm", ([2.0, 1.0], [1.0, 2.0])),
    ):
        for weights in (([2.0, 3.0], [0.5, -1.0]), ([2.0, 3.0],)):
            arrays = [backend.asarray(w, dtype) for w in weights]
            function = getattr(gradcore, name)
            running = [backend.asarray(g, dtype) if isinstance(g, list) else g for g in given]
            expected = backend.to_numpy(function(x, *running, *arrays).value)
            close(backend, function(x, *given, *weights), expected, dtype)
    y = gradcore.rms_norm(x, 2, [2.0, 3.0])
    expected = gradcore.rms_norm(x, 2, backend.asarray([2.0, 3.0], dtype))
    close(backend, y, backend.to_numpy(expected.value), dtype)
    with pytest.raises(ValueError, match=r"layer_norm: weight has shape \(3,\), expected \(2,\)"):
        gradcore.layer_norm(x, 2, [1.0, 2.0, 3.0])


def test_norms_are_in_the_dtype_of_x() -> None:
    x, w = normal(2, 4, 3).astype("float16"), normal(4).astype("float32")
    for y in (gradcore.group_norm(x, 2, w, w), gradcore.layer_norm(x[..., 0], 4, w, w)):
        assert y.dtype == x.dtype


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("LayerNorm", {"normalized_shape": 3}),
        ("LayerNorm", {"normalized_shape": (4, 3), "eps": 0.1, "bias": False}),
        ("LayerNorm", {"normalized_shape": 3, "elementwise_affine": False}),
        ("RMSNorm", {"normalized_shape": (4, 3)}),
        ("RMSNorm", {"normalized_shape": 3, "eps": 0.1, "elementwise_affine": False}),
        ("GroupNorm", {"num_groups": 2, "num_channels": 4}),
        ("GroupNorm", {"num_groups": 2, "num_channels": 4, "eps": 0.1, "affine": False}),
    ],
)
def test_norms_as_modules_against_torch(
    backend: Backend, dtype: str, name: str, arguments: dict[str, Any]
) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name)(**arguments, dtype=getattr(torch, dtype))
    ours = getattr(nn, name)(**arguments, dtype=dtype)
    names = {"weight": "w", "bias": "b"}
    found = {n: (p.shape, backend.to_numpy(p.value).tolist()) for n, p in ours.named_parameters()}
    expected = {names[n]: p.detach().numpy() for n, p in theirs.named_parameters()}
    assert found == {n: (p.shape, p.tolist()) for n, p in expected.items()}
    for node, (_, p) in zip(ours.parameters(), theirs.named_parameters(), strict=True):
        value = normal(*p.shape)
        node.value = backend.asarray(value, dtype)
        p.data = torch.tensor(value, dtype=p.dtype)
    expected = theirs(torch.tensor(X, dtype=getattr(torch, dtype)))
    y = ours(backend.asarray(X, dtype))
    close(backend, y, expected.detach().numpy(), dtype)
    if ours.parameters():
        Sum.do_forward(y * y).backward()
        (expected * expected).sum().backward()
        for node, p in zip(ours.parameters(), theirs.parameters(), strict=True):
            close(backend, node.grad, p.grad.numpy(), dtype)


def test_gradients_by_differences() -> None:
    x, w = normal(2, 4, 3), normal(4)
    check_gradients(lambda x, w: gradcore.group_norm(x, 2, w, w), x, w)
    check_gradients(lambda x: gradcore.layer_norm(x, 3), x)
    check_gradients(lambda x: gradcore.rms_norm(x, 3), x)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradcore.layer_norm(X, 4), r"^layer_norm: x is float64 \(2, 4, 3\).*\(4,\)"),
        (lambda: gradcore.layer_norm(X, ()), r"^layer_norm: .*\(\)"),
        (lambda: gradcore.layer_norm(X, 3, X), r"^layer_norm: weight has .*\(2, 4, 3\).*\(3,\)"),
        (lambda: gradcore.rms_norm(X, (2, 3)), r"^rms_norm: x is .*\(2, 3\)"),
        (lambda: gradcore.group_norm(X, 3), r"^group_norm: x has shape \(2, 4, 3\).*groups = 3"),
        (lambda: gradcore.group_norm(X, 2, X[0, 0]), r"^group_norm: weight .*\(3,\).*\(4,\)"),
        (lambda: nn.GroupNorm(3, 4), "^GroupNorm: num_channels = 4.* num_groups = 3"),
    ],
)
def test_refusals(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["layer_norm", "group_norm", "batch_norm"])
def test_numbers_whose_squares_overflow_become_nan_and_not_zero(
    backend: Backend, name: str
) -> None:
    large = float(np.finfo("float32").max) / 4
    x = np.array([[[large, -large], [1.0, 3.0]]])
    settings = {
        "layer_norm": {"normalized_shape": 2},
        "group_norm": {"num_groups": 2},
        "batch_norm": {"training": True},
    }
    y = getattr(gradcore, name)(TensorNode(backend.asarray(x, "float32")), **settings[name])
    found = backend.to_numpy(y.value)[0]
    # The compiled sums of float32 are float64: there the squares may not overflow.
    assert np.isnan(found[0]).all() or np.allclose(found[0], [1.0, -1.0])
    assert np.allclose(found[1], [-1.0, 1.0], 1e-4)
