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
]


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_against_torch(backend: Backend, dtype: str, call: Call) -> None:
    function_is_torchs(backend, dtype, call)


@pytest.mark.parametrize(
    ("name", "arguments", "options", "shape"),
    [
        ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}, (2, 3, 8, 8)),
        ("MaxPool2d", (2,), {"dilation": 2}, (2, 3, 8, 8)),
        ("AvgPool2d", (3, 2, 1, True, False), {}, (2, 3, 8, 8)),
        ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 7, 8)),
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
            "^AvgPool2d: divisor_override = 0, expected a positive integer$",
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
