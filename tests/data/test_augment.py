"""Augmentation: each function against a loop over the images, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore.data import Augment, Batches, cutout, normalize, random_crop, random_flip

SHAPES = [(5, 3, 8, 8), (2, 1, 4, 7), (1, 2, 1, 1), (0, 3, 4, 4)]
DTYPES = ["uint8", "float32"]
EACH = pytest.mark.parametrize(
    "function",
    [lambda x: random_crop(x, 2), random_flip, lambda x: cutout(x, 3)],
    ids=["random_crop", "random_flip", "cutout"],
)


def images(shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    """Pixels that are not zero, those of an image all different."""
    n = int(np.prod(shape[1:]))
    return (np.arange(np.prod(shape)) % n + 1).reshape(shape).astype(dtype)


def on(backend: Any, function: Callable[..., Any], x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Give the function's result for x on this backend, as NumPy's array."""
    given = backend.asarray(x)
    gradcore.manual_seed(seed)
    y = function(given)
    assert isinstance(y, backend.array_types)
    assert y.device == given.device
    np.testing.assert_array_equal(backend.to_numpy(given), x)  # it is as it was
    return backend.to_numpy(y)


def parts(image: np.ndarray, padding: int) -> list[np.ndarray]:
    """All that random_crop may make of an image."""
    _, h, w = image.shape
    wide = np.pad(image, [(0, 0), (padding, padding), (padding, padding)])
    places = range(2 * padding + 1)
    return [wide[:, i : i + h, j : j + w] for i in places for j in places]


def cut(image: np.ndarray, size: int) -> list[np.ndarray]:
    """All that cutout may make of an image."""
    results = []
    for i, j in np.ndindex(*image.shape[1:]):
        y = image.copy()
        top, left = i - size // 2, j - size // 2
        y[:, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
        results.append(y)
    return results


def seen(result: np.ndarray, possible: list[np.ndarray]) -> list[int]:
    """Which of the possible ones it is."""
    return [i for i, y in enumerate(possible) if np.array_equal(result, y)]


# -- What they make of each image -----------------------------------------------------------------


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_random_crop(backend: Any, padding: int, shape: tuple[int, ...], kind: str) -> None:
    x = images(shape, kind)
    y = on(backend, lambda x: random_crop(x, padding), x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    rng = np.random.default_rng(0)
    tops, lefts = rng.integers(0, 2 * padding + 1, (2, len(x)))
    for image, result, top, left in zip(x, y, tops, lefts, strict=True):
        expected = parts(image, padding)[top * (2 * padding + 1) + left]
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("p", [0, 0.5, 1])
def test_random_flip(backend: Any, p: float, shape: tuple[int, ...], kind: str) -> None:
    x = images(shape, kind)
    y = on(backend, lambda x: random_flip(x, p), x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    chosen = np.random.default_rng(0).random(len(x)) < p
    for image, result, flipped in zip(x, y, chosen, strict=True):
        np.testing.assert_array_equal(result, image[:, :, ::-1] if flipped else image)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 2, 3, 20])
def test_cutout(backend: Any, size: int, shape: tuple[int, ...], kind: str) -> None:
    x = images(shape, kind)
    y = on(backend, lambda x: cutout(x, size), x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(0, length, len(x)) for length in shape[2:])
    for image, result, i, j in zip(x, y, rows, columns, strict=True):
        np.testing.assert_array_equal(result, cut(image, size)[i * shape[3] + j])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("given", ["uint8", "float32"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_normalize(backend: Any, per_channel: bool, given: str, shape: tuple[int, ...]) -> None:
    x = images(shape, given)
    mean: Any = [10.0 * (i + 1) for i in range(shape[1])] if per_channel else 10
    std: Any = tuple(0.5 * (i + 1) for i in range(shape[1])) if per_channel else 0.5
    y = on(backend, lambda x: normalize(x, mean, std), x)
    assert y.dtype == np.float32
    for image, result in zip(x, y, strict=True):
        for i, (channel, found) in enumerate(zip(image, result, strict=True)):
            m, s = (mean[i], std[i]) if per_channel else (mean, std)
            np.testing.assert_allclose(found, (channel.astype(np.float64) - m) / s, rtol=1e-6)


def test_normalize_in_another_dtype(backend: Any, dtype: str) -> None:
    for given in ("uint8", dtype):
        x = backend.asarray(images((2, 3, 4, 4)), given)
        assert normalize(x, 1, 2, dtype).dtype == backend.dtype(dtype)
    assert normalize(x, [1, 1, 1], [2, 2, 2]).dtype == backend.dtype(dtype)
    assert normalize(x, 1, 2, "float32").dtype == backend.dtype("float32")


# -- What is drawn --------------------------------------------------------------------------------


@EACH
def test_the_seed_decides_on_every_backend(backend: Any, function: Callable[..., Any]) -> None:
    x = images((16, 3, 8, 8))
    here = on(backend, function, x, seed=3)
    np.testing.assert_array_equal(here, on(gradcore.backends.get("numpy"), function, x, seed=3))
    assert not np.array_equal(here, on(backend, function, x, seed=4))


@EACH
def test_each_call_draws_anew(function: Callable[..., Any]) -> None:
    x = images((16, 3, 8, 8))
    assert not np.array_equal(function(x), function(x))


@pytest.mark.parametrize(
    ("function", "possible"),
    [
        (lambda x: random_crop(x, 1), lambda image: parts(image, 1)),
        (random_flip, lambda image: [image, image[:, :, ::-1]]),
        (lambda x: cutout(x, 2), lambda image: cut(image, 2)),
    ],
    ids=["random_crop", "random_flip", "cutout"],
)
def test_all_are_equally_likely(
    function: Callable[..., Any], possible: Callable[[np.ndarray], list[np.ndarray]]
) -> None:
    image = images((1, 3, 4, 5))
    choices = possible(image[0])
    gradcore.manual_seed(0)
    n = 200 * len(choices)
    results = function(np.repeat(image, n, axis=0))
    which = [seen(result, choices) for result in results]
    counts = np.bincount([i for [i] in which], minlength=len(choices))
    assert np.all(abs(counts - 200) < 5 * 200**0.5)


def test_one_after_the_other_in_batches(backend: Any) -> None:
    x = backend.asarray(images((10, 3, 8, 8)))
    y = backend.asarray(np.arange(10))

    def epoch() -> list[np.ndarray]:
        gradcore.manual_seed(1)
        batches = []
        for xbatch, _ in Batches(x, y, 4):
            xbatch = normalize(cutout(random_flip(random_crop(xbatch, 2)), 2), 127.5, 127.5)
            batches.append(backend.to_numpy(xbatch))
        return batches

    first, second = epoch(), epoch()
    assert [batch.shape for batch in first] == [(4, 3, 8, 8), (4, 3, 8, 8), (2, 3, 8, 8)]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float32
        assert -1 <= a.min() < a.max() <= 1


# -- What they refuse -----------------------------------------------------------------------------


@EACH
def test_only_batches_of_images(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r": x is uint8 \(3, 8, 8\), expected .* \(N, C, H, W\)"):
        function(images((3, 8, 8)))
    with pytest.raises(TypeError, match=r"take its \.value"):
        function(gradcore.TensorNode(images((1, 3, 8, 8))))
    with pytest.raises(TypeError, match="expected an array"):
        function([[[[1]]]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: random_crop(x, -1), "random_crop: padding = -1, expected 0 or a positive"),
        (lambda x: random_crop(x, 1.5), "random_crop: padding = 1.5, expected 0 or a positive"),
        (lambda x: random_flip(x, 1.5), "random_flip: p = 1.5, expected a probability"),
        (lambda x: random_flip(x, -0.1), "random_flip: p = -0.1, expected a probability"),
        (lambda x: cutout(x, 0), "cutout: size = 0, expected a positive integer"),
        (lambda x: cutout(x, "2"), "cutout: size = '2', expected a positive integer"),
        (lambda x: normalize(x, [1, 2], 1), r"normalize: mean = \[1, 2\], .* 3, one for each"),
        (lambda x: normalize(x, 0, (1, 2, 3, 4)), r"normalize: std = \(1, 2, 3, 4\), expected"),
        (lambda x: normalize(x, 0, (1, 0, 1)), r"normalize: std = \(1, 0, 1\), expected no zero"),
        (lambda x: normalize(x, 0, 0), "normalize: std = 0, expected no zero"),
        (lambda x: normalize(x[0], 0, 1), "normalize: x is uint8"),
    ],
)
def test_wrong_arguments(call: Callable[..., Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(images((2, 3, 8, 8)))


# -- All in one pass ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize(
    "given", [{}, {"padding": 2}, {"flip": 0.5}, {"padding": 1, "flip": 1.0, "cutout": 3}]
)
def test_augment_is_the_others_in_one_pass(backend: Any, given: dict[str, Any], kind: str) -> None:
    def one_by_one(x: Any) -> Any:
        x = random_crop(x, given["padding"]) if "padding" in given else x
        x = random_flip(x, given["flip"]) if "flip" in given else x
        x = cutout(x, given["cutout"]) if "cutout" in given else x
        return normalize(x, [1.0, 2.0, 0.5], 3.0, "float32")

    x = images((5, 3, 8, 7), kind)
    augment = Augment([1.0, 2.0, 0.5], 3.0, **given)
    for seed in (0, 1):
        found, expected = on(backend, augment, x, seed), on(backend, one_by_one, x, seed)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, 1e-6)
    assert on(backend, augment, x[:0]).shape == (0, 3, 8, 7)


def test_augment_mirrors_images_at_their_outermost_pixels(backend: Any) -> None:
    x = images((6, 2, 5, 4), "float32")
    y = on(backend, Augment(0.0, 1.0, padding=3, mode="reflect"), x)
    wide = np.pad(x, [(0, 0), (0, 0), (3, 3), (3, 3)], mode="reflect")
    for image, result in zip(wide, y, strict=True):
        views = [image[:, i : i + 5, j : j + 4] for i in range(7) for j in range(7)]
        assert seen(result, views)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"padding": -1}, "Augment: padding = -1, expected 0 or a positive integer"),
        ({"padding": 4, "mode": "reflect"}, r"padding = 4, expected less than the sides of x \(1"),
        ({"mode": "edge"}, "Augment: mode = 'edge', expected 'constant' or 'reflect'"),
        ({"flip": 2}, "Augment: flip = 2, expected a probability"),
        ({"std": 0.0}, "Augment: std = 0.0, expected no zero"),
        (
            {"mean": [1.0]},
            r"Augment: mean = \[1.0\], expected a number, or 3, one for each channel",
        ),
    ],
)
def test_augment_says_what_is_wrong(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Augment(**{"mean": 0.0, "std": 1.0, **given})(images((1, 3, 4, 4)))


def test_augment_in_a_captured_step_of_batches_of_several_sizes(backend: Any) -> None:
    """What one program was made with does not get into the next one."""
    change = Augment((1.0, 2.0, 3.0), (1.0, 2.0, 4.0), padding=1)
    step = gradcore.capture(lambda x, views: change.apply(x, views))
    for n in (4, 4, 4, 2, 2, 2, 4):
        x = backend.asarray(images((n, 3, 5, 5)))
        views = change.draw(x)
        found, expected = step(x, views), change.apply(x, views)
        assert isinstance(expected, backend.array_types)
        np.testing.assert_allclose(backend.to_numpy(found), backend.to_numpy(expected), rtol=1e-6)
