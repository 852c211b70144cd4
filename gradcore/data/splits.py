"""Training and validation data, as all loaders return them."""

from __future__ import annotations

from ..backends import Array

__all__ = ["Splits", "check_numbers", "split"]

# (xtrain, ytrain), (xval, yval) and the number of classes
Splits = tuple[tuple[Array, Array], tuple[Array, Array], int]


def split(x: Array, y: Array, num_train: int, num_classes: int) -> Splits:
    """Split x (N, ...) and y (N, ...): the first `num_train` instances, and the others."""
    train, val = (
        (x[part, ...], y[part, ...]) for part in (slice(num_train), slice(num_train, None))
    )
    return train, val, num_classes


def check_numbers(function: str, num_train: int, num_val: int) -> None:
    """Raise a ValueError if a number of instances to generate is negative."""
    if min(num_train, num_val) < 0:
        raise ValueError(
            f"{function}: num_train = {num_train} and num_val = {num_val}, expected no negatives"
        )
