"""The optimizers' updates on CuPy: one launch for many parameters, in place where no other array
shares their memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import cupy
import numpy as np

from ..base import Backend
from ..types import Array, DType, Number
from .kernels import blockwise, multi_array
from .launch import CHUNK, THREADS

__all__ = ["CupyUpdates"]

# Parameters and gradients of float16 are computed with in float32, in which their memory is kept.
DECAYED = """
W step = g[i];
if (weight_decay != 0) step += weight_decay * W(p[i]);
"""
SIGN = "({0} > 0 ? W(1) : {0} < 0 ? W(-1) : {0})"  # which is NaN of NaN

sgd = multi_array(
    "sgd",
    # v: velocity before; null in the first step. new_v: velocity after; null without momentum.
    "T p, T g, W v, W new_v",
    "W lr, W weight_decay, W momentum, W share, W nesterov",
    f"""
{DECAYED}
if (new_v) {{
    W velocity = step;
    if (v) velocity = momentum * v[i] + share * step;
    new_v[i] = velocity;
    if (nesterov != 0) step += momentum * velocity;
    else step = velocity;
}}
p[i] = W(p[i]) - lr * step;
""",
)
adam = multi_array(
    "adam",
    "T p, T g, W m, W s, W top",  # top is null unless the update is AMSGrad's
    "W lr, W weight_decay, W decay, W beta1, W share1, W beta2, W share2, W c1, W c2, W eps",
    f"""
{DECAYED}
W mean = beta1 * m[i] + share1 * step, square = beta2 * s[i] + share2 * step * step;
m[i] = mean;
s[i] = square;
if (top) {{
    W before = top[i];
    if (before > square || before != before) square = before;
    top[i] = square;
}}
W kept = 1 - lr * decay, root = sqrt(c2);
p[i] = kept * W(p[i]) - lr / c1 * (mean / (sqrt(square) / root + eps));
""",
)
radam = multi_array(
    "radam",
    "T p, T g, W m, W s",
    "W lr, W weight_decay, W decay, W beta1, W share1, W beta2, W share2, W c1, W plain,"
    " W rectified, W eps",
    f"""
{DECAYED}
W mean = beta1 * m[i] + share1 * step, square = beta2 * s[i] + share2 * step * step;
m[i] = mean;
s[i] = square;
W kept = 1 - lr * decay;
p[i] = kept * W(p[i]) - lr / c1 * (mean * (plain + rectified / (sqrt(square) + eps)));
""",
)
adamax = multi_array(
    "adamax",
    "T p, T g, W m, W s",
    "W lr, W weight_decay, W beta1, W share1, W beta2, W c1, W eps",
    f"""
{DECAYED}
W mean = beta1 * m[i] + share1 * step, before = beta2 * s[i];
W largest = (step < 0 ? -step : step) + eps;
if (before > largest || before != before) largest = before;
m[i] = mean;
s[i] = largest;
p[i] = W(p[i]) - lr / c1 * (mean / largest);
""",
)
adadelta = multi_array(
    "adadelta",
    "T p, T g, W s, W d",
    "W lr, W weight_decay, W rho, W share, W eps",
    f"""
{DECAYED}
W square = rho * s[i] + share * step * step;
W delta = sqrt(d[i] + eps) / sqrt(square + eps) * step;
s[i] = square;
d[i] = rho * d[i] + share * delta * delta;
p[i] = W(p[i]) - lr * delta;
""",
)
rprop = multi_array(
    "rprop",
    "T p, T g, W before, W size",
    "W less, W more, W smallest, W largest",
    f"""
W step = g[i], agreement = step * before[i], length = size[i];
if (agreement < 0) {{
    length *= less;
    step = 0;
}}
if (agreement > 0) length *= more;
if (length < smallest) length = smallest;
if (length > largest) length = largest;
before[i] = step;
size[i] = length;
p[i] = W(p[i]) - {SIGN.format("step")} * length;
""",
)
lion = multi_array(
    "lion",
    "T p, T g, W m",
    "W lr, W decay, W beta1, W share1, W beta2, W share2",
    f"""
W step = g[i], mean = m[i], mixed = beta1 * mean + share1 * step, kept = 1 - lr * decay;
m[i] = beta2 * mean + share2 * step;
p[i] = kept * W(p[i]) - lr * {SIGN.format("mixed")};
""",
)
adagrad = multi_array(
    "adagrad",
    "T p, T g, W s",
    "W lr, W weight_decay, W eps",
    f"""
{DECAYED}
W square = s[i] + step * step;
s[i] = square;
p[i] = W(p[i]) - lr * (step / (sqrt(square) + eps));
""",
)
rmsprop = multi_array(
    "rmsprop",
    "T p, T g, W s, W v, W m",  # m is null unless the update is centered
    "W lr, W weight_decay, W alpha, W share, W eps, W momentum",
    f"""
{DECAYED}
W square = alpha * s[i] + share * step * step, variance = square;
s[i] = square;
if (m) {{
    W mean = alpha * m[i] + share * step;
    m[i] = mean;
    variance -= mean * mean;
    if (variance < 0) variance = 0;
}}
W update = step / (sqrt(variance) + eps);
if (momentum != 0) {{
    update += momentum * v[i];
    v[i] = update;
}}
p[i] = W(p[i]) - lr * update;
""",
)

unscale = multi_array(
    "unscale",
    "T x, W y, bool good",  # `good` is one number; all threads that write it write false
    "W scale",
    """
W z = x[i];
if (!isfinite(z)) {
    z = 0;
    *good = false;
}
y[i] = z / scale;
""",
)
copied = multi_array("copy", "T x, V y", "", "y[i] = V(x[i]);")
lerp = multi_array(
    "lerp",
    "T x, T y",
    "double weight",
    """
double a = x[i], b = y[i];
x[i] = T(weight < 0.5 ? a + weight * (b - a) : b - (1 - weight) * (b - a));
""",
)
# The norm of many arrays as of one vector: the squares of each chunk are added up in its block, and
# these sums, in a fixed order, in one block of the next kernel.
squares = multi_array(
    "squares",
    "T x, W parts",
    "",
    "total += W(x[i]) * W(x[i]);",
    before="const int thread = threadIdx.x; W total = 0;",
    after=f"""
__shared__ W shared[{THREADS}];
__syncthreads();  // all have read what is there of the chunk before
shared[thread] = total;
for (int half = {THREADS} / 2; half; half /= 2) {{
    __syncthreads();
    if (thread < half) shared[thread] += shared[thread + half];
}}
if (!thread) parts[begin / {CHUNK}] = shared[0];
""",
)
root = blockwise(
    "root_of_sum",
    "D parts, D norm",
    "int32 count",
    """
__shared__ D shared[THREADS];
const int thread = threadIdx.x;
D total = 0;
for (int k = thread; k < count; k += THREADS) total += parts[k];
shared[thread] = total;
for (int half = THREADS / 2; half; half /= 2) {
    __syncthreads();
    if (thread < half) shared[thread] += shared[thread + half];
}
if (!thread) *norm = sqrt(shared[0]);
""",
    512,
)
clipped = multi_array(
    "clip",
    "T x, W norm",  # `norm` is one number
    "W most",
    """
W factor = most / (*norm + W(1e-6));
if (!(factor >= 1)) x[i] = W(x[i]) * W(T(factor));
""",
)
chosen = multi_array("choose", "T x, T other", "bool condition", "if (!condition) x[i] = other[i];")

# For each parameter a list: the parameter, its gradient, and the optimizer's memory, of which an
# array may be `None`. The updates below put arrays there where memory begins.
Sets = list[list[Array]]


def _sgd(
    sets: Sets,
    *,
    lr: Number,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    before = [v for _, _, v in sets]
    if momentum:
        for of_one in sets:
            p, _, velocity = of_one
            of_one[2] = cupy.empty_like(p, _wide(p.dtype)) if velocity is None else velocity
    arrays = [
        (p, g, old, new if momentum else None)
        for (p, g, new), old in zip(sets, before, strict=True)
    ]
    sgd(arrays, lr, weight_decay, momentum, 1 - dampening, nesterov)


def _adam(
    sets: Sets,
    *,
    lr: Number,
    corrections: tuple[Number, Number],
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled_weight_decay: bool,
) -> None:
    decays = _decays(weight_decay, decoupled_weight_decay)
    adam(sets, lr, *decays, *_shares(*betas), *corrections, eps)


def _radam(
    sets: Sets,
    *,
    lr: Number,
    correction: Number,
    plain: Number,
    rectified: Number,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled_weight_decay: bool,
) -> None:
    decays = _decays(weight_decay, decoupled_weight_decay)
    radam(sets, lr, *decays, *_shares(*betas), correction, plain, rectified, eps)


def _adamax(
    sets: Sets,
    *,
    lr: Number,
    correction: Number,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    adamax(sets, lr, weight_decay, *_shares(betas[0]), betas[1], correction, eps)


def _adadelta(sets: Sets, *, lr: Number, rho: float, eps: float, weight_decay: float) -> None:
    adadelta(sets, lr, weight_decay, *_shares(rho), eps)


def _rprop(sets: Sets, *, etas: tuple[float, float], step_sizes: tuple[float, float]) -> None:
    rprop(sets, *etas, *step_sizes)


def _lion(sets: Sets, *, lr: Number, betas: tuple[float, float], weight_decay: float) -> None:
    lion(sets, lr, weight_decay, *_shares(*betas))


def _decays(weight_decay: float, decoupled: bool) -> tuple[float, float]:
    """Give the weight decay of the gradient, and that of the parameter itself."""
    return (0.0, weight_decay) if decoupled else (weight_decay, 0.0)


def _shares(*betas: float) -> list[float]:
    """Give for each average the share of what was, and that of what is new."""
    return [x for beta in betas for x in (beta, 1 - beta)]


def _adagrad(sets: Sets, *, lr: Number, eps: float, weight_decay: float) -> None:
    adagrad(sets, lr, weight_decay, eps)


def _rmsprop(
    sets: Sets, *, lr: Number, alpha: float, eps: float, weight_decay: float, momentum: float
) -> None:
    if momentum:
        for of_one in sets:
            p, _, _, velocity, _ = of_one
            of_one[3] = cupy.zeros_like(p, _wide(p.dtype)) if velocity is None else velocity
    rmsprop(sets, lr, weight_decay, alpha, 1 - alpha, eps, momentum)


UPDATES: dict[str, Callable[..., None]] = {
    "sgd": _sgd,
    "adam": _adam,
    "radam": _radam,
    "adamax": _adamax,
    "adadelta": _adadelta,
    "rprop": _rprop,
    "lion": _lion,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
}


def _of_one(kernel: str) -> Any:
    """Make the method that updates one parameter, of the one that updates many."""

    def update(self: Backend, *arrays: Array | None, **settings: Any) -> tuple[Array | None, ...]:
        return self.update_all(kernel, [arrays], **settings)[0]

    return update


class CupyUpdates(Backend):
    sgd, adam, radam, adamax, adadelta, rprop, lion, adagrad, rmsprop = map(_of_one, UPDATES)

    def update_all(
        self, kernel: str, arrays: list[tuple[Any, ...]], **settings: Any
    ) -> list[tuple[Array | None, ...]]:
        if kernel not in UPDATES:
            return super().update_all(kernel, arrays, **settings)
        definition = getattr(super(), kernel)
        with arrays[0][0].device:  # for the kernel and for new arrays
            sets = {i: self._ready(*of_one) for i, of_one in enumerate(arrays) if _fits(*of_one)}
            UPDATES[kernel](list(sets.values()), **settings)
            return [
                (sets[i][0], *sets[i][2:]) if i in sets else definition(*of_one, **settings)
                for i, of_one in enumerate(arrays)
            ]

    def unscale_all(self, arrays: list[Array], scale: Array) -> tuple[list[Array], Array]:
        if not _alike(*arrays):
            return super().unscale_all(arrays, scale)
        with arrays[0].device:
            results = [cupy.empty_like(x, _wide(x.dtype)) for x in arrays]
            good = cupy.ones((), bool)
            unscale([(x, y, good) for x, y in zip(arrays, results, strict=True)], scale)
            return results, good

    def copy_all(
        self, arrays: list[Array], dtype: DType | None = None, into: list[Array] | None = None
    ) -> list[Array]:
        of = np.dtype(arrays[0].dtype if dtype is None else dtype)
        if not _alike(*arrays) or of.kind != "f":
            return super().copy_all(arrays, dtype)
        with arrays[0].device:
            if into is None or into[0].dtype != of or not self._may_write(into, arrays):
                into = [cupy.empty_like(x, of) for x in arrays]
            copied(list(zip(arrays, into, strict=True)))
            return into

    def norm_all(self, arrays: list[Array], order: float = 2.0) -> Array:
        some = [x for x in arrays if x.size]
        if order != 2 or not some or not _alike(*some):
            return super().norm_all(arrays, order)
        with some[0].device:
            counts = [-(-x.size // CHUNK) for x in some]
            parts, norm = (cupy.empty(n, _wide(some[0].dtype)) for n in (sum(counts), ()))
            ends = accumulate(counts)
            squares([(x, parts[end - n :]) for x, n, end in zip(some, counts, ends, strict=True)])
            root(1, [parts, norm], parts.size)
            return norm

    def clip_all(self, arrays: list[Array], norm: Array, most: float) -> list[Array]:
        fit = norm.dtype == _wide(arrays[0].dtype) and all(map(self.owns_memory, arrays))
        if not (fit and _alike(*arrays)):
            return super().clip_all(arrays, norm, most)
        with arrays[0].device:
            clipped([(x, norm) for x in arrays], most)
            return arrays

    def choose_all(self, condition: Array, arrays: list[Array], others: list[Array]) -> list[Array]:
        if arrays[0].dtype != others[0].dtype or not self._may_write(arrays, others):
            return super().choose_all(condition, arrays, others)
        with arrays[0].device:
            chosen(list(zip(arrays, others, strict=True)), condition)
            return arrays

    def lerp_all(self, arrays: list[Array], ends: list[Array], weight: Number) -> list[Array]:
        if arrays[0].dtype != ends[0].dtype or not self._may_write(arrays, ends):
            return super().lerp_all(arrays, ends, weight)
        with arrays[0].device:
            lerp(list(zip(arrays, ends, strict=True)), weight)
            return arrays

    def _may_write(self, arrays: list[Array], others: list[Array]) -> bool:
        """Whether a kernel may write what it computes of pairs of arrays into the first of each."""
        pairs = zip(arrays, others, strict=True)
        fit = all(self.owns_memory(x) and _is_like(y, x) for x, y in pairs)
        apart = len({x.data.ptr for x in arrays}) == len(arrays)  # no array is given twice
        return fit and apart and _alike(*arrays) and _alike(*others)

    def _ready(self, parameter: Array, gradient: Array, *memory: Array | None) -> list[Array]:
        """Give the arrays as kernels take them: contiguous, in one order, and those that kernels
        write to sharing no memory."""
        p = parameter if self.owns_memory(parameter) else parameter.copy()
        ready = [p, gradient if _is_like(gradient, p) else _copy(gradient, p)]
        for x in memory:
            stays = x is None or (self.owns_memory(x) and _is_like(x, p))
            ready.append(x if stays else _copy(x, p))
        return ready


def _wide(dtype: DType) -> DType:
    """Give the dtype of the memory of parameters of this dtype: letter W of the kernels' T."""
    return np.result_type(dtype, np.float32)


def _fits(parameter: Array, gradient: Array, *memory: Array | None) -> bool:
    """Whether all arrays are floating, of the kernels' dtypes and one shape, on one device."""
    kept = {x.dtype for x in memory if x is not None}
    kinds = {(x.shape, x.device.id) for x in (parameter, gradient, *memory) if x is not None}
    if len(kinds) > 1 or parameter.dtype != gradient.dtype or parameter.dtype.kind != "f":
        return False
    return kept <= {_wide(parameter.dtype)}


def _alike(*arrays: Array) -> bool:
    """Whether all arrays are contiguous, have one floating dtype, and are on one device."""
    kinds = {(x.dtype, x.device.id, x.dtype.kind == "f" and _is_like(x, x)) for x in arrays}
    return len(kinds) == 1 and kinds.pop()[-1]


def _is_like(x: Array, p: Array) -> bool:
    """Whether x and p, of one shape, are both contiguous, and in the same order."""
    a, b = x.flags, p.flags
    return (a.c_contiguous and b.c_contiguous) or (a.f_contiguous and b.f_contiguous)


def _copy(x: Array, like: Array) -> Array:
    """Copy x into memory of the order of `like`."""
    new = cupy.empty_like(like, x.dtype)
    new[...] = x
    return new
