"""Ops on each element by itself. Inputs of different shapes are broadcast."""

from __future__ import annotations

import math
from typing import Any

from ..backends import backend_of
from ..engine.arrays import NUMBER_TYPES, namespace
from ..graph import Context, Op, needs


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
        # NumPy takes 80 ms for the cubes of 500,000 float32, and 0.4 ms for the products.
        y = a * a * a if type(b) is int and b == 3 else a**b
        context["a"], context["b"], context["y"] = a, b, y
        return y

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b, y = context["a"], context["b"], context["y"]
        xp, ga, gb = namespace(go), None, None
        if needs(context, 0):
            # b a^(b-1), but 0 and not 0 times infinity where both are 0.
            lower = (b - 1 if b else b) if type(b) in NUMBER_TYPES else xp.where(b == 0, b, b - 1)
            ga = go * b * a**lower
        if needs(context, 1) and type(b) not in NUMBER_TYPES:
            if type(a) in NUMBER_TYPES:
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


class Expm1(Op):
    """exp(x) - 1, exact for small x."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = namespace(x).expm1(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go * (context["y"] + 1.0)


class Log(Op):
    """The natural logarithm."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).log(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go / context["x"]


class Log1p(Op):
    """log(1 + x), exact for small x."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).log1p(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go / (1.0 + context["x"])


class Log2(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).log2(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go / (context["x"] * math.log(2))


class Log10(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).log10(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go / (context["x"] * math.log(10))


class Sqrt(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = namespace(x).sqrt(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return 0.5 * go / context["y"]


class Square(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return x * x

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return 2.0 * go * context["x"]


class Sin(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).sin(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go * namespace(go).cos(context["x"])


class Cos(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).cos(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return -go * namespace(go).sin(context["x"])


class Tan(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = namespace(x).tan(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        y = context["y"]
        return go * (1.0 + y * y)


class Asin(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).asin(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x, xp = context["x"], namespace(go)
        return go / xp.sqrt((1.0 - x) * (1.0 + x))


class Acos(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).acos(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x, xp = context["x"], namespace(go)
        return -go / xp.sqrt((1.0 - x) * (1.0 + x))


class Atan(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).atan(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x = context["x"]
        return go / (1.0 + x * x)


class Sinh(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).sinh(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go * namespace(go).cosh(context["x"])


class Cosh(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).cosh(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go * namespace(go).sinh(context["x"])


class Asinh(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).asinh(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return go / namespace(go).hypot(context["x"], 1.0)


class Acosh(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).acosh(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x, xp = context["x"], namespace(go)
        return go / (xp.sqrt(x - 1.0) * xp.sqrt(x + 1.0))


class Atanh(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["x"] = x
        return namespace(x).atanh(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        x = context["x"]
        return go / ((1.0 - x) * (1.0 + x))


class Tanh(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        context["y"] = namespace(x).tanh(x)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        y = context["y"]
        return go - go * y * y  # go * (1 - y * y) takes longer, as a number must be converted


class Atan2(Op):
    """The angle of the point (b, a), from -pi to pi. At (0, 0) the gradients are 0."""

    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        context["a"], context["b"] = a, b
        return namespace(a, b).atan2(a, b)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b = context["a"], context["b"]
        square = a * a + b * b
        g = go / namespace(go).where(square == 0, 1.0, square)
        return g * b if needs(context, 0) else None, -g * a if needs(context, 1) else None


class Hypot(Op):
    """The square root of a² + b², computed without overflow."""

    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        context["a"], context["b"], context["y"] = a, b, namespace(a, b).hypot(a, b)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b, y = context["a"], context["b"], context["y"]
        ga = go * (a / y) if needs(context, 0) else None
        return ga, go * (b / y) if needs(context, 1) else None


class LogAddExp(Op):
    """log(exp(a) + exp(b)), computed without overflow."""

    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        context["a"], context["b"], context["y"] = a, b, namespace(a, b).logaddexp(a, b)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        xp, y = namespace(go), context["y"]
        ga = go * xp.exp(context["a"] - y) if needs(context, 0) else None
        return ga, go * xp.exp(context["b"] - y) if needs(context, 1) else None


class Maximum(Op):
    """The larger of a and b. Where they are equal, each has half of the gradient."""

    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        context["a"], context["b"] = a, b
        return namespace(a, b).maximum(a, b)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b, xp = context["a"], context["b"], namespace(go)
        share = xp.where(a == b, 0.5 * go, go)
        ga = xp.where(a < b, 0.0, share) if needs(context, 0) else None
        return ga, xp.where(b < a, 0.0, share) if needs(context, 1) else None


class Minimum(Op):
    """The smaller of a and b. Where they are equal, each has half of the gradient."""

    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        context["a"], context["b"] = a, b
        return namespace(a, b).minimum(a, b)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b, xp = context["a"], context["b"], namespace(go)
        share = xp.where(a == b, 0.5 * go, go)
        ga = xp.where(a > b, 0.0, share) if needs(context, 0) else None
        return ga, xp.where(b > a, 0.0, share) if needs(context, 1) else None


class Remainder(Op):
    """What remains of a after division by b, with the sign of b."""

    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        context["a"], context["b"] = a, b
        return namespace(a, b).remainder(a, b)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b = context["a"], context["b"]
        return go, -go * namespace(go).floor(a / b) if needs(context, 1) else None


class CopySign(Op):
    """a with the sign of b. Where a is 0, its gradient is 0; that of b is 0 anywhere."""

    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        context["a"], context["y"] = a, namespace(a, b).copysign(a, b)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, y, xp = context["a"], context["y"], namespace(go)
        ga = xp.where(y == a, go, -go) * abs(xp.sign(y)) if needs(context, 0) else None
        return ga, xp.zeros_like(go) if needs(context, 1) else None


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


class Masked(Op):
    """x where the mask holds, an array of booleans that may be broadcast to x, and 0 elsewhere."""

    @staticmethod
    def forward(context: Context, x: Any, *, mask: Any) -> Any:
        context["mask"] = mask
        return backend_of(x).masked(x, mask)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return Masked.apply(go, mask=context["mask"])


class Cast(Op):
    """x in another dtype."""

    @staticmethod
    def forward(context: Context, x: Any, *, dtype: Any) -> Any:
        context["dtype"] = x.dtype
        return namespace(x).astype(x, dtype)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return namespace(go).astype(go, context["dtype"])
