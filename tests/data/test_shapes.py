"""The generated images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore.data import SHAPES_CLASSES, load_shapes


def test_load_shapes(backend: Any) -> None:
    gradcore.manual_seed(3)
    (xtrain, ytrain), (xval, yval), num_classes = load_shapes(230, 70)
    assert num_classes == len(SHAPES_CLASSES) == len(set(SHAPES_CLASSES)) == 10
    assert [tuple(a.shape) for a in (xtrain, ytrain, xval, yval)] == [
        (230, 3, 32, 32),
        (230,),
        (70, 3, 32, 32),
        (70,),
    ]
    assert xtrain.dtype == xval.dtype == backend.dtype("uint8")
    assert ytrain.dtype == yval.dtype == backend.dtype("int64")
    assert xtrain.device == yval.device == backend.asarray([0]).device

    gradcore.manual_seed(3)
    with gradcore.use_backend("numpy"):
        (same, labels), _, _ = load_shapes(230, 70)
        (other, _), _, _ = load_shapes(230, 70)
    np.testing.assert_array_equal(backend.to_numpy(xtrain), same)
    np.testing.assert_array_equal(backend.to_numpy(ytrain), labels)
    assert not np.array_equal(same, other)


def test_pixels_in_another_dtype(backend: Any) -> None:
    (x, _), _, _ = load_shapes(5, 1, dtype="float32")
    assert x.dtype == backend.dtype("float32")
    assert backend.to_numpy(x).max() > 1


def test_sizes() -> None:
    assert [tuple(x.shape) for x, _ in load_shapes(0, 0)[:2]] == [(0, 3, 32, 32)] * 2
    with pytest.raises(ValueError, match="num_train = 5 and num_val = -1, expected no negatives"):
        load_shapes(5, -1)


def spectra(images: np.ndarray) -> np.ndarray:
    """Give features that don't depend on where the thing in an image is."""
    x = images - images.mean(axis=(2, 3), keepdims=True)
    features = np.log1p(np.abs(np.fft.rfft2(x)).sum(axis=1)[:, :, :12]).reshape(len(x), -1)
    return np.concatenate([features, np.ones((len(x), 1))], axis=1)


def least_squares(x: np.ndarray, y: np.ndarray, xval: np.ndarray, yval: np.ndarray) -> float:
    """The accuracy of a linear model."""
    w = np.linalg.solve(x.T @ x + 30 * np.eye(x.shape[1]), x.T @ np.eye(10)[y])
    return float(np.mean(np.argmax(xval @ w, axis=1) == yval))


def test_the_classes_can_be_learned_but_not_from_single_pixels() -> None:
    gradcore.manual_seed(0)
    with gradcore.use_backend("numpy"):
        (x, y), (xval, yval), _ = load_shapes(3_000, 1_000)
    assert np.bincount(y, minlength=10).min() > 200
    assert x.min() == 0
    assert x.max() == 255
    assert 100 < x.mean() < 155
    assert len(np.unique(x.reshape(3_000, -1), axis=0)) == 3_000
    assert least_squares(spectra(x), y, spectra(xval), yval) > 0.65
    small, smallval = (a[:, :, ::4, ::4].reshape(len(a), -1) / 255.0 for a in (x, xval))
    assert least_squares(small, y, smallval, yval) < 0.3
