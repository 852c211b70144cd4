"""Images of another size: functions and layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import (
    Call,
    function_is_torchs,
    layer_is_torchs,
    name_of,
    normal,
    ones,
    raises_in_one_line,
)

import gradcore
from gradcore import TensorNode, check_gradients, nn
from gradcore.backends import Backend

# The shape of x, and the options.
SETTINGS: list[Any] = [
    ((2, 3, 5), {"scale_factor": 2}),
    ((2, 3, 5), {"size": 7, "mode": "nearest"}),
    ((2, 3, 4, 6), {"scale_factor": (3.0, 0.5)}),
    ((2, 3, 4, 6), {"size": (4, 13), "mode": "nearest-exact"}),
    ((1, 2, 3, 4, 5), {"scale_factor": (2.0, 1.3, 0.7), "mode": "nearest-exact"}),
    ((2, 3, 7, 5), {"size": (3, 2), "mode": "area"}),
    ((2, 2, 7, 5, 4), {"scale_factor": 0.5, "mode": "area"}),
    ((2, 3, 5), {"size": 8, "mode": "linear"}),
    ((2, 3, 5), {"scale_factor": 2.5, "mode": "linear", "align_corners": True}),
    ((2, 3, 4, 5), {"scale_factor": 2.0, "mode": "bilinear"}),
    ((2, 3, 4, 5), {"size": (7, 3), "mode": "bilinear", "align_corners": True}),
    ((2, 3, 4, 5), {"scale_factor": (1.3, 2.6), "mode": "bilinear"}),
    (
        (2, 3, 4, 5),
        {"scale_factor": (1.3, 2.6), "mode": "bilinear", "recompute_scale_factor": True},
    ),
    ((2, 3, 9, 8), {"size": (4, 11), "mode": "bilinear", "antialias": True}),
    ((1, 2, 3, 4, 5), {"size": (5, 4, 3), "mode": "trilinear"}),
    ((1, 2, 3, 4, 2), {"scale_factor": 1.5, "mode": "trilinear", "align_corners": True}),
    ((2, 3, 4, 5), {"size": (9, 3), "mode": "bicubic"}),
    ((2, 3, 4, 5), {"scale_factor": 1.7, "mode": "bicubic", "align_corners": True}),
    ((2, 3, 9, 8), {"scale_factor": 0.4, "mode": "bicubic", "antialias": True}),
    ((2, 3, 4, 5), {"size": 1, "mode": "bilinear", "align_corners": True}),
]
CALLS: list[Call] = [("interpolate", (shape,), options) for shape, options in SETTINGS]


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_against_torch(backend: Backend, dtype: str, call: Call) -> None:
    function_is_torchs(backend, dtype, call)


def test_lanczos_is_torchs() -> None:
    torch = pytest.importorskip("torch")
    x = normal(2, 3, 9, 8)
    try:
        options = {"size": (4, 11), "mode": "lanczos", "antialias": True}
        expected = torch.nn.functional.interpolate(torch.tensor(x), **options)
    except NotImplementedError:
        pytest.skip("this version of PyTorch has no lanczos")
    np.testing.assert_allclose(gradcore.interpolate(x, **options).value, expected, 1e-9, 1e-9)


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("Upsample", (None, 2), {}),
        ("Upsample", ((3, 9),), {"mode": "bicubic", "align_corners": True}),
        ("Upsample", (None, (1.5, 2.0)), {"mode": "bilinear", "recompute_scale_factor": True}),
        ("UpsamplingNearest2d", (7,), {}),
        ("UpsamplingBilinear2d", (None, 2), {}),
    ],
)
def test_layers_compute_what_torchs_do(name: str, arguments: Any, options: Any) -> None:
    layer_is_torchs(name, arguments, options, (2, 3, 4, 5))


# -- Without PyTorch ------------------------------------------------------------------------------


def test_golden_numbers(backend: Backend, dtype: str) -> None:
    x = backend.asarray([[[1.0, 2.0, 4.0, 8.0]]], dtype)
    for options, expected in [
        ({"scale_factor": 2, "mode": "nearest"}, [1, 1, 2, 2, 4, 4, 8, 8]),
        ({"size": 3, "mode": "nearest"}, [1, 2, 4]),
        ({"size": 3, "mode": "nearest-exact"}, [1, 4, 8]),
        ({"scale_factor": 2, "mode": "linear"}, [1, 1.25, 1.75, 2.5, 3.5, 5, 7, 8]),
        ({"size": 7, "mode": "linear", "align_corners": True}, [1, 1.5, 2, 3, 4, 6, 8]),
        ({"size": 2, "mode": "area"}, [1.5, 6]),
        ({"size": 2, "mode": "linear"}, [1.5, 6]),
    ]:
        y = gradcore.interpolate(x, **options)
        assert y.dtype == x.dtype
        np.testing.assert_allclose(backend.to_numpy(y.value)[0, 0], expected, 1e-6)
    image = backend.asarray([[[[1.0, 2.0, 4.0, 8.0]] * 2]], dtype)
    y = gradcore.interpolate(image, size=(2, 8), mode="bicubic")  # the weights of Keys at 1/4
    near, far = 1 - 2.25 / 16 + 1.25 / 64, -0.75 * (1 / 4 - 2 / 16 + 1 / 64)
    other, last = 1 - 2.25 * 9 / 16 + 1.25 * 27 / 64, -0.75 * (3 / 4 - 2 * 9 / 16 + 27 / 64)
    np.testing.assert_allclose(near + far + other + last, 1.0)
    expected = far * 1 + near * 2 + other * 4 + last * 8  # of the fourth, between 2 and 4
    np.testing.assert_allclose(backend.to_numpy(y.value)[0, 0, 0, 3], expected, 1e-5)


@pytest.mark.parametrize("options", [o for s, o in SETTINGS if len(s) == 4], ids=str)
def test_an_image_of_one_color_keeps_it(options: dict[str, Any]) -> None:
    y = gradcore.interpolate(np.full((1, 2, 5, 6), 0.7), **options)
    np.testing.assert_allclose(y.value, 0.7)


def test_integers_are_resized_by_taking_the_nearest(backend: Backend) -> None:
    x = backend.asarray(np.arange(6, dtype="uint8").reshape(1, 1, 2, 3))
    y = gradcore.interpolate(x, size=(2, 5))
    assert y.dtype == x.dtype
    assert backend.to_numpy(y.value)[0, 0].tolist() == [[0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]


def test_gradients_by_differences() -> None:
    for options in ({"size": (4, 5), "mode": "bicubic"}, {"size": (2, 2), "mode": "bilinear"}):
        check_gradients(lambda x, o=options: gradcore.interpolate(x, **o), normal(1, 2, 3, 4))


def test_float16(backend: Backend) -> None:
    if not hasattr(backend.xp, "float16"):
        pytest.skip("no float16")
    x = normal(2, 3, 5, 6).astype("float16")
    node = TensorNode(backend.asarray(x))
    y = gradcore.interpolate(node, scale_factor=2.0, mode="bicubic")
    expected = gradcore.interpolate(x.astype("float64"), scale_factor=2.0, mode="bicubic").value
    assert y.dtype == node.dtype
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, 5e-3, 5e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: resized(mode="linear", size=2),
            r"mode = 'linear' and x \(1, 1, 4, 4\), expected \(N",
        ),
        (
            lambda: resized(mode="cubic", size=2),
            "mode = 'cubic', expected one of nearest, nearest-",
        ),
        (lambda: resized(), "size = None, scale_factor = None, .* expected either a size or a fac"),
        (lambda: resized(size=2, scale_factor=2), "size = 2, scale_factor = 2, "),
        (
            lambda: resized(size=(1, 2, 3)),
            r"size = \(1, 2, 3\), expected a positive integer, or a p",
        ),
        (lambda: resized(size=0), "size = 0, expected a positive integer"),
        (
            lambda: resized(scale_factor=-1),
            "scale_factor = -1, expected a positive number, or 2 of",
        ),
        (
            lambda: resized(scale_factor=0.1),
            r"x \(1, 1, 4, 4\) to size \(0, 0\), expected 1 or more",
        ),
        (
            lambda: resized(size=2, align_corners=True),
            "align_corners goes with other modes than 'n",
        ),
        (
            lambda: resized(size=2, antialias=True),
            "antialias = True and mode = 'nearest', expected",
        ),
        (
            lambda: resized(size=2, mode="lanczos"),
            "antialias = False and mode = 'lanczos', expected",
        ),
    ],
)
def test_refusals(call: Callable[[], Any], words: str) -> None:
    raises_in_one_line(call, ValueError, f"^interpolate: {words}")


def resized(**options: Any) -> TensorNode:
    return gradcore.interpolate(ones(1, 1, 4, 4), **options)


def test_a_layer_prints_its_settings() -> None:
    assert repr(nn.Upsample(scale_factor=2, mode="bilinear")) == (
        "Upsample(scale_factor=2, mode='bilinear')"
    )
