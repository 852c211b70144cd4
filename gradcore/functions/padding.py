"""Padding: more elements around an array."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from .. import ops
from ..array_api.common import NodeOrArray
from ..backends import Array, backend_of
from ..engine.arrays import is_node, namespace, node_or_array
from ..graph import TensorNode

__all__ = ["pad"]


def pad(x: NodeOrArray, pad_width: Any, mode: str = "constant", value: float = 0.0) -> TensorNode:
    """Put more elements before and after those of x, along each axis, as `numpy.pad` does
    (https://numpy.org/doc/stable/reference/generated/numpy.pad.html).

    Args:
        pad_width: the numbers of elements to add: a pair (before, after) for each axis, or one pair
            for all axes, or one number for all sides.
        mode: the elements to add: "constant", `value`; "edge", the outermost element; "reflect",
            the elements mirrored at the outermost one; "wrap", those from the other end.

    Raises:
        ValueError: there is no such mode, a width is negative, there are too few or too many pairs,
            or an axis of size 0 has nothing to repeat.
    """
    x = node_or_array(x)
    x = x if is_node(x) else TensorNode(x, requires_grad=False)
    widths = _widths(pad_width, x.ndim)
    if mode == "constant":
        key = tuple([slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True)])
        shape = tuple([a + n + b for (a, b), n in zip(widths, x.shape, strict=True)])
        y = ops.PutItem.do_forward(x, key=key, shape=shape)
        if value == 0:
            return y
        xp = backend_of(x.value).xp
        ones = xp.ones(x.shape, dtype=xp.bool, device=x.device)
        return namespace(y).where(ops.PutItem.apply(ones, key=key, shape=shape), y, value)
    if mode not in ("edge", "reflect", "wrap"):
        raise ValueError(f"pad: mode = {mode!r}, expected constant, edge, reflect or wrap")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            indices = _pad_indices(x, axis, before, after, mode)
            x = ops.Take.do_forward(x, indices=indices, axis=axis, check=False)
    return x


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """Make a pair (before, after) for each axis.

    Raises:
        ValueError: there are too few or too many pairs, or negative numbers.
    """
    pad_width = pad_width.tolist() if hasattr(pad_width, "tolist") else pad_width
    pairs = pad_width if isinstance(pad_width, list | tuple) else [pad_width]
    if len(pairs) == 2 and all(isinstance(n, Integral) for n in pairs):
        pairs = [pairs]
    pairs = [(n, n) if isinstance(n, Integral) else tuple(n) for n in pairs]
    pairs = pairs * ndim if len(pairs) == 1 else pairs
    if len(pairs) != ndim or [p for p in pairs if len(p) != 2 or min(p) < 0]:
        expected = f"(before, after), not negative, for all axes or for each of {ndim}"
        raise ValueError(f"pad: pad_width = {pad_width!r}, expected pairs {expected}")
    return pairs


def _pad_indices(x: TensorNode, axis: int, before: int, after: int, mode: str) -> Array:
    """Find for each element of the padded axis the index in x of the element it copies."""
    n, xp = x.shape[axis], backend_of(x.value).xp
    if n == 0:
        raise ValueError(f"pad: axis {axis} of x {x.shape} has nothing to repeat; try 'constant'")
    i = xp.arange(-before, n + after, device=x.device)
    if mode == "wrap":
        return i % n
    if mode == "reflect" and n > 1:
        i = i % (2 * n - 2)  # there and back again
        return xp.where(i < n, i, 2 * n - 2 - i)
    return xp.where(i < 0, 0, xp.where(i < n, i, n - 1))
