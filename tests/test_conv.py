"""Convolutions, pooling and batch norm: functions, layers and kernels."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Sum, TensorNode, check_gradients, grad, manual_seed, nn, ops
from gradcore.backends import Backend, get, numpy_conv
from gradcore.backends import numpy as numpy_backend

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
KERNEL = {"float16": 4e-3, "float32": 2e-6, "float64": 1e-13}  # of a kernel, by its definition


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, "float32")


def close(backend: Backend, found: Any, expected: Any, dtype: str, factor: float = 1.0) -> None:
    found = found.value if isinstance(found, TensorNode) else found
    assert found.dtype == backend.dtype(dtype)
    expected = np.asarray(expected)
    scale = max(0.1, abs(expected).max(initial=0))
    actual = backend.to_numpy(found)
    assert actual.shape == expected.shape
    tolerance = TOLERANCE[dtype] * factor
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale)


# -- Against PyTorch ------------------------------------------------------------------------------

# Function, the shapes of its inputs, its options.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("conv2d", ((2, 3, 6, 5), (4, 3, 3, 2)), {}),
    ("conv2d", ((2, 3, 6, 5), (4, 3, 3, 3), (4,)), {}),
    ("conv2d", ((2, 3, 6, 6), (4, 3, 3, 3), (4,)), {"padding": 1}),
    ("conv2d", ((2, 3, 6, 5), (4, 3, 2, 3), (4,)), {"padding": (2, 1)}),
    ("conv2d", ((2, 3, 5, 5), (4, 3, 3, 3), (4,)), {"padding": 4}),
    ("conv2d", ((2, 3, 6, 5), (4, 3, 3, 3), (4,)), {"padding": "same"}),
    ("conv2d", ((2, 3, 6, 5), (4, 3, 2, 4), (4,)), {"padding": "same"}),
    ("conv2d", ((2, 3, 6, 5), (4, 3, 2, 3), (4,)), {"padding": "same", "dilation": (3, 2)}),
    ("conv2d", ((2, 3, 6, 5), (4, 3, 3, 3)), {"padding": "valid"}),
    ("conv2d", ((2, 3, 7, 7), (4, 3, 3, 3), (4,)), {"stride": 2}),
    ("conv2d", ((2, 3, 8, 7), (4, 3, 3, 2), (4,)), {"stride": (3, 2)}),
    ("conv2d", ((2, 3, 8, 7), (4, 3, 2, 2), (4,)), {"stride": 3}),
    ("conv2d", ((2, 3, 8, 7), (4, 3, 3, 3), (4,)), {"stride": 2, "padding": 1}),
    ("conv2d", ((2, 3, 8, 7), (4, 3, 3, 3), (4,)), {"dilation": 2}),
    ("conv2d", ((2, 3, 8, 7), (4, 3, 2, 3), (4,)), {"dilation": (3, 1), "padding": (1, 0)}),
    ("conv2d", ((2, 2, 9, 8), (3, 2, 3, 3)), {"dilation": 2, "stride": 2, "padding": 2}),
    ("conv2d", ((2, 4, 5, 5), (6, 2, 3, 3), (6,)), {"groups": 2}),
    ("conv2d", ((2, 4, 5, 5), (4, 1, 3, 3), (4,)), {"groups": 4, "padding": 1}),
    ("conv2d", ((2, 3, 5, 5), (6, 1, 2, 2), (6,)), {"groups": 3, "stride": 2}),
    ("conv2d", ((1, 4, 7, 6), (4, 2, 2, 3)), {"groups": 2, "dilation": 2, "stride": (1, 2)}),
    ("conv2d", ((2, 3, 4, 5), (4, 3, 1, 1), (4,)), {}),
    ("conv2d", ((2, 3, 4, 5), (4, 3, 1, 1), (4,)), {"stride": 2}),
    ("conv2d", ((2, 4, 4, 5), (4, 2, 1, 1), (4,)), {"groups": 2, "padding": 1}),
    ("conv2d", ((2, 3, 4, 5), (4, 3, 4, 5), (4,)), {}),
    ("conv2d", ((2, 1, 4, 5), (1, 1, 2, 2), (1,)), {}),
    ("conv2d", ((1, 1, 1, 1), (1, 1, 1, 1), (1,)), {}),
    ("conv2d", ((4, 3, 12, 12), (6, 3, 5, 5), (6,)), {}),
    ("conv2d", ((2, 3, 1, 9), (4, 3, 1, 3), (4,)), {"padding": (0, 1)}),
    ("conv1d", ((2, 3, 8), (4, 3, 3)), {}),
    ("conv1d", ((2, 3, 8), (4, 3, 3), (4,)), {"stride": 2, "padding": 1}),
    ("conv1d", ((2, 3, 8), (4, 3, 4), (4,)), {"padding": "same"}),
    ("conv1d", ((2, 4, 9), (6, 2, 3), (6,)), {"groups": 2, "dilation": (2,), "padding": (3,)}),
    ("conv1d", ((2, 3, 8), (4, 3, 1), (4,)), {}),
    ("conv_transpose2d", ((2, 3, 4, 3), (3, 2, 3, 2)), {}),
    ("conv_transpose2d", ((2, 3, 4, 3), (3, 2, 3, 3), (2,)), {"stride": 2}),
    ("conv_transpose2d", ((2, 3, 4, 3), (3, 2, 3, 3), (2,)), {"stride": (3, 1), "padding": 1}),
    (
        "conv_transpose2d",
        ((2, 3, 4, 3), (3, 2, 3, 3), (2,)),
        {"stride": 2, "padding": 1, "output_padding": 1},
    ),
    (
        "conv_transpose2d",
        ((2, 3, 4, 3), (3, 2, 2, 2)),
        {"stride": 3, "padding": (0, 1), "output_padding": (2, 1)},
    ),
    (  # all is cut off, and what is left is added
        "conv_transpose2d",
        ((2, 4, 1, 4), (4, 2, 1, 2), (4,)),
        {"stride": 3, "padding": 1, "output_padding": (2, 0), "groups": 2},
    ),
    ("conv_transpose2d", ((2, 3, 3, 3), (3, 2, 3, 2), (2,)), {"dilation": 2}),
    (
        "conv_transpose2d",
        ((2, 3, 3, 3), (3, 2, 3, 2), (2,)),
        {"dilation": (2, 3), "padding": 1, "output_padding": (1, 2)},
    ),
    ("conv_transpose2d", ((2, 4, 3, 3), (4, 3, 3, 3), (6,)), {"groups": 2, "stride": 2}),
    ("conv_transpose2d", ((2, 3, 4, 3), (3, 2, 1, 1), (2,)), {}),
    ("conv_transpose2d", ((1, 1, 1, 1), (1, 1, 1, 1), (1,)), {"stride": 3, "output_padding": 2}),
    ("max_pool2d", ((2, 3, 6, 6),), {"kernel_size": 2}),
    ("max_pool2d", ((2, 3, 7, 5),), {"kernel_size": 2}),
    ("max_pool2d", ((2, 3, 7, 5),), {"kernel_size": 3, "stride": 1}),
    ("max_pool2d", ((2, 3, 7, 6),), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool2d", ((2, 3, 7, 6),), {"kernel_size": (2, 3), "stride": (3, 2)}),
    ("max_pool2d", ((2, 3, 6, 7),), {"kernel_size": 2, "padding": 1}),
    ("max_pool2d", ((2, 3, 8, 7),), {"kernel_size": 3, "stride": 2, "dilation": 2}),
    ("max_pool2d", ((2, 3, 7, 6),), {"kernel_size": 2, "ceil_mode": True}),
    (
        "max_pool2d",
        ((2, 3, 8, 7),),
        {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    ),
    ("max_pool2d", ((1, 2, 3, 3),), {"kernel_size": 1, "stride": 2}),
    ("max_pool2d", ((1, 2, 17, 17),), {"kernel_size": 17}),
    ("avg_pool2d", ((2, 3, 6, 6),), {"kernel_size": 2}),
    ("avg_pool2d", ((2, 3, 7, 5),), {"kernel_size": 3, "stride": 1}),
    ("avg_pool2d", ((2, 3, 7, 6),), {"kernel_size": (2, 3), "stride": (3, 2)}),
    ("avg_pool2d", ((2, 3, 7, 6),), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("avg_pool2d", ((2, 3, 7, 6),), {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    ("avg_pool2d", ((2, 3, 7, 6),), {"kernel_size": 2, "ceil_mode": True}),
    (
        "avg_pool2d",
        ((2, 3, 8, 7),),
        {"kernel_size": 3, "padding": (1, 0), "ceil_mode": True},
    ),
    (
        "avg_pool2d",
        ((2, 3, 8, 7),),
        {"kernel_size": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    ),
    ("avg_pool2d", ((2, 3, 6, 6),), {"kernel_size": 2, "padding": 1, "divisor_override": 3}),
    ("adaptive_avg_pool2d", ((2, 3, 6, 4),), {"output_size": 1}),
    ("adaptive_avg_pool2d", ((2, 3, 6, 4),), {"output_size": (3, 2)}),
    ("adaptive_avg_pool2d", ((2, 3, 7, 5),), {"output_size": (3, 2)}),
    ("adaptive_avg_pool2d", ((2, 3, 7, 5),), {"output_size": (7, 3)}),
    ("adaptive_avg_pool2d", ((2, 3, 7, 5),), {"output_size": (None, 2)}),
    ("adaptive_avg_pool2d", ((2, 3, 3, 2),), {"output_size": 5}),
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


def name_of(call: Any) -> str:
    name, shapes, options = call
    return f"{name} {shapes[0]} {options}"


def torch_function(name: str) -> Any:
    return getattr(pytest.importorskip("torch").nn.functional, name)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_against_torch(backend: Backend, dtype: str, call: Any) -> None:
    """The result, its gradient by all inputs, and the gradient of that."""
    torch = pytest.importorskip("torch")
    name, shapes, options = call
    inputs = [normal(*shape) if isinstance(shape, tuple) else shape for shape in shapes]
    nodes = [TensorNode(backend.asarray(x, dtype)) if hasattr(x, "shape") else x for x in inputs]
    kind = getattr(torch, dtype)
    tensors = [torch.tensor(x, dtype=kind) if hasattr(x, "shape") else x for x in inputs]
    fixed = np.array([0.5, 1.0, 2.0])
    nodes = [backend.asarray(fixed, dtype) if type(x) is str else x for x in nodes]
    tensors = [torch.tensor(fixed, dtype=kind) if type(x) is str else x for x in tensors]
    given = [t for t, x in zip(tensors, inputs, strict=True) if hasattr(x, "shape")]
    for t in given:
        t.requires_grad_()
    y = getattr(gradcore, name)(*nodes, **options)
    expected = torch_function(name)(*tensors, **options)
    close(backend, y, expected.detach().numpy(), dtype)

    nodes = [node for node in nodes if isinstance(node, TensorNode)]
    weights = normal(*y.shape)
    total = Sum.do_forward(y * y * backend.asarray(weights, dtype))
    total.backward(create_graph=True)
    gs = [node.grad for node in nodes]
    total.zero_grad()
    theirs = (expected * expected * torch.tensor(weights, dtype=kind)).sum()
    slopes = torch.autograd.grad(theirs, given, create_graph=True)
    for g, slope in zip(gs, slopes, strict=True):
        close(backend, g, slope.detach().numpy(), dtype, 4.0)
    squares = sum((Sum.do_forward(g * g) for g in gs[1:]), Sum.do_forward(gs[0] * gs[0]))
    squares.backward()
    sum((slope * slope).sum() for slope in slopes).backward()
    for node, t in zip(nodes, given, strict=True):
        close(backend, node.grad, t.grad.numpy(), dtype, 20.0)


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


@pytest.mark.parametrize(
    ("name", "shapes", "options", "expected"),
    [
        ("conv2d", ((0, 3, 5, 5), (4, 3, 3, 3), (4,)), {}, (0, 4, 3, 3)),
        ("conv2d", ((0, 3, 5, 5), (4, 3, 1, 1), (4,)), {}, (0, 4, 5, 5)),
        ("conv1d", ((0, 3, 5), (4, 3, 3), (4,)), {"padding": "same"}, (0, 4, 5)),
        ("conv_transpose2d", ((0, 3, 5, 5), (3, 4, 3, 3), (4,)), {}, (0, 4, 7, 7)),
        ("max_pool2d", ((0, 3, 5, 5),), {"kernel_size": 2}, (0, 3, 2, 2)),
        ("avg_pool2d", ((0, 3, 5, 5),), {"kernel_size": 2, "ceil_mode": True}, (0, 3, 3, 3)),
        ("adaptive_avg_pool2d", ((0, 3, 5, 5),), {"output_size": 1}, (0, 3, 1, 1)),
        ("adaptive_avg_pool2d", ((0, 3, 5, 5),), {"output_size": 2}, (0, 3, 2, 2)),
        ("batch_norm", ((0, 3, 2, 2), None, None, (3,), (3,)), {"training": True}, (0, 3, 2, 2)),
    ],
)
def test_an_empty_batch(
    backend: Backend, name: str, shapes: Any, options: dict[str, Any], expected: Any
) -> None:
    """The result is empty, and the gradients of parameters are zeros."""
    inputs = [s and TensorNode(backend.asarray(np.ones(s, "float32"))) for s in shapes]
    y = getattr(gradcore, name)(*inputs, **options)
    assert y.shape == expected
    Sum.do_forward(y).backward()
    for x in inputs:
        if x is not None:
            assert x.has_grad
            assert backend.to_numpy(x.grad).tolist() == np.zeros(x.shape).tolist()


def test_an_empty_batch_leaves_the_running_statistics(backend: Backend) -> None:
    layer = nn.BatchNorm2d(2)
    layer(backend.asarray(np.ones((0, 2, 3, 3), "float32")))
    assert backend.to_numpy(layer.running_mean.value).tolist() == [0.0, 0.0]
    assert backend.to_numpy(layer.running_var.value).tolist() == [1.0, 1.0]


def test_maxima_of_equal_elements_infinities_and_nan(backend: Backend) -> None:
    """As PyTorch: the first of equal ones gets the gradient, and the last NaN."""
    nan, inf = math.nan, math.inf
    rows = [
        [1.0, 1.0, 0.0, 3.0],
        [1.0, 1.0, 3.0, 3.0],
        [nan, 2.0, -inf, -inf],
        [5.0, nan, -inf, -inf],
    ]
    x = TensorNode(backend.asarray(np.array([[rows]]), "float32"))
    y = gradcore.max_pool2d(x, 2)
    np.testing.assert_array_equal(backend.to_numpy(y.value), [[[[1.0, 3.0], [nan, -inf]]]])
    Sum.do_forward(y).backward()
    expected = [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]
    np.testing.assert_array_equal(backend.to_numpy(x.grad), [[expected]])
    padded = gradcore.max_pool2d(backend.asarray(-5.0 * ones(1, 1, 2, 2)), 2, padding=1)
    assert backend.to_numpy(padded.value).tolist() == [[[[-5.0, -5.0], [-5.0, -5.0]]]]


def test_no_gradient_of_images_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = get("strict")
    w, b = TensorNode(strict.asarray(normal(4, 3, 3, 3))), TensorNode(strict.asarray(normal(4)))
    monkeypatch.delattr(gradcore.backends.base.ConvolutionKernels, "conv2d_input_gradient")
    x = strict.asarray(normal(2, 3, 6, 6))
    Sum.do_forward(gradcore.conv2d(x, w, b)).backward()
    assert w.has_grad
    assert b.has_grad


def test_nothing_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """No number of an array reaches the host, in training and in evaluation; and the definitions
    are what a graph of CUDA can capture: without masks, and with sizes that are known."""
    import array_api_strict

    strict = get("strict")
    kind = strict.array_types[0]
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.BatchNorm2d(4, momentum=None),
        nn.MaxPool2d(2),
        nn.ConvTranspose2d(4, 4, 2, groups=2),
        nn.AvgPool2d(2, padding=1, ceil_mode=True, count_include_pad=False),
        nn.AdaptiveAvgPool2d((2, 3)),
    ).to("strict")

    def refused(*_: Any) -> Any:
        raise AssertionError("a number of an array was asked for")

    for name in ("__bool__", "__int__", "__float__", "__index__"):
        monkeypatch.setattr(kind, name, refused)
    with array_api_strict.ArrayAPIStrictFlags(boolean_indexing=False, data_dependent_shapes=False):
        x = TensorNode(strict.asarray(normal(2, 3, 8, 8).astype("float32")))
        Sum.do_forward(model(x)).backward()
        Sum.do_forward(model.eval()(x)).backward()


def test_gradients_by_differences() -> None:
    """Also of third order, and where PyTorch has none."""
    x, w = normal(2, 2, 4, 3), normal(2, 2, 2, 2)
    check_gradients(lambda x, w: gradcore.conv2d(x, w, stride=2, padding=1), x, w)
    check_gradients(lambda x: gradcore.max_pool2d(x, 2), x)
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


def test_one_node_in_two_places_of_a_gradient() -> None:
    """Each place has a gradient of its own."""
    w, mean, g = normal(2), normal(2), normal(4, 2)

    def f(x: Any) -> Any:
        gx, _, _ = ops.BatchNormGradient.do_forward(x, w, mean, 1 + mean**2, x, mean, w, eps=0.1)
        return Sum.do_forward(gx * gx * g)

    check_gradients(f, g)
    check_gradients(lambda x: Sum.do_forward(grad(f)(x) * normal(2, 4).T), g)


def test_float16(backend: Backend) -> None:
    if not hasattr(backend.xp, "float16"):
        pytest.skip("no float16")
    x, w, b = normal(2, 3, 6, 6), normal(4, 3, 3, 3), normal(4)
    half = [TensorNode(backend.asarray(a, "float16")) for a in (x, w, b)]
    full = [TensorNode(backend.asarray(a.astype("float16"), "float64")) for a in (x, w, b)]

    def loss(x: Any, w: Any, b: Any) -> Any:
        y = gradcore.max_pool2d(gradcore.conv2d(x, w, b, padding=1), 2)
        y = gradcore.batch_norm(y, None, None, training=True)
        return Sum.do_forward(y * y * y)

    for inputs in (half, full):
        loss(*inputs).backward()
    for found, expected in zip(half, full, strict=True):
        assert found.grad.dtype == backend.dtype("float16")
        actual, exact = backend.to_numpy(found.grad), backend.to_numpy(expected.grad)
        np.testing.assert_allclose(actual, exact, atol=0.02 * max(abs(exact).max(), 1.0))


def test_batch_norm_of_float16_sums_in_float32() -> None:
    """Where sums in float16 would overflow, or stand still."""
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
    """Where the mean is large, and differences from it are small."""
    x = (300 + normal(64, 2, 4, 4)).astype("float16")
    exact = x.astype("float64")
    mean, variance = exact.mean((0, 2, 3)), exact.var((0, 2, 3))
    y = gradcore.batch_norm(TensorNode(x), mean.astype("float32"), variance.astype("float32"))
    assert str(y.dtype) == "float16"
    expected = (exact - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5)
    np.testing.assert_allclose(y.value, expected, atol=2e-3)


def test_means_of_float16_are_of_sums_in_float32(backend: Backend) -> None:
    """Where a sum in float16 would overflow."""
    if not hasattr(backend.xp, "float16"):
        pytest.skip("no float16")
    x = backend.asarray(300 * ones(1, 2, 16, 16), "float16")
    for y in (gradcore.avg_pool2d(x, 16), gradcore.avg_pool2d(x, 15, padding=1, stride=1)):
        assert y.dtype == backend.dtype("float16")
        assert 250 < backend.to_numpy(y.value).max() == 300


def test_maxima_of_longer_floats() -> None:
    x = TensorNode(normal(1, 1, 4, 4).astype(np.longdouble))
    Sum.do_forward(gradcore.max_pool2d(x, 2)).backward()
    assert x.grad.dtype == x.dtype
    assert x.grad.sum() == 4


# -- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: gradcore.conv2d(ones(8, 3, 32, 32), ones(16, 4, 3, 3)),
            ValueError,
            r"^conv2d: x has 3 channels but w expects 4 \(x \(8, 3, 32, 32\), w \(16, 4, 3, 3\)\)$",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 5, 5)),
            ValueError,
            r"^conv2d: the kernel \(5, 5\) is larger than x with its padding, \(4, 4\) ",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), padding=1, dilation=4),
            ValueError,
            r"^conv2d: the kernel \(3, 3\), \(9, 9\) with its dilation, .*, \(6, 6\)",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), stride=0),
            ValueError,
            "^conv2d: stride = 0, expected a positive integer, or a pair$",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), padding=(0, -1)),
            ValueError,
            r"^conv2d: padding = \(0, -1\), expected 0 or a positive integer, or a pair$",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), dilation=1.5),
            ValueError,
            "^conv2d: dilation = 1.5",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), stride=np.ones(2, int)),
            ValueError,
            r"^conv2d: stride = array\(\[1, 1\]\), expected a positive integer, or a pair$",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), padding=[[1], [1]]),
            ValueError,
            r"^conv2d: padding = \(\[1\], \[1\]\), expected 0 or a positive integer, or a pair$",
        ),
        (
            lambda: gradcore.conv2d(None, ones(2, 3, 3, 3)),
            TypeError,
            "^expected an array, not NoneType$",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), stride=(1, 1, 1)),
            ValueError,
            r"^conv2d: stride = \(1, 1, 1\)",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 1, 3, 3), groups=2),
            ValueError,
            r"^conv2d: groups = 2, expected a divisor of the channels .* \(x \(1, 3, 4, 4\)",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 4, 4, 4), ones(2, 4, 3, 3), groups=2),
            ValueError,
            "^conv2d: x has 4 channels but w expects 8 in 2 groups",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), groups=0),
            ValueError,
            "s = 0",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), padding="full"),
            ValueError,
            "^conv2d: padding = 'full'",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), stride=2, padding="same"),
            ValueError,
            "^conv2d: padding = 'same' needs stride = 1, not 2",
        ),
        (
            lambda: gradcore.conv2d(ones(3, 4, 4), ones(2, 3, 3, 3)),
            ValueError,
            r"^conv2d: expected x \(N, C, H, W\) and w \(O, C / groups, KH, KW\) \(x \(3, 4, 4\)",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), ones(3)),
            ValueError,
            r"^conv2d: b has shape \(3,\), expected \(2,\)",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3).astype("float64")),
            TypeError,
            r"^conv2d: x is float32 \(1, 3, 4, 4\), w is float64 .*; give all one dtype",
        ),
        (
            lambda: gradcore.conv1d(ones(1, 3, 4), ones(2, 3, 5)),
            ValueError,
            r"^conv1d: the kernel \(5,\) is larger than x with its padding, \(4,\)",
        ),
        (
            lambda: gradcore.conv1d(ones(1, 3, 4, 4), ones(2, 3, 5)),
            ValueError,
            r"^conv1d: expected x \(N, C, L\) and w \(O, C / groups, K\)",
        ),
        (
            lambda: gradcore.conv_transpose2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3)),
            ValueError,
            r"^conv_transpose2d: x has 3 channels but w expects 2 \(x",
        ),
        (
            lambda: gradcore.conv_transpose2d(ones(3, 4, 4), ones(3, 3, 3)),
            ValueError,
            r"^conv_transpose2d: expected x \(N, C, H, W\) and w \(C, O / groups, KH, KW\)",
        ),
        (
            lambda: gradcore.conv_transpose2d(ones(1, 3, 4, 4), ones(3, 2, 3, 3), groups=2),
            ValueError,
            "^conv_transpose2d: groups = 2, expected a divisor of the channels of x",
        ),
        (
            lambda: gradcore.conv_transpose2d(ones(1, 3, 4, 4), ones(3, 2, 3, 3), output_padding=1),
            ValueError,
            "^conv_transpose2d: output_padding = 1, expected less than the stride, 1, or the dil",
        ),
        (
            lambda: gradcore.conv_transpose2d(ones(1, 3, 1, 1), ones(3, 2, 2, 2), padding=1),
            ValueError,
            "^conv_transpose2d: padding = 1 leaves nothing",
        ),
        (
            lambda: gradcore.conv_transpose2d(ones(1, 3, 4, 4), ones(3, 2, 3, 3), ones(3)),
            ValueError,
            r"^conv_transpose2d: b has shape \(3,\), expected \(2,\)",
        ),
        (
            lambda: gradcore.max_pool2d(ones(3, 4, 4), 2),
            ValueError,
            r"^max_pool2d: x has .*\(3, 4,",
        ),
        (lambda: gradcore.max_pool2d(ones(1, 1, 4, 4), 5), ValueError, r"^max_pool2d: .*\(5, 5\)"),
        (
            lambda: gradcore.max_pool2d(ones(1, 1, 4, 4), 2, padding=2),
            ValueError,
            "^max_pool2d: padding = 2, expected at most half of the kernel",
        ),
        (  # the window would be all padding
            lambda: gradcore.max_pool2d(ones(1, 1, 1, 1), 2, padding=2, dilation=4),
            ValueError,
            "^max_pool2d: padding = 2, expected at most half of the kernel",
        ),
        (
            lambda: gradcore.max_pool2d(ones(1, 1, 4, 4), {}),
            ValueError,
            r"^max_pool2d: kernel_size = \{\}, expected a positive integer, or a pair$",
        ),
        (lambda: gradcore.max_pool2d(ones(1, 1, 4, 4), 0), ValueError, "kernel_size = 0, expected"),
        (
            lambda: gradcore.avg_pool2d(ones(1, 1, 4, 4), 2, stride=-1),
            ValueError,
            "^avg_pool2d: stride = -1",
        ),
        (
            lambda: gradcore.avg_pool2d(ones(1, 1, 4, 4), 2, divisor_override=0),
            ValueError,
            "^avg_pool2d: divisor_override = 0",
        ),
        (  # bytes, of which the sum is too large for a byte
            lambda: gradcore.avg_pool2d(ones(1, 1, 4, 4).astype("uint8"), 2),
            TypeError,
            r"^avg_pool2d: x is uint8 \(1, 1, 4, 4\), expected real floating numbers; convert it",
        ),
        (
            lambda: gradcore.max_pool2d(ones(1, 1, 4, 4).astype("int64"), 2, padding=1),
            TypeError,
            "^max_pool2d: x is int64",
        ),
        (
            lambda: gradcore.adaptive_avg_pool2d(ones(1, 1, 4, 4).astype("int64"), 3),
            TypeError,
            "^adaptive_avg_pool2d: x is int64",
        ),
        (  # 1 / deviation would become 0
            lambda: gradcore.batch_norm(ones(4, 3).astype("int64"), ones(3), 2 * ones(3)),
            TypeError,
            "^batch_norm: x is int64",
        ),
        (
            lambda: gradcore.adaptive_avg_pool2d(ones(1, 1, 4, 4), 0),
            ValueError,
            r"^adaptive_avg_pool2d: output_size = \[0, 0\]",
        ),
        (
            lambda: gradcore.adaptive_avg_pool2d(ones(1, 1, 4, 4), (1, 2, 3)),
            ValueError,
            r"^adaptive_avg_pool2d: output_size = \(1, 2, 3\), expected .* a pair$",
        ),
        (
            lambda: gradcore.adaptive_avg_pool2d(ones(1, 1, 0, 4), 1),
            ValueError,
            r"^adaptive_avg_pool2d: x is float32 \(1, 1, 0, 4\)",
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
        (lambda: nn.Conv2d(3, 4, 0), ValueError, "^Conv2d: kernel_size = 0"),
        (lambda: nn.Conv2d(3, 4, 3, stride=0), ValueError, "^Conv2d: stride = 0, expected"),
        (lambda: nn.Conv2d(3, 4, 3, dilation=(1, 0)), ValueError, r"^Conv2d: dilation = \(1, 0\)"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), ValueError, "^Conv2d: padding = 'full'"),
        (
            lambda: nn.Conv2d(3, 4, 3, padding=np.ones(2, int)),
            ValueError,
            r"^Conv2d: padding = array\(\[1, 1\]\), expected 0",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"),
            ValueError,
            "^ConvTranspose2d: padding = 'same', expected 0 or a positive integer",
        ),
        (lambda: nn.BatchNorm2d("3"), ValueError, "^BatchNorm2d: num_features = '3', expected"),
        (lambda: nn.Conv2d(0, 4, 1), ValueError, "^Conv2d: in_channels = 0"),
        (lambda: nn.Conv1d(3, 4, (2, 2)), ValueError, r"^Conv1d: kernel_size = \(2, 2\)"),
        (lambda: nn.ConvTranspose2d(3, 4, 1, groups=2), ValueError, "^ConvTranspose2d: groups = 2"),
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
        (
            lambda: nn.MaxPool2d(),
            TypeError,
            r"^MaxPool2d: .*kernel_size.*expected MaxPool2d\(kernel",
        ),
    ],
)
def test_refusals(call: Callable[[], Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


# -- Layers ---------------------------------------------------------------------------------------


def test_layers_of_convolutions(backend: Backend, dtype: str) -> None:
    for layer, x, w, b, y, text in [
        (
            nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2, dtype=dtype),
            (2, 4, 7, 7),
            (6, 2, 3, 2),
            (6,),
            (2, 6, 4, 4),
            "Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2)",
        ),
        (
            nn.Conv2d(4, 6, 3, padding="same", dilation=2, bias=False, dtype=dtype),
            (2, 4, 7, 7),
            (6, 4, 3, 3),
            None,
            (2, 6, 7, 7),
            "Conv2d(4, 6, 3, padding='same', dilation=2, bias=False)",
        ),
        (nn.Conv1d(4, 6, 3, dtype=dtype), (2, 4, 7), (6, 4, 3), (6,), (2, 6, 5), "Conv1d(4, 6, 3)"),
        (
            nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2, dtype=dtype),
            (2, 4, 5, 5),
            (4, 3, 3, 3),
            (6,),
            (2, 6, 10, 10),
            "ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)",
        ),
    ]:
        assert repr(layer) == text
        assert layer.w.shape == w
        assert layer.w.dtype == backend.dtype(dtype)
        assert (layer.b is None) if b is None else (layer.b.shape == b)
        assert list(layer.state_dict()) == (["w"] if b is None else ["w", "b"])
        out = layer(backend.asarray(normal(*x), dtype))
        assert out.shape == y
        Sum.do_forward(out).backward()
        assert all(p.has_grad for p in layer.parameters())


def test_layers_compute_what_torchs_do() -> None:
    torch = pytest.importorskip("torch")
    for name, arguments, options, shape in [
        ("Conv2d", (4, 6, (3, 2), 2, 1, 1, 2), {"bias": True}, (2, 4, 7, 7)),
        ("Conv2d", (3, 4, 3), {"padding": "same", "dilation": 2, "bias": False}, (2, 3, 7, 7)),
        ("Conv1d", (4, 6, 3, 2), {"padding": 1}, (2, 4, 9)),
        ("ConvTranspose2d", (4, 6, 3, 2, 1, 1, 2, True, 2), {}, (2, 4, 5, 5)),
        ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}, (2, 3, 8, 8)),
        ("MaxPool2d", (2,), {"dilation": 2}, (2, 3, 8, 8)),
        ("AvgPool2d", (3, 2, 1, True, False), {}, (2, 3, 8, 8)),
        ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 7, 8)),
        ("BatchNorm1d", (3,), {"affine": False}, (4, 3)),
        ("BatchNorm2d", (3, 0.1, 0.2), {}, (2, 3, 4, 4)),
    ]:
        ours = getattr(nn, name)(*arguments, **options)
        theirs = getattr(torch.nn, name)(*arguments, **options)
        names = {"w": "weight", "b": "bias"}
        state = theirs.state_dict()
        ours.load_state_dict({k: state[names.get(k, k)].numpy() for k in ours.state_dict()})
        assert len(state) == len(ours.state_dict())
        x = normal(*shape).astype("float32")
        expected = theirs(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(ours(x).value, expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_initial_weights_are_torchs() -> None:
    """Weights and biases are uniform, within 1 / sqrt(fan in), as PyTorch counts it."""
    torch = pytest.importorskip("torch")
    manual_seed(0)
    torch.manual_seed(0)
    for name, arguments in [
        ("Conv2d", (16, 512, 5, 1, 0, 1, 4)),
        ("Conv1d", (32, 512, 9)),
        ("ConvTranspose2d", (16, 512, 5, 1, 0, 0, 4)),
    ]:
        ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
        bound = 1 / math.sqrt(math.prod(ours.w.shape[1:]))
        for a, b in ((ours.w.value, theirs.weight), (ours.b.value, theirs.bias)):
            for drawn in (a, b.detach().numpy()):
                assert drawn.shape == a.shape
                assert 0.98 * bound < abs(drawn).max() <= bound * (1 + 1e-6)
                assert abs(drawn.std() / bound * math.sqrt(3) - 1) < 0.05
    assert not nn.Conv2d(3, 4, 3, init="he").b.value.any()
    with pytest.raises(ValueError, match="init = 'best'"):
        nn.Conv2d(3, 4, 3, init="best")


def test_the_same_seed_gives_the_same_weights_on_every_backend(backend: Backend) -> None:
    manual_seed(3)
    drawn = backend.to_numpy(nn.Conv2d(3, 4, 3).w.value)
    with gradcore.use_backend("numpy"):
        manual_seed(3)
        np.testing.assert_array_equal(drawn, nn.Conv2d(3, 4, 3).w.value)


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
        twin.layers[1].running_mean.value, strict.to_numpy(state["layers.1.running_mean"]), 1e-6
    )


# -- Kernels: each override against the base definition -------------------------------------------


def _same_memory(x: np.ndarray) -> np.ndarray:
    return x


def _inside_out(x: np.ndarray) -> np.ndarray:
    """With the instances next to each other in memory."""
    return np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(-1, *range(x.ndim - 1))


def _channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def _with_gaps(x: np.ndarray) -> np.ndarray:
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)
    wide[..., 1::2] = x
    return wide[..., 1::2]


def _backwards(x: np.ndarray) -> np.ndarray:
    return x[::-1, :, ::-1].copy()[::-1, :, ::-1]


LAYOUTS = [_same_memory, _inside_out, _channels_last, _with_gaps, _backwards]

# The shapes of x and w, and options.
CONVOLUTIONS: list[tuple[Any, Any, dict[str, Any]]] = [
    ((3, 2, 7, 6), (4, 2, 3, 2), {}),
    ((1, 2, 7, 6), (4, 2, 3, 2), {"padding": ((1, 0), (2, 1))}),
    ((3, 4, 8, 7), (6, 2, 3, 3), {"stride": (2, 3), "padding": ((1, 1), (0, 2)), "groups": 2}),
    ((2, 3, 9, 8), (2, 3, 3, 2), {"dilation": (2, 3)}),
    (
        (2, 2, 9, 8),
        (3, 2, 2, 3),
        {"dilation": (3, 2), "stride": (2, 1), "padding": ((4, 3), (3, 0))},
    ),
    ((3, 4, 5, 5), (8, 1, 3, 3), {"groups": 4, "padding": ((1, 1), (1, 1))}),
    ((3, 4, 5, 6), (3, 4, 1, 1), {}),
    ((3, 4, 5, 6), (6, 2, 1, 1), {"groups": 2}),
    ((3, 4, 5, 6), (3, 4, 1, 1), {"stride": (2, 3)}),
    ((3, 4, 5, 6), (3, 4, 1, 1), {"padding": ((1, 0), (0, 2))}),
    ((2, 3, 4, 5), (4, 3, 4, 5), {}),
    ((2, 3, 6, 5), (4, 3, 2, 2), {"padding": ((3, 3), (2, 2))}),
    ((2, 1, 1, 9), (2, 1, 1, 4), {"padding": ((0, 0), (1, 2))}),
    ((3, 5, 7, 6), (9, 5, 3, 3), {"padding": ((1, 2), (2, 1)), "dilation": (1, 2)}),
    ((2, 5, 9, 8), (10, 5, 3, 2), {"padding": ((1, 1), (1, 0)), "stride": (2, 1)}),
    ((40, 5, 4, 6), (9, 5, 3, 3), {"padding": ((1, 1), (1, 1))}),
    ((2, 5, 4, 2), (3, 5, 3, 3), {"padding": ((1, 1), (1, 1))}),  # no window sees no padding
    ((2, 8, 4, 3), (4100, 8, 3, 2), {}),  # more sums than a block has
    ((2, 3, 9, 8), (4, 3, 2, 3), {"stride": (3, 2), "padding": ((2, 1), (0, 1))}),
    ((0, 3, 4, 5), (4, 3, 2, 2), {}),
    ((2, 3, 4, 5), (0, 3, 2, 2), {}),
    ((2, 0, 4, 5), (3, 0, 2, 2), {}),
]
POOLS: list[tuple[Any, dict[str, Any]]] = [
    ((2, 3, 6, 8), {"kernel": (2, 2), "stride": (2, 2)}),
    ((3, 2, 7, 5), {"kernel": (2, 2), "stride": (2, 2)}),
    ((3, 2, 7, 5), {"kernel": (3, 2), "stride": (1, 2), "padding": ((1, 0), (0, 1))}),
    ((3, 2, 7, 5), {"kernel": (1, 1), "stride": (2, 1)}),
    ((1, 2, 7, 9), {"kernel": (2, 3), "stride": (3, 4), "padding": ((0, 2), (1, 1))}),
    ((2, 2, 9, 8), {"kernel": (3, 2), "stride": (2, 1), "dilation": (2, 3)}),
    ((1, 1, 17, 16), {"kernel": (16, 16), "stride": (1, 1)}),
    ((1, 1, 17, 17), {"kernel": (17, 17), "stride": (1, 1)}),
    ((0, 2, 4, 4), {"kernel": (2, 2), "stride": (2, 2)}),
]
PLAIN = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


def compare_kernels(
    backend: Backend, dtype: str, kernel: str, arrays: Any, options: dict[str, Any]
) -> None:
    """What the backend's own gives, in every layout of the arrays, is what the definition gives;
    of float16 in dtype, and in value what the definition gives of these numbers in float32."""
    if getattr(type(backend), kernel) is getattr(Backend, kernel):
        return  # it has none of its own

    def given(dtype: str, layout: Callable[..., Any] = _same_memory) -> list[Any]:
        typed = [x if x is None or x.dtype.kind != "f" else x.astype(dtype) for x in rounded]
        typed = [x if x is None or x.ndim != 4 else layout(x) for x in typed]
        return [x if x is None else backend.asarray(x) for x in typed]

    def outputs(function: Any, *arrays: Any) -> tuple[Any, ...]:
        y = function(*arrays, **options)
        return y if isinstance(y, tuple) else (y,)

    rounded = [x if x is None or x.dtype.kind != "f" else x.astype(dtype) for x in arrays]
    definition = functools.partial(getattr(Backend, kernel), backend)
    exact = outputs(definition, *given("float32" if dtype == "float16" else dtype))
    kinds = [y.dtype for y in outputs(definition, *given(dtype))]
    for layout in LAYOUTS:
        inputs = given(dtype, layout)
        before = [x if x is None else backend.to_numpy(x).copy() for x in inputs]
        found = outputs(getattr(backend, kernel), *inputs)
        for x, y in zip(inputs, before, strict=True):
            if x is not None:
                np.testing.assert_array_equal(backend.to_numpy(x), y)
        assert [y.dtype for y in found] == kinds
        for y, z in zip(found, exact, strict=True):
            y, z = (backend.to_numpy(part).astype("float64") for part in (y, z))
            assert y.shape == z.shape
            scale = max(0.1, abs(z).max(initial=0, where=np.isfinite(z)))
            message, tolerance = f"{kernel}, {layout.__name__}", KERNEL[dtype]
            np.testing.assert_allclose(y, z, tolerance, tolerance * scale, err_msg=message)


def dtypes(backend: Backend, dtype: str) -> list[str]:
    """The dtype, and with float32 also float16, where the library has it."""
    return [dtype, "float16"] if dtype == "float32" and hasattr(backend.xp, "float16") else [dtype]


def compare_convolution(backend: Backend, dtype: str, call: Any) -> None:
    shape, w_shape, given = call
    options = {**PLAIN, "groups": 1, **given}
    x, w, b = normal(*shape), normal(*w_shape), normal(w_shape[0])
    go = normal(*Backend.conv2d(get("numpy"), x, w, b, **options).shape)
    size, kernel = {"size": shape[2:]}, {"kernel": w_shape[2:]}
    compare_kernels(backend, dtype, "conv2d", (x, w, b), options)
    compare_kernels(backend, dtype, "conv2d", (x, w, None), options)
    compare_kernels(backend, dtype, "conv2d_input_gradient", (go, w), {**options, **size})
    compare_kernels(backend, dtype, "conv2d_weight_gradient", (x, go), {**options, **kernel})


def compare_pooling(backend: Backend, dtype: str, call: Any) -> None:
    shape, given = call
    options, size = {**PLAIN, **given}, {"size": shape[2:]}
    x = normal(*shape).astype("float16").astype("float64")  # the same in every dtype
    y, places = Backend.max_pool2d(get("numpy"), x, **options)
    go, strange = normal(*y.shape), x.copy()
    special = [math.nan, math.inf, -math.inf, -math.inf][: go.size]
    go.ravel()[: len(special)] = strange.ravel()[: 3 * len(special) : 3] = special
    for numbers in (x, x.round(), strange, np.full_like(x, -math.inf)):
        compare_kernels(backend, dtype, "max_pool2d", (numbers,), options)
    compare_kernels(backend, dtype, "max_pool2d_gradient", (go, places), {**options, **size})
    compare_kernels(backend, dtype, "max_pool2d_chosen", (x, places), options)
    if options.pop("dilation") == (1, 1):
        go = normal(*y.shape)
        compare_kernels(backend, dtype, "avg_pool2d", (x,), options)
        compare_kernels(backend, dtype, "avg_pool2d_gradient", (go,), {**options, **size})


def compare_batch_norm(backend: Backend, dtype: str, shape: Any) -> None:
    c = shape[1:2]
    x, go, w, b, mean, g, h = (normal(*s) for s in (shape, shape, c, c, c, c, c))
    compare_kernels(backend, dtype, "batch_norm", (x, w, b), {"eps": 0.1})
    arrays = (x, w, mean, 1 + mean**2, go, g, h)
    compare_kernels(backend, dtype, "batch_norm_gradient", arrays, {"eps": 0.1})


@pytest.mark.parametrize("columns", [1, 300, 1 << 17])
@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
def test_kernels_of_convolutions_are_the_base_definitions(
    backend: Backend, dtype: str, call: Any, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_conv, "COLUMNS", columns)
    for kind in dtypes(backend, dtype):
        compare_convolution(backend, kind, call)


@pytest.mark.parametrize("call", POOLS, ids=str)
def test_kernels_of_pooling_are_the_base_definitions(
    backend: Backend, dtype: str, call: Any
) -> None:
    for kind in dtypes(backend, dtype):
        compare_pooling(backend, kind, call)


@pytest.mark.parametrize("block", [1, 500, 1 << 17])
@pytest.mark.parametrize("shape", [(6, 3), (1, 2, 5), (4, 3, 9, 4), (5, 7, 4, 4), (3, 1, 1, 1)])
def test_kernels_of_batch_norm_are_the_base_definitions(
    backend: Backend, dtype: str, shape: Any, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_backend, "BLOCK", block)
    for kind in dtypes(backend, dtype):
        compare_batch_norm(backend, kind, shape)
