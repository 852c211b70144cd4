"""Images of another size.

The arguments are those of torch.nn.functional. Each function takes nodes, and arrays as constants.
Along each axis, a resized image is the product of a small matrix of weights with the image.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Any

from .. import array_api as xp
from .. import ops
from ..array_api.common import NodeOrArray
from ..backends import Array
from ..engine.arrays import check_floating, is_integer, namespace, node_or_array, value_of
from ..graph import TensorNode
from .adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, along
from .sizes import Size, sizes

__all__ = ["interpolate"]

Factor = float | tuple[float, ...]

AREAS = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


# -- The weight of an element, by its distance ----------------------------------------------------


def _linear(near: Any, t: Array, _: float) -> Array:
    t = 1.0 - near.abs(t)
    return near.where(t > 0.0, t, 0.0)


def _cubic(near: Any, t: Array, a: float) -> Array:
    """Keys' kernel, https://doi.org/10.1109/TASSP.1981.1163711."""
    t = near.abs(t)
    inside, outside = ((a + 2) * t - (a + 3)) * t * t + 1.0, (((t - 5) * t + 8) * t - 4) * a
    return near.where(t <= 1.0, inside, near.where(t < 2.0, outside, 0.0))


def _lanczos(near: Any, t: Array, _: float) -> Array:
    def sinc(t: Array) -> Array:
        t = near.where(t == 0.0, 1e-20, pi * t)
        return near.sin(t) / t

    return near.where(near.abs(t) < 3.0, sinc(t) * sinc(t / 3.0), 0.0)


Kernel = Callable[[Any, Array, float], Array]
# By mode: how many axes the images have, how far the weights reach, and the weights.
MODES: dict[str, tuple[int, int, Kernel]] = {
    "linear": (1, 1, _linear),
    "bilinear": (2, 1, _linear),
    "trilinear": (3, 1, _linear),
    "bicubic": (2, 2, _cubic),
    "lanczos": (2, 3, _lanczos),
}
FREE = ("nearest", "nearest-exact", "area")  # for any number of axes
ANTIALIASED = ("bilinear", "bicubic", "lanczos")
CUBIC, CUBIC_SMOOTH = -0.75, -0.5  # the parameter of Keys' kernel; the second with antialias


# -- Another size ---------------------------------------------------------------------------------


def interpolate(
    x: NodeOrArray,
    size: Size | None = None,
    scale_factor: Factor | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> TensorNode:
    """Resize sequences x (N, C, L), images (N, C, H, W) or volumes (N, C, D, H, W):
    (N, C, *size).

    Args:
        size: of the result: one number, or one for each axis. Either this or the factor is given.
        scale_factor: how many times as large the result is, rounded down: one number, or one for
            each axis.
        mode: which elements of x an element of the result is made of. "nearest" takes the one at
            or before it, as other libraries do; "nearest-exact" the nearest; "linear" (of
            sequences), "bilinear" (of images) and "trilinear" (of volumes) two along each axis;
            "bicubic" (of images) four along each axis; "area" the mean of all that the element
            covers; "lanczos" (of images, and with antialias) six along each axis.
        align_corners: whether the centers of the first and of the last element keep their place,
            and not their outer edges. For the modes that end in "linear", and "bicubic".
        recompute_scale_factor: whether elements are as far from another as the rounded size says,
            and not as the factor says.
        antialias: whether, where the result is smaller, the weights reach as far as an element of
            the result, as in Pillow. For "bilinear", "bicubic" and "lanczos".

    Raises:
        ValueError: there is no such mode for x of this shape, the size is not positive, neither or
            both of size and factor are given, or another setting does not go with the mode.
        TypeError: x is not real floating; the modes that begin with "nearest" take any x.

    Example:
        >>> x = TensorNode([[[1.0, 2.0, 3.0]]])  # (1, 1, 3)
        >>> print(gradcore.interpolate(x, scale_factor=2).value)
        [[[1. 1. 2. 2. 3. 3.]]]
    """
    x = node_or_array(x)
    raw = value_of(x)
    axes = raw.ndim - 2
    _check_mode(raw, mode, align_corners, antialias)
    if (size is None) == (scale_factor is None) or (recompute_scale_factor and size is not None):
        found = f"size = {size}, scale_factor = {scale_factor}"
        found += f", recompute_scale_factor = {recompute_scale_factor}"
        raise ValueError(f"interpolate: {found}, expected either a size or a factor")
    before = tuple(raw.shape[2:])
    factors: tuple[float | None, ...] = (None,) * axes
    if size is not None:
        after = sizes("interpolate", axes, size=size)
    else:
        factors = _factors(scale_factor, axes)
        after = tuple([int(n * f) for n, f in zip(before, factors, strict=True)])
        factors = (None,) * axes if recompute_scale_factor or mode == "area" else factors
    if min(before) < 1 or min(after) < 1:
        raise ValueError(f"interpolate: x {tuple(raw.shape)} to size {after}, expected 1 or more")
    if mode == "area":
        return AREAS[axes](x, after)
    for axis in range(axes + 1, 1, -1):
        n, o, factor = before[axis - 2], after[axis - 2], factors[axis - 2]
        scale = n / o if factor is None else 1.0 / factor
        if mode.startswith("nearest"):
            x = _nearest(x, axis, o, scale, 0.5 if mode == "nearest-exact" else 0.0)
        elif n != o or (mode == "bicubic" and scale != 1.0 and not antialias):
            if align_corners:
                scale = (n - 1) / (o - 1) if o > 1 else 0.0
            make = _smooth_weights if antialias else _weights
            x = along(make(raw, n, o, scale, mode, bool(align_corners)), x, axis)
    return x if isinstance(x, TensorNode) else TensorNode(x, requires_grad=False)


def _check_mode(x: Array, mode: str, align_corners: bool | None, antialias: bool) -> None:
    """Raise an error unless there is such a mode for x, with these settings."""
    is_free, axes = mode in FREE, x.ndim - 2
    if not is_free and mode not in MODES:
        expected = ", ".join([*FREE, *MODES])
        raise ValueError(f"interpolate: mode = {mode!r}, expected one of {expected}")
    wanted = (1, 2, 3) if is_free else (MODES[mode][0],)
    if axes not in wanted:
        shapes = {1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}
        expected = " or ".join([shapes[n] for n in wanted])
        found = f"mode = {mode!r} and x {tuple(x.shape)}"
        raise ValueError(f"interpolate: {found}, expected {expected}")
    if align_corners is not None and (is_free or (align_corners and mode == "lanczos")):
        raise ValueError(f"interpolate: align_corners goes with other modes than {mode!r}")
    if mode not in (ANTIALIASED if antialias else {*FREE, *MODES} - {"lanczos"}):
        expected = "True with lanczos, and with bilinear and bicubic only"
        found = f"antialias = {antialias} and mode = {mode!r}"
        raise ValueError(f"interpolate: {found}, expected {expected}")
    if not mode.startswith("nearest"):
        check_floating("interpolate", x)


def _factors(scale_factor: Any, axes: int) -> tuple[float, ...]:
    """Make a tuple of the factors, one for each axis."""
    several = isinstance(scale_factor, list | tuple)
    factors = tuple(scale_factor) if several else (scale_factor,) * axes
    if len(factors) != axes or any(
        not (isinstance(f, float) or is_integer(f)) or not f > 0 for f in factors
    ):
        expected = f"a positive number, or {axes} of them"
        raise ValueError(f"interpolate: scale_factor = {scale_factor!r}, expected {expected}")
    return tuple(map(float, factors))


def _nearest(x: NodeOrArray, axis: int, o: int, scale: float, center: float) -> NodeOrArray:
    """Take o elements along an axis, `scale` apart."""
    n = x.shape[axis]
    if o % n == 0 and (scale * o == n or o <= 2 * n):  # also where the factor is no whole number
        return x if n == o else xp.repeat(x, o // n, axis=axis)
    raw = value_of(x)
    near = namespace(raw)
    # In float32, as PyTorch computes: where an index is a whole number, rounding decides.
    i = (near.arange(o, dtype=near.float32, device=raw.device) + center) * scale
    indices = near.astype(near.floor(i), near.int64)
    indices = near.where(indices < n, indices, n - 1)
    return ops.Take.do_forward(x, indices=indices, axis=axis, check=False)


def _wide(like: Array) -> Any:
    """Give the dtype to compute weights in: float64 for float64, else float32."""
    near = namespace(like)
    is_half = near.finfo(like.dtype).bits < 32
    return near.float32 if is_half else like.dtype


def _weights(like: Array, n: int, o: int, scale: float, mode: str, align_corners: bool) -> Array:
    """Make the matrix (o, n) of the weights of n elements in each of o."""
    near, dtype = namespace(like), _wide(like)
    i = near.arange(o, dtype=dtype, device=like.device)
    at = i * scale if align_corners else (i + 0.5) * scale - 0.5
    j = near.arange(n, dtype=dtype, device=like.device)
    _, reach, kernel = MODES[mode]
    first = near.floor(at)
    matrix = near.zeros((o, n), dtype=dtype, device=like.device)
    for k in range(1 - reach, reach + 1):
        place = first + float(k)  # outside of x, the outermost element
        within = near.where(place < 0.0, 0.0, near.where(place < n, place, n - 1.0))
        weight = near.expand_dims(kernel(near, at - place, CUBIC), axis=1)
        matrix = matrix + near.where(near.expand_dims(within, axis=1) == j, weight, 0.0)
    return near.astype(matrix, like.dtype, copy=False)


def _smooth_weights(like: Array, n: int, o: int, scale: float, mode: str, _: bool) -> Array:
    """Make the matrix (o, n) of weights that reach as far as an element of the result, for a
    smaller one. Outside of x there is nothing; the weights of each element add up to one."""
    near, dtype = namespace(like), _wide(like)
    reach, kernel = MODES[mode][1:]
    wide = max(scale, 1.0)
    i = near.arange(o, dtype=dtype, device=like.device)
    center = near.expand_dims((i + 0.5) * scale, axis=1)
    j = near.arange(n, dtype=dtype, device=like.device)
    first, end = near.floor(center - reach * wide + 0.5), near.floor(center + reach * wide + 0.5)
    weights = kernel(near, (j + 0.5 - center) / wide, CUBIC_SMOOTH)
    weights = near.where((j >= first) & (j < end), weights, 0.0)
    weights = weights / near.sum(weights, axis=1, keepdims=True)
    return near.astype(weights, like.dtype, copy=False)
