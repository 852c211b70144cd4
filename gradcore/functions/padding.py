"""TODO"""

from __future__ import annotations

from typing import Any

from ..backends import backend_of
from ..engine.arrays import is_node, namespace, node_or_array
from ..graph import TensorNode
from ..ops import PutItem, Take

__all__ = ["pad"]


def pad(x: Any, pad_width: Any, mode: str = "constant", value: float = 0.0) -> TensorNode:
    """x with more elements before and after, along each axis.

    Args:
        pad_width: how many: pairs (before, after), one for each axis, or one for all; or a number.
        mode: what they are: "constant", `value`; "edge", as the outermost; "reflect", mirrored,
            without the outermost; "wrap", from the other side. As in `numpy.pad`
            (https://numpy.org/doc/stable/reference/generated/numpy.pad.html).

    Raises:
        ValueError: no such mode, a width is negative or for other axes, or an axis of size 0 has
            nothing to repeat.
    """
    x = node_or_array(x)
    x = x if is_node(x) else TensorNode(x, requires_grad=False)
    widths = _widths(pad_width, x.ndim)
    if mode == "constant":
        key = tuple([slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True)])
        shape = tuple([a + n + b for (a, b), n in zip(widths, x.shape, strict=True)])
        y = PutItem.do_forward(x, key=key, shape=shape)
        if value == 0:
            return y
        xp = backend_of(x.value).xp
        ones = xp.ones(x.shape, dtype=xp.bool, device=x.device)
        return namespace(y).where(PutItem.apply(ones, key=key, shape=shape), y, value)
    if mode not in ("edge", "reflect", "wrap"):
        raise ValueError(f"pad: mode = {mode!r}, expected constant, edge, reflect or wrap")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            indices = _pad_indices(x, axis, before, after, mode)
            x = Take.do_forward(x, indices=indices, axis=axis, check=False)
    return x


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """A pair for each axis."""
    pad_width = pad_width.tolist() if hasattr(pad_width, "tolist") else pad_width
    pairs = pad_width if isinstance(pad_width, list | tuple) else [pad_width]
    if len(pairs) == 2 and all(isinstance(n, int) for n in pairs):
        pairs = [pairs]
    pairs = [(n, n) if isinstance(n, int) else tuple(n) for n in pairs]
    pairs = pairs * ndim if len(pairs) == 1 else pairs
    if len(pairs) != ndim or [p for p in pairs if len(p) != 2 or min(p) < 0]:
        expected = f"(before, after), not negative, for all axes or for each of {ndim}"
        raise ValueError(f"pad: pad_width = {pad_width!r}, expected pairs {expected}")
    return pairs


def _pad_indices(x: TensorNode, axis: int, before: int, after: int, mode: str) -> Any:
    """For each element along the axis, once padded, where it comes from."""
    n, xp = x.shape[axis], backend_of(x.value).xp
    if n == 0:
        raise ValueError(f"pad: axis {axis} of x {x.shape} has nothing to repeat; try 'constant'")
    i = xp.arange(-before, n + after, device=x.device)
    if mode == "wrap":
        return i % n
    if mode == "reflect" and n > 1:
        i = i % (2 * n - 2)  # to the end and back
        return xp.where(i < n, i, 2 * n - 2 - i)
    return xp.where(i < 0, 0, xp.where(i < n, i, n - 1))
