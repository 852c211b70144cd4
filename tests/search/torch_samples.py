"""Run the samples of PyTorch's own tests through gradcore, and count what agrees.

    python tests/search/torch_samples.py                       all that is mapped, 5 minutes
    python tests/search/torch_samples.py --only logsumexp      some
    python tests/search/torch_samples.py --errors              inputs that PyTorch refuses

PyTorch's `OpInfo`s hold for each function sample inputs with the oddest shapes, settings and
numbers that its developers could think of. `OPS` maps their names to gradcore's functions. Values
and gradients in float32 and float64, and second derivatives in float64, are compared. A sample
with a setting that gradcore's function lacks is left out, and counted. DIFFERENT says why those
that differ do. Needs `pip install expecttest hypothesis` beside PyTorch.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    tests = Path(__file__).parents[1]
    sys.path[:0] = [str(tests.parent), str(tests), str(tests / "helpers")]

import numpy as np

import gradcore as g
from gradcore import TensorNode, grad
from gradcore import array_api as xp
from gradcore.backends import get

__all__ = ["DIFFERENT", "OPS"]

L = g.linalg
LARGE = 4000  # elements; what is wrong with more is wrong with fewer
TOLERANCE = {"float32": 2e-4, "float64": 1e-7}

# Why some samples differ: the op's name, words of the problem, and the reason.
DIFFERENT: list[tuple[str, str, str]] = []


def _unary(*names: str) -> dict[str, Callable[..., Any]]:
    return {name: _only_x(getattr(xp, name)) for name in names}


def _binary(**names: str) -> dict[str, Callable[..., Any]]:
    return {ours: _two(getattr(xp, theirs)) for ours, theirs in names.items()}


def _only_x(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: f(x)


def _two(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, other: f(x, other)


def _axis(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, list) else dim


def _reduction(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim=None, keepdim=False: f(x, axis=_axis(dim), keepdims=keepdim)


def _spread(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim=None, correction=1, keepdim=False: f(
        x, axis=_axis(dim), correction=correction, keepdims=keepdim
    )


def _shape(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else tuple(shape)


def _permuted(x: Any, *axes: Any) -> Any:
    axes = _shape(axes)
    return xp.permute_dims(x, tuple([a % x.ndim for a in axes]))


def _transposed(x: Any, a: int, b: int) -> Any:
    order = list(range(x.ndim))
    if order:
        order[a], order[b] = order[b], order[a]
    return xp.permute_dims(x, tuple(order))


def _gather(x: Any, dim: int, index: Any) -> Any:
    if tuple(index.shape[:dim] + index.shape[dim + 1 :]) != tuple(
        x.shape[:dim] + x.shape[dim + 1 :]
    ):
        raise LookupError("a part of the other axes")
    return xp.take_along_axis(x, index, axis=dim)


def _norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:  # noqa: A002
    return L.vector_norm(x, axis=_axis(dim), ord=ord, keepdims=keepdim)


def _matrix_norm(x: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Any:  # noqa: A002
    last = (-2, -1)
    if tuple([d % x.ndim - x.ndim for d in dim]) != last:
        raise LookupError("other axes")
    return L.matrix_norm(x, ord=ord, keepdims=keepdim)


def _expanded(x: Any, shape: tuple[int, ...]) -> Any:
    sizes = (1,) * (len(shape) - x.ndim) + x.shape
    return xp.broadcast_to(x, [m if n == -1 else n for m, n in zip(sizes, shape, strict=True)])


def _split(x: Any, size: Any, dim: int = 0) -> Any:
    sizes = size if isinstance(size, list | tuple) else None
    whole = x.shape[dim]
    if sizes is None:
        sizes = [min(size, whole - i) for i in range(0, whole, size)] if size else [whole]
    ends = np.cumsum(sizes)
    dim %= x.ndim
    parts = [slice(int(e - n), int(e)) for n, e in zip(sizes, ends, strict=True)]
    return tuple([x[(*[slice(None)] * dim, part)] for part in parts])


def _clamp(x: Any, min: Any = None, max: Any = None) -> Any:  # noqa: A002
    return xp.clip(x, min, max)


def _max_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    if return_indices or ceil_mode or dilation not in (1, (1, 1)) or x.ndim != 4:
        raise LookupError("settings that gradcore lacks")
    return g.max_pool2d(x, kernel_size, stride, padding)


def _avg_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    if x.ndim != 4:
        raise LookupError("no batch")
    return g.avg_pool2d(x, kernel_size, stride, padding)


OPS: dict[str, Callable[..., Any]] = {
    **_unary(
        "abs",
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "ceil",
        "cos",
        "cosh",
        "exp",
        "expm1",
        "floor",
        "isfinite",
        "isinf",
        "isnan",
        "log",
        "log10",
        "log1p",
        "log2",
        "positive",
        "reciprocal",
        "sign",
        "signbit",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "tan",
        "tanh",
        "trunc",
        "logical_not",
        "tril",
        "triu",
    ),
    **_binary(
        atan2="atan2",
        copysign="copysign",
        eq="equal",
        floor_divide="floor_divide",
        ge="greater_equal",
        gt="greater",
        hypot="hypot",
        le="less_equal",
        logaddexp="logaddexp",
        lt="less",
        matmul="matmul",
        maximum="maximum",
        minimum="minimum",
        ne="not_equal",
        nextafter="nextafter",
        pow="pow",
        remainder="remainder",
        mul="multiply",
        true_divide="divide",
        mm="matmul",
        bmm="matmul",
        mv="matmul",
        __rmatmul__="matmul",
    ),
    "neg": lambda x: -x,
    "add": lambda x, y, alpha=1: x + alpha * y,
    "sub": lambda x, y, alpha=1: x - alpha * y,
    "rsub": lambda x, y, alpha=1: y - alpha * x,
    "__radd__": lambda x, y: y + x,
    "__rdiv__": lambda x, y: y / x,
    "__rmul__": lambda x, y: y * x,
    "__rpow__": lambda x, y: y**x,
    "__rsub__": lambda x, y: y - x,
    "__rmod__": lambda x, y: y % x,
    "div.no_rounding_mode": lambda x, y, rounding_mode=None: x / y,
    "clamp": _clamp,
    "clamp_max": lambda x, y: xp.clip(x, None, y),
    "clamp_min": lambda x, y: xp.clip(x, y, None),
    "where": lambda c, x, y: xp.where(c, x, y),
    "round": lambda x: xp.round(x),
    "sigmoid": lambda x: g.sigmoid(x),
    "erf": lambda x: g.erf(x),
    "erfc": lambda x: g.erfc(x),
    "lgamma": lambda x: g.lgamma(x),
    "digamma": lambda x: g.digamma(x),
    **{f"polygamma.polygamma_n_{n}": lambda x, n: g.polygamma(n, x) for n in range(5)},
    "rsqrt": lambda x: 1 / xp.sqrt(x),
    "exp2": lambda x: 2**x,
    "addcmul": lambda x, a, b, value=1: x + value * a * b,
    "addcdiv": lambda x, a, b, value=1: x + value * a / b,
    "lerp": lambda x, y, w: x + w * (y - x),
    "sum": _reduction(xp.sum),
    "mean": _reduction(xp.mean),
    "amax": _reduction(xp.max),
    "amin": _reduction(xp.min),
    "all": _reduction(xp.all),
    "any": _reduction(xp.any),
    "count_nonzero": lambda x, dim=None: xp.count_nonzero(x, axis=_axis(dim)),
    "argmax": lambda x, dim=None, keepdim=False: xp.argmax(x, axis=dim, keepdims=keepdim),
    "argmin": lambda x, dim=None, keepdim=False: xp.argmin(x, axis=dim, keepdims=keepdim),
    "prod": _reduction(xp.prod),
    "std": _spread(xp.std),
    "var": _spread(xp.var),
    "logsumexp": lambda x, dim, keepdim=False: g.logsumexp(x, axis=_axis(dim), keepdims=keepdim),
    "cumsum": lambda x, dim: xp.cumulative_sum(x, axis=dim),
    "cumprod": lambda x, dim: xp.cumulative_prod(x, axis=dim),
    "diff": lambda x, n=1, dim=-1, prepend=None, append=None: xp.diff(
        x, n=n, axis=dim, prepend=prepend, append=append
    ),
    "softmax": lambda x, dim: g.softmax(x, axis=dim),
    "log_softmax": lambda x, dim: g.log_softmax(x, axis=dim),
    "reshape": lambda x, *shape: xp.reshape(x, _shape(shape)),
    "view": lambda x, *shape: xp.reshape(x, _shape(shape)),
    "permute": _permuted,
    "transpose": _transposed,
    "t": lambda x: x.T if x.ndim == 2 else x,
    "T": lambda x: xp.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "mT": lambda x: x.mT,
    "movedim": lambda x, a, b: xp.moveaxis(x, a, b),
    "squeeze": lambda x, dim: xp.squeeze(x, axis=dim) if x.ndim and x.shape[dim] == 1 else x,
    "unsqueeze": lambda x, dim: xp.expand_dims(x, axis=dim),
    "expand": lambda x, *shape: _expanded(x, _shape(shape)),
    "broadcast_to": lambda x, shape: xp.broadcast_to(x, tuple(shape)),
    "broadcast_tensors": lambda *xs: xp.broadcast_arrays(*xs),
    "flip": lambda x, dims: xp.flip(x, axis=tuple(dims)),
    "roll": lambda x, shifts, dims=None: xp.roll(x, _axis(shifts), axis=_axis(dims)),
    "tile": lambda x, *reps: xp.tile(x, _shape(reps)),
    "repeat": lambda x, *reps: xp.tile(x, _shape(reps)),
    "stack": lambda xs, dim=0: xp.stack(list(xs), axis=dim),
    "cat": lambda xs, dim=0: xp.concat(list(xs), axis=dim),
    "unbind": lambda x, dim=0: xp.unstack(x, axis=dim),
    "split": _split,
    "split_with_sizes": _split,
    "meshgrid.list_of_tensors": lambda xs, indexing="ij": xp.meshgrid(*xs, indexing=indexing),
    "sort": lambda x, dim=-1, descending=False, stable=True: xp.sort(
        x, axis=dim, descending=descending
    ),
    "argsort": lambda x, dim=-1, descending=False: xp.argsort(x, axis=dim, descending=descending),
    "take_along_dim": lambda x, index, dim=None: xp.take_along_axis(x, index, axis=dim),
    "gather": _gather,
    "index_select": lambda x, dim, index: xp.take(x, index, axis=dim),
    "select": lambda x, dim, i: x[(slice(None),) * (dim % x.ndim) + (i,)],
    "__getitem__": lambda x, key: x[tuple(key) if isinstance(key, list) else key],
    "repeat_interleave": lambda x, repeats, dim=None: xp.repeat(x, repeats, axis=dim),
    "dot": lambda x, y: xp.vecdot(x, y),
    "linalg.vecdot": lambda x, y, dim=-1: xp.vecdot(x, y, axis=dim),
    "tensordot": lambda x, y, dims=2: xp.tensordot(x, y, axes=dims),
    "einsum": lambda xs, equation: g.einsum(equation, *xs),
    "outer": lambda x, y: L.outer(x, y),
    "trace": lambda x: L.trace(x),
    "linalg.diagonal": lambda x, offset=0: L.diagonal(x, offset=offset),
    "linalg.cross": lambda x, y, dim=-1: L.cross(x, y, axis=dim),
    "linalg.det": lambda x: L.det(x),
    "linalg.slogdet": lambda x: tuple(L.slogdet(x)),
    "linalg.inv": lambda x: L.inv(x),
    "linalg.solve": lambda a, b, left=True: L.solve(a, b) if left else _unsupported(),
    "linalg.matrix_power": lambda x, n: L.matrix_power(x, n),
    "linalg.vector_norm": _norm,
    "linalg.matrix_norm": _matrix_norm,
    "linalg.svdvals": lambda x: L.svdvals(x),
    "linalg.eigvalsh": lambda x, UPLO="L": L.eigvalsh(x),
    "linalg.pinv": lambda x: L.pinv(x),
    "linalg.cholesky": lambda x, upper=False: L.cholesky(x, upper=upper),
    "addmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "addmv": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "addbmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * xp.sum(a @ b, axis=0),
    "baddbmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "nn.functional.linear": lambda x, w, b=None: x @ w.mT if b is None else x @ w.mT + b,
    **{
        f"nn.functional.{name}": getattr(g, name)
        for name in (
            "relu",
            "relu6",
            "leaky_relu",
            "elu",
            "celu",
            "selu",
            "silu",
            "mish",
            "gelu",
            "hardswish",
            "hardsigmoid",
            "hardtanh",
            "softplus",
            "embedding",
            "mse_loss",
            "l1_loss",
            "huber_loss",
            "smooth_l1_loss",
            "kl_div",
            "binary_cross_entropy_with_logits",
            "nll_loss",
            "cross_entropy",
            "layer_norm",
            "rms_norm",
            "group_norm",
            "conv1d",
            "conv2d",
            "conv_transpose2d",
            "adaptive_avg_pool2d",
            "scaled_dot_product_attention",
        )
    },
    "nn.functional.logsigmoid": g.log_sigmoid,
    "nn.functional.max_pool2d": _max_pool2d,
    "nn.functional.avg_pool2d": _avg_pool2d,
    "nn.functional.pad.constant": lambda x, pad, mode, value=0.0: _pad(x, pad, value),
}


def _unsupported() -> Any:
    raise LookupError("a setting that gradcore lacks")


def _pad(x: Any, pad: Any, value: float | None) -> Any:
    if min(pad, default=0) < 0:
        raise LookupError("negative padding")
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    return g.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + pairs, value=0.0 if value is None else value)


# -- Running --------------------------------------------------------------------------------------


def _mapped(x: Any, f: Callable[[Any], Any]) -> Any:
    import torch

    if isinstance(x, torch.Tensor):
        return f(x)
    if isinstance(x, list | tuple):
        return type(x)([_mapped(e, f) for e in x])
    if isinstance(x, dict):
        return {k: _mapped(e, f) for k, e in x.items()}
    return x


def _tensors(x: Any) -> list[Any]:
    found: list[Any] = []
    _mapped(x, found.append)
    return found


def _weights(shapes: Sequence[Any]) -> list[np.ndarray]:
    rng = np.random.default_rng(len(shapes))
    return [np.asarray(rng.choice([0.5, 0.75, -1.0, 1.25, 1.0], tuple(s))) for s in shapes]


def compare(info: Any, sample: Any, dtype: str) -> str:
    """Say what differs: nothing, "left out", or a problem."""
    import torch

    ours = OPS[_name(info)]

    def leaf(t: Any) -> Any:
        return t.detach().clone().requires_grad_() if t.requires_grad else t

    given, settings = _mapped([sample.input, *sample.args], leaf), _mapped(sample.kwargs, leaf)
    try:
        inspect.signature(ours).bind(*given, **settings)
    except TypeError:
        return "left out"
    every = _tensors([given, settings])
    if sum(t.numel() for t in every) > LARGE:
        return "left out"
    if any(t.dtype in (torch.bfloat16, torch.complex64, torch.complex128) for t in every):
        return "left out"
    leaves = [t for t in every if t.requires_grad]
    result = info.op(*given, **settings)
    theirs = _tensors(result)
    kind = getattr(torch, dtype)
    expected = [[t.numpy(force=True) for t in theirs]]
    roots = [t for t in theirs if t.dtype == kind and t.requires_grad]
    for order in range(1, 3 if dtype == "float64" else 2):
        ws = [torch.tensor(w, dtype=kind) for w in _weights([t.shape for t in roots])]
        pairs = [(t, w) for t, w in zip(roots, ws, strict=True) if t.requires_grad]
        if not pairs or not leaves:
            break
        try:
            roots = torch.autograd.grad(
                [t for t, _ in pairs], leaves, [w for _, w in pairs], create_graph=order == 1,
                retain_graph=True, allow_unused=True, materialize_grads=True,
            )  # fmt: skip
        except RuntimeError as error:
            if "not implemented" in str(error) or "not differentiable" in str(error):
                break
            raise
        expected.append([t.numpy(force=True) for t in roots])
    try:
        found = _with_gradcore(ours, given, settings, leaves, dtype, len(expected) - 1)
    except LookupError as error:
        if type(error) is LookupError:
            return "left out"
        return _error(error)
    except Exception as error:
        return _error(error)
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        kind_of = ("values", "gradients", "second derivatives")[k]
        if len(a) != len(b):
            return f"{kind_of}: {len(a)} of them, expected {len(b)}"
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            if k and np.shape(x) == np.shape(y):  # NaN is right where the input is NaN
                x = np.where(np.isnan(leaves[i].numpy(force=True)) & np.isnan(x), y, x)
            if np.shape(x) != np.shape(y):
                return f"{kind_of}: shape {np.shape(x)}, expected {np.shape(y)}"
            with np.errstate(all="ignore"):
                scale = float(abs(y[np.isfinite(y)]).max(initial=0)) if y.dtype.kind == "f" else 0.0
                if not np.allclose(
                    x, y, TOLERANCE[dtype], TOLERANCE[dtype] * max(scale, 1e-3), True
                ):
                    return f"{kind_of}: {_short(x)}, expected {_short(y)}"
    return ""


def _with_gradcore(
    ours: Any, given: Any, settings: Any, leaves: Any, dtype: str, order: int
) -> list[list[np.ndarray]]:
    backend = get("numpy")
    places = {id(t): i for i, t in enumerate(leaves)}
    found: list[list[Any]] = [[]]

    def projection(nodes: Sequence[Any]) -> TensorNode:
        total = TensorNode(backend.asarray(0.0, dtype), requires_grad=False)
        for node, w in zip(nodes, _weights([n.shape for n in nodes]), strict=True):
            total = total + xp.sum(node * backend.asarray(w, dtype))
        return total

    def loss(inputs: Sequence[TensorNode]) -> TensorNode:
        def converted(t: Any) -> Any:
            return inputs[places[id(t)]] if id(t) in places else t.numpy(force=True)

        result = ours(*_mapped(given, converted), **_mapped(settings, converted))
        results = list(result) if isinstance(result, tuple | list) else [result]
        found[0] = [np.asarray(getattr(r, "value", r)) for r in results]
        return projection([r for r in results if getattr(r, "requires_grad", False)])

    arrays = [t.numpy(force=True).copy() for t in leaves]
    if order == 0:
        loss([TensorNode(a) for a in arrays])
    if order > 0:
        found.append([*grad(loss)(arrays)])
    if order > 1:
        found.append([*grad(lambda inputs: projection(grad(loss)(inputs)))(arrays)])
    return found


def _error(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {str(error)[:160]} ({Path(where.filename).name}:{where.lineno})"
    )


def _short(x: Any) -> str:
    return np.array2string(np.asarray(x), precision=6, threshold=8).replace("\n", "")[:160]


def _name(info: Any) -> str:
    return f"{info.name}.{info.variant_test_name}" if info.variant_test_name else info.name


def run(only: str, show: int) -> int:
    """Compare all samples; print what differs, and the counts."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    mapped = [info for info in op_db if _name(info) in OPS and only in _name(info)]
    for info in mapped:
        problems: dict[str, int] = {}
        for dtype in ("float32", "float64"):
            for sample in _samples(info, getattr(torch, dtype)):
                try:
                    problem = compare(info, sample, dtype)
                except (RuntimeError, NotImplementedError, ValueError, TypeError):
                    problem = "left out"  # PyTorch refuses its sample
                reason = next((r for n, words, r in DIFFERENT
                               if n == _name(info) and words in problem), "")  # fmt: skip
                if reason:
                    reasons[f"{_name(info)}: {reason}"] += 1
                elif problem not in ("", "left out"):
                    problems[problem] = problems.get(problem, 0) + 1
                kind = {"": "agree", "left out": "left out"}.get(
                    problem, "explained" if reason else "differ"
                )
                counts[kind] += 1
        for problem, n in [*problems.items()][:show]:
            print(f"{_name(info)}: {n} x {problem}")
    for reason, n in reasons.most_common():
        print(f"explained, {n} samples: {reason}")
    print(f"{len(mapped)} functions: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    return counts["differ"] > 0


def _samples(info: Any, dtype: Any) -> Iterator[Any]:
    import torch

    if dtype not in info.supported_dtypes("cpu"):
        return
    torch.manual_seed(0)
    for make in (info.sample_inputs, info.reference_inputs):
        try:
            yield from make(
                "cpu", dtype, requires_grad=dtype in info.supported_backward_dtypes("cpu")
            )
        except (RuntimeError, ImportError, AttributeError, TypeError, ValueError) as error:
            print(f"{_name(info)}: no samples ({error})")


def run_errors(only: str, show: int) -> int:
    """Count the inputs that PyTorch refuses, and what gradcore does with them."""
    from torch.testing._internal.common_methods_invocations import op_db

    counts: Counter[str] = Counter()
    for info in op_db:
        if _name(info) not in OPS or info.error_inputs_func is None or only not in _name(info):
            continue
        shown = 0
        for refused in info.error_inputs("cpu"):
            sample = refused.sample_input
            given = [sample.input, *sample.args]

            def converted(t: Any) -> Any:
                return TensorNode(t.numpy(force=True), requires_grad=False)

            try:
                inspect.signature(OPS[_name(info)]).bind(*given, **sample.kwargs)
                OPS[_name(info)](*_mapped(given, converted), **_mapped(sample.kwargs, converted))
                what = "accepted"
            except (
                ValueError,
                TypeError,
                IndexError,
                RuntimeError,
                LookupError,
                np.linalg.LinAlgError,
            ):
                what = "refused"
            except Exception as error:
                what = f"raw {type(error).__name__}"
            counts[what] += 1
            if what != "refused" and shown < show:
                shown += 1
                print(f"{_name(info)}: {what}; PyTorch: {refused.error_regex[:120]}")
    print("inputs that PyTorch refuses: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the samples of PyTorch's tests.")
    parser.add_argument("--only", default="", help="functions whose names contain this")
    parser.add_argument("--show", type=int, default=3, help="problems of each function")
    parser.add_argument("--errors", action="store_true", help="inputs that PyTorch refuses")
    args = parser.parse_args()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return (run_errors if args.errors else run)(args.only, args.show)


if __name__ == "__main__":
    sys.exit(main())
