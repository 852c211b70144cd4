"""The array API standard's functions on nodes (https://data-apis.org/array-api/2024.12/).

`namespace(node)` gives them, so what is written against the standard can be differentiated: the
backward methods of the ops are, for gradients of gradients. Arrays alone give arrays.

What makes arrays of nothing, and dtypes, are a matter of the library: `namespace_of(backend)` is
this module with those of one backend, and a node gives that of its own. Here they are those of
the default backend.
"""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from types import ModuleType
from typing import Any

from . import assignment, indexing, ops, special
from .backends import Backend, backend_of, default, known
from .engine.arrays import describe, flat, is_node, namespace, node_or_array, value_of
from .engine.inputs import explained, op_inputs
from .engine.operators import Operators, connect
from .engine.trees import tree_map
from .graph import Op, TensorNode

Axis = int | tuple[int, ...] | None

_imported = {*globals()}

e, inf, nan, newaxis, pi = math.e, math.inf, math.nan, None, math.pi
__array_api_version__ = "2024.12"

# -- Elementwise ------------------------------------------------------------------------------


def _documented(function: Any, name: str, of: str) -> Any:
    function.__name__ = function.__qualname__ = name
    page = f"https://data-apis.org/array-api/2024.12/API_specification/generated/array_api.{name}"
    function.__doc__ = f"The standard's {name}, {of}.\n\n{page}.html"
    return function


def _of_one(op: type[Op], name: str) -> Callable[..., Any]:
    """The op as a function with the standard's signature: nodes in, nodes out; else arrays."""

    def function(x: Any, /) -> Any:
        return op.do_forward(x) if isinstance(x, Operators) else op.forward({}, x)

    return _documented(function, name, f"by the op {op.__name__}")


def _of_two(op: type[Op], name: str) -> Callable[..., Any]:

    def function(x1: Any, x2: Any, /) -> Any:
        if isinstance(x1, Operators) or isinstance(x2, Operators):
            return op.do_forward(x1, x2)
        return op.forward({}, x1, x2)

    return _documented(function, name, f"by the op {op.__name__}")


abs = _of_one(ops.Absolute, "abs")  # noqa: A001
acos = _of_one(ops.Acos, "acos")
acosh = _of_one(ops.Acosh, "acosh")
add = _of_two(ops.Add, "add")
asin = _of_one(ops.Asin, "asin")
asinh = _of_one(ops.Asinh, "asinh")
atan = _of_one(ops.Atan, "atan")
atan2 = _of_two(ops.Atan2, "atan2")
atanh = _of_one(ops.Atanh, "atanh")
copysign = _of_two(ops.CopySign, "copysign")
cos = _of_one(ops.Cos, "cos")
cosh = _of_one(ops.Cosh, "cosh")
divide = _of_two(ops.Divide, "divide")
exp = _of_one(ops.Exp, "exp")
expm1 = _of_one(ops.Expm1, "expm1")
hypot = _of_two(ops.Hypot, "hypot")
log = _of_one(ops.Log, "log")
log10 = _of_one(ops.Log10, "log10")
log1p = _of_one(ops.Log1p, "log1p")
log2 = _of_one(ops.Log2, "log2")
logaddexp = _of_two(ops.LogAddExp, "logaddexp")
matmul = _of_two(ops.MatrixMultiply, "matmul")
maximum = _of_two(ops.Maximum, "maximum")
minimum = _of_two(ops.Minimum, "minimum")
multiply = _of_two(ops.Multiply, "multiply")
negative = _of_one(ops.Negative, "negative")
positive = _of_one(ops.Id, "positive")
pow = _of_two(ops.Power, "pow")  # noqa: A001
remainder = _of_two(ops.Remainder, "remainder")
sin = _of_one(ops.Sin, "sin")
sinh = _of_one(ops.Sinh, "sinh")
sqrt = _of_one(ops.Sqrt, "sqrt")
square = _of_one(ops.Square, "square")
subtract = _of_two(ops.Sub, "subtract")
tan = _of_one(ops.Tan, "tan")
tanh = _of_one(ops.Tanh, "tanh")


def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """x1 where the condition is true, and x2 elsewhere."""
    return ops.Where.apply(condition, x1, x2)


def real(x: Any, /) -> Any:
    """The real parts of complex numbers, as constants; real numbers as they are."""
    return _real(x) if _is_complex(x) else positive(x)


def imag(x: Any, /) -> Any:
    """The imaginary parts of complex numbers, as constants; zeros for real numbers."""
    return _imag(x) if _is_complex(x) else zeros_like(x)


def conj(x: Any, /) -> Any:
    """The complex conjugates, as constants; real numbers as they are."""
    return _conj(x) if _is_complex(x) else positive(x)


def reciprocal(x: Any, /) -> Any:
    """1 / x."""
    return ops.Divide.apply(1, x)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:  # noqa: A002
    """x, but at least `min` and at most `max`. What is at a bound keeps its gradient."""
    if min is not None:
        x = where(x < min, min, x)
    return x if max is None else where(x > max, max, x)


# -- Reductions -------------------------------------------------------------------------------


def sum(  # noqa: A001
    x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False
) -> Any:
    """The sum of all elements, or along `axis`."""
    return _in(dtype, ops.Sum, x, axis=axis, keepdims=keepdims)


def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product of all elements, or along `axis`."""
    return _in(dtype, ops.Prod, x, axis=axis, keepdims=keepdims)


def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of all elements, or along `axis`."""
    return ops.Mean.apply(x, axis=axis, keepdims=keepdims)


def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The variance of all elements, or along `axis`; see the op Var."""
    return ops.Var.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def std(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The standard deviation of all elements, or along `axis`."""
    return ops.Std.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    """The maximum of all elements, or along `axis`; equal ones share the gradient."""
    return ops.Max.apply(x, axis=axis, keepdims=keepdims)


def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    """The minimum of all elements, or along `axis`; equal ones share the gradient."""
    return ops.Min.apply(x, axis=axis, keepdims=keepdims)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The sums of the first 1, 2, ... elements along `axis`."""
    if axis is None and x.ndim != 1:
        raise ValueError(f"cumulative_sum: an array of shape {tuple(x.shape)} needs an axis")
    axis = _axis("cumulative_sum", -1 if axis is None else axis, x.ndim)
    return _in(dtype, ops.CumulativeSum, x, axis=axis, include_initial=include_initial)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The products of the first 1, 2, ... elements along `axis`."""
    if axis is None and x.ndim != 1:
        raise ValueError(f"cumulative_prod: an array of shape {tuple(x.shape)} needs an axis")
    axis = _axis("cumulative_prod", -1 if axis is None else axis, x.ndim)
    return _in(dtype, ops.CumulativeProd, x, axis=axis, include_initial=include_initial)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along `axis`, `n` times."""
    if n < 0:
        raise ValueError(f"diff: n = {n}, expected 0 or more")
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=axis) if len(parts) > 1 else x
    axis = _axis("diff", axis, x.ndim)
    before = (slice(None),) * axis
    for _ in range(builtins.min(n, x.shape[axis])):  # then there is none left
        x = x[(*before, slice(1, None), ...)] - x[(*before, slice(None, -1), ...)]
    return x


# -- Manipulation -----------------------------------------------------------------------------


def reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    """The elements in another shape; one of its entries may be -1, for what remains.

    Raises:
        ValueError: they don't fit it; or it takes a copy, and `copy=False`.
    """
    if copy is False:
        _of_library("reshape", [value_of(x)], shape=shape, copy=False)
    return ops.Reshape.apply(astype(x, x.dtype) if copy else x, shape=shape)


def permute_dims(x: Any, /, axes: tuple[int, ...]) -> Any:
    """The axes in another order: axis i of the result is axis `axes[i]` of x."""
    return ops.Transpose.apply(x, axes=axes)


def matrix_transpose(x: Any, /) -> Any:
    """Each matrix, of the last two axes, transposed."""
    _check_matrices("matrix_transpose", x)
    return ops.Transpose.apply(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def moveaxis(x: Any, source: int | tuple[int, ...], destination: Any, /) -> Any:
    """The axes of x with those of `source` at `destination`, the others in their order."""
    sources, destinations = (
        [_axis("moveaxis", a, x.ndim) for a in _tuple(axes)] for axes in (source, destination)
    )
    if not len(sources) == len({*sources}) == len({*destinations}) == len(destinations):
        found = f"source is {source} and destination {destination}"
        raise ValueError(f"moveaxis: {found}; expected as many axes in both, each of them once")
    axes = [a for a in range(x.ndim) if a not in sources]
    for to, a in sorted(zip(destinations, sources, strict=True)):
        axes.insert(to, a)
    return ops.Transpose.apply(x, axes=tuple(axes))


def broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Any:
    """x repeated, without a copy, to fill the shape."""
    return ops.Broadcast.apply(x, shape=shape)


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """The arrays, broadcast to the shape that they have together."""
    raw = op_inputs("broadcast_arrays", arrays)
    shape = tuple(_of_library("broadcast_arrays", raw)[0].shape) if raw else ()
    return [broadcast_to(x, shape) for x in arrays]


def expand_dims(x: Any, /, axis: int | tuple[int, ...]) -> Any:
    """x with new axes of size 1, where `axis` says in the result."""
    if isinstance(axis, int):
        axis = _axis("expand_dims", axis, x.ndim + 1)
        return ops.Unsqueeze.apply(x, dim=axis)
    new = {_axis("expand_dims", a, x.ndim + len(axis)) for a in axis}
    if len(new) < len(axis):
        raise ValueError(f"expand_dims: axis {axis} names one axis twice")
    sizes = iter(x.shape)
    return reshape(x, tuple([1 if i in new else next(sizes) for i in range(x.ndim + len(new))]))


def squeeze(x: Any, /, axis: int | tuple[int, ...]) -> Any:
    """x without the axes named, which must be of size 1."""
    if isinstance(axis, int):
        return ops.Squeeze.apply(x, dim=axis)
    gone = [_axis("squeeze", a, x.ndim) for a in axis]
    if [a for a in gone if x.shape[a] != 1]:
        raise ValueError(f"squeeze: the axes {axis} of shape {tuple(x.shape)} must be of size 1")
    return reshape(x, tuple([n for i, n in enumerate(x.shape) if i not in gone]))


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    """The arrays one after the other, along `axis`; flat, where that is `None`."""
    if axis is None:
        arrays, axis = [reshape(x, (-1,)) for x in arrays], 0
    return ops.Concat.apply(*arrays, axis=axis)


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
    """The arrays one after the other, along a new axis."""
    return ops.Concat.apply(*[expand_dims(x, axis=axis) for x in arrays], axis=axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The parts of x along `axis`, without it."""
    return ops.Unstack.apply(x, axis=axis)


def flip(x: Any, /, *, axis: Axis = None) -> Any:
    """The elements in reverse order along `axis`, or along all."""
    axes = range(x.ndim) if axis is None else [_axis("flip", a, x.ndim) for a in _tuple(axis)]
    return x[tuple([slice(None, None, -1 if i in axes else 1) for i in range(x.ndim)])]


def roll(x: Any, /, shift: int | tuple[int, ...], *, axis: Axis = None) -> Any:
    """The elements moved on by `shift`, round and round; of x flat, where `axis` is `None`."""
    if axis is None:
        return reshape(ops.Roll.apply(reshape(x, (-1,)), shift=shift, axis=0), tuple(x.shape))
    return ops.Roll.apply(x, shift=shift, axis=axis)


def tile(x: Any, repetitions: tuple[int, ...], /) -> Any:
    """x, `repetitions` times along each axis."""
    missing = len(repetitions) - x.ndim
    times, sizes = (1,) * -missing + tuple(repetitions), (1,) * missing + tuple(x.shape)
    pairs = [*zip(times, sizes, strict=True)]  # each axis as one that repeats it and itself
    x = reshape(x, tuple([m for n in sizes for m in (1, n)]))
    x = broadcast_to(x, tuple([m for pair in pairs for m in pair]))
    return reshape(x, tuple([r * n for r, n in pairs]))


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each element along `axis` (of all, where it is `None`) `repeats` times; or if that is an
    array (N,), each as many times as it says."""
    x, axis = (reshape(x, (-1,)), 0) if axis is None else (x, _axis("repeat", axis, x.ndim))
    n, after = x.shape[axis], tuple(x.shape[axis + 1 :])
    if not isinstance(repeats, int):
        raw = value_of(x)
        xp = namespace(raw)
        counts = op_inputs("repeat", [raw, node_or_array(repeats)])[1]
        if not xp.isdtype(counts.dtype, "integral") or tuple(counts.shape) not in ((), (1,), (n,)):
            expected = f"one integer, or {n} in an array"
            raise TypeError(f"repeat: repeats is {describe(counts)}, expected {expected}")
        if xp.any(counts < 0):
            raise ValueError(f"repeat: repeats has {int(xp.min(counts))}; none may be negative")
        counts = xp.broadcast_to(counts, (n,))
        # Of each element of the result the first that ends after it: CuPy's repeat takes no array.
        ends = xp.cumulative_sum(counts)
        places = xp.arange(int(ends[-1]) if n else 0, dtype=ends.dtype, device=raw.device)
        indices = xp.searchsorted(ends, places, side="right")
        return ops.Take.apply(x, indices=indices, axis=axis, check=False)
    wide = expand_dims(x, axis=axis + 1)
    wide = broadcast_to(wide, (*x.shape[: axis + 1], repeats, *after))
    return reshape(wide, (*x.shape[:axis], n * repeats, *after))


def tril(x: Any, /, *, k: int = 0) -> Any:
    """The lower triangle of each matrix, up to diagonal `k`; zeros elsewhere."""
    return _triangle("tril", x, k)


def triu(x: Any, /, *, k: int = 0) -> Any:
    """The upper triangle of each matrix, from diagonal `k` on; zeros elsewhere."""
    return _triangle("triu", x, k)


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """For each vector its elements along an axis of its own, broadcast together.

    Raises:
        ValueError: an array is no vector, or `indexing` is neither "xy" nor "ij".
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing = {indexing!r}, expected 'xy' or 'ij'")
    for x in arrays:
        if x.ndim != 1:
            raise ValueError(f"meshgrid: an array of shape {tuple(x.shape)}, expected vectors (N,)")
    order = [*range(len(arrays))]
    if indexing == "xy" and len(arrays) > 1:
        order[:2] = 1, 0
    shape = tuple([arrays[i].shape[0] for i in order])
    ones = [[-1 if i == k else 1 for i in order] for k in range(len(arrays))]
    return [broadcast_to(reshape(x, tuple(s)), shape) for x, s in zip(arrays, ones, strict=True)]


getitem = indexing.getitem
sort = indexing.sort
take = indexing.take
take_along_axis = indexing.take_along_axis
setitem = assignment.setitem


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array like x, of the fill value, whose gradient flows if it is a node."""
    if is_node(fill_value):
        fill = _as(x.dtype if dtype is None else dtype, fill_value)
        return broadcast_to(_on("full_like", fill, device), tuple(x.shape))
    return _full_like(x, fill_value, dtype=dtype, device=device)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """x in another dtype."""
    x = _on("astype", x, device)
    return x if not copy and x.dtype == dtype else ops.Cast.apply(x, dtype=dtype)


def _as(dtype: Any, x: Any) -> Any:
    return x if dtype is None else astype(x, dtype, copy=False)


def _in(dtype: Any, op: type[Op], x: Any, **constants: Any) -> Any:
    """The op in that dtype; small integers, that a library computes in larger ones, go back."""
    return _as(dtype, op.apply(_as(dtype, x), **constants))


def _on(name: str, x: Any, device: Any) -> Any:
    if device is not None and device != x.device:
        raise ValueError(f"{name}: an array on {x.device} can't be moved to {device} in a graph")
    return x


def _axis(name: str, axis: int, ndim: int) -> int:
    """The axis, counted from the front."""
    if not -ndim <= axis < ndim:
        raise IndexError(f"{name}: axis {axis} is out of range for {ndim} dimensions")
    return axis % ndim


def _tuple(axis: int | tuple[int, ...]) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _triangle(name: str, x: Any, k: int) -> Any:
    """x, with zeros outside of the triangle of each matrix."""
    _check_matrices(name, x)
    raw = value_of(x)
    xp = namespace(raw)
    ones = xp.ones(tuple(x.shape[-2:]), dtype=xp.bool, device=raw.device)
    zero = xp.zeros((), dtype=raw.dtype, device=raw.device)
    return where(getattr(xp, name)(ones, k=k), x, zero)


def _check_matrices(name: str, x: Any) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: x has shape {tuple(x.shape)}, expected matrices (..., M, N)")


# -- Linear algebra ---------------------------------------------------------------------------


def tensordot(x1: Any, x2: Any, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Any:
    """The sum of products over pairs of axes: the last `axes` of x1 with the first of x2, or
    those that the two sequences name."""
    if isinstance(axes, int):
        if not 0 <= axes <= builtins.min(x1.ndim, x2.ndim):
            shapes = f"{tuple(x1.shape)} and {tuple(x2.shape)}"
            raise ValueError(f"tensordot: {shapes} have not {axes} axes each to sum over")
        axes = [*range(x1.ndim - axes, x1.ndim)], [*range(axes)]
    ours, theirs = (
        [_axis("tensordot", a, x.ndim) for a in given]
        for x, given in zip((x1, x2), axes, strict=True)
    )
    sizes = [x1.shape[a] for a in ours]
    if sizes != [x2.shape[a] for a in theirs]:
        raise ValueError(
            f"tensordot: axes {ours} of {tuple(x1.shape)} and {theirs} of {tuple(x2.shape)} "
            "differ in size"
        )
    rows = [a for a in range(x1.ndim) if a not in ours]
    columns = [a for a in range(x2.ndim) if a not in theirs]
    left, right = tuple([x1.shape[a] for a in rows]), tuple([x2.shape[a] for a in columns])
    k = math.prod(sizes)
    a = reshape(permute_dims(x1, (*rows, *ours)), (math.prod(left), k))
    b = reshape(permute_dims(x2, (*theirs, *columns)), (k, math.prod(right)))
    return reshape(matmul(a, b), (*left, *right))


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The sum of products along `axis`, which is counted from the end; of complex numbers, of the
    conjugates of x1 with x2."""
    if not -builtins.min(x1.ndim, x2.ndim) <= axis < 0:
        raise IndexError(
            f"vecdot: axis {axis} of {tuple(x1.shape)} and {tuple(x2.shape)}; "
            "expected a negative one that both have"
        )
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(
            f"vecdot: {tuple(x1.shape)} and {tuple(x2.shape)} differ in size along axis {axis}"
        )
    products = (conj(x1) if _is_complex(x1) else x1) * x2
    return sum(products, axis=axis, dtype=products.dtype)


# -- What has no gradient ---------------------------------------------------------------------


def _constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of that name of the arrays' own library, through which no gradient flows."""
    name = function.__name__.lstrip("_")

    @wraps(function)
    def constant(*inputs: Any, **constants: Any) -> Any:
        raw = op_inputs(name, inputs)
        constants = {key: value_of(x) for key, x in constants.items()}
        result = _of_library(name, raw, **constants)
        if not [x for x in inputs if is_node(x)]:
            return result
        return tree_map(lambda y: TensorNode(y, requires_grad=False), result)

    return constant


def _of_library(name: str, raw: list[Any], **constants: Any) -> Any:
    """The function of that name of the arrays' own library; errors name it and the arrays."""
    try:
        return getattr(namespace(*raw), name)(*raw, **constants)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise explained(error, name, raw) from error


def _constant_of_one(name: str) -> Callable[..., Any]:
    def function(x: Any, /) -> Any: ...

    return _constant(_documented(function, name, "through which no gradient flows"))


def _constant_of_two(name: str) -> Callable[..., Any]:
    def function(x1: Any, x2: Any, /) -> Any: ...

    return _constant(_documented(function, name, "through which no gradient flows"))


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
_conj = _constant_of_one("conj")
_imag = _constant_of_one("imag")
_real = _constant_of_one("real")


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
def _full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any: ...


def _is_complex(x: Any) -> bool:
    return backend_of(value_of(x)).xp.isdtype(x.dtype, "complex floating")


# -- What is a backend's own ------------------------------------------------------------------

_ours = [name for name in globals() if name not in _imported and not name.startswith("_")]

_CREATION = ("arange", "empty", "eye", "full", "linspace", "ones", "zeros")
_ABOUT_DTYPES = ("can_cast", "finfo", "iinfo", "isdtype", "result_type")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_DTYPES = ("bool", *_INTEGERS, "float32", "float64", "complex64", "complex128")
_OTHERS = ("asarray", "from_dlpack", "__array_namespace_info__")
_OF_A_BACKEND = {*_CREATION, *_ABOUT_DTYPES, *_DTYPES, *_OTHERS}

_namespaces: dict[Backend, ModuleType] = {}
linalg: ModuleType  # gradcore.linalg: that module is built on this one, and sets it


def namespace_of(backend: Backend) -> ModuleType:
    """The functions here, with the dtypes of this backend and those that make its arrays."""
    if backend not in _namespaces:
        xp, made = backend.xp, ModuleType(__name__, __doc__)
        entries = {name: globals()[name] for name in (*_ours, "linalg", "__array_api_version__")}
        entries |= {name: getattr(xp, name) for name in _DTYPES if hasattr(xp, name)}
        entries |= {name: _on_raw(getattr(xp, name)) for name in _ABOUT_DTYPES}
        entries |= {name: _creation(backend, getattr(xp, name)) for name in _CREATION}
        entries |= {"asarray": _asarray(backend), "from_dlpack": _from_dlpack(backend)}
        entries["special"] = special
        entries["__array_namespace_info__"] = xp.__array_namespace_info__
        vars(made).update(entries)
        _namespaces[backend] = made
    return _namespaces[backend]


def __getattr__(name: str) -> Any:
    if name not in _OF_A_BACKEND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(namespace_of(default()), name)


def _on_raw(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, also of nodes, by their values."""

    @wraps(function)
    def on_nodes(*inputs: Any, **constants: Any) -> Any:
        return function(*map(value_of, inputs), **constants)

    return on_nodes


def _creation(backend: Backend, function: Callable[..., Any]) -> Callable[..., TensorNode]:
    """The function, that makes constants in place of arrays."""

    @wraps(function)
    def create(*inputs: Any, device: Any = None, **constants: Any) -> TensorNode:
        for x in (*inputs, *constants.values()):
            if is_node(x) and x.requires_grad:
                raise TypeError(
                    f"{function.__name__} makes constants, of numbers, not of a node that has a "
                    "gradient; broadcast_to(x, shape) keeps the gradient"
                )
        raw = [value_of(x) for x in inputs]
        constants = {key: value_of(x) for key, x in constants.items()}
        made = function(*raw, device=_device(backend, device), **constants)
        return TensorNode(made, requires_grad=False)

    return create


def _device(backend: Backend, device: Any) -> Any:
    """Where new arrays are made: there, else where the default backend makes them."""
    chosen = default()
    return chosen.device if device is None and chosen.name == backend.name else device


def _asarray(backend: Backend) -> Callable[..., Any]:
    def asarray(
        obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
    ) -> Any:
        """A node stays one, with its gradient; numbers and arrays become constants."""
        x = obj
        if isinstance(x, list | tuple) and [entry for entry in flat(x) if is_node(entry)]:
            x = stack([asarray(entry) for entry in x])
        if is_node(x):
            x = _on("asarray", x, device)
            same = dtype is None or dtype == x.dtype
            if copy is False and not same:
                raise ValueError(f"asarray: {x.dtype} becomes {dtype} only in a copy")
            return x if same and not copy else astype(x, x.dtype if same else dtype)
        if type(x) not in known:
            device = _device(backend, device)
        made = backend.xp.asarray(x, dtype=dtype, device=device, copy=copy)
        return TensorNode(made, requires_grad=False)

    return asarray


def _from_dlpack(backend: Backend) -> Callable[..., TensorNode]:
    def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> TensorNode:
        """What another library has there, as a constant."""
        asked = {"device": device, "copy": copy}
        asked = {key: wish for key, wish in asked.items() if wish is not None}
        made = backend.xp.from_dlpack(value_of(x), **asked)
        return TensorNode(made, requires_grad=False)

    return from_dlpack


connect(ops, sys.modules[__name__])
