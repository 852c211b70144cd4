"""NumPy's own functions on nodes: `numpy.sin(node)` is `gradcore.numpy.sin(node)`.

NumPy asks its arguments first. It calls `array_ufunc` for universal functions, which the operators
of arrays are, as in `array + node`; and `array_function` for most others. CuPy asks them too: see
`cupy_kernel`. SciPy asks in the universal functions of scipy.special, which go to gradcore.special.

A function that gradcore has not gets the arrays of nodes that have no gradient, and refuses nodes
that have one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .. import array_api, ops
from ..backends import backend_of, use_backend
from ..engine.arrays import flat, is_node, value_of
from ..engine.trees import tree_map
from . import fft, linalg, reductions
from .common import as_inputs, is_array

__all__ = ["array_function", "array_ufunc", "cupy_kernel"]

Function = Callable[..., Any]


def _comparison(function: Function) -> Function:
    """NumPy makes an array of its number in `number < node`. It shall be a number again, as in
    `node > number`."""

    def compare(x: Any, y: Any) -> Any:
        return function(x.item() if type(x) is np.ndarray and not x.ndim else x, y)

    return compare


# The operators of arrays: as those of nodes, also in dtypes.
OPERATORS: dict[np.ufunc, Function] = {
    np.add: ops.Add.do_forward,
    np.bitwise_and: array_api.bitwise_and,
    np.bitwise_or: array_api.bitwise_or,
    np.bitwise_xor: array_api.bitwise_xor,
    np.divide: ops.Divide.do_forward,
    np.equal: _comparison(array_api.equal),
    np.floor_divide: array_api.floor_divide,
    np.greater: _comparison(array_api.greater),
    np.greater_equal: _comparison(array_api.greater_equal),
    np.left_shift: array_api.bitwise_left_shift,
    np.less: _comparison(array_api.less),
    np.less_equal: _comparison(array_api.less_equal),
    np.matmul: ops.MatrixMultiply.do_forward,
    np.multiply: ops.Multiply.do_forward,
    np.not_equal: _comparison(array_api.not_equal),
    np.power: ops.Power.do_forward,
    np.remainder: array_api.remainder,
    np.right_shift: array_api.bitwise_right_shift,
    np.subtract: ops.Sub.do_forward,
}
# The methods of universal functions that are functions too; the axis is 0 unless given.
REDUCTIONS: dict[tuple[np.ufunc, str], Function] = {
    (np.add, "accumulate"): reductions.cumsum,
    (np.add, "reduce"): reductions.sum,
    (np.logical_and, "reduce"): reductions.all,
    (np.logical_or, "reduce"): reductions.any,
    (np.maximum, "reduce"): reductions.max,
    (np.minimum, "reduce"): reductions.min,
    (np.multiply, "accumulate"): reductions.cumprod,
    (np.multiply, "reduce"): reductions.prod,
}


# Functions that ask what an array is, or print it.
ABOUT = {
    np.array2string, np.array_repr, np.array_str, np.can_cast, np.common_type, np.iscomplexobj,
    np.isfortran, np.isrealobj, np.may_share_memory, np.result_type, np.shares_memory,
}  # fmt: skip
# What the error of `array -= node` says to write.
SIGNS = {
    "add": "+", "divide": "/", "floor_divide": "//", "matmul": "@", "multiply": "*", "power": "**",
    "remainder": "%", "subtract": "-",
}  # fmt: skip


def array_ufunc(_: Any, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
    """Compute `ufunc(*inputs)`, or one of its methods, where nodes are among the inputs or `out`
    (https://numpy.org/doc/stable/reference/arrays.classes.html#numpy.class.object.__array_ufunc__).

    Raises:
        TypeError: gradcore has no such function; or the result would go to an array, which keeps
            no gradient.
    """
    if method == "__call__" and not keywords and ufunc in OPERATORS:
        return OPERATORS[ufunc](*inputs)
    name = f"{_module(ufunc)}.{ufunc.__name__}".lstrip(".")
    if (ufunc, method) in REDUCTIONS:
        return _call(f"{name}.{method}", REDUCTIONS[ufunc, method], inputs, {"axis": 0, **keywords})
    function = _functions().get(ufunc)
    if name.startswith("scipy"):
        function = _named(ufunc.__name__)
    if method == "__call__":
        return _call(name, function, inputs, keywords, ufunc)
    if method != "outer" or function is None:
        return _call(f"{name}.{method}", None, inputs, keywords, getattr(ufunc, method))
    x, y = as_inputs(*inputs)
    if is_array(x) and is_array(y):
        x = array_api.reshape(x, (*x.shape, *(1,) * y.ndim))
    return _call(f"{name}.outer", function, (x, y), keywords)


def array_function(
    node: Any, function: Function, _: Any, inputs: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Compute `function(*inputs, **keywords)`, where nodes are among the arguments
    (https://numpy.org/doc/stable/reference/arrays.classes.html#numpy.class.object.__array_function__).

    Raises:
        TypeError: gradcore has no such function; or the result would go to an array, which keeps
            no gradient.
    """
    ours = _functions().get(function)
    if ours and inputs and is_node(inputs[0]) and "out" not in keywords:  # most calls
        return ours(*inputs, **keywords)
    name = f"{function.__module__}.{function.__name__}"
    if any(map(is_node, flat((inputs, keywords)))):
        return _call(name, ours, inputs, keywords, function)
    backend = backend_of(node.value)  # as in zeros(3, like=node)
    with use_backend(backend.name, node.device if backend.several_devices else None):
        return _call(name, ours, inputs, keywords, function)


def cupy_kernel(_: Any, kernel: Any, *inputs: Any, **keywords: Any) -> Any:
    """Compute `kernel(*inputs)`, where nodes are among the inputs, for a universal function or an
    elementwise kernel of CuPy's. `out` may be among the inputs, as in `array -= node`."""
    name = kernel.name.removeprefix("cupyx_scipy_special_").removeprefix("cupy_")
    if len(inputs) > kernel.nin:
        keywords["out"], inputs = inputs[kernel.nin :], inputs[: kernel.nin]
    return _call(f"CuPy's {name}", _named(name) if name != kernel.name else None, inputs, keywords)


def _call(
    name: str,
    ours: Function | None,
    inputs: tuple[Any, ...],
    keywords: dict[str, Any],
    theirs: Function | None = None,
) -> Any:
    """Call gradcore's function. Where it is missing, call the library's function with arrays, if no
    gradient is lost by that."""
    has_gradient = any(is_node(x) and x.requires_grad for x in flat((inputs, keywords)))
    out = keywords.get("out")
    arrays = [y for y in (out if isinstance(out, tuple) else (out,)) if y is not None]
    if has_gradient and not all(map(is_node, arrays)):
        write, sign = "y = ...", SIGNS.get(name.replace(" ", ".").rpartition(".")[2])
        if sign and arrays[0] is inputs[0]:
            name, write = f"array {sign}= node", f"array = array {sign} node"
        raise TypeError(
            f"{name}: an array that is written to keeps no gradient; write {write}, or make the "
            "array a node, gradcore.TensorNode(array)"
        )
    if ours is not None:
        return ours(*inputs, **keywords)
    if theirs is None or (has_gradient and theirs not in ABOUT):
        place = "special" if ".special." in name else "numpy"
        raise TypeError(
            f"{name}: gradcore.{place} has no such function, and a node would lose its gradient; "
            "use what is there, define the gradient by gradcore.custom_gradient, or give x.value, "
            "a constant"
        )
    values, constants = tree_map(value_of, [inputs, keywords])
    return theirs(*values, **constants)


# -- The tables -----------------------------------------------------------------------------------


def _here() -> Any:
    return sys.modules[__package__]


def _named(name: str) -> Function | None:
    """Find a function in gradcore.special, or else in gradcore.numpy."""
    found: Function | None = getattr(array_api.special, name, getattr(_here(), name, None))
    return found


@cache
def _functions() -> dict[Any, Function]:
    """Find for each function of NumPy's the one of its name here. (NumPy's may have several
    names.)"""
    places: list[tuple[Any, Any]] = [(np, _here()), (np.linalg, linalg), (np.fft, fft)]
    return {
        theirs: getattr(ours, name)
        for library, ours in places
        for name in ours.__all__
        if callable(theirs := getattr(library, name, None)) and not isinstance(theirs, type)
    }


def _module(ufunc: np.ufunc) -> str:
    """Find where a universal function is, which it does not say."""
    name = ufunc.__name__
    if getattr(np, name, None) is ufunc:
        return "numpy"
    scipy = sys.modules.get("scipy.special._ufuncs")
    return "scipy.special" if scipy and getattr(scipy, name, None) is ufunc else ""
