"""TODO"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..engine.arrays import is_node, value_of
from ..engine.inputs import op_inputs
from ..engine.trees import tree_map
from ..graph import TensorNode
from .common import Axis, documented, of_library

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "count_nonzero",
    "empty_like",
    "equal",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "nextafter",
    "nonzero",
    "not_equal",
    "ones_like",
    "round",
    "searchsorted",
    "sign",
    "signbit",
    "trunc",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "zeros_like",
]


def _constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of that name of the arrays' own library, through which no gradient flows."""
    name = function.__name__

    @wraps(function)
    def constant(*inputs: Any, **constants: Any) -> Any:
        raw = op_inputs(name, inputs)
        constants = {key: value_of(x) for key, x in constants.items()}
        result = of_library(name, raw, **constants)
        if not [x for x in inputs if is_node(x)]:
            return result
        return tree_map(lambda y: TensorNode(y, requires_grad=False), result)

    return constant


def _constant_of_one(name: str) -> Callable[..., Any]:
    def function(x: Any, /) -> Any: ...

    return _constant(documented(function, name, "through which no gradient flows"))


def _constant_of_two(name: str) -> Callable[..., Any]:
    def function(x1: Any, x2: Any, /) -> Any: ...

    return _constant(documented(function, name, "through which no gradient flows"))


bitwise_and = _constant_of_two("bitwise_and")
bitwise_invert = _constant_of_one("bitwise_invert")
bitwise_left_shift = _constant_of_two("bitwise_left_shift")
bitwise_or = _constant_of_two("bitwise_or")
bitwise_right_shift = _constant_of_two("bitwise_right_shift")
bitwise_xor = _constant_of_two("bitwise_xor")
ceil = _constant_of_one("ceil")
equal = _constant_of_two("equal")
floor = _constant_of_one("floor")
floor_divide = _constant_of_two("floor_divide")
greater = _constant_of_two("greater")
greater_equal = _constant_of_two("greater_equal")
isfinite = _constant_of_one("isfinite")
isinf = _constant_of_one("isinf")
isnan = _constant_of_one("isnan")
less = _constant_of_two("less")
less_equal = _constant_of_two("less_equal")
logical_and = _constant_of_two("logical_and")
logical_not = _constant_of_one("logical_not")
logical_or = _constant_of_two("logical_or")
logical_xor = _constant_of_two("logical_xor")
nextafter = _constant_of_two("nextafter")
nonzero = _constant_of_one("nonzero")
not_equal = _constant_of_two("not_equal")
round = _constant_of_one("round")  # noqa: A001
sign = _constant_of_one("sign")
signbit = _constant_of_one("signbit")
trunc = _constant_of_one("trunc")
unique_all = _constant_of_one("unique_all")
unique_counts = _constant_of_one("unique_counts")
unique_inverse = _constant_of_one("unique_inverse")
unique_values = _constant_of_one("unique_values")
conj = _constant_of_one("conj")
imag = _constant_of_one("imag")
real = _constant_of_one("real")


@_constant
def all(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    """Whether all elements, or all along `axis`, are true."""


@_constant
def any(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    """Whether any element, or any along `axis`, is true."""


@_constant
def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the maximum is: its index along `axis`, or in x flat."""


@_constant
def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the minimum is: its index along `axis`, or in x flat."""


@_constant
def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The indices that would sort x along `axis`."""


@_constant
def count_nonzero(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """How many elements, of all or along `axis`, are not zero."""


@_constant
def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """Where in the sorted x1 (N,) the elements of x2 belong."""


@_constant
def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """An array like x, of any values."""


@_constant
def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """An array like x, of ones."""


@_constant
def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """An array like x, of zeros."""


@_constant
def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any: ...
