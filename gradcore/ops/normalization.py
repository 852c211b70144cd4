"""Ops that bring numbers to a common scale."""

from __future__ import annotations

from typing import Any

from ..graph import Context, Op
from ..values import namespace


class Normalize(Op):
    """Each row of a matrix (N, M) divided by its sum."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return x / namespace(x).sum(x, axis=1, keepdims=True)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        xp, x = namespace(go), context["x"]
        s = xp.sum(x, axis=1, keepdims=True)
        return go / s - xp.sum(go * x, axis=1, keepdims=True) / (s * s)


class Softmax(Op):
    """exp(x) divided by its sum along the axis, computed without overflow."""

    @staticmethod
    def forward(context: Context, x: Any, *, axis: int = -1) -> Any:
        xp = namespace(x)
        z = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
        context["axis"], context["y"] = axis, z / xp.sum(z, axis=axis, keepdims=True)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        y = context["y"]
        return y * (go - namespace(go).sum(go * y, axis=context["axis"], keepdims=True))


class LogSoftmax(Op):
    """The logarithm of the softmax along the axis, by the log-sum-exp trick
    (https://gregorygundersen.com/blog/2020/02/09/log-sum-exp/)."""

    @staticmethod
    def forward(context: Context, x: Any, *, axis: int = -1) -> Any:
        xp = namespace(x)
        z = x - xp.max(x, axis=axis, keepdims=True)
        y = z - xp.log(xp.sum(xp.exp(z), axis=axis, keepdims=True))
        context["axis"], context["y"] = axis, y
        return y

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        xp = namespace(go)
        return go - xp.exp(context["y"]) * xp.sum(go, axis=context["axis"], keepdims=True)
