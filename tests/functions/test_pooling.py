"""Pooling: functions and layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import (
    Call,
    empty_batch_gives,
    function_is_torchs,
    layer_is_torchs,
    name_of,
    normal,
    ones,
    raises_in_one_line,
)

import gradcore
from gradcore import Sum, TensorNode, check_gradients, nn
from gradcore.backends import Backend

# -- Against PyTorch ------------------------------------------------------------------------------

# Function, the shapes of its inputs, its options.
CALLS: list[Call] = [
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
    ("max_pool1d", ((2, 3, 9),), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool1d", ((3, 8),), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ("max_pool2d", ((3, 6, 7),), {"kernel_size": 2}),
    ("max_pool3d", ((2, 3, 7, 5, 6),), {"kernel_size": (3, 2, 1), "stride": (2, 1, 3)}),
    ("max_pool3d", ((2, 7, 6, 5),), {"kernel_size": 3, "padding": 1, "dilation": (2, 1, 1)}),
    (
        "max_pool3d",
        ((1, 2, 6, 5, 4),),
        {"kernel_size": 3, "stride": 2, "padding": (1, 0, 1), "ceil_mode": True},
    ),
    ("avg_pool1d", ((2, 3, 8),), {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    ("avg_pool1d", ((3, 8),), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ("avg_pool2d", ((3, 6, 7),), {"kernel_size": 2}),
    (
        "avg_pool3d",
        ((2, 3, 6, 5, 4),),
        {"kernel_size": 3, "stride": 2, "padding": (1, 0, 1), "ceil_mode": True},
    ),
    (
        "avg_pool3d",
        ((2, 5, 4, 5),),
        {"kernel_size": (3, 2, 2), "padding": 1, "count_include_pad": False},
    ),
    ("avg_pool3d", ((2, 3, 4, 5, 4),), {"kernel_size": 2, "divisor_override": 3}),
    ("lp_pool1d", ((2, 3, 8),), {"norm_type": 2, "kernel_size": 3, "stride": 2}),
    ("lp_pool2d", ((2, 3, 6, 5),), {"norm_type": 4, "kernel_size": (3, 2), "ceil_mode": True}),
    ("lp_pool2d", ((3, 6, 5),), {"norm_type": math.inf, "kernel_size": 2}),
    ("lp_pool2d", ((3, 6, 5),), {"norm_type": -math.inf, "kernel_size": 2}),
    ("lp_pool3d", ((2, 4, 5, 4),), {"norm_type": 1, "kernel_size": 2}),
    ("adaptive_avg_pool1d", ((2, 3, 7),), {"output_size": 4}),
    ("adaptive_avg_pool2d", ((3, 7, 5),), {"output_size": (4, None)}),
    ("adaptive_avg_pool3d", ((2, 3, 7, 5, 4),), {"output_size": (4, 1, 2)}),
    ("adaptive_avg_pool3d", ((3, 7, 5, 4),), {"output_size": 1}),
    ("adaptive_max_pool1d", ((2, 3, 7),), {"output_size": 4}),
    ("adaptive_max_pool1d", ((3, 8),), {"output_size": 2}),
    ("adaptive_max_pool2d", ((2, 3, 7, 6),), {"output_size": (4, None)}),
    ("adaptive_max_pool2d", ((3, 7, 5),), {"output_size": (9, 1)}),
    ("adaptive_max_pool3d", ((2, 3, 7, 5, 4),), {"output_size": (3, 5, 3)}),
]

# Functions that return indices, the shape of x, their options.
INDEXED: list[Call] = [
    ("max_pool1d", (2, 3, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool2d", (2, 3, 7, 6), {"kernel_size": (3, 2), "padding": 1, "ceil_mode": True}),
    ("max_pool2d", (3, 7, 6), {"kernel_size": 2, "dilation": (3, 2)}),
    ("max_pool3d", (2, 3, 7, 5, 6), {"kernel_size": 3, "stride": 2, "padding": (1, 0, 1)}),
    ("max_pool3d", (2, 7, 5, 6), {"kernel_size": 2, "dilation": (2, 1, 3)}),
    ("adaptive_max_pool1d", (3, 7), {"output_size": 4}),
    ("adaptive_max_pool2d", (2, 3, 7, 6), {"output_size": (3, 4)}),
    ("adaptive_max_pool3d", (2, 3, 7, 5, 4), {"output_size": (3, 5, 3)}),
]


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_against_torch(backend: Backend, dtype: str, call: Call) -> None:
    function_is_torchs(backend, dtype, call)


@pytest.mark.parametrize("call", INDEXED, ids=name_of)
def test_indices_are_the_places_of_the_maxima(backend: Backend, dtype: str, call: Call) -> None:
    """In x made flat, as PyTorch gives them, also of equal maxima; and the gradients go there."""
    name, shape, options = call
    x = np.random.default_rng(0).integers(0, 5, shape).astype(float)
    node = TensorNode(backend.asarray(x, dtype))
    y, indices = getattr(gradcore, name)(node, **options, return_indices=True)
    plain = getattr(gradcore, name)(node, **options)
    found, places = backend.to_numpy(y.value), backend.to_numpy(indices.value)
    assert (found == backend.to_numpy(plain.value)).all()
    assert places.dtype == np.int64
    axes = int(name[-2])
    flat = x.reshape(*shape[:-axes], -1)
    rows = places.reshape(*shape[:-axes], -1)
    assert (np.take_along_axis(flat, rows, -1).reshape(found.shape) == found).all()
    Sum.do_forward(y).backward()
    gradient = backend.to_numpy(node.grad).reshape(flat.shape)
    for i in np.ndindex(flat.shape[:-1]):
        assert (gradient[i] == np.bincount(rows[i], minlength=flat.shape[-1])).all()
    torch = pytest.importorskip("torch")
    function = getattr(torch.nn.functional, name)
    expected = function(torch.tensor(x), **options, return_indices=True)[1]
    assert (places == expected.numpy()).all()


@pytest.mark.parametrize(
    ("axes", "shape", "output_size"),
    [
        (1, (2, 3, 9), (9,)),
        (2, (2, 3, 8, 6), None),
        (2, (3, 9, 7), (9, 7)),
        (3, (2, 3, 4, 6, 5), (2, 3, 4, 6, 5)),
    ],
)
def test_maxima_go_back_to_where_they_were(
    backend: Backend, dtype: str, axes: int, shape: Any, output_size: Any
) -> None:
    x = normal(*shape)
    pool, unpool = (getattr(gradcore, f"max_{name}{axes}d") for name in ("pool", "unpool"))
    y, indices = pool(backend.asarray(x, dtype), 2, return_indices=True)
    node = TensorNode(y.value)
    z = unpool(node, indices, 2, output_size=output_size)
    back = backend.to_numpy(z.value)
    assert back.shape == shape
    kept = back != 0
    assert kept.sum() == y.size
    np.testing.assert_array_equal(back[kept], x.astype(dtype)[kept])
    w = normal(*shape)
    Sum.do_forward(z * z * backend.asarray(w, dtype)).backward()
    found = backend.to_numpy(node.grad)
    expected = backend.to_numpy(unpool(node.grad, indices, 2, output_size=output_size).value)
    np.testing.assert_allclose(expected, 2 * back * w, 1e-5, 1e-6)
    assert found.shape == y.shape


@pytest.mark.parametrize(
    ("name", "arguments", "options", "shape"),
    [
        ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}, (2, 3, 8, 8)),
        ("MaxPool2d", (2,), {"dilation": 2}, (2, 3, 8, 8)),
        ("AvgPool2d", (3, 2, 1, True, False), {}, (2, 3, 8, 8)),
        ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 7, 8)),
        ("MaxPool1d", (3, 2, 1, 1, False, True), {}, (2, 3, 8)),
        ("MaxPool3d", (3, 2, 1), {}, (2, 3, 8, 7, 6)),
        ("AvgPool1d", (3, 2, 1, True, False), {}, (3, 8)),
        ("AvgPool3d", (2, 1, 0, False, True, 5), {}, (3, 8, 7, 6)),
        ("LPPool1d", (2.0, 2), {}, (3, 8)),
        ("LPPool2d", (2, 3, 2, True), {}, (2, 3, 8, 8)),
        ("LPPool3d", (2, 3), {}, (2, 3, 4, 4, 4)),
        ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 7)),
        ("AdaptiveAvgPool3d", ((3, None, 2),), {}, (2, 3, 7, 5, 6)),
        ("AdaptiveMaxPool1d", (3,), {}, (2, 3, 7)),
        ("AdaptiveMaxPool2d", ((3, None),), {}, (2, 3, 7, 5)),
        ("AdaptiveMaxPool3d", (2,), {}, (3, 7, 5, 6)),
    ],
)
def test_layers_compute_what_torchs_do(
    name: str, arguments: Any, options: dict[str, Any], shape: Any
) -> None:
    layer_is_torchs(name, arguments, options, shape)


# -- Special cases --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shapes", "options", "expected"),
    [
        ("max_pool2d", ((0, 3, 5, 5),), {"kernel_size": 2}, (0, 3, 2, 2)),
        ("avg_pool2d", ((0, 3, 5, 5),), {"kernel_size": 2, "ceil_mode": True}, (0, 3, 3, 3)),
        ("adaptive_avg_pool2d", ((0, 3, 5, 5),), {"output_size": 1}, (0, 3, 1, 1)),
        ("adaptive_avg_pool2d", ((0, 3, 5, 5),), {"output_size": 2}, (0, 3, 2, 2)),
        ("adaptive_max_pool2d", ((0, 3, 5, 5),), {"output_size": 2}, (0, 3, 2, 2)),
        ("max_pool3d", ((0, 3, 5, 5, 4),), {"kernel_size": 2}, (0, 3, 2, 2, 2)),
        ("avg_pool1d", ((0, 3, 5),), {"kernel_size": 2}, (0, 3, 2)),
    ],
)
def test_an_empty_batch(
    backend: Backend, name: str, shapes: Any, options: dict[str, Any], expected: Any
) -> None:
    empty_batch_gives(backend, (name, shapes, options), expected)


def test_maxima_of_equal_elements_infinities_and_nan(backend: Backend) -> None:
    """The first of equal elements gets the gradient, and the last NaN, as in PyTorch."""
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


def test_gradients_by_differences() -> None:
    check_gradients(lambda x: gradcore.max_pool2d(x, 2), normal(2, 2, 4, 3))


def test_means_of_float16_are_of_sums_in_float32(backend: Backend) -> None:
    """A sum in float16 would overflow here."""
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
            lambda: gradcore.max_pool2d(ones(4, 4), 2),
            ValueError,
            r"^max_pool2d: x has shape \(4, 4\), expected \(N, C, H, W\) or \(C, H, W\)$",
        ),
        (
            lambda: gradcore.avg_pool3d(ones(1, 3, 4, 4, 4), (2, 2)),
            ValueError,
            r"^avg_pool3d: kernel_size = \(2, 2\), expected a positive integer, or 3 of them$",
        ),
        (
            lambda: gradcore.lp_pool2d(ones(1, 3, 4, 4), 0, 2),
            ValueError,
            "^lp_pool2d: norm_type = 0, expected a number other than 0$",
        ),
        (
            lambda: gradcore.max_unpool2d(ones(1, 1, 2, 2), np.zeros((1, 1, 2, 1), int), 2),
            ValueError,
            r"^max_unpool2d: x has shape \(1, 1, 2, 2\) and indices \(1, 1, 2, 1\), expected",
        ),
        (
            lambda: gradcore.max_unpool2d(ones(1, 1, 1, 1), np.full((1, 1, 1, 1), 4), 2),
            IndexError,
            "^max_unpool2d: indices",
        ),
        (
            lambda: nn.MaxUnpool1d(2)(ones(1, 1, 3), np.zeros((1, 1, 3), int), output_size=8),
            ValueError,
            r"^max_unpool1d: output_size = 8, expected that each differs by less than the stride",
        ),
        (
            lambda: gradcore.adaptive_max_pool3d(ones(1, 4, 4), 1),
            ValueError,
            r"^adaptive_max_pool3d: x is float32 \(1, 4, 4\), expected \(N, C, D, H, W\)",
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
        (
            lambda: gradcore.adaptive_avg_pool2d(ones(1, 1, 4, 4), 0),
            ValueError,
            "^adaptive_avg_pool2d: output_size = 0, expected a positive integer, or a pair$",
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
        (lambda: nn.MaxPool2d(0), ValueError, "^MaxPool2d: kernel_size = 0, expected a positive"),
        (lambda: nn.MaxPool2d(2, stride=(1, 0)), ValueError, r"^MaxPool2d: stride = \(1, 0\), exp"),
        (lambda: nn.MaxPool2d(2, padding=-1), ValueError, "^MaxPool2d: padding = -1, expected 0"),
        (lambda: nn.MaxPool2d(2, 2, 2), ValueError, "^MaxPool2d: padding = 2, expected at most"),
        (lambda: nn.MaxPool2d(2, dilation="2"), ValueError, "^MaxPool2d: dilation = '2', expected"),
        (lambda: nn.AvgPool2d((2, 2, 2)), ValueError, r"^AvgPool2d: kernel_size = \(2, 2, 2\)"),
        (lambda: nn.AvgPool2d([2, 2], 0.5), ValueError, "^AvgPool2d: stride = 0.5, expected"),
        (
            lambda: nn.AvgPool2d(2, divisor_override=0),
            ValueError,
            "^AvgPool2d: divisor_override = 0, expected an integer other than 0$",
        ),
        (
            lambda: nn.AdaptiveAvgPool2d((0, 2)),
            ValueError,
            r"^AdaptiveAvgPool2d: output_size = \(0, 2\), expected a positive integer, or a pair$",
        ),
        (lambda: nn.AdaptiveAvgPool2d("1"), ValueError, "^AdaptiveAvgPool2d: output_size = '1'"),
        (
            lambda: gradcore.max_pool2d(ones(1, 1, 0, 4), 2, padding=1),
            ValueError,
            r"^max_pool2d: x has size \(0, 4\), expected 1 or more each \(x \(1, 1, 0, 4\)\)$",
        ),
        (
            lambda: nn.MaxPool2d(),
            TypeError,
            r"^MaxPool2d: .*kernel_size.*expected MaxPool2d\(kernel",
        ),
    ],
)
def test_refusals(call: Callable[[], Any], error: Any, words: str) -> None:
    raises_in_one_line(call, error, words)


# -- Special numbers ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of the sum of infinities
@pytest.mark.parametrize(
    "given",
    [
        {"kernel_size": 2, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2},
        {"kernel_size": (2, 3), "stride": 2, "padding": (1, 0), "ceil_mode": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["-inf", "ties", "nan", "inf"])
def test_the_gradient_of_a_maximum_goes_to_an_element_and_not_to_the_padding(
    backend: Backend, dtype: str, given: dict[str, Any], kind: str
) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 3, (2, 2, 5, 6)).astype(float)
    x[0] = {"-inf": -np.inf, "ties": 1.0, "nan": np.nan, "inf": np.inf}[kind]
    x[1, :, ::2] = -np.inf
    node = TensorNode(backend.asarray(x, dtype))
    y = gradcore.max_pool2d(node, **given)
    w = 1.0 + np.arange(np.prod(y.shape)).reshape(y.shape)
    t = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.max_pool2d(t, **given)
    np.testing.assert_array_equal(backend.to_numpy(y.value), expected.detach().numpy())
    Sum.do_forward(y * backend.asarray(w, dtype)).backward()
    (expected * torch.tensor(w)).sum().backward()
    np.testing.assert_array_equal(backend.to_numpy(node.grad), t.grad.numpy())


def test_no_volumes_have_no_maxima(backend: Backend) -> None:
    x = TensorNode(backend.asarray(np.ones((0, 2, 4, 4, 4), "float32")))
    for y, indices in (
        gradcore.max_pool3d(x, 2, return_indices=True),
        gradcore.adaptive_max_pool3d(x, 2, return_indices=True),
    ):
        assert y.shape == indices.shape == (0, 2, 2, 2, 2)


@pytest.mark.parametrize("n", [3, 40], ids=["few instances", "many instances, as vectors"])
def test_nan_infinity_and_ties_in_a_maximum(backend: Any, n: int) -> None:
    """NaN is a maximum, of ties the first element is, and a window of -inf has its first one."""
    x = np.random.default_rng(0).integers(-2, 3, (n, 2, 6, 6)).astype("float32")
    x[::2, 0, 1, 1], x[1::2, 0, 0, 0], x[:, 1, :2, :2] = np.nan, np.nan, -np.inf
    last = backend.asarray(x.transpose(1, 2, 3, 0).copy())
    node = TensorNode(backend.xp.permute_dims(last, (3, 0, 1, 2)))
    y = gradcore.max_pool2d(node, 2)
    y.sum().backward()
    windows = x.reshape(n, 2, 3, 2, 3, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, 2, 3, 3, 4)
    np.testing.assert_array_equal(backend.to_numpy(y.value), windows.max(-1))
    expected = np.eye(4, dtype="float32")[windows.argmax(-1)]
    expected = expected.reshape(n, 2, 3, 3, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)
    np.testing.assert_array_equal(backend.to_numpy(node.grad), expected)
