"""Normalization, dropout and attention, as functions and as modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import close

import gradcore
from gradcore import Sum, TensorNode, check_gradients, manual_seed, nn
from gradcore.backends import Backend, get, random
from gradcore.backends.numpy import blocks

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


# -- Against PyTorch ------------------------------------------------------------------------------

X = normal(2, 4, 3)
# Name, inputs, and what PyTorch calls the settings.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], dict[str, Any]]] = [
    ("softmax", (X,), {"axis": 1}, {"dim": 1}),
    ("log_softmax", (X,), {}, {"dim": -1}),
    ("softmax", (normal(3, 0),), {"axis": 1}, {"dim": 1}),
    ("log_softmax", (normal(0),), {}, {"dim": -1}),
    ("logsumexp", (X,), {"axis": (0, 2), "keepdims": True}, {"dim": (0, 2), "keepdim": True}),
    ("layer_norm", (X, 3), {}, {}),
    ("layer_norm", (X, (4, 3), normal(4, 3), normal(4, 3)), {"eps": 0.1}, {"eps": 0.1}),
    ("layer_norm", (5 + 2 * X, (3,), normal(3)), {}, {}),
    ("rms_norm", (X, 3), {}, {}),
    ("rms_norm", (X, (4, 3), normal(4, 3)), {"eps": 0.1}, {"eps": 0.1}),
    ("group_norm", (X, 2), {}, {}),
    ("group_norm", (normal(2, 4, 3, 2), 2, normal(4), normal(4)), {"eps": 0.1}, {"eps": 0.1}),
    ("group_norm", (normal(3, 4), 1, normal(4), normal(4)), {}, {}),
]
Q, K, V = normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 6)
BOOLEANS = RNG.uniform(size=(2, 3, 5)) < 0.6
BOOLEANS[0, 1] = False  # a query that looks at no key
ADDED = np.where(BOOLEANS, normal(2, 3, 5), -np.inf)
ATTENTION: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((Q, K, V), {}),
    ((Q[0], K[0], V[0]), {"scale": 0.3}),
    ((normal(2, 2, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 4)), {"is_causal": True}),
    ((normal(2, 5, 4), normal(2, 3, 4), normal(2, 3, 4)), {"is_causal": True}),
    ((Q, K, V, BOOLEANS), {}),
    ((Q, K, V, BOOLEANS[0]), {}),
    ((Q, K, V, BOOLEANS[:, :, :1]), {}),
    ((Q, K, V, normal(3, 5)), {}),
    ((Q, K[:, :0], V[:, :0]), {}),
]
CALLS += [("scaled_dot_product_attention", inputs, s, s) for inputs, s in ATTENTION]


@pytest.mark.parametrize(("name", "inputs", "settings", "torchs"), CALLS)
def test_against_torch(
    backend: Backend, dtype: str, name: str, inputs: Any, settings: Any, torchs: Any
) -> None:
    """Values, gradients by all floating inputs, and the gradient of that."""
    torch = pytest.importorskip("torch")
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    nodes = [TensorNode(backend.asarray(x, dtype if x.dtype == float else None)) for x in arrays]
    real = getattr(torch, dtype)
    tensors = [torch.tensor(x, dtype=real if x.dtype == float else torch.bool) for x in arrays]
    for t in tensors:
        t.requires_grad_(t.is_floating_point())
    left, right = iter(nodes), iter(tensors)
    y = getattr(gradcore, name)(
        *[next(left) if isinstance(x, np.ndarray) else x for x in inputs], **settings
    )
    given = [next(right) if isinstance(x, np.ndarray) else x for x in inputs]
    if name in ("layer_norm", "rms_norm") and isinstance(given[1], int):
        given[1] = (given[1],)
    functions = torch if name == "logsumexp" else torch.nn.functional
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # of second order
        expected = getattr(functions, name)(*given, **torchs)
    close(backend, y, expected.detach().numpy(), dtype)

    nodes = [node for node in nodes if node.requires_grad]
    tensors = [t for t in tensors if t.requires_grad]
    weights = np.cos(np.arange(y.size)).reshape(y.shape)
    total = Sum.do_forward(y * y * backend.asarray(weights, dtype))
    total.backward(create_graph=True)
    gs = [node.grad for node in nodes]
    total.zero_grad()
    loss = (expected * expected * torch.tensor(weights)).sum()
    slopes = torch.autograd.grad(loss, tensors, create_graph=True)
    for g, slope in zip(gs, slopes, strict=True):
        close(backend, g, slope.detach().numpy(), dtype)
    second = Sum.do_forward(gs[0] * gs[0])
    for g in gs[1:]:
        second = second + Sum.do_forward(g * g)
    second.backward()
    sum((slope * slope).sum() for slope in slopes).backward()
    for node, t in zip(nodes, tensors, strict=True):
        close(backend, node.grad, t.grad.numpy(), dtype)


def test_a_mask_of_minus_infinities_against_torch(backend: Backend, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    nodes = [TensorNode(backend.asarray(x, dtype)) for x in (Q, K, V)]
    tensors = [torch.tensor(x, dtype=getattr(torch, dtype), requires_grad=True) for x in (Q, K, V)]
    y = gradcore.scaled_dot_product_attention(*nodes, backend.asarray(ADDED, dtype))
    expected = torch.nn.functional.scaled_dot_product_attention(
        *tensors, torch.tensor(ADDED, dtype=getattr(torch, dtype))
    )
    close(backend, y, expected.detach().numpy(), dtype)
    Sum.do_forward(y * y).backward()
    (expected * expected).sum().backward()
    for node, t in zip(nodes, tensors, strict=True):
        close(backend, node.grad, t.grad.numpy(), dtype)


# -- Without PyTorch ------------------------------------------------------------------------------


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


def test_sums_of_layer_norm_are_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 16 bits in many blocks, as exact as in one."""
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
        ((2, 4, 0), lambda x: gradcore.group_norm(x, 2)),
    ):
        x = TensorNode(backend.asarray(np.zeros(shape, "float32")))
        y = call(x)
        assert y.shape == x.shape
        Sum.do_forward(y).backward()
        assert x.grad.shape == x.shape


def test_norms_are_in_the_dtype_of_x() -> None:
    x, w = normal(2, 4, 3).astype("float16"), normal(4).astype("float32")
    for y in (gradcore.group_norm(x, 2, w, w), gradcore.layer_norm(x[..., 0], 4, w, w)):
        assert y.dtype == x.dtype


def test_attention_is_what_its_definition_says(backend: Backend, dtype: str) -> None:
    scores = np.where(BOOLEANS, np.exp(Q @ K.mT / 2), 0.0)
    total = scores.sum(axis=-1, keepdims=True)
    expected = scores / np.where(total == 0, 1.0, total) @ V
    q, k, v = (backend.asarray(x, dtype) for x in (Q, K, V))
    found = gradcore.scaled_dot_product_attention(q, k, v, backend.asarray(BOOLEANS))
    close(backend, found, expected, dtype)
    assert not backend.to_numpy(found.value)[0, 1].any()


def test_gradients_by_differences() -> None:
    x, w = normal(2, 4, 3), normal(4)
    check_gradients(lambda x, w: gradcore.group_norm(x, 2, w, w), x, w)
    check_gradients(lambda x: gradcore.layer_norm(x, 3), x)
    check_gradients(lambda x: gradcore.rms_norm(x, 3), x)
    check_gradients(lambda x: gradcore.logsumexp(x, axis=1), x)
    check_gradients(lambda *x: gradcore.scaled_dot_product_attention(*x, BOOLEANS), Q, K, V)
    check_gradients(gradcore.scaled_dot_product_attention, Q, K, V, normal(3, 5))


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
        (lambda: gradcore.dropout(X, 1.5), "^dropout: p = 1.5"),
        (lambda: nn.Dropout(-1), "^Dropout: p = -1"),
        (
            lambda: gradcore.scaled_dot_product_attention(Q, K, V, BOOLEANS, is_causal=True),
            "is_causal and attn_mask",
        ),
        (lambda: gradcore.scaled_dot_product_attention(Q[0, 0], K, V), r"query is .*\(4,\)"),
        (lambda: gradcore.scaled_dot_product_attention(Q, V, V), r"\(2, 3, 4\).*\(2, 6, 5\)"),
    ],
)
def test_refusals(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


# -- Dropout --------------------------------------------------------------------------------------


def test_dropout_is_the_same_everywhere(backend: Backend, dtype: str) -> None:
    manual_seed(3)
    with gradcore.use_backend("numpy"):
        expected = gradcore.dropout(np.ones((30, 7)), 0.3).value
        after = random.get_state()
    manual_seed(3)
    x = TensorNode(backend.asarray(np.ones((30, 7)), dtype))
    y = gradcore.dropout(x, 0.3)
    assert random.get_state() == after
    close(backend, y, expected, dtype)
    assert set(expected.ravel()) == {0.0, 1 / 0.7}
    Sum.do_forward(y).backward()
    np.testing.assert_array_equal(backend.to_numpy(x.grad), backend.to_numpy(y.value))


def test_dropout_differs_from_call_to_call_and_state_brings_it_back() -> None:
    manual_seed(0)
    x = np.ones(100)
    gradcore.dropout(x)
    state = random.get_state()
    first, second = gradcore.dropout(x).value, gradcore.dropout(x).value
    assert 20 < np.count_nonzero(first != second) < 80
    random.set_state(state)
    assert (gradcore.dropout(x).value == first).all()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_as_many_as_it_should(p: float) -> None:
    manual_seed(0)
    n = 10**6
    y = gradcore.dropout(np.ones((1000, 1000)), p).value
    dropped = y == 0
    assert abs(dropped.mean() - p) < 5 * math.sqrt(p * (1 - p) / n)
    np.testing.assert_allclose(y[~dropped], 1 / (1 - p), rtol=1e-15)
    # No more in one row or column than in another; neighbours know nothing of each other.
    for axis in (0, 1):
        spread = dropped.mean(axis=axis).std()
        assert abs(spread / math.sqrt(p * (1 - p) / 1000) - 1) < 0.15
    pairs = dropped.ravel().astype(float) - p
    for distance in (1, 2, 8, 1000):
        together = (pairs[:-distance] * pairs[distance:]).mean()
        assert abs(together) < 5 * p * (1 - p) / math.sqrt(n)


def test_dropout_of_nothing_and_of_all(backend: Backend) -> None:
    x = TensorNode([1.0, math.inf, -2.0])
    before = random.get_state()
    for y in (gradcore.dropout(x, 0.0), gradcore.dropout(x, 0.9, training=False)):
        assert backend.to_numpy(y.value).tolist() == [1.0, math.inf, -2.0]
    assert random.get_state() == before
    y = gradcore.dropout(TensorNode([1.0, -2.0]), 1.0)
    assert backend.to_numpy(y.value).tolist() == [0.0, 0.0]


def test_attention_drops_weights() -> None:
    manual_seed(0)
    ones, keys, values = np.ones((1, 1, 4)), np.ones((1, 1000, 4)), np.eye(1000)[None]
    y = gradcore.scaled_dot_product_attention(ones, keys, values, dropout_p=0.5)
    assert set((y.value * 1000).round(9).ravel()) == {0.0, 2.0}


@pytest.mark.parametrize("key", [0, 5, 2**63 - 1, 2**64 + 3, 2**128 - 7])
def test_random_bits_are_the_base_definition_and_numpys(backend: Backend, key: int) -> None:
    for n in (0, 1, 3, 8, 1001):
        words = np.random.Philox(key=key).random_raw((n + 1) // 2)
        expected = np.stack([words & 0xFFFFFFFF, words >> 32], axis=1).ravel()[:n]
        for kernel in (backend.random_bits, lambda *x: Backend.random_bits(backend, *x)):
            bits = kernel(key, n, backend.asarray(0.0).device)
            assert bits.dtype == backend.xp.uint32
            assert bits.device == backend.asarray(0.0).device
            np.testing.assert_array_equal(backend.to_numpy(bits), expected)


def test_random_bits_are_those_of_the_published_test_vector() -> None:
    """Philox4x64-10 of counter and key 0 (Random123's kat_vectors); 1 comes first here."""
    numpys = np.random.Philox(key=0, counter=2**256 - 1).random_raw(4)
    published = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert numpys.tolist() == published


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_masked_is_the_base_definition(backend: Backend, kind: str) -> None:
    """Also of infinities and NaN, for which 0 times x would not be 0."""
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
    ("n", "i", "o"), [(1, 3, 2), (20, 7, 19), (67, 5, 3), (40, 1, 1), (0, 2, 3)]
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


@pytest.mark.parametrize("kernel", ["relu_gradient", "sigmoid_gradient"])
def test_gradients_of_activations_are_the_base_definitions(
    backend: Backend, dtype: str, kernel: str
) -> None:
    y, go = np.random.default_rng(1).uniform(-1.0, 1.0, size=(2, 6, 60)).astype(dtype)
    for change in (np.asarray, np.transpose, lambda x: x[:, ::-2], lambda x: x[:2, :3]):
        arrays = backend.asarray(change(y)), backend.asarray(change(go))
        expected = backend.to_numpy(getattr(Backend, kernel)(backend, *arrays))
        close(backend, getattr(backend, kernel)(*arrays), expected, dtype)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_sigmoid_is_the_base_definition(backend: Backend, kind: str) -> None:
    """And is right, but for numbers as small as nothing."""
    has = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    if kind not in has and not (kind == "float16" and hasattr(backend.xp, kind)):
        pytest.skip(f"no {kind}")
    ends = [-math.inf, -1e4, 1e4, math.inf, math.nan]
    numbers = np.concatenate([np.linspace(-20.0, 20.0, 59), ends]).astype(kind)
    for x in (numbers, numbers.reshape(8, 8).T, numbers[::2], np.asarray(numbers[0]), numbers[:0]):
        array = backend.asarray(x)
        found, expected = backend.sigmoid(array), Backend.sigmoid(backend, array)
        assert found.dtype == expected.dtype
        arrays = backend.to_numpy(found), backend.to_numpy(expected)
        np.testing.assert_allclose(*arrays, 4 * float(np.finfo(kind).eps))
        with np.errstate(over="ignore"):
            right = 1 / (1 + np.exp(-x.astype("float64")))
        finfo = np.finfo(kind)
        atol = {"float16": finfo.tiny, "float32": 2e-30, "float64": 1e-299}[kind]
        np.testing.assert_allclose(arrays[0], right, rtol=4 * finfo.eps, atol=atol)


def test_sigmoid_and_its_gradients_are_not_denormal(backend: Backend, dtype: str) -> None:
    """CPUs take long with such numbers, which pixels from 0 to 255 otherwise lead to."""
    x = TensorNode(backend.asarray(-np.geomspace(1.0, 1e4, 200), dtype))
    y = gradcore.sigmoid(x)
    Sum.do_forward(y * 1e-6).backward()
    for array in (y.value, x.grad):
        assert backend.to_numpy(array).min() >= np.finfo(dtype).tiny


# -- Modules --------------------------------------------------------------------------------------


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


def test_dropout_goes_by_the_mode() -> None:
    net = nn.Sequential(nn.LayerNorm(4), nn.Dropout(0.5))
    x = TensorNode(normal(8, 4).astype("float32"))
    assert (net(x).value == 0).any()
    assert (net.eval()(x).value == net[0](x).value).all()
    assert repr(net) == (
        "Sequential(\n  layers.0: LayerNorm((4,), eps=1e-05)\n  layers.1: Dropout(0.5)\n)"
    )
    assert repr(nn.RMSNorm(3)) == "RMSNorm((3,), eps=None)"
    assert repr(nn.GroupNorm(2, 4)) == "GroupNorm(2, 4, eps=1e-05)"
    assert get("numpy").to_numpy(nn.GroupNorm(2, 4).w.value).tolist() == [1.0] * 4
