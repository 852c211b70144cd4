"""NumPy's universal functions: of each element by itself, with the same keywords and methods."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from .. import array_api as xp
from .. import ops
from ..engine.arrays import NUMBER_TYPES
from ..engine.operators import Operators
from ..functions.shared import accumulated
from .common import (
    NOTHING,
    arrays_of,
    as_inputs,
    as_node_or_array,
    cast,
    counting,
    filled,
    numpy_dtype,
    place_of,
    promoted,
)
from .examples import with_example

__all__ = ["Ufunc"]

# Keywords of NumPy's that say how memory is used, and the values that ask for what all arrays have.
_IDLE = {"order": ("K", "C", "A"), "subok": (True, False), "casting": ("same_kind", "safe")}

# What `help` says that a ufunc takes, by the count of its inputs.
_SIGNATURES = {
    1: inspect.signature(lambda x, /, out=None, *, where=True, dtype=None: None),  # noqa: ARG005
    2: inspect.signature(lambda x1, x2, /, out=None, *, where=True, dtype=None: None),  # noqa: ARG005
}

_DOCSTRING = """Compute NumPy's {name}, on nodes and on arrays of every backend.

Inputs are nodes, arrays, numbers or lists; their shapes are broadcast. Nodes give a node, with a
gradient where there is one. Dtypes and keywords (`out`, `where`, `dtype`) are NumPy's:
"""


class Ufunc:
    """A function of the array API floor under NumPy's name, with NumPy's dtypes and keywords.

    `out` is filled as `out[...] = y` does; where `where` is false, the result has the values of
    `out`, or without `out`, where NumPy leaves any number, 0.

    Args:
        name: the name in NumPy, whose function of that name tells the dtypes.
        function: the function, of as many arrays, all in the dtypes that NumPy computes in.
        reduction: the function behind `reduce`, where the order of operands does not matter.
        accumulation: the function behind `accumulate`; without one it is a scan.

    Example:
        >>> print(np.add.reduce([1.0, 2.0, 3.0]), np.add.accumulate([1.0, 2.0, 3.0]))
        6.0 [1. 3. 6.]
        >>> print(np.multiply.outer([1.0, 2.0], [3.0, 4.0]).tolist())
        [[3.0, 4.0], [6.0, 8.0]]
        >>> print(np.exp([0.0, 1.0], where=[True, False]))
        [1. 0.]
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        reduction: Callable[..., Any] | None = None,
        accumulation: Callable[..., Any] | None = None,
    ) -> None:
        self.of_numpy: np.ufunc = getattr(np, name)
        self.function, self.reduction, self.accumulation = function, reduction, accumulation
        self.__name__ = self.__qualname__ = name
        self.__module__ = "gradcore.numpy"
        page = f"https://numpy.org/doc/stable/reference/generated/numpy.{name}.html"
        self.__doc__ = with_example(f"{_DOCSTRING.format(name=name)}{page}", name)
        self.__signature__ = _SIGNATURES[self.of_numpy.nin]
        self.nin, self.nout, self.nargs = self.of_numpy.nin, self.of_numpy.nout, self.of_numpy.nargs
        # Whether it computes in float32 as in float64; float_power does not.
        self.keeps_floats = any(kinds.startswith("f" * self.nin) for kinds in self.of_numpy.types)

    def __repr__(self) -> str:
        return f"<ufunc gradcore.numpy.{self.__name__}>"

    def __reduce__(self) -> str:
        return self.__name__

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        if keywords or len(inputs) > self.nin:
            return self._with(inputs, **keywords)
        if self.keeps_floats and _is_ready(inputs) and len(inputs) == self.nin:
            return self.function(*inputs)
        return self.function(*self._ready(inputs))

    def outer(self, a: Any, b: Any, /, **keywords: Any) -> Any:
        """Apply the function to each pair of elements of a and b: shape (*a.shape, *b.shape).

        Example:
            >>> print(np.multiply.outer([1.0, 2.0], [3.0, 4.0]).tolist())
            [[3.0, 4.0], [6.0, 8.0]]
        """
        a, b = arrays_of(a, b)
        return self(xp.reshape(a, (*a.shape, *[1] * b.ndim)), b, **keywords)

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None,
        keepdims: bool = False, initial: Any = NOTHING, where: Any = NOTHING,
    ) -> Any:  # fmt: skip
        """Apply the function to all elements along `axis`.

        Example:
            >>> x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
            >>> print(np.add.reduce(x), np.maximum.reduce([1.0, 5.0, 2.0]))
            [4. 6.] 5.0
        """
        if self.reduction is None:
            raise TypeError(
                f"{self.__name__}.reduce is not there; write a loop, or functools.reduce"
            )
        given = {"initial": initial, "where": where, "dtype": dtype}
        given = {
            k: v for k, v in given.items() if v is not NOTHING and v is not None and v is not True
        }
        return self.reduction(array, axis=axis, out=out, keepdims=keepdims, **given)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        """Apply the function to the first 1, 2, ... elements along `axis`.

        Example:
            >>> print(np.maximum.accumulate([1.0, 5.0, 2.0]))
            [1. 5. 5.]
        """
        if self.accumulation:
            return self.accumulation(array, axis=axis, dtype=dtype, out=out)
        if self.reduction is None:
            raise TypeError(f"{self.__name__}.accumulate is not there; write a loop")
        (x,) = arrays_of(array)
        y = accumulated(self, cast(x, dtype), axis)
        return filled(f"{self.__name__}.accumulate", out, y)

    def at(self, a: Any, indices: Any, b: Any, /) -> None:
        """Add b to a, or subtract b, at the indices, as often as each is named; in place.

        Example:
            >>> x = np.zeros(3)
            >>> np.add.at(x, [0, 2, 2], 1.0)
            >>> print(x)
            [1. 0. 2.]
        """
        if self.__name__ not in ("add", "subtract"):
            raise TypeError(f"{self.__name__}.at is not there; add.at and subtract.at are")
        x, b = promoted(*arrays_of(a, b))
        places = xp.getitem(xp.reshape(counting(x, math.prod(x.shape)), tuple(x.shape)), indices)
        b = xp.broadcast_to(b if self.__name__ == "add" else -b, tuple(places.shape))
        more = ops.ScatterAdd.apply(b, indices=places, size=math.prod(x.shape))
        filled(f"{self.__name__}.at", a, x + xp.reshape(more, tuple(x.shape)))

    def reduceat(self, *args: Any, **keywords: Any) -> Any:
        """Refuse: NumPy's reduceat is not there."""
        raise TypeError(f"{self.__name__}.reduceat is not there; add.at adds up by groups")

    def _ready(self, inputs: Any, dtype: Any = None, numbers: bool = True) -> list[Any]:
        """Make arrays of the inputs, in the dtypes that NumPy would compute in; of numbers too,
        unless `numbers` may stay."""
        if len(inputs) != self.nin:
            arrays = "1 array" if self.nin == 1 else f"{self.nin} arrays"
            raise TypeError(f"{self.__name__} takes {arrays}, not {len(inputs)}")
        given = as_inputs(*inputs)
        given = [np.bool_(x) if type(x) is bool else x for x in given]  # no number to NumPy
        kinds = tuple([type(x) if type(x) in NUMBER_TYPES else numpy_dtype(x.dtype) for x in given])
        wanted = _dtypes(self.of_numpy, kinds, None if dtype is None else np.dtype(dtype))
        place = place_of(*given)
        return [
            x
            if numbers and type(x) in NUMBER_TYPES
            else as_node_or_array(x, to, place, is_asked=dtype is not None)
            for x, to in zip(given, wanted, strict=True)
        ]

    def _with(
        self, inputs: Any, out: Any = None, where: Any = True, dtype: Any = None, **idle: Any
    ) -> Any:
        """Compute with keywords; `out` may be given as the last input too."""
        for key, wish in idle.items():
            if wish not in _IDLE.get(key, ()):
                raise TypeError(f"{self.__name__}: {key} = {wish!r} is not supported; leave it out")
        if len(inputs) > self.nin:
            inputs, out = inputs[: self.nin], inputs[self.nin :]
        if isinstance(out, tuple) and len(out) == 1:
            (out,) = out
        if isinstance(out, tuple):
            raise TypeError(f"{self.__name__}: expected one array as out, not {len(out)}")
        ready = self._ready(inputs, dtype, where is True)
        if where is True:
            return filled(self.__name__, out, self.function(*ready))
        # Elsewhere the function would warn, and its gradient might be NaN: there it gets ones.
        (mask,) = as_inputs(where)
        y = self.function(*[xp.where(mask, x, 1) for x in ready])
        others = xp.zeros_like(y) if out is None else out
        return filled(self.__name__, out, xp.where(mask, *promoted(y, others)))


def _is_ready(inputs: Sequence[Any]) -> bool:
    """Whether inputs are nodes with gradients, so of floating numbers, of one dtype; and numbers.
    This is most calls, and 3 us faster than `_ready`."""
    dtype = None
    for x in inputs:
        if isinstance(x, Operators) and x._requires_grad:
            if dtype is None:
                dtype = x.value.dtype
            elif dtype != x.value.dtype:
                return False
        elif type(x) is not float and type(x) is not int:
            return False
    return dtype is not None


@cache
def _dtypes(ufunc: np.ufunc, kinds: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """Find the dtypes that NumPy converts inputs of these dtypes, or of types of numbers, to."""
    asked: Any = {}
    if dtype is not None:
        asked["signature"] = (*[None] * ufunc.nin, *[dtype] * ufunc.nout)
    found = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout), **asked)
    return found[: ufunc.nin]
