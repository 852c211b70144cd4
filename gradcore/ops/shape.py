"""Ops that arrange elements in another shape or order."""

from __future__ import annotations

from itertools import accumulate
from operator import index

from ..backends import Array
from ..engine.arrays import integers, namespace
from ..graph import Context, Op, needs

__all__ = [
    "Broadcast",
    "Concat",
    "Expand",
    "Replace",
    "Reshape",
    "Roll",
    "Squeeze",
    "Tie",
    "Transpose",
    "Unsqueeze",
    "Unstack",
]


class Reshape(Op):
    """x in another shape. One entry of `shape` may be -1: it follows from the others."""

    @staticmethod
    def forward(context: Context, x: Array, *, shape: tuple[int, ...]) -> Array:
        context["shape"] = tuple(x.shape)
        return namespace(x).reshape(x, shape)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return namespace(go).reshape(go, context["shape"])


class Transpose(Op):
    """x with its axes in another order: axis i of the result is axis `axes[i]` of x."""

    @staticmethod
    def forward(context: Context, x: Array, *, axes: tuple[int, ...]) -> Array:
        y = namespace(x).permute_dims(x, axes)
        context["inverse"] = tuple(sorted(range(x.ndim), key=lambda i: axes[i] % x.ndim))
        return y

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return namespace(go).permute_dims(go, context["inverse"])


class Broadcast(Op):
    """x repeated, without a copy, along new leading axes and axes of size 1 to fill `shape`."""

    @staticmethod
    def forward(context: Context, x: Array, *, shape: tuple[int, ...]) -> Array:
        return namespace(x).broadcast_to(x, shape)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go  # the engine sums over the axes along which x was repeated


class Expand(Op):
    """x repeated, without a copy, along its dimension `dim`, which must be of size 1."""

    @staticmethod
    def forward(context: Context, x: Array, *, dim: int, repeats: int) -> Array:
        if x.shape[dim] != 1:
            raise ValueError(f"Expand: dimension {dim} of {tuple(x.shape)} must be of size 1")
        shape = list(x.shape)
        shape[dim] = repeats
        return namespace(x).broadcast_to(x, tuple(shape))

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go  # the engine sums over the axes along which x was repeated


class Squeeze(Op):
    """x without its dimension `dim`, which must be of size 1."""

    @staticmethod
    def forward(context: Context, x: Array, dim: int = 0) -> Array:
        context["dim"] = dim
        return namespace(x).squeeze(x, axis=dim)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return namespace(go).expand_dims(go, axis=context["dim"])


class Unsqueeze(Op):
    """x with a new dimension of size 1, the result's dimension `dim`."""

    @staticmethod
    def forward(context: Context, x: Array, dim: int = 0) -> Array:
        context["dim"] = dim
        return namespace(x).expand_dims(x, axis=dim)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return namespace(go).squeeze(go, axis=context["dim"])


class Concat(Op):
    """The arrays joined along `axis`."""

    @staticmethod
    def forward(context: Context, *arrays: Array, axis: int = 0) -> Array:
        if not arrays:
            raise ValueError("Concat: no arrays; expected one or more")
        y = namespace(*arrays).concat(arrays, axis=axis)
        context["axis"] = axis % y.ndim
        context["sizes"] = [x.shape[axis] for x in arrays]
        return y

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        before, ends = (slice(None),) * context["axis"], accumulate(context["sizes"])
        sizes = enumerate(zip(context["sizes"], ends, strict=True))
        return tuple(
            [
                go[(*before, slice(end - n, end), ...)] if needs(context, i) else None
                for i, (n, end) in sizes
            ]
        )


class Unstack(Op):
    """The parts of x along `axis`: one output for each index, without that axis."""

    @staticmethod
    def forward(context: Context, x: Array, *, axis: int = 0) -> tuple[Array, ...]:
        context["axis"] = axis
        return tuple(namespace(x).unstack(x, axis=axis))

    @staticmethod
    def backward(context: Context, *gos: Array) -> Array:
        return namespace(*gos).stack(gos, axis=context["axis"])


class Replace(Op):
    """y in place of x: the last op of a node x that was given another value, y. So a walk through
    the graph finds x as it was before, to which older ops were applied."""

    @staticmethod
    def forward(context: Context, y: Array, x: Array) -> Array:
        return y

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array, None]:
        return go, None


class Tie(Op):
    """All inputs, unchanged, as outputs: a backward pass goes through them together."""

    @staticmethod
    def forward(context: Context, *xs: Array) -> tuple[Array, ...]:
        return xs

    @staticmethod
    def backward(context: Context, *gos: Array) -> tuple[Array, ...]:
        return gos


class Roll(Op):
    """x with its elements moved by `shift` along `axis`, and those beyond the end put at the start.

    `shift` and `axis` are integers, or tuples of integers.
    """

    @staticmethod
    def forward(
        context: Context, x: Array, *, shift: int | tuple[int, ...], axis: int | tuple[int, ...]
    ) -> Array:
        shift = integers(shift) if isinstance(shift, tuple) else index(shift)
        back = tuple([-s for s in shift]) if isinstance(shift, tuple) else -shift
        context["shift"], context["axis"] = back, axis
        return namespace(x).roll(x, shift, axis=axis)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return namespace(go).roll(go, context["shift"], axis=context["axis"])
