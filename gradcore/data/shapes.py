"""Generate images of shapes and patterns to tell apart, for where there are no photographs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..backends import default
from ..backends.random import generator
from .splits import Splits, check_numbers, split

__all__ = ["SHAPES_CLASSES", "load_shape_masks", "load_shapes"]

SHAPES_CLASSES = (
    "disc",
    "ring",
    "square",
    "frame",
    "triangle",
    "plus",
    "cross",
    "rows",
    "columns",
    "checks",
)
SIZE = 32
BLOCK = 100  # the images drawn at once, whose intermediate results fit the processor's cache

Floats = npt.NDArray[np.floating]


def load_shapes(num_train: int = 20_000, num_val: int = 5_000, dtype: str = "uint8") -> Splits:
    """Generate images of the ten things in `SHAPES_CLASSES`, in the form of CIFAR-10.

    Each image shows one thing at a random place, of a random size, turned a little, in a random
    colour before another, with light from one side and noise. The generator that `manual_seed`
    seeds draws all of it. The images show that a network learns (the network of PyTorch's blitz
    tutorial, with its settings, recognizes 83 % after two epochs), but nothing about how well it
    would do on photographs.

    Args:
        dtype: of the pixels.

    Returns:
        `(xtrain, ytrain), (xval, yval), 10`, arrays of the default backend: pixels 0 to 255 of
        shape (N, 3, 32, 32), and labels 0 to 9 of shape (N,) in int64.

    Raises:
        ValueError: a number is negative.

    Example:
        >>> (x, y), _, num_classes = load_shapes(num_train=5, num_val=2)
        >>> print(x.shape, y.shape, num_classes)
        (5, 3, 32, 32) (5,) 10
    """
    check_numbers("load_shapes", num_train, num_val)
    images, labels, _ = _generated(num_train + num_val)
    backend = default()
    return split(backend.store(images, dtype), backend.asarray(labels, "int64"), num_train, 10)


def load_shape_masks(num_train: int = 20_000, num_val: int = 5_000, dtype: str = "uint8") -> Splits:
    """Generate the images of `load_shapes`, and for each pixel what it shows.

    Args:
        dtype: of the pixels.

    Returns:
        `(xtrain, ytrain), (xval, yval), 11`, arrays of the default backend: pixels 0 to 255 of
        shape (N, 3, 32, 32), and masks of shape (N, 32, 32) in int64: 0 is the background, and
        1 + i the thing `SHAPES_CLASSES[i]`.

    Raises:
        ValueError: a number is negative.

    Example:
        >>> (x, masks), _, num_classes = load_shape_masks(num_train=5, num_val=2)
        >>> print(x.shape, masks.shape, num_classes)
        (5, 3, 32, 32) (5, 32, 32) 11
    """
    check_numbers("load_shape_masks", num_train, num_val)
    images, labels, covered = _generated(num_train + num_val)
    masks = (labels[:, None, None] + 1) * covered
    backend = default()
    return split(backend.store(images, dtype), backend.asarray(masks, "int64"), num_train, 11)


def _generated(n: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.bool]]:
    """Draw n images (N, 3, 32, 32), with their labels (N,), and which pixels (N, 32, 32) show the
    thing."""
    labels = generator().integers(0, len(SHAPES_CLASSES), n)
    images = np.empty((n, 3, SIZE, SIZE), np.uint8)
    covered = np.empty((n, SIZE, SIZE), np.bool)
    for i in range(0, n, BLOCK):
        images[i : i + BLOCK], covered[i : i + BLOCK] = _drawn(labels[i : i + BLOCK])
    return images, labels, covered


def _drawn(
    labels: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool]]:
    """Draw images (N, 3, 32, 32) of the things with these labels (N,), and tell which pixels
    (N, 32, 32) are inside of them."""
    n, rng = len(labels), generator()

    def uniform(low: float, high: float, *shape: int) -> Floats:
        return (low + (high - low) * rng.random((n, *shape), np.float32)).astype(np.float32)

    # The image is the square from -1 to 1. u and v are the coordinates of its pixels in the
    # thing's own frame, where the thing fills the square from -1 to 1.
    line = np.linspace(-1, 1, SIZE, dtype=np.float32)
    radius, angle = uniform(0.4, 0.9, 1, 1), uniform(-0.35, 0.35, 1, 1)
    x = line - uniform(-1, 1, 1, 1) * (1 - radius)  # (N, 1, 32)
    y = line[:, None] - uniform(-1, 1, 1, 1) * (1 - radius)  # (N, 32, 1)
    cos, sin = np.cos(angle) / radius, np.sin(angle) / radius
    u, v = x * cos + y * sin, y * cos - x * sin  # (N, 32, 32)

    depth = np.empty_like(u)
    for label, name in enumerate(SHAPES_CLASSES):
        these = labels == label
        depth[these] = _depth(name, u[these], v[these])
    mask = np.clip(depth * radius * (SIZE / 2) + 0.5, 0, 1)[:, None]  # smooth at the edge

    back = uniform(0, 1, 3, 1, 1)
    front = (back + uniform(0.2, 0.8, 3, 1, 1)) % 1  # not too similar
    light = uniform(-0.3, 0.3, 1, 1, 1) * line + uniform(-0.3, 0.3, 1, 1, 1) * line[:, None]
    pixels = rng.integers(-128, 128, (n, 3, SIZE, SIZE), np.int8).astype(np.float32)
    pixels *= uniform(0.05, 0.7, 1, 1, 1)
    pixels += 255 * (back + light)
    pixels += (255 * (front - back)) * mask
    return np.clip(pixels, 0, 255, out=pixels).astype(np.uint8), mask[:, 0] > 0.5


def _depth(name: str, u: Floats, v: Floats) -> Floats:
    """Compute how deep inside the thing the points (u, v) are; negative for points outside."""
    a, b = np.abs(u), np.abs(v)
    round_, square = np.sqrt(u * u + v * v), np.maximum(a, b)
    match name:
        case "disc":
            return 0.9 - round_
        case "ring":
            return 0.2 - np.abs(round_ - 0.7)
        case "square":
            return 0.8 - square
        case "frame":
            return 0.2 - np.abs(square - 0.65)
        case "triangle":
            return 0.5 - np.maximum(0.87 * a - 0.5 * v, v)
        case "plus":
            return _plus(a, b)
        case "cross":
            return _plus(np.abs(u + v) * 0.71, np.abs(u - v) * 0.71)
        case "rows":
            return np.minimum(0.9 - round_, 0.16 * np.sin(7.5 * v))
        case "columns":
            return np.minimum(0.9 - round_, 0.16 * np.sin(7.5 * u))
    return np.minimum(0.9 - round_, 0.2 * np.sin(6 * u) * np.sin(6 * v))  # checks


def _plus(a: Floats, b: Floats) -> Floats:
    """Compute how deep points are inside a plus, from their distances to its two axes."""
    return np.minimum(0.25 - np.minimum(a, b), 0.85 - np.maximum(a, b))
