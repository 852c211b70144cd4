"""Batch normalization: the function and the layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import (
    TOLERANCE,
    Call,
    close,
    empty_batch_gives,
    function_is_torchs,
    layer_is_torchs,
    name_of,
    normal,
    ones,
    raises_in_one_line,
)

import gradcore
from gradcore import Sum, TensorNode, check_gradients, grad, nn, ops
from gradcore.backends import Backend, get

RUNNING = [TensorNode(ones(3), requires_grad=False) for _ in range(2)]

# -- Against PyTorch ------------------------------------------------------------------------------

# Function, the shapes of its inputs, its options.
CALLS: list[Call] = [
    ("batch_norm", ((5, 3), None, None, (3,), (3,)), {"training": True}),
    ("batch_norm", ((5, 3),), {"running_mean": None, "running_var": None, "training": True}),
    ("batch_norm", ((2, 3, 4), None, None, (3,)), {"training": True, "eps": 0.1}),
    ("batch_norm", ((2, 3, 2, 3),), {"running_mean": None, "running_var": None, "training": True}),
    ("batch_norm", ((2, 3, 2, 2), None, None, (3,), (3,)), {"training": True, "eps": 1e-3}),
    ("batch_norm", ((5, 3), "statistic", "statistic", (3,), (3,)), {}),
    ("batch_norm", ((2, 3, 2, 2), "statistic", "statistic"), {"eps": 0.1}),
    ("batch_norm", ((2, 3, 2, 2), "statistic", "statistic", (3,)), {}),
    ("batch_norm", ((2, 3, 2), "statistic", "statistic"), {}),
]


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_against_torch(backend: Backend, dtype: str, call: Call) -> None:
    function_is_torchs(backend, dtype, call)


def test_batch_norm_without_weight_is_with_ones(backend: Backend, dtype: str) -> None:
    """PyTorch has no second derivative of it where there is a bias alone."""
    x, b = backend.asarray(normal(4, 2, 3), dtype), backend.asarray(normal(2), dtype)
    ones = backend.asarray(np.ones(2), dtype)
    pairs = []
    for w in (None, ones):
        nodes = TensorNode(x), TensorNode(b)
        y = gradcore.batch_norm(nodes[0], None, None, w, nodes[1], training=True)
        Sum.do_forward(y * y * y).backward()
        pairs.append([backend.to_numpy(a) for a in (y.value, *[node.grad for node in nodes])])
    for found, expected in zip(*pairs, strict=True):
        np.testing.assert_array_equal(found, expected)


# -- Special cases --------------------------------------------------------------------------------


def test_an_empty_batch(backend: Backend) -> None:
    call = "batch_norm", ((0, 3, 2, 2), None, None, (3,), (3,)), {"training": True}
    empty_batch_gives(backend, call, (0, 3, 2, 2))


def test_an_empty_batch_leaves_the_running_statistics(backend: Backend) -> None:
    layer = nn.BatchNorm2d(2)
    layer(backend.asarray(np.ones((0, 2, 3, 3), "float32")))
    assert backend.to_numpy(layer.running_mean.value).tolist() == [0.0, 0.0]
    assert backend.to_numpy(layer.running_var.value).tolist() == [1.0, 1.0]


def test_gradients_by_differences() -> None:
    """Check third order too, and calls that PyTorch can't differentiate twice."""
    x = normal(2, 2, 4, 3)
    statistics = [TensorNode(p, requires_grad=False) for p in (np.zeros(2), np.ones(2))]
    check_gradients(lambda x: gradcore.batch_norm(x, *statistics, training=True), x)

    def cube(x: Any) -> Any:
        y = gradcore.batch_norm(x, None, None, training=True, eps=0.1)
        return Sum.do_forward(y * y * y * normal(4, 2))

    def third(x: Any) -> Any:
        once = grad(cube)
        twice = grad(lambda x: Sum.do_forward(once(x) * normal(4, 2)))
        return Sum.do_forward(twice(x) * normal(2, 4).T)

    check_gradients(third, normal(4, 2))


@pytest.mark.parametrize("relu", [False, True])
def test_evaluation_has_gradients_of_gradients(relu: bool) -> None:
    """Of all inputs; those of the statistics go another way than where nobody asks for them."""
    x, residual, w, b, mean = normal(3, 2, 2), normal(3, 2, 2), normal(2), normal(2), normal(2)
    options = {"eps": 0.1, "relu": relu}

    def f(x: Any, w: Any, b: Any, residual: Any, mean: Any = mean, variance: Any = 1.0) -> Any:
        variance = variance + 0.5 * np.ones(2)
        y = ops.BatchNormInference.do_forward(x, w, b, mean, variance, residual, **options)
        return Sum.do_forward(y * y * y)

    def second(x: Any, w: Any, *rest: Any) -> Any:
        return Sum.do_forward(grad(f)(x, w, *rest) * normal(2, 3, 2).swapaxes(0, 1))

    few = x, w, b, residual
    for function in (f, second):
        check_gradients(function, *few)
        check_gradients(function, *few, mean, 1.0 + mean**2)


def test_one_node_in_two_places_of_a_gradient() -> None:
    """Each place has a gradient of its own."""
    w, mean, g = normal(2), normal(2), normal(4, 2)

    def f(x: Any) -> Any:
        gx, _, _ = ops.BatchNormGradient.do_forward(x, w, mean, 1 + mean**2, x, mean, w, eps=0.1)
        return Sum.do_forward(gx * gx * g)

    check_gradients(f, g)
    check_gradients(lambda x: Sum.do_forward(grad(f)(x) * normal(2, 4).T), g)


def test_batch_norm_of_float16_sums_in_float32() -> None:
    """Sums in float16 would overflow here, or stop growing."""
    x = (300 + normal(512, 2, 8, 8)).astype("float16")
    statistics = [TensorNode(np.zeros(2, "float32"), requires_grad=False) for _ in range(2)]
    weights = [TensorNode(np.ones(2, "float32")), TensorNode(np.zeros(2, "float32"))]
    y = gradcore.batch_norm(TensorNode(x), *statistics, *weights, training=True, momentum=1.0)
    assert str(y.dtype) == "float16"
    exact = x.astype("float64")
    for found, expected in zip(
        statistics, (exact.mean((0, 2, 3)), exact.var((0, 2, 3))), strict=True
    ):
        np.testing.assert_allclose(found.value, expected, rtol=1e-4)
    Sum.do_forward(y * 1.0).backward()
    assert str(weights[0].grad.dtype) == "float32"
    assert weights[1].grad.tolist() == [512 * 64] * 2


def test_evaluation_of_float16_is_in_float32() -> None:
    """The mean is large here, and the differences from it are small."""
    x = (300 + normal(64, 2, 4, 4)).astype("float16")
    exact = x.astype("float64")
    mean, variance = exact.mean((0, 2, 3)), exact.var((0, 2, 3))
    y = gradcore.batch_norm(TensorNode(x), mean.astype("float32"), variance.astype("float32"))
    assert str(y.dtype) == "float16"
    expected = (exact - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5)
    np.testing.assert_allclose(y.value, expected, atol=2e-3)


def test_momentum_is_a_number_or_an_array_of_one(backend: Backend) -> None:
    x = backend.asarray(normal(4, 2), "float32")
    found = []
    for momentum in (0.25, backend.asarray(0.25)):
        mean = TensorNode(backend.asarray([1.0, 2.0]), requires_grad=False)
        gradcore.batch_norm(x, mean, training=True, momentum=momentum)
        found.append(backend.to_numpy(mean.value).tolist())
    assert found[0] == found[1] != [1.0, 2.0]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("has_residual", [True, False])
def test_a_residual_and_a_relu_are_as_ops_of_their_own(
    backend: Backend, dtype: str, training: bool, has_residual: bool
) -> None:
    x, r, w, b, go = (
        backend.asarray(normal(*shape) * k + k, dtype)
        for k, shape in enumerate([(4, 3, 5, 2), (4, 3, 5, 2), (3,), (3,), (4, 3, 5, 2)], 1)
    )
    found = []
    for fused in (True, False):
        nodes = [TensorNode(a) for a in (x, w, b, *[r][:has_residual])]
        statistics = [TensorNode(backend.asarray(np.full(3, 2.0), dtype)) for _ in range(2)]
        more = nodes[3] if has_residual else 0.0
        options: dict[str, Any] = {"training": training}
        if fused:
            options |= {"relu": True, "residual": more if has_residual else None}
        y = gradcore.batch_norm(nodes[0], *statistics, *nodes[1:3], **options)
        y = y if fused else gradcore.relu(y + more)
        Sum.do_forward(y * go).backward()  # not 0 where y is
        found.append([y, *statistics, *[node.grad for node in nodes]])
    for one, other in zip(*found, strict=True):
        other = other.value if isinstance(other, TensorNode) else other
        close(backend, one, backend.to_numpy(other), dtype, 20.0)


def test_a_mean_of_ten_thousand_deviations_leaves_the_variance_right(backend: Backend) -> None:
    """Also of numbers whose first is far from the others."""
    x = (1e4 + normal(8, 2, 16, 16)).astype("float32")
    x[0, 1, 0, 0] = 0.0
    exact = x.astype("float64")
    y, mean, variance = ops.BatchNorm.do_forward(
        backend.asarray(x), *[backend.asarray(np.ones(2, "float32"))] * 2, eps=1e-5
    )
    means, variances = exact.mean((0, 2, 3)), exact.var((0, 2, 3))
    np.testing.assert_allclose(backend.to_numpy(mean.value), means, rtol=1e-6)
    np.testing.assert_allclose(backend.to_numpy(variance.value), variances, rtol=1e-4)
    expected = 1 + (exact - means[:, None, None]) / np.sqrt(variances[:, None, None] + 1e-5)
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, atol=2e-3)


def test_statistics_that_somebody_holds_stay(backend: Backend) -> None:
    """A backend writes new averages into the old ones only where nobody sees it."""
    layer = nn.BatchNorm1d(3)
    held = [s.value for s in (layer.running_mean, layer.running_var, layer.num_batches_tracked)]
    before = [backend.to_numpy(x).copy() for x in held]
    layer(backend.asarray(normal(4, 3), "float32"))
    for x, expected in zip(held, before, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(x), expected)
    assert abs(backend.to_numpy(layer.running_mean.value)).max() > 0


# -- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (  # 1 / deviation would become 0
            lambda: gradcore.batch_norm(ones(4, 3).astype("int64"), ones(3), 2 * ones(3)),
            TypeError,
            "^batch_norm: x is int64",
        ),
        (lambda: gradcore.batch_norm(ones(3)), ValueError, r"^batch_norm: x has shape \(3,\)"),
        (
            lambda: gradcore.batch_norm(ones(4, 3)),
            ValueError,
            "running_mean is None.*training must",
        ),
        (
            lambda: gradcore.batch_norm(ones(4, 3), None, None, ones(2), training=True),
            ValueError,
            r"^batch_norm: weight has shape \(2,\), expected \(3,\)",
        ),
        (
            lambda: gradcore.batch_norm(ones(1, 3, 1, 1), training=True),
            ValueError,
            r"^batch_norm: x has shape \(1, 3, 1, 1\), and so one value per channel",
        ),
        (
            lambda: gradcore.batch_norm(ones(2, 3), ones(3), ones(3), training=True),
            TypeError,
            "^batch_norm: in training running_mean must be a node",
        ),
        (
            lambda: nn.BatchNorm2d(3, affine=False)(get("strict").asarray(ones(2, 3, 2, 2))),
            ValueError,
            "^batch_norm: the inputs are arrays of numpy on cpu and strict on .*; move one",
        ),
        (lambda: nn.BatchNorm2d("3"), ValueError, "^BatchNorm2d: num_features = '3', expected"),
        (
            lambda: gradcore.batch_norm(ones(4, 3), None, None, training=True, eps=None),
            ValueError,
            "^batch_norm: eps = None, expected 0 or a positive number$",
        ),
        (
            lambda: gradcore.batch_norm(ones(4, 3), ones(3), ones(3), eps=-1.0),
            ValueError,
            "^batch_norm: eps = -1.0, expected 0 or a positive number$",
        ),
        (
            lambda: gradcore.batch_norm(ones(4, 3), *RUNNING, training=True, momentum=None),
            ValueError,
            "^batch_norm: momentum = None, expected a number$",
        ),
        (
            lambda: gradcore.batch_norm(ones(4, 3), *RUNNING, training=True, momentum="0.1"),
            ValueError,
            "^batch_norm: momentum = '0.1', expected a number$",
        ),
        (lambda: nn.BatchNorm1d(3, eps="1e-5"), ValueError, "^BatchNorm1d: eps = '1e-5', expected"),
        (lambda: nn.BatchNorm2d(3, eps=None), ValueError, "^BatchNorm2d: eps = None, expected"),
        (lambda: nn.BatchNorm2d(3, eps=math.nan), ValueError, "^BatchNorm2d: eps = nan, expected"),
        (
            lambda: nn.BatchNorm2d(3, momentum="0.1"),
            ValueError,
            "^BatchNorm2d: momentum = '0.1', expected a number",
        ),
        (lambda: nn.BatchNorm2d(0), ValueError, "^BatchNorm2d: num_features = 0"),
        (
            lambda: nn.BatchNorm2d(3)(ones(2, 3)),
            ValueError,
            r"^BatchNorm2d: x has shape \(2, 3\), expected \(N, C, H, W\), where C = 3",
        ),
        (
            lambda: nn.BatchNorm1d(3)(ones(2, 4)),
            ValueError,
            r"^BatchNorm1d: x has shape \(2, 4\), expected \(N, C\) or \(N, C, L\), where C = 3",
        ),
    ],
)
def test_refusals(call: Callable[[], Any], error: Any, words: str) -> None:
    raises_in_one_line(call, error, words)


# -- Layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "options", "shape"),
    [
        ("BatchNorm1d", (3,), {"affine": False}, (4, 3)),
        ("BatchNorm2d", (3, 0.1, 0.2), {}, (2, 3, 4, 4)),
    ],
)
def test_layers_compute_what_torchs_do(
    name: str, arguments: Any, options: dict[str, Any], shape: Any
) -> None:
    layer_is_torchs(name, arguments, options, shape)


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
@pytest.mark.parametrize(
    ("name", "shape"),
    [("BatchNorm1d", (6, 3)), ("BatchNorm1d", (2, 3, 4)), ("BatchNorm2d", (2, 3, 2, 2))],
)
def test_batch_norm_in_training_and_after(
    backend: Backend, dtype: str, name: str, shape: Any, momentum: float | None
) -> None:
    """Running statistics over several steps of training with SGD, then evaluation; as PyTorch."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(3, momentum=momentum, dtype=dtype)
    theirs = getattr(torch.nn, name)(3, momentum=momentum, dtype=getattr(torch, dtype))
    names = ["w", "b", "running_mean", "running_var", "num_batches_tracked"]
    assert list(ours.state_dict()) == names
    assert ours.parameters() == [ours.w, ours.b]
    optimizer = gradcore.optim.SGD(ours.parameters(), lr=0.1)
    other = torch.optim.SGD(theirs.parameters(), lr=0.1)
    rng = np.random.default_rng(0)

    def compare() -> None:
        state = theirs.state_dict()
        for found, key in zip(ours.state_dict().values(), state, strict=True):
            kind = "int64" if key == "num_batches_tracked" else dtype
            expected = state[key].numpy()
            assert found.dtype == backend.dtype(kind)
            np.testing.assert_allclose(
                backend.to_numpy(found), expected, 10 * TOLERANCE[dtype], 10 * TOLERANCE[dtype]
            )

    for training in (True, True, False, True, False):
        ours.train(training), theirs.train(training)
        x, weights = 2 + 3 * rng.normal(size=shape), rng.normal(size=shape)
        y = ours(backend.asarray(x, dtype))
        expected = theirs(torch.tensor(x, dtype=getattr(torch, dtype)))
        close(backend, y, expected.detach().numpy(), dtype, 10.0)
        ours.zero_grad(), other.zero_grad()
        Sum.do_forward(y * backend.asarray(weights, dtype)).backward()
        (expected * torch.tensor(weights, dtype=getattr(torch, dtype))).sum().backward()
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            close(backend, p.grad, q.grad.numpy(), dtype, 20.0)
        optimizer.step(), other.step()
        compare()


def test_batch_norm_without_running_statistics(backend: Backend) -> None:
    layer = nn.BatchNorm2d(3, track_running_stats=False, affine=False)
    assert layer.state_dict() == {}
    assert layer.parameters() == []
    x = backend.asarray(normal(4, 3, 2, 2), "float32")
    y, z = layer(x), layer.eval()(x)
    np.testing.assert_array_equal(backend.to_numpy(y.value), backend.to_numpy(z.value))
    assert abs(backend.to_numpy(y.value).mean(axis=(0, 2, 3))).max() < 1e-6


def test_batch_norm_moves_and_is_converted() -> None:
    layer = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)).to("strict").astype("float64")
    strict = get("strict")
    layer(strict.asarray(normal(2, 2, 3, 3)))
    state = layer.state_dict()
    assert {str(x.dtype).rpartition(".")[2] for x in state.values()} == {"float64", "int64"}
    assert all(isinstance(x, strict.array_types) for x in state.values())
    twin = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    twin.load_state_dict(state)
    assert twin.layers[1].num_batches_tracked.value == 1
    np.testing.assert_allclose(
        twin.layers[1].running_mean.value, strict.to_numpy(state["1.running_mean"]), 1e-6
    )
