"""The synthetic data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore.data import load_synth


def test_load_synth(backend: Any) -> None:
    gradcore.manual_seed(3)
    (xtrain, ytrain), (xval, yval), num_classes = load_synth(2_000, 100)
    assert num_classes == 2
    assert [tuple(a.shape) for a in (xtrain, ytrain, xval, yval)] == [
        (2_000, 2),
        (2_000,),
        (100, 2),
        (100,),
    ]
    assert xtrain.dtype == xval.dtype == backend.dtype("float32")
    assert ytrain.dtype == yval.dtype == backend.dtype("int64")
    for x, y in ((xtrain, ytrain), (xval, yval)):
        a, b = backend.to_numpy(x).astype(np.float64).T
        expected = a * a + 1.5 * a * b + 0.2 * b * b > 0.6
        np.testing.assert_array_equal(backend.to_numpy(y), expected)
    x = backend.to_numpy(xtrain)
    assert np.all(np.abs(x.mean(axis=0)) < 0.1)
    assert np.all(np.abs(x.std(axis=0) - 1) < 0.1)

    gradcore.manual_seed(3)
    with gradcore.use_backend("numpy"):
        (same, _), *_ = load_synth(2_000, 100)
        (other, _), *_ = load_synth(2_000, 100)
    np.testing.assert_array_equal(x, same)
    assert not np.array_equal(x, other)


def test_load_synth_sizes() -> None:
    assert [tuple(x.shape) for x, _ in load_synth()[:2]] == [(60_000, 2), (10_000, 2)]
    assert tuple(load_synth(5, 0)[1][0].shape) == (0, 2)
    with pytest.raises(ValueError, match="num_train = 5 and num_val = -1"):
        load_synth(5, -1)
