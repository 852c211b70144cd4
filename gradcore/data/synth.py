"""Generate data that are easy to classify, and to draw."""

from __future__ import annotations

import numpy as np

from ..backends import default
from ..backends.random import generator
from .splits import Splits, check_numbers, split

__all__ = ["load_synth"]


def load_synth(num_train: int = 60_000, num_val: int = 10_000) -> Splits:
    """Generate points of the plane in two classes, inside and outside of a quadratic curve.

    Both coordinates are drawn from N(0, 1), by the generator that `manual_seed` seeds.

    Returns:
        `(xtrain, ytrain), (xval, yval), 2`, arrays of the default backend: float32 points of
        shape (N, 2), int64 labels of shape (N,).

    Raises:
        ValueError: a number is negative.

    Example:
        >>> (xtrain, ytrain), (xval, yval), num_classes = load_synth(num_train=100, num_val=20)
        >>> print(xtrain.shape, ytrain.shape, xval.shape, num_classes)
        (100, 2) (100,) (20, 2) 2
    """
    check_numbers("load_synth", num_train, num_val)
    points = generator().standard_normal((num_train + num_val, 2), dtype=np.float32)
    form = np.asarray([[1, 0.5], [1, 0.2]])
    labels = np.sum(points @ form * points, axis=1) > 0.6

    backend = default()
    return split(backend.asarray(points), backend.asarray(labels, "int64"), num_train, 2)
