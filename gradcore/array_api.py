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
from functools import partial
from types import ModuleType
from typing import Any

from . import assignment, indexing, ops, special
from .backends import Backend, backend_of, default, known
from .graph import TensorNode
from .operators import Operators
from .trees import tree_map
from .values import array, describe, flat, is_node, namespace, unwrap, unwrapped

Axis = int | tuple[int, ...] | None

_imported = {*globals()}

e, inf, nan, newaxis, pi = math.e, math.inf, math.nan, None, math.pi
__array_api_version__ = "2024.12"

# -- Elementwise ------------------------------------------------------------------------------

abs = ops.Absolute.apply  # noqa: A001
acos = ops.Acos.apply
acosh = ops.Acosh.apply
add = ops.Add.apply
asin = ops.Asin.apply
asinh = ops.Asinh.apply
atan = ops.Atan.apply
atan2 = ops.Atan2.apply
atanh = ops.Atanh.apply
copysign = ops.CopySign.apply
cos = ops.Cos.apply
cosh = ops.Cosh.apply
divide = ops.Divide.apply
exp = ops.Exp.apply
expm1 = ops.Expm1.apply
hypot = ops.Hypot.apply
log = ops.Log.apply
log10 = ops.Log10.apply
log1p = ops.Log1p.apply
log2 = ops.Log2.apply
logaddexp = ops.LogAddExp.apply
matmul = ops.MatrixMultiply.apply
maximum = ops.Maximum.apply
minimum = ops.Minimum.apply
multiply = ops.Multiply.apply
negative = ops.Negative.apply
positive = ops.Id.apply
pow = ops.Power.apply  # noqa: A001
remainder = ops.Remainder.apply
sin = ops.Sin.apply
sinh = ops.Sinh.apply
sqrt = ops.Sqrt.apply
square = ops.Square.apply
subtract = ops.Sub.apply
tan = ops.Tan.apply
tanh = ops.Tanh.apply
where = ops.Where.apply


def conj(x: Any, /) -> Any:
    """x itself: there are no complex nodes."""
    return positive(x)


def real(x: Any, /) -> Any:
    """x itself, as `conj`."""
    return positive(x)


def imag(x: Any, /) -> Any:
    """Zeros, as `conj`."""
    return zeros_like(x)


def reciprocal(x: Any, /) -> Any:
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
    return ops.Sum.apply(_as(dtype, x), axis=axis, keepdims=keepdims)


def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    return ops.Prod.apply(_as(dtype, x), axis=axis, keepdims=keepdims)


def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return ops.Mean.apply(x, axis=axis, keepdims=keepdims)


def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return ops.Var.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def std(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return ops.Std.apply(x, axis=axis, correction=correction, keepdims=keepdims)


def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    return ops.Max.apply(x, axis=axis, keepdims=keepdims)


def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    return ops.Min.apply(x, axis=axis, keepdims=keepdims)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    if axis is None and x.ndim != 1:
        raise ValueError(f"cumulative_sum: an array of shape {tuple(x.shape)} needs an axis")
    axis = -1 if axis is None else axis
    return ops.CumulativeSum.apply(_as(dtype, x), axis=axis, include_initial=include_initial)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    if axis is None and x.ndim != 1:
        raise ValueError(f"cumulative_prod: an array of shape {tuple(x.shape)} needs an axis")
    axis = -1 if axis is None else axis
    return ops.CumulativeProd.apply(_as(dtype, x), axis=axis, include_initial=include_initial)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along `axis`, `n` times."""
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=axis) if len(parts) > 1 else x
    before = (slice(None),) * _axis("diff", axis, x.ndim)
    for _ in range(n):
        x = x[(*before, slice(1, None), ...)] - x[(*before, slice(None, -1), ...)]
    return x


# -- Manipulation -----------------------------------------------------------------------------


def reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    return ops.Reshape.apply(astype(x, x.dtype) if copy else x, shape=shape)


def permute_dims(x: Any, /, axes: tuple[int, ...]) -> Any:
    return ops.Transpose.apply(x, axes=axes)


def matrix_transpose(x: Any, /) -> Any:
    return ops.Transpose.apply(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def moveaxis(x: Any, source: int | tuple[int, ...], destination: Any, /) -> Any:
    sources, destinations = (
        [_axis("moveaxis", a, x.ndim) for a in _tuple(axes)] for axes in (source, destination)
    )
    axes = [a for a in range(x.ndim) if a not in sources]
    for to, a in sorted(zip(destinations, sources, strict=True)):
        axes.insert(to, a)
    return ops.Transpose.apply(x, axes=tuple(axes))


def broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Any:
    return ops.Broadcast.apply(x, shape=shape)


def broadcast_arrays(*arrays: Any) -> list[Any]:
    raw = unwrapped("broadcast_arrays", arrays)
    shape = tuple(namespace(*raw).broadcast_arrays(*raw)[0].shape) if raw else ()
    return [broadcast_to(x, shape) for x in arrays]


def expand_dims(x: Any, /, *, axis: int | tuple[int, ...] = 0) -> Any:
    if isinstance(axis, int):
        return ops.Unsqueeze.apply(x, dim=axis)
    new = {_axis("expand_dims", a, x.ndim + len(axis)) for a in axis}
    if len(new) < len(axis):
        raise ValueError(f"expand_dims: axis {axis} names one axis twice")
    sizes = iter(x.shape)
    return reshape(x, tuple([1 if i in new else next(sizes) for i in range(x.ndim + len(new))]))


def squeeze(x: Any, /, axis: int | tuple[int, ...]) -> Any:
    if isinstance(axis, int):
        return ops.Squeeze.apply(x, dim=axis)
    gone = [_axis("squeeze", a, x.ndim) for a in axis]
    if [a for a in gone if x.shape[a] != 1]:
        raise ValueError(f"squeeze: the axes {axis} of shape {tuple(x.shape)} must be of size 1")
    return reshape(x, tuple([n for i, n in enumerate(x.shape) if i not in gone]))


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    if axis is None:
        arrays, axis = [reshape(x, (-1,)) for x in arrays], 0
    return ops.Concat.apply(*arrays, axis=axis)


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
    return ops.Concat.apply(*[expand_dims(x, axis=axis) for x in arrays], axis=axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    return ops.Unstack.apply(x, axis=axis)


def flip(x: Any, /, *, axis: Axis = None) -> Any:
    axes = range(x.ndim) if axis is None else [_axis("flip", a, x.ndim) for a in _tuple(axis)]
    return x[tuple([slice(None, None, -1 if i in axes else 1) for i in range(x.ndim)])]


def roll(x: Any, /, shift: int | tuple[int, ...], *, axis: Axis = None) -> Any:
    if axis is None:
        return reshape(ops.Roll.apply(reshape(x, (-1,)), shift=shift, axis=0), tuple(x.shape))
    return ops.Roll.apply(x, shift=shift, axis=axis)


def tile(x: Any, repetitions: tuple[int, ...], /) -> Any:
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
        raw = unwrap(x)
        xp = namespace(raw)
        counts = unwrapped("repeat", [raw, array(repeats)])[1]
        if not xp.isdtype(counts.dtype, "integral") or tuple(counts.shape) not in ((), (1,), (n,)):
            expected = f"one integer, or {n} in an array"
            raise TypeError(f"repeat: repeats is {describe(counts)}, expected {expected}")
        if xp.any(counts < 0):
            raise ValueError(f"repeat: repeats has {int(xp.min(counts))}; none may be negative")
        counts = xp.broadcast_to(counts, (n,))
        indices = xp.repeat(xp.arange(n, device=raw.device), counts)
        return ops.Take.apply(x, indices=indices, axis=axis, check=False)
    wide = expand_dims(x, axis=axis + 1)
    wide = broadcast_to(wide, (*x.shape[: axis + 1], repeats, *after))
    return reshape(wide, (*x.shape[:axis], n * repeats, *after))


def tril(x: Any, /, *, k: int = 0) -> Any:
    return where(_triangle("tril", x, k), x, 0)


def triu(x: Any, /, *, k: int = 0) -> Any:
    return where(_triangle("triu", x, k), x, 0)


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
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
    if is_node(fill_value):
        fill = _as(x.dtype if dtype is None else dtype, fill_value)
        return broadcast_to(_on("full_like", fill, device), tuple(x.shape))
    return _full_like(x, fill_value, dtype=dtype, device=device)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    x = _on("astype", x, device)
    return x if not copy and x.dtype == dtype else ops.Cast.apply(x, dtype=dtype)


def _as(dtype: Any, x: Any) -> Any:
    return x if dtype is None else astype(x, dtype, copy=False)


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
    """Where, in each matrix, the triangle is."""
    xp, raw = backend_of(unwrap(x)).xp, unwrap(x)
    ones = xp.ones(tuple(x.shape[-2:]), dtype=xp.bool, device=raw.device)
    return getattr(xp, name)(ones, k=k)


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
    """The sum of products along `axis`, which is counted from the end."""
    if not -builtins.min(x1.ndim, x2.ndim) <= axis < 0:
        raise IndexError(
            f"vecdot: axis {axis} of {tuple(x1.shape)} and {tuple(x2.shape)}; "
            "expected a negative one that both have"
        )
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(
            f"vecdot: {tuple(x1.shape)} and {tuple(x2.shape)} differ in size along axis {axis}"
        )
    return sum(x1 * x2, axis=axis)


# -- What has no gradient ---------------------------------------------------------------------


def _plain(name: str) -> Callable[..., Any]:
    """A function of the arrays' own library, through which no gradient flows."""

    def function(*inputs: Any, **constants: Any) -> Any:
        raw = unwrapped(name, inputs)
        constants = {key: unwrap(x) for key, x in constants.items()}
        result = getattr(namespace(*raw), name)(*raw, **constants)
        if not [x for x in inputs if is_node(x)]:
            return result
        return tree_map(lambda y: TensorNode(y, requires_grad=False), result)

    function.__name__ = name
    return function


all = _plain("all")  # noqa: A001
any = _plain("any")  # noqa: A001
argmax = _plain("argmax")
argmin = _plain("argmin")
argsort = _plain("argsort")
bitwise_and = _plain("bitwise_and")
bitwise_invert = _plain("bitwise_invert")
bitwise_left_shift = _plain("bitwise_left_shift")
bitwise_or = _plain("bitwise_or")
bitwise_right_shift = _plain("bitwise_right_shift")
bitwise_xor = _plain("bitwise_xor")
ceil = _plain("ceil")
count_nonzero = _plain("count_nonzero")
empty_like = _plain("empty_like")
equal = _plain("equal")
floor = _plain("floor")
floor_divide = _plain("floor_divide")
greater = _plain("greater")
greater_equal = _plain("greater_equal")
isfinite = _plain("isfinite")
isinf = _plain("isinf")
isnan = _plain("isnan")
less = _plain("less")
less_equal = _plain("less_equal")
logical_and = _plain("logical_and")
logical_not = _plain("logical_not")
logical_or = _plain("logical_or")
logical_xor = _plain("logical_xor")
nextafter = _plain("nextafter")
nonzero = _plain("nonzero")
not_equal = _plain("not_equal")
ones_like = _plain("ones_like")
round = _plain("round")  # noqa: A001
searchsorted = _plain("searchsorted")
sign = _plain("sign")
signbit = _plain("signbit")
trunc = _plain("trunc")
unique_all = _plain("unique_all")
unique_counts = _plain("unique_counts")
unique_inverse = _plain("unique_inverse")
unique_values = _plain("unique_values")
zeros_like = _plain("zeros_like")

_full_like = _plain("full_like")

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
        entries |= {name: _creation(backend, name) for name in _CREATION}
        entries["asarray"] = partial(_asarray, backend)
        entries["special"] = special
        entries["from_dlpack"] = partial(_from_dlpack, backend)
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

    def on_nodes(*inputs: Any, **constants: Any) -> Any:
        return function(*map(unwrap, inputs), **constants)

    return on_nodes


def _creation(backend: Backend, name: str) -> Callable[..., TensorNode]:
    def create(*inputs: Any, device: Any = None, **constants: Any) -> TensorNode:
        for x in (*inputs, *constants.values()):
            if is_node(x) and x.requires_grad:
                raise TypeError(
                    f"{name} makes constants, of numbers, not of a node that has a gradient; "
                    "broadcast_to(x, shape) keeps the gradient"
                )
        raw = [unwrap(x) for x in inputs]
        constants = {key: unwrap(x) for key, x in constants.items()}
        made = getattr(backend.xp, name)(*raw, device=_device(backend, device), **constants)
        return TensorNode(made, requires_grad=False)

    create.__name__ = name
    return create


def _device(backend: Backend, device: Any) -> Any:
    """Where new arrays are made: there, else where the default backend makes them."""
    chosen = default()
    return chosen.device if device is None and chosen.name == backend.name else device


def _asarray(
    backend: Backend, x: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Any:
    """A node stays one, with its gradient; numbers and arrays become constants."""
    if isinstance(x, list | tuple) and [entry for entry in flat(x) if is_node(entry)]:
        x = stack([_asarray(backend, entry) for entry in x])
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


def _from_dlpack(backend: Backend, x: Any, /, **constants: Any) -> TensorNode:
    """A constant."""
    return TensorNode(backend.xp.from_dlpack(unwrap(x), **constants), requires_grad=False)


Operators.ops, Operators.array_api = ops, sys.modules[__name__]
