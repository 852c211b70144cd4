"""Ops that make one number of many."""

from __future__ import annotations

from typing import Any

from ..graph import Context, Op
from ..values import namespace


class Sum(Op):
    """The sum of all elements, or along `axis` (an integer or several)."""

    @staticmethod
    def forward(
        context: Context,
        x: Any,
        *,
        axis: int | tuple[int, ...] | None = None,
        keepdims: bool = False,
    ) -> Any:
        y = namespace(x).sum(x, axis=axis, keepdims=keepdims)
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        gone = {a % x.ndim for a in axes}
        context["kept"] = tuple([1 if i in gone else n for i, n in enumerate(x.shape)])
        context["shape"] = tuple(x.shape)
        return y

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        xp = namespace(go)
        return xp.broadcast_to(xp.reshape(go, context["kept"]), context["shape"])


class RowSum(Op):
    """The sum of each row of a matrix: (N, M) to (N,)."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["shape"] = tuple(x.shape)
        return namespace(x).sum(x, axis=1)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        xp = namespace(go)
        return xp.broadcast_to(xp.expand_dims(go, axis=1), context["shape"])


class RowMax(Op):
    """The maximum of each row of a matrix: (N, M) to (N,). Of several, the first has the
    gradient."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        if x.ndim != 2:
            raise ValueError(f"RowMax: x has shape {tuple(x.shape)}; expected (N, M)")
        xp = namespace(x)
        columns = xp.arange(x.shape[1], device=x.device)
        context["is_max"] = xp.argmax(x, axis=1, keepdims=True) == columns
        return xp.max(x, axis=1)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        xp = namespace(go)
        return xp.where(context["is_max"], xp.expand_dims(go, axis=1), 0.0)
