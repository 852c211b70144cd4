"""Ops that arrange the same elements in another shape."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from ..engine.arrays import namespace
from ..graph import Context, Op, needs


class Reshape(Op):
    """The elements in another shape; one entry of `shape` may be -1, for what remains."""

    @staticmethod
    def forward(context: Context, x: Any, *, shape: tuple[int, ...]) -> Any:
        context["shape"] = tuple(x.shape)
        return namespace(x).reshape(x, shape)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return namespace(go).reshape(go, context["shape"])


class Transpose(Op):
    """The axes in another order: axis i of the result is axis `axes[i]` of x."""

    @staticmethod
    def forward(context: Context, x: Any, *, axes: tuple[int, ...]) -> Any:
        y = namespace(x).permute_dims(x, axes)
        context["inverse"] = tuple(sorted(range(x.ndim), key=lambda i: axes[i] % x.ndim))
        return y

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return namespace(go).permute_dims(go, context["inverse"])


class Broadcast(Op):
    """x repeated, without a copy, along new leading axes and axes of size 1 to fill `shape`."""

    @staticmethod
    def forward(context: Context, x: Any, *, shape: tuple[int, ...]) -> Any:
        return namespace(x).broadcast_to(x, shape)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go  # the engine sums over what was broadcast


class Expand(Op):
    """x repeated, without a copy, along `dim`, where its size must be 1."""

    @staticmethod
    def forward(context: Context, x: Any, *, dim: int, repeats: int) -> Any:
        if x.shape[dim] != 1:
            raise ValueError(f"Expand: dimension {dim} of {tuple(x.shape)} must be of size 1")
        shape = list(x.shape)
        shape[dim] = repeats
        return namespace(x).broadcast_to(x, tuple(shape))

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go  # the engine sums over what was broadcast


class Squeeze(Op):
    """x without its dimension `dim`, which must be of size 1."""

    @staticmethod
    def forward(context: Context, x: Any, dim: int = 0) -> Any:
        context["dim"] = dim
        return namespace(x).squeeze(x, axis=dim)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return namespace(go).expand_dims(go, axis=context["dim"])


class Unsqueeze(Op):
    """x with a new dimension of size 1, the result's dimension `dim`."""

    @staticmethod
    def forward(context: Context, x: Any, dim: int = 0) -> Any:
        context["dim"] = dim
        return namespace(x).expand_dims(x, axis=dim)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return namespace(go).squeeze(go, axis=context["dim"])


class Concat(Op):
    """The arrays one after the other, along `axis`."""

    @staticmethod
    def forward(context: Context, *arrays: Any, axis: int = 0) -> Any:
        if not arrays:
            raise ValueError("Concat: no arrays; expected one or more")
        y = namespace(*arrays).concat(arrays, axis=axis)
        context["axis"] = axis % y.ndim
        context["sizes"] = [x.shape[axis] for x in arrays]
        return y

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        before, ends = (slice(None),) * context["axis"], accumulate(context["sizes"])
        sizes = enumerate(zip(context["sizes"], ends, strict=True))
        return tuple(
            [
                go[(*before, slice(end - n, end), ...)] if needs(context, i) else None
                for i, (n, end) in sizes
            ]
        )


class Unstack(Op):
    """The parts of x along `axis`, each an output without that axis."""

    @staticmethod
    def forward(context: Context, x: Any, *, axis: int = 0) -> Any:
        context["axis"] = axis
        return tuple(namespace(x).unstack(x, axis=axis))

    @staticmethod
    def backward(context: Context, *gos: Any) -> Any:
        return namespace(*gos).stack(gos, axis=context["axis"])


class Tie(Op):
    """Its inputs as they are, each as an output; a pass goes through all of them at once."""

    @staticmethod
    def forward(context: Context, *xs: Any) -> Any:
        return xs

    @staticmethod
    def backward(context: Context, *gos: Any) -> Any:
        return gos


class Roll(Op):
    """x moved on by `shift` along `axis`, round and round; both are integers or several."""

    @staticmethod
    def forward(
        context: Context, x: Any, *, shift: int | tuple[int, ...], axis: int | tuple[int, ...]
    ) -> Any:
        back = tuple([-s for s in shift]) if isinstance(shift, tuple) else -shift
        context["shift"], context["axis"] = back, axis
        return namespace(x).roll(x, shift, axis=axis)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return namespace(go).roll(go, context["shift"], axis=context["axis"])
