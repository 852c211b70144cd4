"""Functions through which no gradient flows: comparisons, integers, sorting, counting, filling.

Their values are those of the arrays' own library; given nodes, they give constants. So functions
here have signatures and no bodies: `_constant` finds the library's function by the name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec

from ..backends.types import DType
from ..engine.arrays import is_node, value_of
from ..engine.inputs import op_inputs
from ..engine.trees import tree_map
from ..graph import TensorNode
from .common import Axis, Device, NodeOrArray, call_library, documented

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
    "isin",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "nonzero",
    "not_equal",
    "ones_like",
    "round",
    "searchsorted",
    "signbit",
    "trunc",
    "zeros_like",
]


P = ParamSpec("P")


def _constant(function: Callable[P, Any]) -> Callable[P, Any]:
    """Replace a function by the one of its name in the arrays' own library. If an input is a node,
    the results are nodes that require no gradient."""
    name = function.__name__.removeprefix("_")
    kinds = [(key, x.kind) for key, x in signature(function).parameters.items()]
    n = len([key for key, kind in kinds if kind is Parameter.POSITIONAL_ONLY])
    more = [key for key, kind in kinds if kind is Parameter.POSITIONAL_OR_KEYWORD]

    @wraps(function)
    def constant(*inputs: P.args, **options: P.kwargs) -> Any:
        arrays: Any = inputs
        if len(inputs) > n and more:  # an axis, behind the arrays
            arrays = inputs[:n]
            options.update(zip(more, inputs[n:], strict=False))
        raw_options = {key: value_of(x) for key, x in options.items()}
        result = call_library(name, op_inputs(name, arrays), **raw_options)
        if not [x for x in inputs if is_node(x)]:
            return result
        return tree_map(lambda y: TensorNode(y, requires_grad=False), result)

    return constant


def _unary(name: str) -> Callable[[NodeOrArray], Any]:
    def function(x: NodeOrArray, /) -> Any: ...

    return _constant(documented(function, name, "through which no gradient flows"))


def _binary(name: str) -> Callable[[NodeOrArray, NodeOrArray], Any]:
    def function(x1: NodeOrArray, x2: NodeOrArray, /) -> Any: ...

    return _constant(documented(function, name, "through which no gradient flows"))


bitwise_and = _binary("bitwise_and")
bitwise_invert = _unary("bitwise_invert")
bitwise_left_shift = _binary("bitwise_left_shift")
bitwise_or = _binary("bitwise_or")
bitwise_right_shift = _binary("bitwise_right_shift")
bitwise_xor = _binary("bitwise_xor")
ceil = _unary("ceil")
equal = _binary("equal")
floor = _unary("floor")
floor_divide = _binary("floor_divide")
greater = _binary("greater")
greater_equal = _binary("greater_equal")
isfinite = _unary("isfinite")
isinf = _unary("isinf")
isnan = _unary("isnan")
less = _binary("less")
less_equal = _binary("less_equal")
logical_and = _binary("logical_and")
logical_not = _unary("logical_not")
logical_or = _binary("logical_or")
logical_xor = _binary("logical_xor")
nonzero = _unary("nonzero")
not_equal = _binary("not_equal")
round = _unary("round")  # noqa: A001
signbit = _unary("signbit")
trunc = _unary("trunc")


@_constant
def all(x: NodeOrArray, /, axis: Axis = None, *, keepdims: bool = False) -> Any:  # noqa: A001
    """Test whether all elements, or all along `axis`, are true.

    Example:
        >>> print(gradcore.all(TensorNode([[True, False], [True, True]]), axis=1).value)
        [False  True]
    """


@_constant
def any(x: NodeOrArray, /, axis: Axis = None, *, keepdims: bool = False) -> Any:  # noqa: A001
    """Test whether any element, or any along `axis`, is true.

    Example:
        >>> print(gradcore.any(TensorNode([[True, False], [False, False]]), axis=1).value)
        [ True False]
    """


@_constant
def argmax(x: NodeOrArray, /, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """Find the index of the maximum along `axis`, or in x flat.

    Example:
        >>> x = TensorNode([[1.0, 5.0, 2.0], [7.0, 0.0, 3.0]])
        >>> print(gradcore.argmax(x, axis=1).value)
        [1 0]
    """


@_constant
def argmin(x: NodeOrArray, /, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """Find the index of the minimum along `axis`, or in x flat.

    Example:
        >>> x = TensorNode([[1.0, 5.0, 2.0], [7.0, 0.0, 3.0]])
        >>> print(gradcore.argmin(x, axis=1).value)
        [0 1]
    """


@_constant
def argsort(
    x: NodeOrArray, /, axis: int = -1, *, descending: bool = False, stable: bool = True
) -> Any:
    """Find the indices that sort x along `axis`: the first is that of the smallest element.

    Example:
        >>> print(gradcore.argsort(TensorNode([3.0, 1.0, 2.0])).value)
        [1 2 0]
    """


@_constant
def count_nonzero(x: NodeOrArray, /, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Count the elements, of all or along `axis`, that are not zero.

    Example:
        >>> print(gradcore.count_nonzero(TensorNode([[0.0, 5.0], [2.0, 3.0]]), axis=1).value)
        [1 2]
    """


@_constant
def _isin(x1: NodeOrArray | int, x2: NodeOrArray | int, /) -> Any: ...


def isin(x1: NodeOrArray | int, x2: NodeOrArray | int, /, *, invert: bool = False) -> Any:
    """Test for each element of x1 whether x2 has it; with `invert`, whether x2 has it not.

    Example:
        >>> print(gradcore.isin(TensorNode([1, 2, 3]), TensorNode([3, 1])).value)
        [ True False  True]
    """
    found = _isin(x1, x2)
    return logical_not(found) if invert else found  # array-api-strict 2.6.1 forgets to invert


@_constant
def searchsorted(
    x1: NodeOrArray,
    x2: NodeOrArray | float,
    /,
    *,
    side: str = "left",
    sorter: NodeOrArray | None = None,
) -> Any:
    """Find for each element of x2, an array or a number, the index in the sorted x1 (N,) where it
    belongs. With a `sorter`, x1[sorter] is what is sorted.

    Example:
        >>> x = TensorNode([1.0, 2.0, 3.0])
        >>> print(gradcore.array_api.searchsorted(x, TensorNode([0.5, 2.0])).value)
        [0 1]
    """


@_constant
def empty_like(
    x: NodeOrArray, /, *, dtype: DType | None = None, device: Device | None = None
) -> Any:
    """Make an array like x whose values are not set.

    Example:
        >>> gradcore.empty_like(TensorNode([[1.0, 2.0, 3.0]])).shape
        (1, 3)
    """


@_constant
def ones_like(
    x: NodeOrArray, /, *, dtype: DType | None = None, device: Device | None = None
) -> Any:
    """Make an array like x, of ones.

    Example:
        >>> print(gradcore.ones_like(TensorNode([[2.0, 3.0]])).value)
        [[1. 1.]]
    """


@_constant
def zeros_like(
    x: NodeOrArray, /, *, dtype: DType | None = None, device: Device | None = None
) -> Any:
    """Make an array like x, of zeros.

    Example:
        >>> print(gradcore.zeros_like(TensorNode([[2.0, 3.0]])).value)
        [[0. 0.]]
    """


# Other files of this folder import these, and add the cases where a gradient flows.
sign = _unary("sign")


@_constant
def unique_all(x: NodeOrArray, /) -> Any: ...


@_constant
def full_like(
    x: NodeOrArray, /, fill_value: Any, *, dtype: DType | None = None, device: Device | None = None
) -> Any: ...
