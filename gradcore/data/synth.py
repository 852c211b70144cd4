"""Made-up data that are easy to classify, and to draw."""

from __future__ import annotations

import numpy as np

from ..backends import Array, default
from ..backends.random import generator


def load_synth(
    num_train: int = 60_000, num_val: int = 10_000
) -> tuple[tuple[Array, Array], tuple[Array, Array], int]:
    """Points of the plane in two classes, on either side of a quadratic curve.

    Both coordinates are drawn from N(0, 1), by the generator that `manual_seed` seeds.

    Returns:
        `(xtrain, ytrain), (xval, yval), 2`, arrays of the default backend: float32 points of
        shape (N, 2), int64 labels of shape (N,).

    Raises:
        ValueError: a number is negative.
    """
    if min(num_train, num_val) < 0:
        raise ValueError(
            f"load_synth: num_train = {num_train} and num_val = {num_val}, expected no negatives"
        )
    points = generator().standard_normal((num_train + num_val, 2), dtype=np.float32)
    form = np.asarray([[1, 0.5], [1, 0.2]])
    labels = np.sum(points @ form * points, axis=1) > 0.6

    backend = default()
    x, y = backend.asarray(points), backend.asarray(labels, "int64")
    return (x[:num_train, ...], y[:num_train]), (x[num_train:, ...], y[num_train:]), 2
