"""Batch and layer norm on CuPy, and their gradients.

Batch norm is two launches, and so is its gradient: sums in parts over each channel, then all
elements by channels that first add up their parts. A ReLU, a residual and the averages for later
are done on the way. Layer norm is one launch, and so is the gradient of its input.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from ..types import Array, Number
from .channels import THREADS, Channels, CupyChannels, channelwise, each_element, sums
from .implicit import added
from .kernels import blockwise
from .windows import fits

__all__ = ["CupyNorms"]

# Where squares were infinite this is NaN, for numbers divided by it not to be 0.
ROOT = "sqrt(spread + 0 * spread + W(eps))"
# Sums of differences from the channel's first element, which are exact also where large numbers are
# alike: the total, and the squares of the differences from the part's mean. Each thread adds up
# squares about its own first element, and what the threads have is put together by their means, as
# the parts are later (https://doi.org/10.2307/2683386).
statistics = channelwise(
    "batch_norm_statistics",
    "T x, W totals, W squares, int64 batches",
    "",
    f"""
const W center = c < C ? W(x[(unsigned)c * B]) : W(0);
const W first = room > 0 ? W(x[((unsigned)(start / B) * C + c) * B + start % B]) - center : W(0);
const int count = room > 0 ? (room + step - 1) / step : 0;
W sum = 0, square = 0;
{
        each_element(
            {"value": "W(x[at])"},
            "const W z = value - center - first;sum += z, square += z * z;",
        )
    }
const W total = added(count * first + sum);
W own = 0;
if (count) {{
    const W from_mean = first + sum / count - total / size;
    own = square - sum * sum / count;
    if (own < 0) own = 0;
    own += count * from_mean * from_mean;
}}
own = added(own);
if (is_first) totals[part * C + c] = total, squares[part * C + c] = own;
if (batches && block == 0 && thread == 0) *batches += 1;
""",
)
# Without parts, mean and variance are those given, `old_mean` and `old_variance`; with them these
# are averages over earlier batches, if there are such.
normalized = channelwise(
    "batch_norm",
    "T x, V w, V b, T residual, W totals, W squares, W old_mean, W old_variance, int64 batches, "
    "W momentum_at, W mean, W variance, T y",
    "float64 eps, float64 momentum, int32 is_average, int32 relu",
    f"""
W center = 0, offset = 0, spread = 0;  // the mean is center + offset
if (totals) {{
    W total = 0, square = 0;
    for (int i = thread / width; i < parts && c < C; i += step) total += totals[i * C + c];
    const W count = W(A) * W(B);
    offset = added(total) / count;
    for (int i = thread / width; i < parts && c < C; i += step) {{
        const W n = A * B - i * each < each ? A * B - i * each : each;
        const W from_mean = totals[i * C + c] / n - offset;
        square += squares[i * C + c] + n * from_mean * from_mean;
    }}
    spread = added(square) / count;
    if (c < C) center = x[(unsigned)c * B];
    if (is_first && part == 0) {{  // no other thread reads what this one writes
        const W rate = is_average ? W(1) / W(*batches) : momentum_at ? *momentum_at : W(momentum);
        mean[c] = center + offset, variance[c] = spread;
        if (old_mean) old_mean[c] = W(old_mean[c]) + (center + offset - W(old_mean[c])) * rate;
        if (old_variance) {{
            const W unbiased = spread * (count / (count > 1 ? count - 1 : W(1)));
            old_variance[c] = W(old_variance[c]) + (unbiased - W(old_variance[c])) * rate;
        }}
    }}
}} else if (c < C) {{
    center = old_mean[c], spread = old_variance[c];
}}
W scale = 0, level = 0;
if (c < C) scale = W(w[c]) / {ROOT}, level = b[c];
{
        each_element(
            {"value": "W(x[at])", "more": "residual ? W(residual[at]) : W(0)"},
            "const W z = (value - center - offset) * scale + level + more;"
            "y[at] = T(relu && z < 0 ? W(0) : z);",
        )
    }
""",
)
gradient = channelwise(
    "batch_norm_gradient",
    "T x, V w, W mean, W variance, T y, T go, W go_mean, W go_variance, W totals, W products, "
    "T gx, V gw, V gb, T masked",
    "float64 eps, int32 training",
    f"""
W total = 0, product = 0;
if (totals) {{
    for (int i = thread / width; i < parts && c < C; i += step)
        total += totals[i * C + c], product += products[i * C + c];
    total = added(total), product = added(product);
}}
W center = 0, scale = 0, slope = 0, level = 0;
if (c < C) {{
    const W spread = variance[c], r = 1 / {ROOT};
    const W count = W(A) * W(B);
    center = mean[c], scale = W(w[c]) * r;
    if (training) {{
        slope = ((go_variance ? 2 * go_variance[c] : W(0)) - scale * r * r * product) / count;
        level = ((go_mean ? go_mean[c] : W(0)) - scale * total) / count;
    }}
    if (gw && is_first && part == 0) gw[c] = V(product * r), gb[c] = V(total);
}}
{
        each_element(
            {
                "value": "training ? W(x[at]) : W(0)",
                "g": "W(go[at])",
                "made": "y ? W(y[at]) : W(1)",
            },
            "const W passed = made > 0 ? g : made;"
            "const W more = training ? (value - center) * slope + level : W(0);"
            "gx[at] = T(passed * scale + more);"
            "if (masked) masked[at] = T(passed);",
        )
    }
""",
)
# Layer norm: `lanes` threads, a power of 2, have a row. They go through it several times, and find
# it in the cache after the first. The mean is center + offset.
ROW = f"""
const int thread = threadIdx.x, lane = thread % lanes;
const long long row = (long long)blockIdx.x * (THREADS / lanes) + thread / lanes;
const int size = row < N ? M : 0;
__shared__ W shared[THREADS];
auto added = [&](W value) {{  // over the threads of the row, in each of them
    __syncthreads();
    shared[thread] = value;
    for (int half = lanes / 2; half >= 1; half /= 2) {{
        __syncthreads();
        if (lane < half) shared[thread] += shared[thread + half];
    }}
    __syncthreads();
    return shared[thread - lane];
}};
x += row * M;
const W center = size ? W(x[0]) : W(0);
W sum = 0, square = 0;
for (int i = lane; i < size; i += lanes) sum += W(x[i]) - center;
const W offset = added(sum) / M;
for (int i = lane; i < size; i += lanes) {{
    const W z = W(x[i]) - center - offset;
    square += z * z;
}}
const W spread = added(square) / M, r = 1 / {ROOT};
"""
layer_normalized = blockwise(
    "layer_norm",
    "T x, V w, V b, T y",
    "int32 N, int32 M, int32 lanes, float64 eps",
    f"""
typedef decltype(T() + T()) W;  // float32 where T is float16
{ROW}
y += row * M;
for (int i = lane; i < size; i += lanes)
    y[i] = T((W(x[i]) - center - offset) * r * W(w[i]) + W(b[i]));
""",
    THREADS,
)
layer_gradient = blockwise(
    "layer_norm_gradient",
    "T x, V w, T go, T gx, W mean, W root",
    "int32 N, int32 M, int32 lanes, float64 eps",
    f"""
{ROW}
go += row * M, gx += row * M;
W total = 0, product = 0;
for (int i = lane; i < size; i += lanes) {{
    const W g = W(go[i]) * W(w[i]);
    total += g, product += (W(x[i]) - center - offset) * g;
}}
const W level = added(total) / M, slope = added(product) / M * r * r;
for (int i = lane; i < size; i += lanes)
    gx[i] = T(r * (W(go[i]) * W(w[i]) - level - (W(x[i]) - center - offset) * slope));
if (mean && lane == 0 && size) mean[row] = center + offset, root[row] = r;
""",
    THREADS,
)
# The sums of the columns of a matrix, which are its channels: what gw and gb are added up from.
layer_sums = channelwise(
    "layer_norm_sums",
    "T x, T go, W mean, W root, W products, W totals",
    "",
    f"""
W total = 0, product = 0;
{
        each_element(
            {"g": "W(go[at])", "z": "(W(x[at]) - mean[at / C]) * root[at / C]"},
            "total += g, product += z * g;",
        )
    }
total = added(total), product = added(product);
if (is_first) totals[part * C + c] = total, products[part * C + c] = product;
""",
)


class CupyNorms(CupyChannels):
    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        if not (fits(x, len(x)) and _are_solid(w, b)):
            return super().layer_norm(x, w, b, eps=eps)
        x, y = cupy.ascontiguousarray(x), cupy.empty(x.shape, x.dtype)
        blocks, lanes = _rows(x)
        layer_normalized(blocks, (x, w, b, y), *x.shape, lanes, eps)
        return y

    def layer_norm_gradient(
        self, x: Array, w: Array, go: Array, *, eps: float, parameters: bool = True
    ) -> tuple[Array, ...]:
        if not (_alike(x, go) and _are_solid(w)):
            return super().layer_norm_gradient(x, w, go, eps=eps, parameters=parameters)
        x, go = cupy.ascontiguousarray(x), cupy.ascontiguousarray(go)
        channels, gx, (blocks, lanes) = Channels(x), cupy.empty(x.shape, x.dtype), _rows(x)
        mean, root = (cupy.empty(len(x), channels.wide) if parameters else None for _ in range(2))
        layer_gradient(blocks, (x, w, go, gx, mean, root), *x.shape, lanes, eps)
        if not parameters:
            return (gx,)
        products, totals = channels.empty(), channels.empty()
        channels.run(layer_sums, (x, go, mean, root, products, totals))
        gw, gb = (added(p, *channels.shape, cupy.empty_like(w)) for p in (products, totals))
        return gx, gw, gb

    def batch_norm(
        self,
        x: Array,
        w: Array,
        b: Array,
        residual: Array | None = None,
        running_mean: Array | None = None,
        running_var: Array | None = None,
        batches: Array | None = None,
        *,
        eps: float,
        momentum: Number | None = 0.0,
        relu: bool = False,
    ) -> tuple[Array | None, ...]:
        running = running_mean, running_var, batches
        # In mixed precision, w and b are float16, and the averages are float32.
        wide = np.result_type(x.dtype, np.float32)
        are_wide = all(p is None or p.dtype == wide for p in running[:2])
        solid = _are_solid(w, b) and all(p is None or _are_solid(p) for p in running[:2])
        if not (_alike(x, residual) and solid and are_wide):
            options: dict[str, Any] = {"eps": eps, "momentum": momentum, "relu": relu}
            return super().batch_norm(x, w, b, residual, *running, **options)
        channels = Channels(x)
        x, y = channels.x, cupy.empty_like(channels.x)
        mean, variance = (cupy.empty(len(w), channels.wide) for _ in range(2))
        sums = totals, squares = channels.empty(), channels.empty()
        channels.run(statistics, (x, totals, squares, batches))
        rate = (
            momentum.astype(channels.wide, copy=False)
            if isinstance(momentum, cupy.ndarray)
            else None
        )
        number = 0.0 if momentum is None or rate is not None else momentum
        arrays = (x, w, b, channels.like(residual), *sums, *running, rate, mean, variance, y)
        is_average = momentum is None and batches is not None  # of all batches so far
        channels.run(normalized, arrays, eps, number, is_average, relu)
        return y, mean, variance, *running

    def batch_norm_inference(
        self,
        x: Array,
        w: Array,
        b: Array,
        mean: Array,
        variance: Array,
        residual: Array | None = None,
        *,
        eps: float,
        relu: bool = False,
    ) -> Array:
        wide = np.result_type(x.dtype, np.float32)
        mean, variance = (p.astype(wide, copy=False) for p in (mean, variance))
        if not (_alike(x, residual) and _are_solid(w, b) and _are_solid(mean, variance)):
            few = w, b, mean, variance
            return super().batch_norm_inference(x, *few, residual, eps=eps, relu=relu)
        channels = Channels(x)
        y = cupy.empty_like(channels.x)
        more, none = channels.like(residual), (None, None)
        arrays = (channels.x, w, b, more, *none, mean, variance, *none, *none, y)
        channels.run(normalized, arrays, eps, 0.0, False, relu)
        return y

    def batch_norm_gradient(
        self,
        x: Array,
        w: Array,
        mean: Array,
        variance: Array,
        go: Array,
        *some: Array,
        eps: float,
        given: tuple[bool, bool, bool] = (False, False, False),
        residual: bool = False,
        training: bool = True,
        parameters: bool = True,
    ) -> tuple[Array, ...]:
        rest, wide = iter(some), np.result_type(x.dtype, np.float32)
        y, *gos = (next(rest) if there else None for there in given)
        mean, variance = (p.astype(wide, copy=False) for p in (mean, variance))
        if not (_alike(x, go, y) and _are_solid(w) and _are_solid(mean, variance, *gos)):
            options: dict[str, Any] = {"eps": eps, "given": given, "residual": residual}
            options |= {"training": training, "parameters": parameters}
            return super().batch_norm_gradient(x, w, mean, variance, go, *some, **options)
        channels = Channels(x)
        x, y, go = channels.x, channels.like(y), channels.like(go)
        gx, found = cupy.empty_like(x), list[Array]()
        parts: tuple[Array | None, ...] = (None, None)
        masked = cupy.empty_like(x) if residual and y is not None else None
        result = go if masked is None else masked
        if training or parameters:
            parts = channels.empty(), channels.empty()
            channels.run(sums, (go, y, x, mean, masked, *parts, None))
            if masked is not None:  # what a ReLU lets through is in memory now
                go, y, masked = masked, None, None
        if parameters:
            found = [cupy.empty_like(w), cupy.empty_like(w)]
        arrays = x, w, mean, variance, y, go, *gos, *parts, gx, *(found or (None, None)), masked
        channels.run(gradient, arrays, eps, training)
        return gx, *found, *([result] if residual else [])


def _alike(x: Array, *others: Array | None) -> bool:
    """Whether the kernels can take x, and the others have its shape and dtype."""
    same = all(y is None or (y.shape, y.dtype) == (x.shape, x.dtype) for y in others)
    return fits(x, len(x)) and same


def _are_solid(x: Array, *others: Array | None) -> bool:
    """Whether that is so, and all lie in memory without gaps."""
    return _alike(x, *others) and all(y is None or y.flags.c_contiguous for y in (x, *others))


def _rows(x: Array) -> tuple[int, int]:
    """How many blocks the rows of x (N, M) take, and how many threads each row: of a long row, so
    many that each has 4 elements or more."""
    lanes = min(THREADS, 1 << (-(-x.shape[1] // 4) - 1).bit_length())
    return -(-len(x) // (THREADS // lanes)), lanes
