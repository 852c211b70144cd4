"""The array API standard's functions on nodes.

`namespace(node)` gives this module, so what is written against the standard can be
differentiated: the backward methods of the ops are, for gradients of gradients.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from . import ops
from .graph import TensorNode
from .operators import Operators
from .values import namespace, unwrapped

abs = ops.Absolute.apply  # noqa: A001
add = ops.Add.apply
divide = ops.Divide.apply
exp = ops.Exp.apply
log = ops.Log.apply
matmul = ops.MatrixMultiply.apply
multiply = ops.Multiply.apply
negative = ops.Negative.apply
pow = ops.Power.apply  # noqa: A001
sqrt = ops.Sqrt.apply
subtract = ops.Sub.apply
sum = ops.Sum.apply  # noqa: A001
tanh = ops.Tanh.apply
where = ops.Where.apply


def reshape(x: Any, /, shape: tuple[int, ...]) -> Any:
    return ops.Reshape.apply(x, shape=shape)


def permute_dims(x: Any, /, axes: tuple[int, ...]) -> Any:
    return ops.Transpose.apply(x, axes=axes)


def matrix_transpose(x: Any, /) -> Any:
    return ops.Transpose.apply(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Any:
    return ops.Broadcast.apply(x, shape=shape)


def expand_dims(x: Any, /, *, axis: int = 0) -> Any:
    return ops.Unsqueeze.apply(x, dim=axis)


def squeeze(x: Any, /, axis: int) -> Any:
    return ops.Squeeze.apply(x, dim=axis)


def astype(x: Any, dtype: Any, /) -> Any:
    return ops.Cast.apply(x, dtype=dtype)


def getitem(x: Any, key: Any, /) -> Any:
    """`x[key]`, the function behind the operator."""
    return ops.GetItem.apply(x, key=key)


def _plain(name: str) -> Callable[..., Any]:
    """A function of the arrays' own library, through which no gradient flows."""

    def function(*inputs: Any, **constants: Any) -> Any:
        raw = unwrapped(name, inputs)
        result = getattr(namespace(*raw), name)(*raw, **constants)
        return TensorNode(result, requires_grad=False)

    function.__name__ = name
    return function


argmax = _plain("argmax")
equal = _plain("equal")
full_like = _plain("full_like")
greater = _plain("greater")
greater_equal = _plain("greater_equal")
less = _plain("less")
less_equal = _plain("less_equal")
not_equal = _plain("not_equal")
ones_like = _plain("ones_like")
sign = _plain("sign")
zeros_like = _plain("zeros_like")

Operators.array_api = sys.modules[__name__]
