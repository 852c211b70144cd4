"""PyTorch's names of functions, with the same in gradcore, for torch_samples.py.

The arguments are those of PyTorch's samples. What gradcore lacks (a setting, a shape) is a
LookupError with the reason, or an argument that a function here has not.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import gradcore as g
from gradcore import array_api as xp

__all__ = ["ACCEPTED", "DIFFERENT", "OPS"]

L = g.linalg
Function = Callable[..., Any]

# Functions of sequences, images and volumes, without the number of axes; and modes of interpolate.
WINDOWED = ["adaptive_avg_pool", "adaptive_max_pool", "avg_pool", "conv", "conv_transpose"]
WINDOWED += ["max_pool", "max_unpool"]
RESIZING = ["area", "bicubic", "bilinear", "linear", "nearest", "nearest-exact", "trilinear"]

# Why some samples differ: the start of the function's name, words of the problem, and the reason.
DIFFERENT: list[tuple[str, str, str]] = [
    ("", "out of range for 0 dimensions", "PyTorch counts an axis in an array of shape ()"),
    ("", "axis 0 is out of bounds for array of dimension 0", "the same, said by NumPy"),
    ("", "eps = -0.5, expected", "gradcore refuses a negative eps"),
    ("__rpow__", "second", "as pow"),
    ("acosh", "gradients", "outside of its domain: NaN, as the value is; PyTorch: a number"),
    ("argwhere", "zero-dimensional arrays", "NumPy refuses it too"),
    ("argsort", "of shape (1,), expected ()", "the order of one number: (1,), as NumPy's"),
    ("cat", "Concat: ", "PyTorch joins an empty vector (0,) with arrays of any shape"),
    ("clamp", "gradients", "where one is NaN: its gradient is 1; PyTorch: 0 for all"),
    ("copysign", "gradients", "of infinity: PyTorch divides it by itself, NaN"),
    ("cholesky_", "gradients", "of the triangle that is not read: 0; PyTorch: not"),
    ("cholesky_", "second", "the same"),
    ("linalg.vander", "x is a number", "PyTorch takes () for (1,)"),
    ("cov", "", "rounding, of the first or the second weight"),
    ("corrcoef", "gradients", "rounding, of correlations of 1"),
    ("copysign", "second", "as gradients"),
    ("digamma", "gradients", "PyTorch: large numbers in place of inf at 0, -1, ..., NaN at inf"),
    ("einsum", "the output has no '...'", "PyTorch sums over '...', NumPy and gradcore refuse"),
    ("gather", "(2, 0) do not fit", "PyTorch takes an empty index of any shape"),
    ("heaviside", "values", "of NaN: NaN, as NumPy's; PyTorch: 0"),
    ("index_copy", "gradients", "of places named twice, the last counts; PyTorch: all"),
    ("mode", "values", "of equal elements, PyTorch leaves open which index"),
    ("hypot", "gradients", "at (0, 0): 0, a subgradient; PyTorch: NaN"),
    ("lgamma", "second", "as digamma's gradients"),
    ("logaddexp", "second", "as gradients"),
    (
        "logaddexp",
        "gradients",
        "of two equal infinities: 1/2, as of other equal numbers; PyTorch: NaN",
    ),
    ("nn.functional.normalize", "gradients", "of vectors of one element: 0 up to rounding"),
    ("nextafter", "gradients", "of equal numbers: 1, as of others; PyTorch: 0"),
    ("nn.functional.avg_pool2d", "ValueError", "PyTorch takes sizes (1,) and () for two axes"),
    (
        "nn.functional.margin_ranking_loss",
        "gradients",
        "of the other inputs, where one is NaN, and so the loss: NaN; PyTorch: 0",
    ),
    ("nn.functional.multi_margin_loss", "x () and", "PyTorch takes one score ()"),
    ("nn.functional.multilabel_margin_loss", "target int64 ()", "the same"),
    ("nn.functional.batch_norm", "x has shape (0,), expected", "PyTorch takes (0,)"),
    ("nn.functional.hardshrink", "gradients", "at NaN PyTorch's is 0"),
    ("nn.functional.hardshrink", "lambd = -0.5, expected", "gradcore refuses a negative lambd"),
    ("nn.functional.mish", "second", "at infinity PyTorch multiplies it by 0, NaN"),
    ("polygamma.polygamma_n_0", "gradients", "as digamma's"),
    ("polygamma", "values", "at infinity: 0, the limit; PyTorch: NaN"),
    ("pow", "second", "PyTorch lacks a term where the exponent is 0; NaN where the base is 0"),
    ("sgn", "values", "as sign"),
    ("sign", "values", "of NaN: NaN, as the standard's; PyTorch: 0"),
    ("i0", "values", "at infinity: infinite; PyTorch: NaN"),
    ("i0", "second", "the same"),
    ("sinc", "values", "at infinity: 0, the limit; PyTorch: NaN"),
    ("sinc", "second", "close to 0: -pi²/3 and the like; PyTorch: NaN"),
    ("special.bessel_", "values", "at infinity: 0, the limit; PyTorch: NaN, and far fewer digits"),
    ("special.erfcx", "gradients", "at infinity: 0, the limit; PyTorch: NaN"),
    ("special.erfcx", "second", "PyTorch loses its digits where x is large"),
    ("special.i1", "", "at infinity: infinite; PyTorch: NaN"),
    ("special.log_ndtr", "gradients", "at -inf: inf, the limit; PyTorch: NaN, and fewer digits"),
    ("special.modified_bessel_i", "values", "at infinity: infinite; PyTorch: NaN"),
    ("special.polygamma", "gradients", "as digamma's"),
    ("special.xlog1py", "gradients", "as xlogy's"),
    ("xlogy", "gradients", "at (0, 0): -inf by x, the limit; PyTorch: 0"),
    ("tensordot", "differ in size", "PyTorch broadcasts axes of size 1 here"),
]

# Why gradcore accepts some inputs that PyTorch refuses: the function, PyTorch's words, the reason.
ACCEPTED: list[tuple[str, str, str]] = [
    ("cov", "fweights cannot be negative", "the host does not read the weights"),
    ("narrow", "start must be", "an array of one integer is an integer"),
    ("linalg.cross", "same number of dimensions", "arrays are broadcast, as in NumPy"),
    ("masked_fill", "0-dimensional value", "arrays are broadcast, as in NumPy"),
    ("masked_fill", "without overflow", "the result has the larger dtype, as in NumPy"),
    ("mean", "could not infer output dtype", "the mean of integers is a number, as in NumPy"),
    ("roll", "shift", "shifts and axes are broadcast, as in NumPy"),
    ("trace", "expected a matrix", "stacks of matrices, as the standard has it"),
]


# -- Arguments ------------------------------------------------------------------------------------


def _unary(*names: str) -> dict[str, Function]:
    return {name: _only_x(getattr(xp, name)) for name in " ".join(names).split()}


def _layers(*names: str) -> dict[str, Function]:
    return {f"nn.functional.{name}": _dim(getattr(g, name)) for name in " ".join(names).split()}


def _binary(**names: str) -> dict[str, Function]:
    return {theirs: _two(getattr(xp, ours)) for theirs, ours in names.items()}


def _only_x(f: Function) -> Function:
    return lambda x: f(x)


def _two(f: Function) -> Function:
    def function(x: Any, other: Any, **settings: Any) -> Any:
        if not hasattr(x, "shape") and not hasattr(other, "shape"):
            raise LookupError("numbers only")
        return f(x, other, **settings)

    return function


def _axis(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, list) else dim


def _reduction(f: Function) -> Function:
    return lambda x, dim=None, keepdim=False: f(x, axis=_axis(dim), keepdims=keepdim)


def _spread(f: Function) -> Function:
    def function(x: Any, dim: Any = None, correction: Any = 1, keepdim: bool = False) -> Any:
        correction = 1 if correction is None else correction
        return f(x, axis=_axis(dim), correction=correction, keepdims=keepdim)

    return function


def _biased(f: Function) -> Function:
    return lambda x, unbiased: f(x, correction=int(unbiased))


def _both(f: Function, h: Function) -> Function:
    return lambda *args, **settings: (f(*args, **settings), h(*args, **settings))


def _extreme(f: Function, place: Function) -> Function:
    return lambda x, dim, keepdim=False: (
        f(x, axis=dim, keepdims=keepdim), place(x, axis=dim, keepdims=keepdim)
    )  # fmt: skip


def _cast(dtype: str) -> Function:
    return lambda x, memory_format=None: xp.astype(x, np.dtype(dtype))


def _shape(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else tuple(shape)


# -- Functions that take more than a line ---------------------------------------------------------


def _matrix_norm(x: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Any:  # noqa: A002
    return L.norm(x, ord, axis=tuple(dim), keepdims=keepdim)


def _norm(x: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False) -> Any:
    """Compute torch.norm, where a number and no axes mean one vector."""
    axis = _axis(dim)
    if p in ("fro", "nuc") and (p == "nuc" or (isinstance(axis, tuple) and len(axis) == 2)):
        return L.norm(x, p, axis=axis if axis is not None else (-2, -1), keepdims=keepdim)
    return L.vector_norm(x, axis=axis, ord=2 if p == "fro" else p, keepdims=keepdim)


def _squeezed(x: Any, dim: Any = None) -> Any:
    axes = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    return xp.squeeze(x, axis=tuple([a for a in axes if x.ndim and x.shape[a] == 1]))


def _attention(query: Any, key: Any, value: Any, dropout_p: float = 0.0, **settings: Any) -> Any:
    if dropout_p:
        raise LookupError("other random numbers")
    return g.scaled_dot_product_attention(query, key, value, **settings)


def _embedding(weight: Any, indices: Any, **settings: Any) -> Any:
    if settings.pop("sparse", False):
        raise LookupError("sparse gradients")
    return g.embedding(indices, weight, **settings)


def _batch_norm(
    x: Any, mean: Any, var: Any, w: Any = None, b: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    mean, var = (None if a is None else g.TensorNode(a, requires_grad=False) for a in (mean, var))
    return g.batch_norm(x, mean, var, w, b, training, momentum, eps)


def _symmetric(x: Any, UPLO: str = "L") -> Any:
    """Mirror the triangle that PyTorch reads, as gradcore reads both; with x's own gradient."""
    y = g.stop_gradient(x if UPLO == "L" else x.mT)
    return x + (xp.tril(y) + xp.tril(y, k=-1).mT - g.stop_gradient(x))


def _solve(a: Any, b: Any, left: bool = True) -> Any:
    if not left or (b.ndim > 1 and b.ndim < a.ndim):
        raise LookupError("from the right, or stacks of vectors")
    return L.solve(a, b)


def _dim(f: Function) -> Function:
    """Give a function of gradcore PyTorch's names of arguments: "dim" for "axis"."""
    ours = inspect.signature(f).parameters
    names = {"keepdim" if key == "keepdims" else key.replace("axis", "dim"): key for key in ours}

    def function(*args: Any, **settings: Any) -> Any:
        y = f(*args, **{names.get(key, key): value for key, value in settings.items()})
        return tuple(y) if isinstance(y, tuple) else y

    theirs = [ours[key].replace(name=name) for name, key in names.items()]
    function.__signature__ = inspect.Signature(theirs)  # type: ignore[attr-defined]
    return function


def _part(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return x[(slice(None),) * (dim % max(x.ndim, 1)) + (slice(start, end, step),)]


def _scattered(x: Any, dim: int, index: Any, src: Any, reduce: Any = None) -> Any:
    if reduce is not None:
        raise LookupError("scatter(reduce=), which PyTorch says to write as scatter_reduce")
    return g.scatter(x, dim, index, src)


def _median(f: Function) -> Function:
    return lambda x, dim=None, keepdim=False: (
        f(x) if dim is None else tuple(f(x, axis=dim, keepdims=keepdim))
    )


def _of_arrays(f: Function) -> Function:
    def function(a: Any, b: Any, out_int32: bool = False, **settings: Any) -> Any:
        if out_int32:
            raise LookupError("indices of int32")
        a = a if hasattr(a, "shape") else np.asarray(a, b.dtype)
        b = b if hasattr(b, "shape") else np.asarray(b, a.dtype)
        return f(a, b, **settings)

    return function


def _aminmax(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return tuple([f(x, axis=dim, keepdims=keepdim) for f in (xp.min, xp.max)])


# -- The table ------------------------------------------------------------------------------------

OPS: dict[str, Function] = {
    **_unary(
        "abs acos acosh asin asinh atan atanh ceil conj cos cosh exp expm1 floor imag isfinite",
        "isinf isnan log log10 log1p log2 logical_not positive real reciprocal sign signbit sin",
        "sinh sqrt square tan tanh trunc",
    ),
    **_binary(
        __rmod__="remainder",
        atan2="atan2",
        bitwise_and="bitwise_and",
        bitwise_left_shift="bitwise_left_shift",
        bitwise_or="bitwise_or",
        bitwise_right_shift="bitwise_right_shift",
        bitwise_xor="bitwise_xor",
        bmm="matmul",
        copysign="copysign",
        eq="equal",
        floor_divide="floor_divide",
        ge="greater_equal",
        gt="greater",
        hypot="hypot",
        le="less_equal",
        logaddexp="logaddexp",
        logical_and="logical_and",
        logical_or="logical_or",
        logical_xor="logical_xor",
        lt="less",
        matmul="matmul",
        maximum="maximum",
        minimum="minimum",
        mm="matmul",
        mul="multiply",
        mv="matmul",
        ne="not_equal",
        nextafter="nextafter",
        pow="pow",
        remainder="remainder",
        true_divide="divide",
        vdot="vecdot",
        dot="vecdot",
    ),
    "max.binary": _two(xp.maximum),
    "min.binary": _two(xp.minimum),
    "bitwise_not": lambda x: xp.bitwise_invert(x),
    "conj_physical": lambda x: xp.conj(x),
    "resolve_conj": lambda x: xp.conj(x),
    "sgn": lambda x: xp.sign(x),
    "neg": lambda x: -x,
    "add": lambda x, y, alpha=1: x + alpha * y,
    "sub": lambda x, y, alpha=1: x - alpha * y,
    "rsub": lambda x, y, alpha=1: y - alpha * x,
    "__radd__": lambda x, y: y + x,
    "__rand__": lambda x, y: y & x,
    "__rdiv__": lambda x, y: y / x,
    "__rmatmul__": lambda x, y: y @ x,
    "__rmod__": lambda x, y: y % x,
    "__rmul__": lambda x, y: y * x,
    "__ror__": lambda x, y: y | x,
    "__rpow__": lambda x, y: y**x,
    "__rxor__": lambda x, y: y ^ x,
    "div.no_rounding_mode": lambda x, y, rounding_mode=None: x / y,
    "div.floor_rounding": lambda x, y, rounding_mode: x // y,
    "div.trunc_rounding": _two(lambda x, y, rounding_mode="trunc": xp.trunc(x / y)),
    "clamp": lambda x, min=None, max=None: xp.clip(x, min, max),  # noqa: A006
    "clamp_max": lambda x, y: xp.clip(x, None, y),
    "clamp_min": lambda x, y: xp.clip(x, y, None),
    "where": lambda x, condition, other: xp.where(condition, x, other),
    "masked_fill": g.masked_fill,
    "masked_select": g.masked_select,
    "round": lambda x: xp.round(x),
    "frac": g.frac,
    "isposinf": lambda x: x == math.inf,
    "isneginf": lambda x: x == -math.inf,
    "deg2rad": lambda x: x * (math.pi / 180),
    "rad2deg": lambda x: x * (180 / math.pi),
    "sigmoid": lambda x: g.sigmoid(x),
    "erf": lambda x: g.erf(x),
    "erfc": lambda x: g.erfc(x),
    "lgamma": lambda x: g.lgamma(x),
    "digamma": lambda x: g.digamma(x),
    **{f"polygamma.polygamma_n_{n}": lambda x, n: g.polygamma(n, x) for n in range(5)},
    "special.polygamma.special_polygamma_n_0": lambda x, n: g.polygamma(n, x),
    **{
        f"special.{name}": getattr(g.special, name)
        for name in (
            "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "entr", "erfcx", "i0e", "i1",
            "i1e", "log_ndtr", "ndtr", "ndtri", "modified_bessel_i0", "modified_bessel_i1",
            "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
            "scaled_modified_bessel_k1", "xlog1py",
        )
    },
    **{name: getattr(g.special, name) for name in ("i0", "erfinv", "sinc", "xlogy")},
    "logit": lambda x, eps=None: g.special.logit(x if eps is None else xp.clip(x, eps, 1 - eps)),
    "rsqrt": g.rsqrt,
    "exp2": g.exp2,
    "ldexp": lambda x, y: x * 2.0**y,
    "addcmul": g.addcmul,
    "addcdiv": g.addcdiv,
    "lerp": g.lerp,
    # Reductions.
    "sum": _reduction(xp.sum),
    "mean": _reduction(xp.mean),
    "nansum": _reduction(g.nansum),
    "amax": _reduction(xp.max),
    "amin": _reduction(xp.min),
    "aminmax": _aminmax,
    "max.reduction_no_dim": lambda x: xp.max(x),
    "min.reduction_no_dim": lambda x: xp.min(x),
    "max.reduction_with_dim": _extreme(xp.max, xp.argmax),
    "min.reduction_with_dim": _extreme(xp.min, xp.argmin),
    "all": _reduction(xp.all),
    "any": _reduction(xp.any),
    "count_nonzero": lambda x, dim=None: xp.count_nonzero(x, axis=_axis(dim)),
    "argmax": lambda x, dim=None, keepdim=False: xp.argmax(x, axis=dim, keepdims=keepdim),
    "argmin": lambda x, dim=None, keepdim=False: xp.argmin(x, axis=dim, keepdims=keepdim),
    "prod": _reduction(xp.prod),
    "std": _spread(xp.std),
    "var": _spread(xp.var),
    "std.unbiased": _biased(xp.std),
    "var.unbiased": _biased(xp.var),
    "std_mean": lambda x, dim=None, correction=1, keepdim=False: (
        OPS["std"](x, dim, correction, keepdim), OPS["mean"](x, dim, keepdim)
    ),
    "var_mean": lambda x, dim=None, correction=1, keepdim=False: (
        OPS["var"](x, dim, correction, keepdim), OPS["mean"](x, dim, keepdim)
    ),
    "std_mean.unbiased": _both(_biased(xp.std), lambda x, unbiased: xp.mean(x)),
    "var_mean.unbiased": _both(_biased(xp.var), lambda x, unbiased: xp.mean(x)),
    "logsumexp": lambda x, dim, keepdim=False: g.logsumexp(x, axis=_axis(dim), keepdims=keepdim),
    "cumsum": lambda x, dim: g.cumsum(x, dim),
    "cumprod": lambda x, dim: g.cumprod(x, dim),
    "diff": lambda x, n=1, dim=-1, prepend=None, append=None: xp.diff(
        x, n=n, axis=dim, prepend=prepend, append=append
    ),
    **{name: _dim(getattr(g, name)) for name in ("log_softmax", "softmax")},
    # Shapes and parts.
    **dict.fromkeys(
        ["alias_copy", "clone", "contiguous"], lambda x, memory_format=None: xp.astype(x, x.dtype)),
    **dict.fromkeys(["reshape", "view", "view_copy"], lambda x, *s: xp.reshape(x, _shape(s))),
    **dict.fromkeys(["reshape_as", "view_as"], lambda x, y: xp.reshape(x, y.shape)),
    **dict.fromkeys(["permute", "permute_copy"], lambda x, *axes: g.permute(x, _shape(axes))),
    **dict.fromkeys(["transpose", "transpose_copy"], _dim(g.transpose)),
    **dict.fromkeys(["t", "t_copy"], g.t),
    **dict.fromkeys(["squeeze", "squeeze.multiple", "squeeze_copy"], _squeezed),
    **dict.fromkeys(["unsqueeze", "unsqueeze_copy"], lambda x, dim: xp.expand_dims(x, axis=dim)),
    **dict.fromkeys(["expand", "expand_copy"], lambda x, *shape: g.expand(x, _shape(shape))),
    **dict.fromkeys(["unbind", "unbind_copy"], lambda x, dim=0: xp.unstack(x, axis=dim)),
    **dict.fromkeys(["tile", "repeat"], lambda x, *reps: xp.tile(x, _shape(reps))),
    **dict.fromkeys(
        ["narrow", "narrow_copy"], lambda x, dim, start, n: g.narrow(x, dim, int(start), n)
    ),
    **dict.fromkeys(
        ["split", "split.list_args", "split_with_sizes", "split_with_sizes_copy", "unsafe_split"],
        _dim(g.split),
    ),
    **dict.fromkeys(["chunk", "unsafe_chunk"], _dim(g.chunk)),
    **{name: _dim(getattr(g, name)) for name in (
        "addbmm", "addmm", "addmv", "addr", "atleast_1d", "atleast_2d", "atleast_3d",
        "baddbmm", "bincount", "column_stack", "corrcoef", "cov", "cummax", "cummin",
        "dstack", "fmod", "heaviside", "histc", "hstack", "index_add", "index_copy", "index_fill",
        "isclose",
        "kthvalue", "logcumsumexp", "masked_scatter", "mode", "nanmean", "nanquantile",
        "nan_to_num", "outer", "quantile", "scatter_add", "take_along_dim", "tensor_split", "topk",
        "unique_consecutive", "vstack",
    )},
    "addmm.decomposed": g.addmm,
    "cdist": lambda x, y, p=2.0, compute_mode=None: g.cdist(x, y, p),
    "scatter": _scattered,
    "median": _median(g.median),
    "nanmedian": _median(g.nanmedian),
    "index_put": lambda x, indices, values, accumulate=False: g.index_put(
        x, indices, values, accumulate=accumulate
    ),
    **{f"scatter_reduce.{reduce}": _dim(g.scatter_reduce) for reduce in (
        "sum", "prod", "mean", "amax", "amin"
    )},
    "slice": _part,
    "flatten": _dim(g.flatten),
    "unflatten": _dim(g.unflatten),
    "ravel": g.ravel,
    "T": lambda x: xp.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "mT": lambda x: x.mT,
    "mH": lambda x: x.mT,
    "H": lambda x: x.T if x.ndim == 2 else x,
    "movedim": lambda x, a, b: xp.moveaxis(x, a, b),
    "expand_as": lambda x, y: xp.broadcast_to(x, y.shape),
    "broadcast_to": lambda x, shape: xp.broadcast_to(x, tuple(shape)),
    "broadcast_tensors": lambda *xs: xp.broadcast_arrays(*xs),
    "flip": lambda x, dims: xp.flip(x, axis=tuple(dims)),
    "fliplr": g.fliplr,
    "flipud": g.flipud,
    "roll": lambda x, shifts, dims=None: xp.roll(x, _axis(shifts), axis=_axis(dims)),
    "stack": lambda xs, dim=0: xp.stack(list(xs), axis=dim),
    "cat": lambda xs, dim=0: xp.concat(list(xs), axis=dim),
    "meshgrid.list_of_tensors": lambda xs, indexing="ij": xp.meshgrid(*xs, indexing=indexing),
    "meshgrid.variadic_tensors": lambda *xs, indexing="ij": xp.meshgrid(*xs, indexing=indexing),
    "sort": lambda x, dim=-1, descending=False, stable=True: (
        xp.sort(x, axis=dim, descending=descending),
        xp.argsort(x, axis=dim, descending=descending),
    ),
    "msort": g.msort,
    "argsort": lambda x, dim=-1, descending=False, stable=True: xp.argsort(
        x, axis=dim, descending=descending, stable=stable
    ),
    "searchsorted": _of_arrays(g.searchsorted),
    "bucketize": _of_arrays(g.bucketize),
    "unique": _dim(g.unique),
    "nonzero": lambda x: xp.stack(xp.nonzero(x), axis=-1),
    "argwhere": lambda x: xp.stack(xp.nonzero(x), axis=-1),
    "take": lambda x, index: xp.reshape(x, (-1,))[index],
    "gather": _dim(g.gather),
    "index_select": _dim(g.index_select),
    "select": _dim(g.select),
    "__getitem__": lambda x, key: x[key],
    "repeat_interleave": lambda x, repeats, dim=None: xp.repeat(x, repeats, axis=dim),
    "tril": lambda x, k=0: xp.tril(x, k=k),
    "triu": lambda x, k=0: xp.triu(x, k=k),
    "zeros_like": lambda x: xp.zeros_like(x),
    "ones_like": lambda x: xp.ones_like(x),
    "full_like": lambda x, value: xp.full_like(x, value),
    "fill": lambda x, value: xp.full_like(x, value),
    **{name: _cast(dtype) for name, dtype in {
        "bool": "bool", "byte": "uint8", "char": "int8", "double": "float64", "float": "float32",
        "half": "float16", "int": "int32", "long": "int64", "short": "int16",
    }.items()},
    # Products and linear algebra.
    "linalg.vecdot": lambda x, y, dim=-1: xp.vecdot(x, y, axis=dim - x.ndim if dim >= 0 else dim),
    "linalg.cross": lambda x, y, dim=-1: L.cross(x, y, axis=dim - x.ndim if dim >= 0 else dim),
    "tensordot": lambda x, y, dims=2: xp.tensordot(x, y, axes=dims),
    "inner": lambda x, y: xp.tensordot(x, y, axes=((-1,), (-1,))) if x.ndim and y.ndim else x * y,
    "einsum": lambda xs, equation: g.einsum(equation, *xs),
    "trace": lambda x: L.trace(x),
    "linalg.multi_dot": lambda xs: L.multi_dot(xs),
    "linalg.diagonal": lambda x, offset=0: L.diagonal(x, offset=offset),
    **dict.fromkeys(["diagonal", "diagonal_copy"], lambda x, offset=0: (
        L.diagonal(x, offset=offset) if x.ndim == 2 else _lacks("other axes")
    )),
    "linalg.det": lambda x: L.det(x),
    "linalg.slogdet": lambda x: tuple(L.slogdet(x)),
    "linalg.inv": lambda x: L.inv(x),
    "linalg.solve": _solve,
    "linalg.matrix_power": lambda x, n: L.matrix_power(x, n),
    "linalg.matrix_rank": lambda x, rtol=None, atol=None: L.matrix_rank(x, rtol=rtol, atol=atol),
    "linalg.norm": lambda x, ord=None, dim=None, keepdim=False: L.norm(  # noqa: A006
        x, ord, axis=_axis(dim), keepdims=keepdim
    ),
    "linalg.vector_norm": lambda x, ord=2, dim=None, keepdim=False: L.vector_norm(  # noqa: A006
        x, axis=_axis(dim), ord=ord, keepdims=keepdim
    ),
    "linalg.matrix_norm": _matrix_norm,
    **dict.fromkeys(["norm", "norm.nuc", "norm.fro", "norm.inf"], _norm),
    "dist": lambda x, y, p=2: L.vector_norm(x - y, ord=p),
    "linalg.qr": lambda x, mode="reduced": tuple(L.qr(x, mode=mode)),
    "linalg.svdvals": lambda x: L.svdvals(x),
    "linalg.eigvalsh": lambda x, UPLO="L": L.eigvalsh(_symmetric(x, UPLO)),
    **dict.fromkeys(
        ["linalg.pinv", "pinverse"],
        lambda x, rtol=None, atol=None: L.pinv(x, rtol=rtol, atol=atol),
    ),
    "linalg.pinv.hermitian": lambda x, hermitian: L.pinv(_symmetric(x), hermitian=hermitian),
    "linalg.pinv.singular": lambda a, b: L.pinv(a @ b.mT),
    "linalg.solve_triangular": L.solve_triangular,
    "cholesky_solve": lambda b, a, upper=False: L.cholesky_solve(b, a, upper=upper),
    "cholesky_inverse": lambda a, upper=False: L.cholesky_inverse(a, upper=upper),
    "linalg.lu": lambda x, pivot=True: tuple(L.lu(x, pivot=pivot)),
    "linalg.lu_factor": lambda x, pivot=True: tuple(L.lu_factor(x)),
    "linalg.lu_solve": lambda lu, pivots, b, left=True, adjoint=False: L.lu_solve(
        lu, pivots, b, left=left, adjoint=adjoint
    ),
    "lu_solve": lambda b, lu, pivots: L.lu_solve(lu, pivots, b),
    "linalg.lstsq": lambda a, b, driver=None: (
        tuple(L.lstsq(a, b)) if driver == "gelsd" else _lacks("other drivers")
    ),
    "linalg.lstsq.grad_oriented": lambda a, b, driver=None: tuple(L.lstsq(a, b))[:2],
    "linalg.cond": lambda x, p=None: L.cond(x, p),
    "linalg.vander": lambda x, N=None: L.vander(x, N=N),
    "linalg.tensorinv": lambda x, ind=2: L.tensorinv(x, ind),
    "linalg.tensorsolve": lambda a, b, dims=None: L.tensorsolve(a, b, dims),
    "linalg.householder_product": L.householder_product,
    "matrix_exp": L.matrix_exp,
    "linalg.matrix_exp": L.matrix_exp,
    "kron": lambda a, b: L.kron(a, b),
    "diag": lambda x, diagonal=0: L.diag(x, diagonal),
    "diag_embed": lambda x, offset=0, dim1=-2, dim2=-1: L.diag_embed(x, offset, dim1, dim2),
    "block_diag": lambda *xs: L.block_diag(*xs),
    **dict.fromkeys(["linalg.cholesky", "cholesky"], lambda x, upper=False: L.cholesky(
        _symmetric(x, "U" if upper else "L"), upper=upper
    )),
    # Neural networks.
    "nn.functional.bilinear": g.bilinear,
    "nn.functional.linear": g.linear,
    **_layers(
        "binary_cross_entropy_with_logits celu elu gelu glu group_norm hardshrink hardsigmoid",
        "hardswish hardtanh huber_loss kl_div l1_loss layer_norm leaky_relu logsigmoid mish",
        "mse_loss relu relu6 rms_norm selu silu smooth_l1_loss softmin softplus softshrink",
        "softsign tanhshrink threshold local_response_norm prelu",
        "cosine_similarity normalize pairwise_distance",
        "binary_cross_entropy cosine_embedding_loss cross_entropy gaussian_nll_loss",
        "hinge_embedding_loss margin_ranking_loss multi_margin_loss multilabel_margin_loss",
        "multilabel_soft_margin_loss nll_loss pdist poisson_nll_loss soft_margin_loss",
        "triplet_margin_loss",
    ),
    "nn.functional.ctc_loss": lambda x, *args, **settings: (
        # PyTorch's gradient has that of `log_softmax` in it.
        g.ctc_loss(g.log_softmax(x, axis=-1), *args, **settings)
    ),
    **_layers(
        *[f"{name}{n}d" for n in (1, 2, 3) for name in WINDOWED],
        "channel_shuffle pixel_shuffle pixel_unshuffle unfold",
    ),
    **{
        f"nn.functional.interpolate.{mode}": g.interpolate
        for mode in RESIZING
    },
    **{
        f"nn.functional.{name}.grad": getattr(g, name)
        for name in ("max_unpool1d", "max_unpool2d", "max_unpool3d")
    },
    **{
        f"nn.functional.pad.{mode}": g.pad
        for mode in ["constant", "circular", "reflect", "replicate", "replicate_negative"]
    },
    "nn.functional.upsample_bilinear": lambda x, size=None, scale_factor=None: (
        g.interpolate(x, size, scale_factor, "bilinear", align_corners=True)
    ),
    "nn.functional.upsample_nearest": lambda x, size=None, scale_factor=None: (
        g.interpolate(x, size, scale_factor)
    ),
    "_upsample_bilinear2d_aa": lambda x, size, align_corners, scale_factors=None: (
        g.interpolate(x, size, scale_factors, "bilinear", align_corners, antialias=True)
    ),
    "nn.functional.batch_norm": _batch_norm,
    "nn.functional.embedding": _embedding,
    "nn.functional.one_hot": lambda x, num_classes=-1: g.one_hot(x, num_classes, dtype="int64"),
    "constant_pad_nd": lambda x, pad, value=None: g.pad(x, pad, value=value),
    "nn.functional.scaled_dot_product_attention": _attention,
}  # fmt: skip


def _lacks(what: str) -> Any:
    raise LookupError(what)
