"""Ops on each element by itself. Inputs of different shapes are broadcast."""

from __future__ import annotations

from typing import Any

from ..graph import Context, Op, needs
from ..values import namespace, numbers


class Id(Op):
    """x itself, as a new node."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        return x

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go


class Add(Op):
    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        return a + b

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go, go


class Sub(Op):
    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        return a - b

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go, -go if needs(context, 1) else None


class Multiply(Op):
    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        context["a"], context["b"] = a, b
        return a * b

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b = context["a"], context["b"]
        return go * b if needs(context, 0) else None, go * a if needs(context, 1) else None


class Divide(Op):
    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        context["a"], context["b"] = a, b
        return a / b

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b = context["a"], context["b"]
        ga = go / b
        return ga, -ga * a / b if needs(context, 1) else None


class Power(Op):
    """a to the power b. Where a is 0, the gradient of b is taken as 0."""

    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        y = a**b
        context["a"], context["b"], context["y"] = a, b, y
        return y

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b, y = context["a"], context["b"], context["y"]
        xp, ga, gb = namespace(go), None, None
        if needs(context, 0):
            # b a^(b-1), but 0 and not 0 times infinity where both are 0.
            lower = (b - 1 if b else b) if type(b) in numbers else xp.where(b == 0, b, b - 1)
            ga = go * b * a**lower
        if needs(context, 1) and type(b) not in numbers:
            if type(a) in numbers:
                a = xp.full_like(b, a)
            gb = go * y * xp.log(xp.where(a == 0, 1.0, a))
        return ga, gb


class Negative(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        return -x

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return -go


class Absolute(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return abs(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go * namespace(go).sign(context["x"])


class Exp(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = namespace(x).exp(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go * context["y"]


class Log(Op):
    """The natural logarithm."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).log(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go / context["x"]


class Sqrt(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = namespace(x).sqrt(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return 0.5 * go / context["y"]


class Sigmoid(Op):
    """1 / (1 + exp(-x)), computed without overflow."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        xp = namespace(x)
        z = xp.exp(-abs(x))
        context["y"] = xp.where(x < 0, z, 1.0) / (1.0 + z)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        y = context["y"]
        return go * y * (1.0 - y)


class Tanh(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = namespace(x).tanh(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        y = context["y"]
        return go * (1.0 - y * y)


class Relu(Op):
    """max(x, 0); the gradient at 0 is 0."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = namespace(x).maximum(x, 0.0)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return namespace(go).where(context["y"] > 0.0, go, 0.0)


class Where(Op):
    """a where the condition holds, else b."""

    @staticmethod
    def forward(context: Context, condition: Any, a: Any, b: Any) -> Any:
        context["condition"] = condition
        return namespace(condition).where(condition, a, b)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        xp, condition = namespace(go), context["condition"]
        return None, xp.where(condition, go, 0.0), xp.where(condition, 0.0, go)


class Cast(Op):
    """x in another dtype."""

    @staticmethod
    def forward(context: Context, x: Any, *, dtype: Any) -> Any:
        context["dtype"] = x.dtype
        return namespace(x).astype(x, dtype)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return namespace(go).astype(go, context["dtype"])
