"""Images seen through a grid of points."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from comparing import close, ones, raises_in_one_line

import gradcore
from gradcore import Sum, TensorNode, check_gradients
from gradcore.backends import Backend

PADDINGS = ("zeros", "border", "reflection")
# The shapes of x and of the grid, and the mode.
SETTINGS = [
    ((2, 3, 4, 5), (2, 3, 2, 2), "bilinear"),
    ((2, 3, 4, 5), (2, 3, 2, 2), "nearest"),
    ((2, 3, 4, 5), (2, 3, 2, 2), "bicubic"),
    ((1, 2, 1, 3), (1, 4, 4, 2), "bicubic"),
    ((2, 2, 3, 1, 4), (2, 2, 3, 2, 3), "bilinear"),
    ((2, 2, 3, 2, 4), (2, 2, 3, 2, 3), "nearest"),
    ((0, 2, 3, 4), (0, 2, 3, 2), "bilinear"),
]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("setting", "padding"), [*product(SETTINGS, PADDINGS)])
def test_values_and_gradients_are_torchs(
    backend: Backend, dtype: str, setting: Any, padding: str, align_corners: bool
) -> None:
    torch = pytest.importorskip("torch")
    shape, points, mode = setting
    x, grid = drawn(*shape), drawn(*points, seed=1)
    grid = grid * np.where(drawn(*points[:-1], 1, seed=2) > 1.0, 9.0, 1.0)  # some far outside
    nodes = [TensorNode(backend.asarray(a, dtype)) for a in (x, grid)]
    tensors = [torch.tensor(a, dtype=getattr(torch, dtype), requires_grad=True) for a in (x, grid)]
    y = gradcore.grid_sample(*nodes, mode, padding, align_corners)
    expected = torch.nn.functional.grid_sample(*tensors, mode, padding, align_corners)
    close(backend, y, expected.detach().numpy(), dtype, 10.0)
    Sum.do_forward(y * y).backward()
    (expected * expected).sum().backward()
    for node, t in zip(nodes, tensors, strict=True):
        close(backend, node.grad, t.grad.numpy(), dtype, 100.0)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_gradients_of_gradients_by_differences(mode: str, padding: str) -> None:
    grid = np.random.default_rng(3).uniform(-1.3, 1.3, (1, 2, 3, 2))
    check_gradients(
        lambda x, grid: gradcore.grid_sample(x, grid, mode, padding), drawn(1, 2, 3, 4), grid
    )


def test_an_image_seen_through_the_grid_of_a_matrix(backend: Backend) -> None:
    x = backend.asarray(np.arange(12, dtype="float32").reshape(1, 1, 3, 4))
    turned = backend.asarray(np.asarray([[[0, 1, 0], [1, 0, 0]]], dtype="float32"))  # x and y
    for align_corners in (False, True):
        grid = gradcore.affine_grid(turned, (1, 1, 4, 3), align_corners)
        y = gradcore.grid_sample(x, grid, align_corners=align_corners)
        np.testing.assert_allclose(
            backend.to_numpy(y.value)[0, 0], np.arange(12).reshape(3, 4).T, atol=1e-5
        )


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")  # of sizes of 1
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 1, 3), (2, 1, 3, 2, 1)])
def test_affine_grids_are_torchs(
    backend: Backend, dtype: str, size: tuple[int, ...], align_corners: bool
) -> None:
    torch = pytest.importorskip("torch")
    axes = len(size) - 2
    theta = drawn(2, axes, axes + 1)
    node = TensorNode(backend.asarray(theta, dtype))
    t = torch.tensor(theta, dtype=getattr(torch, dtype), requires_grad=True)
    y = gradcore.affine_grid(node, size, align_corners)
    expected = torch.nn.functional.affine_grid(t, size, align_corners)
    close(backend, y, expected.detach().numpy(), dtype)
    Sum.do_forward(y * y).backward()
    (expected * expected).sum().backward()
    close(backend, node.grad, t.grad.numpy(), dtype, 4.0)


def test_at_the_middle_of_four_elements_the_weights_are_known() -> None:
    x = np.arange(16.0).reshape(1, 1, 4, 4) ** 2
    grid = np.zeros((1, 1, 1, 2))
    assert gradcore.grid_sample(x, grid).value.item() == (25 + 36 + 81 + 100) / 4
    keys = np.array([-3, 19, 19, -3]) / 32  # of Keys' kernel, with the parameter -3/4, at 1/2
    found = gradcore.grid_sample(x, grid, "bicubic").value.item()
    assert abs(found - keys @ x[0, 0] @ keys) < 1e-12


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", PADDINGS)
def test_a_point_that_is_no_number_gives_none_and_one_far_away_a_right_one(
    backend: Backend, mode: str, padding: str
) -> None:
    x = backend.asarray(np.full((1, 1, 3, 4), 7.0, "float32"))
    points = np.asarray([[[[np.nan, 0.0], [1e30, 0.0], [0.0, -1e30]]]], "float32")
    y = gradcore.grid_sample(x, backend.asarray(points), mode, padding)
    outside = 0.0 if padding == "zeros" else 7.0
    expected = [np.nan, outside, outside]
    np.testing.assert_allclose(backend.to_numpy(y.value)[0, 0, 0], expected, 1e-5, 1e-5)


def test_at_the_border_the_gradient_of_the_grid_is_zero() -> None:
    x, grid = drawn(1, 1, 3, 4), TensorNode(np.asarray([[[[1.0, 0.1], [-1.0, 0.1]]]]))
    Sum.do_forward(gradcore.grid_sample(x, grid, "bilinear", "border", True)).backward()
    assert grid.grad[..., 0].tolist() == [[[0.0, 0.0]]]
    assert (grid.grad[..., 1] != 0.0).all()


def test_float16_is_computed_in_float32(backend: Backend) -> None:
    if not hasattr(backend.xp, "float16"):
        pytest.skip("no float16")
    x, grid = drawn(1, 2, 50, 40).astype("float16"), drawn(1, 3, 4, 2, seed=1).astype("float16")
    y = gradcore.grid_sample(TensorNode(backend.asarray(x)), backend.asarray(grid))
    expected = gradcore.grid_sample(x.astype("float64"), grid.astype("float64")).value
    assert y.dtype == backend.dtype("float16")
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, 2e-3, 1e-3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: seen((1, 2, 4, 4), (2, 3, 3, 2)), ValueError, r"grid \(2, 3, 3, 2\), expected"),
        (lambda: seen((1, 2, 4, 4), (1, 3, 3, 3)), ValueError, r"expected \(N, C, H, W\) and"),
        (lambda: seen((1, 2, 0, 4), (1, 3, 3, 2)), ValueError, "has no elements to take"),
        (lambda: seen((1, 2, 4, 4), (1, 3, 3, 2), "cubic"), ValueError, "mode = 'cubic' and x"),
        (
            lambda: seen((1, 2, 4, 4, 4), (1, 3, 3, 3, 3), "bicubic"),
            ValueError,
            "expected bilinear, nearest, or of images bicubic",
        ),
        (
            lambda: seen((1, 2, 4, 4), (1, 3, 3, 2), "nearest", "edge"),
            ValueError,
            "padding_mode = 'edge', expected one of zeros, border, reflection",
        ),
        (
            lambda: gradcore.grid_sample(ones(1, 2, 4, 4), drawn(1, 3, 3, 2)),
            TypeError,
            "x is float32 and grid float64, expected one dtype",
        ),
    ],
)
def test_refusals(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    raises_in_one_line(call, error, f"^grid_sample: .*{words}")


def test_a_matrix_that_does_not_fit_the_size_is_an_error() -> None:
    words = r"^affine_grid: theta float32 \(1, 2, 3\) and size = \(2, 1, 3, 3\), expected theta"
    raises_in_one_line(lambda: gradcore.affine_grid(ones(1, 2, 3), (2, 1, 3, 3)), ValueError, words)


def seen(shape: tuple[int, ...], points: tuple[int, ...], *settings: Any) -> TensorNode:
    return gradcore.grid_sample(ones(*shape), ones(*points), *settings)
