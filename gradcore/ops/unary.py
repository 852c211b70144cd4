"""Bases for ops of one array whose gradient needs only the input, or only the output.

Such an op is two functions, one under the other, as in a table of derivatives:

    class Sin(OfInput):
        function = lambda xp, x: xp.sin(x)
        gradient = lambda xp, go, x: go * xp.cos(x)

    class Exp(OfOutput):
        function = lambda xp, x: xp.exp(x)
        gradient = lambda xp, go, y: go * y

Longer ones are static methods of these names. `xp` has the functions of the array API standard, for
arrays of the library of x; for nodes, when a gradient of the gradient is computed.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..backends import BACKEND_OF_TYPE, Array
from ..engine.arrays import namespace
from ..graph import Context, Op

__all__ = ["OfInput", "OfOutput"]


class _Unary(Op):
    """An op made of the two functions; `saves` names what the gradient needs, "x" or "y"."""

    saves: ClassVar[str]

    @staticmethod
    def function(xp: Any, x: Array, /) -> Array:
        """Compute the output y, of the shape of x."""
        raise NotImplementedError

    @staticmethod
    def gradient(xp: Any, go: Array, saved: Array, /) -> Array:
        """Compute the gradient of x from `go`, the gradient of y, and from x or y."""
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        """Make forward and backward from the two functions, unless the class has its own.

        They are closures, made once for each op. Class methods that look up the functions in each
        call, and `namespace(x)`, would make a chain of ops on 4 x 4 arrays 6 % slower.
        """
        if cls.function is _Unary.function:
            return  # OfInput and OfOutput themselves
        new = vars(cls).keys()
        function, gradient, saves = cls.function, cls.gradient, cls.saves
        saves_input, backends = saves == "x", BACKEND_OF_TYPE

        def forward(context: Context, x: Array) -> Array:
            y = function(backends[type(x)].xp if type(x) in backends else namespace(x), x)
            context[saves] = x if saves_input else y
            return y

        def backward(context: Context, go: Array) -> Array:
            saved = context[saves]
            xp = backends[type(go)].xp if type(go) in backends else namespace(go, saved)
            return gradient(xp, go, saved)

        for method, made_of in ((forward, "function"), (backward, "gradient")):
            # A class that changes neither keeps what it inherits, which may be its own methods.
            if method.__name__ not in new and new & {made_of, "saves"}:
                method.__module__ = cls.__module__
                method.__qualname__ = f"{cls.__qualname__}.{method.__name__}"
                setattr(cls, method.__name__, staticmethod(method))


class OfInput(_Unary):
    """An op whose gradient needs the input: `function(xp, x)` and `gradient(xp, go, x)`."""

    saves = "x"


class OfOutput(_Unary):
    """An op whose gradient needs the output y: `function(xp, x)` and `gradient(xp, go, y)`."""

    saves = "y"
