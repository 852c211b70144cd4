"""In which precision ops compute."""

from __future__ import annotations

from functools import wraps

from ..backends import Array
from ..backends.definitions.common import is_half
from ..engine.arrays import namespace, widened
from ..graph import Context, Op

__all__ = ["in_float32"]


def in_float32(op: type[Op]) -> type[Op]:
    """Make an op of one input and one output compute 16-bit numbers in float32, and round its
    result and its gradient once.

    Sums, squares and products of 16-bit numbers overflow or saturate: in float16, 2048 + 1 is 2048.
    The op's own text stays as it is for other dtypes. Of what it saves, x and y are kept as they
    were given, in 16 bits.
    """
    forward, backward = op.forward, op.backward

    @wraps(forward)
    def rounded_forward(context: Context, x: Array, **constants: object) -> Array:
        if not is_half(x):
            return forward(context, x, **constants)
        wide = widened(x)
        wide_y = forward(context, wide, **constants)
        y = namespace(x).astype(wide_y, x.dtype)
        given = {id(wide): x, id(wide_y): y}
        context |= {key: given.get(id(entry), entry) for key, entry in context.items()}
        return y

    @wraps(backward)
    def rounded_backward(context: Context, go: Array) -> Array:
        if not is_half(go):
            return backward(context, go)
        context = {
            key: widened(entry) if hasattr(entry, "dtype") else entry
            for key, entry in context.items()
        }
        return namespace(go).astype(backward(context, widened(go)), go.dtype)

    op.forward = staticmethod(rounded_forward)  # type: ignore[method-assign]
    op.backward = staticmethod(rounded_backward)  # type: ignore[method-assign]
    return op
