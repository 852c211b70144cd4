"""Images seen through a grid of points, as spatial transformers see them
(https://arxiv.org/abs/1506.02025). The arguments are those of torch.nn.functional.

Each point of the grid takes a few elements of the image around it, with a weight for each: the
elements are rows that one gather takes, and their weighted sum is one product.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .. import array_api as xp
from .. import ops
from ..array_api.common import NodeOrArray
from ..backends import Array
from ..engine.arrays import check_floating, describe, namespace, node_or_array, value_of
from ..engine.inputs import op_inputs
from ..graph import TensorNode
from .sizes import sizes

__all__ = ["affine_grid", "grid_sample"]

CUBIC = -0.75  # the parameter of Keys' kernel, https://doi.org/10.1109/TASSP.1981.1163711
MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def grid_sample(
    x: NodeOrArray,
    grid: NodeOrArray,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> TensorNode:
    """Take the values of images x (N, C, H, W) at the points of a grid (N, OH, OW, 2):
    (N, C, OH, OW). Or those of volumes x (N, C, D, H, W) at points (N, OD, OH, OW, 3):
    (N, C, OD, OH, OW).

    Args:
        grid: of each point its place along the last axis of x, then along the last but one, and so
            on. From -1 to 1 is inside of x.
        mode: "bilinear", of the two elements around the point along each axis (also of volumes);
            "nearest", one element, that with the even index of two that are as near; "bicubic", of
            four along each axis, for images only.
        padding_mode: what is outside of x: "zeros"; "border", the outermost elements; "reflection",
            x mirrored there and back again.
        align_corners: whether -1 and 1 are the centers of the outermost elements, and otherwise
            (`None` is False) their outer edges.

    The gradient of the grid is 0 where a point was moved to the border, and everywhere with
    "nearest"; at a center, where the slope of "bilinear" jumps, it is the slope after the center.
    A point that is NaN, or infinite where no border stops it, gives NaN.

    Raises:
        ValueError: the shapes do not fit, x has no elements along an axis, or there is no such
            mode.
        TypeError: x and the grid are not real floating, or not of one dtype.

    Example:
        >>> image = TensorNode([[[[1.0, 2.0], [3.0, 4.0]]]])  # (1, 1, 2, 2)
        >>> middle = TensorNode([[[[0.0, 0.0]]]])  # (1, 1, 1, 2)
        >>> print(gradcore.grid_sample(image, middle, align_corners=False).value)
        [[[[2.5]]]]
    """
    x, grid = node_or_array(x), node_or_array(grid)
    raw, points = op_inputs("grid_sample", [x, grid])
    _check(raw, points, mode, padding_mode)
    if namespace(raw).finfo(raw.dtype).bits < 32:  # compute in float32, and round once
        wide = namespace(raw).float32
        y = grid_sample(_cast(x, wide), _cast(grid, wide), mode, padding_mode, align_corners)
        return _cast(y, raw.dtype)
    size, near = tuple(raw.shape[2:]), namespace(raw)
    (N, C), count = raw.shape[:2], prod(points.shape[:-1])
    index = near.zeros((count, 1), dtype=near.int64, device=raw.device)
    weight: Any = near.ones((count, 1), dtype=raw.dtype, device=raw.device)
    for axis, n in enumerate(size):  # of the last number of a point first
        at = xp.reshape(grid[..., len(size) - 1 - axis], (count,))
        at = 0.5 * (n - 1) * (at + 1.0) if align_corners else 0.5 * (n * (at + 1.0) - 1.0)
        places, weights = _taps(at, n, mode, padding_mode, bool(align_corners))
        shape = (count, index.shape[1] * places.shape[1])
        index = near.reshape(index[:, :, None] * n + places[:, None, :], shape)
        weight = xp.reshape(xp.multiply(weight[:, :, None], weights[:, None, :]), shape)
    each = count // N if N else 0
    images = near.arange(N, dtype=near.int64, device=raw.device)[:, None, None] * prod(size)
    index = near.reshape(near.reshape(index, (N, each, index.shape[1])) + images, index.shape)
    rows = xp.reshape(xp.moveaxis(x, 1, -1), (N * prod(size), C))
    rows = ops.Take.do_forward(rows, indices=index, axis=0, check=False)  # (points, taps, C)
    y = ops.MatrixMultiply.do_forward(xp.expand_dims(weight, axis=1), rows)
    return xp.moveaxis(xp.reshape(y, (*points.shape[:-1], C)), -1, 1)


def affine_grid(
    theta: NodeOrArray, size: tuple[int, ...] | list[int], align_corners: bool | None = None
) -> TensorNode:
    """Make the grid for `grid_sample` that matrices theta (N, 2, 3) map an image's points to:
    (N, H, W, 2). Or theta (N, 3, 4), of volumes: (N, D, H, W, 3).

    Args:
        size: of the images, (N, C, H, W), or of the volumes, (N, C, D, H, W).
        align_corners: as in `grid_sample`.

    Raises:
        ValueError: theta and the size do not fit, or the size is not positive.
        TypeError: theta is not real floating.

    Example:
        >>> same = TensorNode([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])  # (1, 2, 3)
        >>> gradcore.affine_grid(same, (1, 3, 8, 8), align_corners=False).shape
        (1, 8, 8, 2)
    """
    theta = node_or_array(theta)
    raw = value_of(theta)
    check_floating("affine_grid", raw)
    N, _, *inside = sizes("affine_grid", None, size=tuple(size))
    axes = len(inside)
    if axes not in (2, 3) or tuple(raw.shape) != (N, axes, axes + 1):
        found = f"theta {describe(raw)} and size = {tuple(size)}"
        expected = "theta (N, 2, 3) and (N, C, H, W), or theta (N, 3, 4) and (N, C, D, H, W)"
        raise ValueError(f"affine_grid: {found}, expected {expected}")
    near = namespace(raw)
    parts = []
    for n in reversed(inside):
        i = near.arange(n, dtype=raw.dtype, device=raw.device)
        step = max(n - 1, 1) if align_corners else n
        parts.append((2.0 * i - (n - 1)) / step)
    along = [
        near.reshape(part, (1,) * (axes - 1 - k) + (-1,) + (1,) * k) for k, part in enumerate(parts)
    ]
    ones = near.ones(tuple(inside), dtype=raw.dtype, device=raw.device)
    base = near.stack([*[part * ones for part in along], ones], axis=-1)
    base = near.reshape(base, (1, prod(inside), axes + 1))
    y = ops.MatrixMultiply.do_forward(base, xp.matrix_transpose(theta))
    return xp.reshape(y, (N, *inside, axes))


def _check(x: Array, grid: Array, mode: str, padding_mode: str) -> None:
    """Raise an error unless x can be seen through the grid, with these settings."""
    name, axes = "grid_sample", x.ndim - 2
    check_floating(name, x)
    check_floating(name, grid)
    if x.dtype != grid.dtype:
        raise TypeError(f"{name}: x is {x.dtype} and grid {grid.dtype}, expected one dtype")
    if mode not in MODES or (mode == "bicubic" and axes != 2):
        expected = "bilinear, nearest, or of images bicubic"
        raise ValueError(f"{name}: mode = {mode!r} and x {tuple(x.shape)}, expected {expected}")
    if padding_mode not in PADDINGS:
        expected = ", ".join(PADDINGS)
        raise ValueError(f"{name}: padding_mode = {padding_mode!r}, expected one of {expected}")
    fits = axes in (2, 3) and grid.ndim == x.ndim
    if not fits or grid.shape[0] != x.shape[0] or grid.shape[-1] != axes:
        found = f"x {tuple(x.shape)} and grid {tuple(grid.shape)}"
        expected = "(N, C, H, W) and (N, OH, OW, 2), or (N, C, D, H, W) and (N, OD, OH, OW, 3)"
        raise ValueError(f"{name}: {found}, expected {expected}")
    if min(x.shape[2:]) < 1:
        raise ValueError(f"{name}: x {tuple(x.shape)} has no elements to take")


def _cast(x: Any, dtype: Any) -> Any:
    return xp.astype(x, dtype)


def _taps(
    at: NodeOrArray, n: int, mode: str, padding_mode: str, align_corners: bool
) -> tuple[Array, Any]:
    """Find the indices, of n along an axis, of the elements around each point (P,), and their
    weights: (P, T) both."""
    is_cubic = mode == "bicubic"
    if not is_cubic and padding_mode != "zeros":
        at = _inside(at, n, padding_mode, align_corners)
    raw = value_of(at)
    near = namespace(raw)
    # Further outside there are zeros only, and indices too large for integers.
    at = _between(at, -3.0, n + 2.0) if padding_mode == "zeros" else at
    raw = value_of(at)
    first = near.round(raw) if mode == "nearest" else near.floor(raw)
    reach = {"nearest": (0,), "bilinear": (0, 1), "bicubic": (-1, 0, 1, 2)}[mode]
    places = near.stack([first + float(k) for k in reach], axis=1)
    if mode == "nearest":
        weights: Any = near.expand_dims(first * 0.0 + 1.0, axis=1)
    else:
        t = at - first
        parts = [1.0 - t, t]
        if is_cubic:
            parts = [_outer(t + 1.0), _inner(t), _inner(1.0 - t), _outer(2.0 - t)]
        weights = xp.stack(parts, axis=1)
    if padding_mode == "zeros":
        weights = xp.where((places < 0.0) | (places > n - 1.0), 0.0, weights)
    elif is_cubic:
        places = value_of(_inside(places, n, padding_mode, align_corners))
    places = near.where(places > 0.0, places, 0.0)  # and where NaN
    return near.astype(near.where(places < n - 1.0, places, n - 1.0), near.int64), weights


def _inner(t: Any) -> Any:
    """Weigh an element at a distance of at most 1."""
    return ((CUBIC + 2.0) * t - (CUBIC + 3.0)) * t * t + 1.0


def _outer(t: Any) -> Any:
    """Weigh an element at a distance from 1 to 2."""
    return (((t - 5.0) * t + 8.0) * t - 4.0) * CUBIC


def _between(at: Any, low: float, high: float) -> Any:
    """Clip; the gradient of what is clipped, or at an end, is 0."""
    raw = value_of(at)
    return xp.where(raw <= low, low, xp.where(raw >= high, high, at))


def _inside(at: Any, n: int, padding_mode: str, align_corners: bool) -> Any:
    """Move points to inside of n elements: to the border, or back and forth between two mirrors."""
    if padding_mode == "reflection":
        raw = value_of(at)
        near = namespace(raw)
        low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))
        if not span:
            return at * 0.0
        turns = near.floor(near.abs(raw - low) / span)
        is_back = turns - 2.0 * near.floor(0.5 * turns) > 0.5
        sign = near.where(raw < low, -1.0, near.ones_like(raw))
        at = (at - low) * sign - turns * span
        at = low + xp.where(is_back, span - at, at)
    return _between(at, 0.0, n - 1.0)
