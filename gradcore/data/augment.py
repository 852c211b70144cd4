"""Change images at random, so that a network never sees the same image twice.

Each function takes a batch of images x (N, C, H, W) and returns a new one:

    for x, y in Batches(xtrain, ytrain, batch_size=128):
        x = normalize(random_flip(random_crop(x, padding=4)), CIFAR10_MEAN, CIFAR10_STD)

The random numbers are drawn on the host, by the generator that `manual_seed` seeds, so they are
the same on every backend. The images are computed on x's own device, and the host does not wait
for them. No function writes into x.

`Augment` does all of this in one pass.

All raise TypeError if x is not an array, and ValueError if its shape is not (N, C, H, W).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backends import Array, Backend, backend_of
from ..backends.random import generator
from ..engine.arrays import describe, is_real_floating
from ..functions import pad
from ..functions.sizes import sizes
from ..ops.dropout import check_probability

__all__ = ["Augment", "cutout", "normalize", "random_crop", "random_flip"]


def random_crop(x: Array, padding: int) -> Array:
    """Put `padding` zeros on all sides of each image x (N, C, H, W), and cut the image's size out
    of the result at a random place. This moves each image by up to `padding` pixels.

    Raises:
        ValueError: `padding` is negative, or no integer.

    Example:
        >>> x = np.ones((8, 3, 32, 32), dtype="float32")
        >>> print(random_crop(x, padding=4).shape)
        (8, 3, 32, 32)
    """
    backend = _backend("random_crop", x)
    (padding,) = sizes("random_crop", 1, padding=padding, least=0)
    n, c, h, w = x.shape
    wide = pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)]).value
    _, _, height, width = wide.shape
    xp = backend.xp

    # Take pixels by their number among all pixels of the batch: the number of the corner of the
    # part, different for each image, plus the distance of the pixel from the corner.
    tops, lefts = generator().integers(0, 2 * padding, (2, n), endpoint=True)
    corners = (np.arange(n) * c * height + tops) * width + lefts
    pixels = xp.reshape(xp.arange(c * height * width, device=x.device), (c, height, width))
    places = _on_device(corners[:, None, None, None], x) + pixels[:, :h, :w]
    return xp.reshape(xp.take(xp.reshape(wide, (-1,)), xp.reshape(places, (-1,))), x.shape)


def random_flip(x: Array, p: float = 0.5) -> Array:
    """Mirror images x (N, C, H, W), left to right, each with probability p.

    Raises:
        ValueError: p is not in [0, 1].

    Example:
        >>> x = np.array([[[[1.0, 2.0, 3.0]]]])
        >>> print(random_flip(x, p=1.0))
        [[[[3. 2. 1.]]]]
    """
    xp = _backend("random_flip", x).xp
    check_probability("random_flip", p=p)
    chosen = generator().random((x.shape[0], 1, 1, 1)) < p
    return xp.where(_on_device(chosen, x), xp.flip(x, axis=-1), x)


def cutout(x: Array, size: int) -> Array:
    """Set a square of this size to zeros, at a random place of each image x (N, C, H, W); up to
    half of the square may lie outside the image (https://arxiv.org/abs/1708.04552).

    Raises:
        ValueError: `size` is less than 1, or no integer.

    Example:
        >>> x = cutout(np.ones((8, 3, 32, 32), dtype="float32"), size=8)
        >>> print(x.shape, x.min())
        (8, 3, 32, 32) 0.0
    """
    xp = _backend("cutout", x).xp
    (size,) = sizes("cutout", 1, size=size)
    inside = []
    for length in x.shape[2:]:
        starts = generator().integers(0, length, (x.shape[0], 1)) - size // 2
        places = np.arange(length)
        inside.append((starts <= places) & (places < starts + size))
    rows, columns = (_on_device(mask, x) for mask in inside)
    return xp.where(rows[:, None, :, None] & columns[:, None, None, :], 0, x)


def normalize(
    x: Array, mean: float | Sequence[float], std: float | Sequence[float], dtype: Any = None
) -> Array:
    """Compute (x - mean) / std of images x (N, C, H, W), in floating point.

    Args:
        mean: the value that becomes 0; a number, or one for each channel.
        std: the deviation that becomes 1; a number, or one for each channel.
        dtype: of the result; by default that of x or, if that is not floating, float32.

    Raises:
        ValueError: there are not as many numbers as channels, or `std` has a zero.

    Example:
        >>> x = np.full((1, 3, 2, 2), 255, dtype="uint8")
        >>> y = normalize(x, mean=[127.5, 127.5, 0.0], std=[127.5, 127.5, 255.0])
        >>> print(y.dtype, y[0, :, 0, 0])
        float32 [1. 1. 1.]
    """
    backend = _backend("normalize", x)
    if dtype is None:
        dtype = x.dtype if is_real_floating(x) else "float32"
    y = backend.xp.astype(x, backend.dtype(dtype), copy=False)
    numbers: list[Any] = []
    for values in _of_channels("normalize", mean, std, x.shape[1]):
        if values.ndim:
            column = values[:, None, None].tolist()
            numbers.append(backend.xp.asarray(column, dtype=y.dtype, device=x.device))
        else:
            numbers.append(float(values))
    return (y - numbers[0]) / numbers[1]


class Augment:
    """Move, mirror, cut and normalize images in one pass, on a GPU in one launch. This gives what

        x = cutout(random_flip(random_crop(x, padding), flip), size)
        y = normalize(x, mean, std, dtype)

    give, with the same random numbers; in float16, each number is rounded once. On CuPy, images in
    float16 are channels last in memory, as convolutions in float16 want them.

    In a captured step, apply what was drawn before the step, and given to it as an argument:

        views = augment.draw(x)
        loss = training_step(x, y, views)  # which calls augment.apply(x, views)

    Args:
        mean, std, dtype: as for `normalize`; all images get this dtype.
        padding: how far images move: as for `random_crop`. 0 moves none.
        mode: the pixels around images: "constant", zeros; "reflect", the image mirrored at its
            outermost pixels, for which `padding` must be less than its sides.
        flip: with which probability images are mirrored.
        cutout: the side of the square that is set to zeros, as `cutout` does; 0: none is.

    Raises:
        ValueError: a number is out of range, or there is no such mode.

    Example:
        >>> augment = gradcore.data.Augment(127.5, 127.5, padding=2, mode="reflect", flip=0.5)
        >>> x = np.full((8, 3, 32, 32), 255, dtype="uint8")
        >>> y = augment(x)
        >>> print(y.shape, y.dtype, y.min())
        (8, 3, 32, 32) float32 1.0
    """

    def __init__(
        self,
        mean: float | Sequence[float],
        std: float | Sequence[float],
        dtype: Any = "float32",
        *,
        padding: int = 0,
        mode: str = "constant",
        flip: float = 0.0,
        cutout: int = 0,
    ) -> None:
        (self.padding,) = sizes("Augment", 1, padding=padding, least=0)
        (self.cutout,) = sizes("Augment", 1, cutout=cutout, least=0)
        if mode not in ("constant", "reflect"):
            raise ValueError(f"Augment: mode = {mode!r}, expected 'constant' or 'reflect'")
        check_probability("Augment", flip=flip)
        self.mean, self.std, self.dtype, self.mode, self.flip = mean, std, dtype, mode, flip
        self._numbers: dict[tuple[Any, ...], list[Array]] = {}  # mean and std on each device

    def __call__(self, x: Array) -> Array:
        """Change images x (N, C, H, W) at random."""
        return self.apply(x, self.draw(x))

    def draw(self, x: Array, part: tuple[int, int, int] | None = None) -> Array | None:
        """Draw views of images x, integers (N, 5) as `Backend.augment` takes them, on their device;
        `None` if there is nothing to draw.

        Args:
            part: which rows of a batch x is, as `DataLoader.part` says it of split batches: views
                are drawn for the whole batch, so that all processes draw the same numbers.
        """
        _backend("Augment", x)
        (n, _, h, w), draw = x.shape, generator()
        first, last, n = part or (0, n, n)
        views = np.zeros((n, 5), np.int32)
        if self.padding:
            views[:, :2] = draw.integers(0, 2 * self.padding, (2, n), endpoint=True).T
        if self.flip:
            views[:, 2] = draw.random(n) < self.flip
        for axis, length in enumerate((h, w) if self.cutout else ()):
            views[:, 3 + axis] = draw.integers(0, length, n) - self.cutout // 2
        is_drawn = self.padding or self.flip or self.cutout
        return _on_device(views[first:last], x) if is_drawn else None

    def apply(self, x: Array, views: Array | None) -> Array:
        """Give these views of images x (N, C, H, W), normalized; `None`: the images, normalized.

        Raises:
            ValueError: there are not as many numbers as channels, `std` has a zero, or images are
                too small to be mirrored.
        """
        backend, (_, c, h, w) = _backend("Augment", x), x.shape
        reflects = self.mode == "reflect"
        if reflects and self.padding >= min(h, w):
            expected = f"less than the sides of x {tuple(x.shape)}"
            raise ValueError(f"Augment: padding = {self.padding}, expected {expected}")
        key = type(x), str(x.device), c
        if (numbers := self._numbers.get(key)) is None:
            of = {"device": x.device}
            of["dtype"] = backend.dtype("float64" if "64" in str(self.dtype) else "float32")
            numbers = [
                backend.xp.asarray(np.broadcast_to(values, (c,)).tolist(), **of)
                for values in _of_channels("Augment", self.mean, self.std, c)
            ]
            if not backend.is_traced(x):
                self._numbers[key] = numbers
        return backend.augment(
            x,
            views,
            *numbers,
            padding=self.padding,
            reflects=reflects,
            cut=self.cutout,
            dtype=backend.dtype(self.dtype),
        )


def _of_channels(function: str, mean: Any, std: Any, channels: int) -> list[np.ndarray]:
    """Give mean and std as arrays, of no dimension or of one, after a check."""
    found = []
    for name, given in (("mean", mean), ("std", std)):
        values = np.asarray(given, dtype=np.float64)
        if values.shape not in ((), (channels,)):
            expected = f"a number, or {channels}, one for each channel"
            raise ValueError(f"{function}: {name} = {given}, expected {expected}")
        if name == "std" and not values.all():
            raise ValueError(f"{function}: std = {given}, expected no zero")
        found.append(values)
    return found


def _backend(function: str, x: Array) -> Backend:
    """Give the backend of images x, after a check of their shape."""
    backend = backend_of(x)
    if x.ndim != 4:
        raise ValueError(f"{function}: x is {describe(x)}, expected the shape (N, C, H, W)")
    return backend


def _on_device(host: np.ndarray, x: Array) -> Array:
    """Copy numbers drawn on the host to the device of x."""
    return backend_of(x).xp.asarray(host, device=x.device)
