"""Padding: more elements around an array, or fewer."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..array_api.common import NodeOrArray, Shape
from ..backends import Array, backend_of
from ..engine.arrays import is_integer, is_node, namespace, node_or_array
from ..graph import TensorNode

__all__ = ["pad"]

# NumPy's names of modes, beside PyTorch's.
MODES = {"edge": "replicate", "wrap": "circular"}
KNOWN = ("constant", "reflect", "replicate", "circular")


def pad(x: NodeOrArray, pad: Any, mode: str = "constant", value: float | None = None) -> TensorNode:
    """Put more elements before and after those of x, along its last axes; or cut off elements,
    where the number is negative.

    Args:
        x: an array of any shape and dtype.
        pad: the numbers of elements to add, as in PyTorch: before and after along the last axis,
            then before and after along the last but one, and so on. So of images, (left, right,
            top, bottom). NumPy's `pad_width` is understood as well: one number for all sides, or a
            pair ((before, after), ...) for each axis, the first axis first, or one pair ((before,
            after),) for all.
        mode: the elements to add: "constant", `value`; "reflect", the elements mirrored at the
            outermost one; "replicate", the outermost element; "circular", those from the other end.
            NumPy's names are known too: "edge" for "replicate", "wrap" for "circular". There may be
            more of them than x has: "reflect" goes there and back again, "circular" around and
            around, as in NumPy.
        value: the constant; `None` is 0.

    Raises:
        ValueError: there is no such mode, `pad` is none of these, more is cut off than there is, or
            an axis of size 0 has nothing to repeat.

    Example:
        >>> print(gradcore.pad(TensorNode([[1.0, 2.0, 3.0]]), (1, 2)).value)
        [[0. 1. 2. 3. 0. 0.]]
        >>> print(gradcore.pad(TensorNode([[1.0, 2.0, 3.0]]), (1, 2), mode="reflect").value)
        [[2. 1. 2. 3. 2. 1.]]
    """
    x = node_or_array(x)
    x = x if is_node(x) else TensorNode(x, requires_grad=False)
    widths = _widths(pad, x.shape)
    mode = MODES.get(mode, mode)
    if mode not in KNOWN:
        expected = "expected constant, reflect, replicate or circular"
        raise ValueError(f"pad: mode = {mode!r}, {expected} (or edge or wrap, as in NumPy)")
    if mode != "constant":
        for axis, (before, after) in enumerate(widths):
            if before or after:
                indices = _pad_indices(x, axis, before, after, mode)
                x = ops.Take.do_forward(x, indices=indices, axis=axis, check=False)
        return x
    if any(min(pair) < 0 for pair in widths):  # cut off
        ends = zip(widths, x.shape, strict=True)
        parts = tuple([slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in ends])
        x = ops.GetItem.do_forward(x, key=parts)
        widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    key = tuple([slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True)])
    shape = tuple([a + n + b for (a, b), n in zip(widths, x.shape, strict=True)])
    y = ops.PutItem.do_forward(x, key=key, shape=shape)
    if value is None or value == 0:
        return y
    xp = backend_of(x.value).xp
    ones = xp.ones(x.shape, dtype=xp.bool, device=x.device)
    return namespace(y).where(ops.PutItem.apply(ones, key=key, shape=shape), y, value)


def _widths(pad: Any, shape: Shape) -> list[tuple[int, int]]:
    """Make a pair (before, after) for each axis.

    Raises:
        ValueError: there are too few or too many numbers, or other numbers than integers; or less
            than nothing would be left.
    """
    ndim = len(shape)
    given = pad.tolist() if hasattr(pad, "tolist") else pad
    given = list(given) if isinstance(given, list | tuple) else [(given, given)] * ndim
    if all(map(is_integer, given)) and len(given) % 2 == 0:
        last = zip(given[-2::-2], given[::-2], strict=True)
        given = [*[(0, 0)] * (ndim - len(given) // 2), *last]
    elif len(given) == 1:
        given *= ndim
    pairs = [tuple(p) if isinstance(p, list | tuple) else (p,) for p in given]
    if len(pairs) != ndim or any(len(p) != 2 or not all(map(is_integer, p)) for p in pairs):
        expected = "integers, before and after along the last axis, then along the last but one"
        raise ValueError(f"pad: pad = {pad!r}, expected {expected}, of x {tuple(shape)}")
    widths = [(int(before), int(after)) for before, after in pairs]
    for axis, (n, (a, b)) in enumerate(zip(shape, widths, strict=True)):
        if max(-a, 0) + max(-b, 0) > n or n + a + b < 0:
            raise ValueError(
                f"pad: pad = {pad!r} cuts off more of axis {axis} than there is (x {tuple(shape)})"
            )
    return widths


def _pad_indices(x: TensorNode, axis: int, before: int, after: int, mode: str) -> Array:
    """Find for each element of the padded axis the index in x of the element it copies."""
    n, xp, first = x.shape[axis], backend_of(x.value).xp, 0
    if mode == "circular":  # around what is left, as in PyTorch
        first, n = max(-before, 0), n + min(before, 0) + min(after, 0)
        before, after = max(before, 0), max(after, 0)
    if n == 0:
        raise ValueError(f"pad: axis {axis} of x {x.shape} has nothing to repeat; try 'constant'")
    i = xp.arange(-before, n + after, device=x.device)
    if mode == "circular":
        return first + i % n
    if mode == "reflect" and n > 1:
        i = i % (2 * n - 2)  # there and back again
        return xp.where(i < n, i, 2 * n - 2 - i)
    return xp.where(i < 0, 0, xp.where(i < n, i, n - 1))
