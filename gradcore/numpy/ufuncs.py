"""NumPy's universal functions: of each element by itself, with keywords that all have."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .. import array_api as xp
from ..engine.arrays import NUMBER_TYPES
from ..engine.operators import Operators
from .common import as_inputs, cast, filled, numpy_dtype

__all__ = ["Ufunc"]

# The keywords of NumPy's that have no meaning for arrays of all libraries, and the values that ask
# for nothing.
_IDLE: dict[str, tuple[Any, ...]] = {
    "order": ("K", "C", "A"),
    "subok": (True, False),
    "casting": ("same_kind",),
}


class Ufunc:
    """A function of the array API floor under NumPy's name, with NumPy's dtypes and keywords.

    Args:
        name: the name in NumPy, whose function of that name tells the dtypes.
        function: the function, of one array or of several that have the dtypes.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.of_numpy: np.ufunc = getattr(np, name)
        self.function = function
        self.__name__ = self.__qualname__ = name
        self.__doc__ = f"NumPy's {name}, on nodes and on arrays of any backend.\n\n"
        self.nin, self.nout, self.nargs = self.of_numpy.nin, self.of_numpy.nout, self.of_numpy.nargs

    def __repr__(self) -> str:
        return f"<ufunc gradcore.numpy.{self.__name__}>"

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        if len(inputs) == 1 and not keywords:
            x = inputs[0]
            if isinstance(x, Operators) and x._requires_grad:  # so x is floating, as it should be
                return self.function(x)
        if keywords or len(inputs) > self.nin:
            return self._with(inputs, **keywords)
        return self.function(*self._ready(inputs))

    def _ready(self, inputs: Any, dtype: Any = None) -> list[Any]:
        """Make arrays of the inputs, in the dtypes that NumPy would compute in."""
        if len(inputs) != self.nin:
            raise TypeError(f"{self.__name__} takes {self.nin} arrays, not {len(inputs)}")
        given = as_inputs(*inputs)
        kinds = tuple([type(x) if type(x) in NUMBER_TYPES else x.dtype for x in given])
        wanted = _dtypes(self.of_numpy, kinds, None if dtype is None else np.dtype(dtype))
        return [
            x if type(x) in NUMBER_TYPES or to is None else cast(x, to)
            for x, to in zip(given, wanted, strict=True)
        ]

    def _with(
        self, inputs: Any, out: Any = None, where: Any = True, dtype: Any = None, **idle: Any
    ) -> Any:
        """Compute with keywords; `out` may be given as the last input too."""
        check_idle(self.__name__, idle)
        if len(inputs) > self.nin:
            inputs, out = inputs[: self.nin], inputs[self.nin]
        ready = self._ready(inputs, dtype)
        if where is True:
            return filled(self.__name__, out, self.function(*ready))
        # Elsewhere the function would only warn, and give NaN as gradient: there it gets ones.
        (mask,) = as_inputs(where)
        y = self.function(*[xp.where(mask, x, 1) for x in ready])
        out = out[0] if isinstance(out, tuple) else out
        return filled(
            self.__name__, out, xp.where(mask, y, 0 if out is None else cast(out, y.dtype))
        )


def check_idle(name: str, idle: dict[str, Any]) -> None:
    """Raise TypeError for a keyword that is not NumPy's, or asks for what arrays don't have."""
    for key, wish in idle.items():
        if key not in _IDLE:
            raise TypeError(f"{name}: no keyword {key!r}")
        if wish not in _IDLE[key]:
            raise TypeError(f"{name}: {key} = {wish!r} is not supported; leave {key} out")


@cache
def _dtypes(ufunc: np.ufunc, kinds: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """Find the dtypes that NumPy converts inputs of these dtypes, and of numbers, to."""
    given = [x if x in NUMBER_TYPES else numpy_dtype(x) for x in kinds]
    asked = {}
    if dtype is not None:
        asked["signature"] = (*[None] * ufunc.nin, *[dtype] * ufunc.nout)
    found = ufunc.resolve_dtypes((*given, *[None] * ufunc.nout), **asked)
    return found[: ufunc.nin]
