"""Convolutions and transposed ones: functions and layers; and models of these and others."""

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
from gradcore import Sum, TensorNode, check_gradients, manual_seed, nn
from gradcore.backends import Backend, get

# -- Against PyTorch ------------------------------------------------------------------------------

# Function, the shapes of its inputs, its options.
CALLS: list[Call] = [
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
    ("conv3d", ((2, 3, 4, 5, 3), (4, 3, 2, 3, 2), (4,)), {}),
    ("conv3d", ((2, 4, 5, 4, 6), (6, 2, 3, 2, 3), (6,)), {"groups": 2, "stride": (2, 1, 2)}),
    ("conv3d", ((1, 2, 5, 4, 4), (3, 2, 2, 3, 2)), {"padding": (1, 2, 0), "dilation": (3, 1, 2)}),
    ("conv3d", ((1, 2, 3, 4, 3), (3, 2, 2, 3, 1), (3,)), {"padding": "same"}),
    ("conv3d", ((3, 4, 3, 3), (4, 3, 2, 3, 2), (4,)), {"padding": 1}),
    ("conv2d", ((3, 6, 5), (4, 3, 3, 2), (4,)), {"stride": 2}),
    ("conv1d", ((3, 8), (4, 3, 3), (4,)), {}),
    ("conv_transpose1d", ((2, 3, 4), (3, 2, 3), (2,)), {"stride": 2, "output_padding": 1}),
    ("conv_transpose1d", ((4, 3), (4, 3, 2), (6,)), {"groups": 2, "padding": 1, "stride": 3}),
    ("conv_transpose1d", ((2, 3, 4), (3, 2, 3)), {"dilation": 3, "output_padding": 2}),
    ("conv_transpose2d", ((3, 4, 3), (3, 2, 3, 2), (2,)), {"stride": 2}),
    (
        "conv_transpose3d",
        ((2, 4, 2, 3, 2), (4, 3, 2, 3, 2), (6,)),
        {"groups": 2, "stride": (2, 1, 3), "padding": (0, 1, 1), "output_padding": (1, 0, 2)},
    ),
    ("conv_transpose3d", ((3, 2, 3, 2), (3, 2, 2, 2, 3), (2,)), {"dilation": (1, 2, 1)}),
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_against_torch(backend: Backend, dtype: str, call: Call) -> None:
    function_is_torchs(backend, dtype, call)


# -- Special cases --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shapes", "options", "expected"),
    [
        ("conv2d", ((0, 3, 5, 5), (4, 3, 3, 3), (4,)), {}, (0, 4, 3, 3)),
        ("conv2d", ((0, 3, 5, 5), (4, 3, 1, 1), (4,)), {}, (0, 4, 5, 5)),
        ("conv1d", ((0, 3, 5), (4, 3, 3), (4,)), {"padding": "same"}, (0, 4, 5)),
        ("conv_transpose2d", ((0, 3, 5, 5), (3, 4, 3, 3), (4,)), {}, (0, 4, 7, 7)),
        ("conv3d", ((0, 3, 4, 5, 6), (4, 3, 1, 2, 3), (4,)), {}, (0, 4, 4, 4, 4)),
        ("conv_transpose1d", ((0, 3, 5), (3, 4, 3), (4,)), {"stride": 2}, (0, 4, 11)),
        ("conv_transpose3d", ((0, 3, 2, 2, 2), (3, 4, 3, 3, 3), (4,)), {}, (0, 4, 4, 4, 4)),
    ],
)
def test_an_empty_batch(
    backend: Backend, name: str, shapes: Any, options: dict[str, Any], expected: Any
) -> None:
    empty_batch_gives(backend, (name, shapes, options), expected)


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
    x, w = normal(2, 2, 4, 3), normal(2, 2, 2, 2)
    check_gradients(lambda x, w: gradcore.conv2d(x, w, stride=2, padding=1), x, w)


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
            lambda: nn.Conv2d(3, 2, 3, stride=(1, 2), padding="same"),
            ValueError,
            r"^Conv2d: padding = 'same' needs stride = 1, not \(1, 2\)",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3), stride=2, padding="same"),
            ValueError,
            "^conv2d: padding = 'same' needs stride = 1, not 2",
        ),
        (
            lambda: gradcore.conv2d(ones(4, 4), ones(2, 3, 3, 3)),
            ValueError,
            r"^conv2d: expected x \(N, C, H, W\) and w \(O, C / groups, KH, KW\) \(x \(4, 4\)",
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
        (  # bytes, of which the sum is too large for a byte
            lambda: gradcore.conv2d(*[ones(1, 3, 4, 4).astype("uint8")] * 2),
            TypeError,
            r"^conv2d: x is uint8 \(1, 3, 4, 4\), expected real floating numbers; convert it",
        ),
        (
            lambda: gradcore.conv1d(*[ones(1, 3, 4).astype("bool")] * 2),
            TypeError,
            r"^conv1d: x is bool \(1, 3, 4\), expected real",
        ),
        (
            lambda: gradcore.conv_transpose2d(*[ones(3, 3, 4, 4).astype("int64")] * 2),
            TypeError,
            r"^conv_transpose2d: x is int64 \(3, 3, 4, 4\), expected real",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3)(ones(1, 3, 4, 4).astype("uint8")),
            TypeError,
            r"^conv2d: x is uint8 .*, w is float32",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, dtype="int32"),
            TypeError,
            "^weights: dtype = 'int32', expected real floating, such as 'float32'$",
        ),
        (
            lambda: gradcore.conv2d(ones(1, 3, 0, 4), ones(2, 3, 3, 3), padding=2),
            ValueError,
            r"^conv2d: x has size \(0, 4\), expected 1 or more each \(x \(1, 3, 0, 4\)",
        ),
        (
            lambda: gradcore.conv_transpose2d(ones(1, 3, 0, 4), ones(3, 2, 3, 3)),
            ValueError,
            r"^conv_transpose2d: x has size \(0, 4\), expected 1 or more each \(x \(1, 3, 0, 4\)",
        ),
        (
            lambda: gradcore.conv1d(ones(1, 3, 4), ones(2, 3, 5)),
            ValueError,
            r"^conv1d: the kernel \(5,\) is larger than x with its padding, \(4,\)",
        ),
        (
            lambda: gradcore.conv3d(ones(1, 3, 4, 4, 4), ones(2, 3, 5, 1, 1)),
            ValueError,
            r"^conv3d: the kernel \(5, 1, 1\) is larger than x with its padding, \(4, 4, 4\)",
        ),
        (
            lambda: gradcore.conv3d(ones(1, 3, 4, 4, 4), ones(2, 3, 1, 1, 1), stride=(1, 1)),
            ValueError,
            r"^conv3d: stride = \(1, 1\), expected a positive integer, or 3 of them$",
        ),
        (
            lambda: gradcore.conv_transpose3d(ones(1, 3, 4, 4), ones(3, 2, 3, 3)),
            ValueError,
            r"^conv_transpose3d: expected x \(N, C, D, H, W\) and w \(C, O / groups, KD, KH, KW\)",
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
        (lambda: nn.Conv2d(0, 4, 1), ValueError, "^Conv2d: in_channels = 0"),
        (lambda: nn.Conv1d(3, 4, (2, 2)), ValueError, r"^Conv1d: kernel_size = \(2, 2\)"),
        (lambda: nn.ConvTranspose2d(3, 4, 1, groups=2), ValueError, "^ConvTranspose2d: groups = 2"),
        (
            lambda: nn.Conv2d(3, 4, 1, padding_mode="mirror"),
            ValueError,
            "^Conv2d: padding_mode = 'mirror', expected one of zeros, reflect, replicate, cir",
        ),
        (
            lambda: nn.ConvTranspose1d(3, 4, 1, padding_mode="reflect"),
            ValueError,
            "^ConvTranspose1d: padding_mode = 'reflect', expected zeros$",
        ),
        (
            lambda: nn.ConvTranspose2d(1, 1, 3, 2)(ones(1, 1, 4, 4), output_size=(9, 11)),
            ValueError,
            r"^ConvTranspose2d: output_size = \(9, 11\), expected from \[9, 9\] to \[10, 10\]",
        ),
    ],
)
def test_refusals(call: Callable[[], Any], error: Any, words: str) -> None:
    raises_in_one_line(call, error, words)


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


@pytest.mark.parametrize(
    ("name", "arguments", "options", "shape"),
    [
        ("Conv2d", (4, 6, (3, 2), 2, 1, 1, 2), {"bias": True}, (2, 4, 7, 7)),
        ("Conv2d", (3, 4, 3), {"padding": "same", "dilation": 2, "bias": False}, (2, 3, 7, 7)),
        ("Conv1d", (4, 6, 3, 2), {"padding": 1}, (2, 4, 9)),
        ("ConvTranspose2d", (4, 6, 3, 2, 1, 1, 2, True, 2), {}, (2, 4, 5, 5)),
        ("Conv3d", (4, 6, (3, 2, 1), 2, (1, 0, 2), 1, 2), {}, (2, 4, 5, 4, 3)),
        ("Conv3d", (2, 3, 2, 1, 1), {"padding_mode": "circular"}, (2, 3, 4, 3)),
        ("Conv2d", (2, 3, 3, 1, (2, 1)), {"padding_mode": "reflect"}, (2, 2, 5, 4)),
        ("Conv2d", (2, 3, 3, 1, "same"), {"padding_mode": "circular"}, (2, 2, 5, 4)),
        ("Conv1d", (2, 3, 4, 2, 3, 1, 1, False, "replicate"), {}, (2, 2, 9)),
        ("ConvTranspose1d", (4, 6, 3, 2, 1, 1, 2), {}, (2, 4, 5)),
        ("ConvTranspose3d", (4, 6, (1, 2, 3), 2, 0, (0, 1, 0), 2, False), {}, (4, 2, 3, 2)),
    ],
)
def test_layers_compute_what_torchs_do(
    name: str, arguments: Any, options: dict[str, Any], shape: Any
) -> None:
    layer_is_torchs(name, arguments, options, shape)


def test_the_size_of_a_transposed_convolution_may_be_given(backend: Backend, dtype: str) -> None:
    x = backend.asarray(normal(2, 3, 4, 5), dtype)
    layer = nn.ConvTranspose2d(3, 2, 3, stride=(2, 3), padding=1, dtype=dtype)
    for size in ((8, 15), [2, 2, 8, 15]):
        y = layer(x, output_size=size)
        assert y.shape == (2, 2, 8, 15)
        options = {"stride": (2, 3), "padding": 1, "output_padding": (1, 2)}
        expected = gradcore.conv_transpose2d(x, layer.w, layer.b, **options)
        assert (backend.to_numpy(y.value) == backend.to_numpy(expected.value)).all()


def test_a_convolution_of_volumes_is_one_of_their_slices(backend: Backend, dtype: str) -> None:
    """Golden numbers need no PyTorch: a kernel of one slice, and one of ones."""
    x, w = normal(2, 3, 4, 5, 5), normal(4, 3, 1, 3, 2)
    volumes, kernel = backend.asarray(x, dtype), backend.asarray(w, dtype)
    y = backend.to_numpy(gradcore.conv3d(volumes, kernel, padding=(0, 1, 0)).value)
    for i in range(4):
        image, flat = backend.asarray(x[:, :, i].copy(), dtype), backend.asarray(w[:, :, 0], dtype)
        expected = backend.to_numpy(gradcore.conv2d(image, flat, padding=(1, 0)).value)
        np.testing.assert_allclose(y[:, :, i], expected, 1e-5, 1e-5)
    sums = gradcore.conv3d(volumes, backend.asarray(np.ones((1, 3, 2, 2, 2)), dtype), stride=2)
    expected = x[:, :, :4, :4, :4].reshape(2, 3, 2, 2, 2, 2, 2, 2).sum(axis=(1, 3, 5, 7))
    np.testing.assert_allclose(backend.to_numpy(sums.value)[:, 0], expected, 1e-4, 1e-5)


def test_initial_weights_are_torchs() -> None:
    """Weights and biases are uniform, within 1 / sqrt(fan in), as PyTorch counts it."""
    torch = pytest.importorskip("torch")
    manual_seed(0)
    torch.manual_seed(0)
    for name, arguments in [
        ("Conv2d", (16, 512, 5, 1, 0, 1, 4)),
        ("Conv1d", (32, 512, 9)),
        ("ConvTranspose2d", (16, 512, 5, 1, 0, 0, 4)),
        ("Conv3d", (16, 512, 3, 1, 0, 1, 4)),
        ("ConvTranspose1d", (16, 512, 25, 1, 0, 0, 4)),
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


@pytest.mark.parametrize(
    ("name", "shapes", "options"),
    [
        ("conv2d", [(2, 4, 6, 5), (6, 2, 3, 2), (6,)], {"stride": 2, "padding": 1, "groups": 2}),
        ("conv_transpose2d", [(2, 4, 3, 3), (4, 3, 3, 2), (3,)], {"stride": 2}),
        ("conv3d", [(2, 2, 3, 3, 2), (3, 2, 2, 2, 1), (3,)], {"padding": 1}),
    ],
)
def test_complex_numbers_are_those_of_pytorch(
    backend: Backend, name: str, shapes: Any, options: Any
) -> None:
    torch = pytest.importorskip("torch")
    inputs = [normal(*shape) + 1j * normal(*shape)[..., ::-1] for shape in shapes]
    nodes = [TensorNode(backend.asarray(x, "complex64")) for x in inputs]
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    y = getattr(gradcore, name)(*nodes, **options)
    expected = getattr(torch.nn.functional, name)(*tensors, **options)
    np.testing.assert_allclose(
        backend.to_numpy(y.value), expected.detach().numpy(), rtol=1e-4, atol=1e-4
    )
    gradcore.array_api.sum(gradcore.array_api.abs(y) ** 2).backward()
    (expected.abs() ** 2).sum().backward()
    for x, t in zip(nodes, tensors, strict=True):
        np.testing.assert_allclose(backend.to_numpy(x.grad), t.grad.numpy(), rtol=1e-4, atol=1e-3)
