"""Windows as columns, and channels as pixels: functions and layers."""

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
from gradcore import TensorNode, nn
from gradcore.backends import Backend

CALLS: list[Call] = [
    ("unfold", ((2, 3, 5, 4),), {"kernel_size": (2, 3)}),
    ("unfold", ((3, 6, 5),), {"kernel_size": 2, "dilation": (2, 1), "padding": 1, "stride": 2}),
    ("fold", ((2, 18, 8),), {"output_size": (5, 4), "kernel_size": (2, 3)}),
    ("fold", ((12, 6),), {"output_size": (5, 4), "kernel_size": 2, "padding": 1, "stride": (2, 3)}),
    ("pixel_shuffle", ((2, 12, 2, 3),), {"upscale_factor": 2}),
    ("pixel_shuffle", ((9, 2, 3),), {"upscale_factor": 3}),
    ("pixel_unshuffle", ((2, 3, 4, 6),), {"downscale_factor": 2}),
    ("channel_shuffle", ((2, 6, 2, 3),), {"groups": 3}),
]


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_against_torch(backend: Backend, dtype: str, call: Call) -> None:
    function_is_torchs(backend, dtype, call)


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("Unfold", ((2, 3), 1, (1, 0), 2), (2, 3, 5, 4)),
        ("Fold", ((5, 4), (2, 3)), (2, 18, 8)),
        ("PixelShuffle", (2,), (2, 12, 2, 3)),
        ("PixelUnshuffle", (2,), (2, 3, 4, 6)),
        ("ChannelShuffle", (2,), (2, 6, 4)),
    ],
)
def test_layers_compute_what_torchs_do(name: str, arguments: Any, shape: Any) -> None:
    layer_is_torchs(name, arguments, {}, shape)


def test_windows_that_do_not_overlap_fold_back(backend: Backend, dtype: str) -> None:
    x = backend.asarray(normal(2, 3, 6, 4), dtype)
    columns = gradcore.unfold(x, (3, 2), stride=(3, 2))
    assert columns.shape == (2, 18, 4)
    y = gradcore.fold(columns, (6, 4), (3, 2), stride=(3, 2))
    np.testing.assert_array_equal(backend.to_numpy(y.value), backend.to_numpy(x))


def test_columns_times_a_matrix_are_a_convolution(backend: Backend, dtype: str) -> None:
    x, w = backend.asarray(normal(2, 3, 5, 6), dtype), backend.asarray(normal(4, 3, 2, 3), dtype)
    matrix = TensorNode(backend.xp.reshape(w, (4, -1)))
    y = matrix @ gradcore.unfold(x, (2, 3), padding=1)
    expected = gradcore.conv2d(x, w, padding=1)
    found = backend.to_numpy(y.value).reshape(expected.shape)
    np.testing.assert_allclose(found, backend.to_numpy(expected.value), 1e-5, 1e-5)


def test_pixels_and_channels_shuffle_back(backend: Backend) -> None:
    x = np.arange(2 * 8 * 2 * 3).reshape(2, 8, 2, 3)
    y = gradcore.pixel_shuffle(backend.asarray(x), 2)
    assert backend.to_numpy(y.value)[0, 0, :2, :2].tolist() == x[0, :4, 0, 0].reshape(2, 2).tolist()
    np.testing.assert_array_equal(backend.to_numpy(gradcore.pixel_unshuffle(y, 2).value), x)
    z = gradcore.channel_shuffle(gradcore.channel_shuffle(backend.asarray(x), 2), 4)
    np.testing.assert_array_equal(backend.to_numpy(z.value), x)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: gradcore.unfold(ones(4, 4), 2),
            r"^unfold: x has shape \(4, 4\), expected \(N, C, H",
        ),
        (
            lambda: gradcore.unfold(ones(1, 1, 2, 2), 3),
            r"^Unfold: the kernel \(3, 3\) is larger than",
        ),
        (lambda: gradcore.unfold(ones(1, 1, 2, 2), 0), "^unfold: kernel_size = 0, expected a pos"),
        (
            lambda: gradcore.fold(ones(1, 5, 4), 3, 2),
            r"^Fold: x has shape \(1, 5, 4\), expected \(N, C \* 4, 4\), for 2 x 2 windows$",
        ),
        (
            lambda: gradcore.pixel_shuffle(ones(1, 6, 2, 2), 2),
            r"^pixel_shuffle: x has shape \(1, 6, 2, 2\), expected \(..., C \* 4, H, W\) for upsca",
        ),
        (lambda: gradcore.pixel_unshuffle(ones(3, 3, 2), 2), "^pixel_unshuffle: x has shape"),
        (
            lambda: nn.ChannelShuffle(4)(ones(1, 6, 2)),
            "^channel_shuffle: x has shape .* groups = 4$",
        ),
    ],
)
def test_refusals(call: Callable[[], Any], words: str) -> None:
    raises_in_one_line(call, ValueError, words)
