"""Loops over elements, compiled by numba, for `backend.py`.

Importing this imports numba, which takes half a second. Compiled code stays on disk, in
`__pycache__`. Arrays are contiguous, and results are written into the last arguments. Sums may be
reordered, and products fused with sums. NaN and infinities come out as NumPy's, except that
infinite weights give no NaN where they meet padding.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ..definitions.convolution import Pair
from ..definitions.elementwise import least_for_sigmoid
from ..definitions.special.error import SINGLE
from ..types import Array
from .compiling import KERNELS, compiled, exact
from .elementary import exp
from .loops_of_attention import attention, attention_gradient
from .loops_of_products import conv, conv_weight_gradient, instances_last
from .loops_of_recurrence import gru, gru_gradient, lstm, lstm_gradient, panels
from .vectors import RUNS

__all__ = [
    "KERNELS",
    "RUNS",
    "VERSION",
    "adam",
    "attention",
    "attention_gradient",
    "batch_norm",
    "batch_norm_gradient",
    "batch_norm_inference",
    "by_square",
    "conv",
    "conv_weight_gradient",
    "cross_entropy",
    "cross_entropy_gradient",
    "erf",
    "gelu",
    "gelu_gradient",
    "gru",
    "gru_gradient",
    "instances_last",
    "layer_norm",
    "layer_norm_gradient",
    "lstm",
    "lstm_gradient",
    "masked",
    "max_pool",
    "max_pool_gradient",
    "panels",
    "relu_gradient",
    "sgd",
    "sgd_with_momentum",
    "sigmoid",
    "sigmoid_gradient",
]

ABOVE, BELOW = [tuple([np.float32(c) for c in part[::-1]]) for part in SINGLE.erf]
BOUND, LEAST = SINGLE.bound, least_for_sigmoid(np.finfo(np.float32))
FEW = 16  # lanes
SQRT_HALF, DENSITY = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)
VERSION = numba.__version__
# The smallest normal numbers. (`np.finfo` and `.sum()` in a kernel have numba import 0.1 s more.)
TINY, TINY_DOUBLE = (float(np.finfo(t).tiny) for t in (np.float32, np.float64))


@compiled
def masked(x: Array, mask: Array, y: Array) -> None:
    for i in range(len(x)):
        y[i] = x[i] if mask[i] else x.dtype.type(0)


@compiled
def relu_gradient(y: Array, go: Array, gx: Array) -> None:
    for i in range(len(y)):
        gx[i] = go[i] if y[i] > y.dtype.type(0) else y[i]


# -- Pooling of (C, H, W, N) ----------------------------------------------------------------------


@compiled
def max_pool(
    x: Array,
    kernel: Pair,
    stride: Pair,
    before: Pair,
    dilation: Pair,
    y: Array,
    places: Array,
    start: int,
    stop: int,
) -> None:
    """Write the maxima of windows of some planes of x into y, and their taps into `places`.

    Args:
        before: the padding above and left of the images.
    """
    _, height, width, lanes = x.shape
    least = x.dtype.type(-np.inf)
    for p in range(start, stop):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                row, column = i * stride[0] - before[0], j * stride[1] - before[1]
                best, at, is_first = y[p, i, j], places[p, i, j], True
                for a in range(kernel[0]):
                    h = row + a * dilation[0]
                    if h < 0 or h >= height:
                        continue
                    for b in range(kernel[1]):
                        w = column + b * dilation[1]
                        if w < 0 or w >= width:
                            continue
                        tap, seen = places.dtype.type(a * kernel[1] + b), x[p, h, w]
                        if is_first:
                            is_first = False
                            for m in range(lanes):
                                best[m] = seen[m]
                                at[m] = tap
                        elif lanes < FEW:  # one by one, in half the time
                            for m in range(lanes):
                                if (seen[m] > best[m]) | (seen[m] != seen[m]):
                                    best[m] = seen[m]
                                    at[m] = tap
                        else:  # vectors, as all is read before anything is written: a seventh
                            for m in range(lanes):
                                new, old, place = seen[m], best[m], at[m]
                                better = (new > old) | (new != new)
                                best[m] = new if better else old
                                at[m] = tap if better else place
                if is_first:  # dilation has led past the image on all sides
                    for m in range(lanes):
                        best[m] = least
                        at[m] = 0


@compiled
def max_pool_gradient(
    go: Array, places: Array, kernel: Pair, stride: Pair, before: Pair, dilation: Pair, gx: Array,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Add the gradients of maxima to some planes of gx (C, H, W, N)."""
    _, height, width, lanes = gx.shape
    zero = go.dtype.type(0)
    for p in range(start, stop):
        for i in range(go.shape[1]):
            for j in range(go.shape[2]):
                row, column = i * stride[0] - before[0], j * stride[1] - before[1]
                g, at = go[p, i, j], places[p, i, j]
                for a in range(kernel[0]):
                    h = row + a * dilation[0]
                    if h < 0 or h >= height:
                        continue
                    for b in range(kernel[1]):
                        w = column + b * dilation[1]
                        if w < 0 or w >= width:
                            continue
                        tap, given = places.dtype.type(a * kernel[1] + b), gx[p, h, w]
                        for m in range(lanes):
                            given[m] += g[m] if at[m] == tap else zero


# -- The optimizers' updates ----------------------------------------------------------------------


@exact
def sgd(g: Array, lr: float, decay: float, p: Array) -> None:
    t = p.dtype.type
    lr, decay = t(lr), t(decay)
    for i in range(len(p)):
        p[i] -= lr * (g[i] + decay * p[i] if decay else g[i])


@exact
def sgd_with_momentum(
    g: Array,
    lr: float,
    decay: float,
    momentum: float,
    share: float,
    ahead: float,
    p: Array,
    v: Array,
) -> None:
    """Write the new parameter into p, and the new velocity into v.

    Args:
        share: how much of the gradient is added to the velocity.
        ahead: 0, or for Nesterov's momentum the momentum: p then moves along the gradient plus
            `ahead` times the new velocity.
    """
    t = p.dtype.type
    lr, decay, momentum, share, ahead = t(lr), t(decay), t(momentum), t(share), t(ahead)
    for i in range(len(p)):
        gradient = g[i] + decay * p[i] if decay else g[i]
        v[i] = momentum * v[i] + share * gradient
        p[i] -= lr * (gradient + ahead * v[i] if ahead else v[i])


@exact
def adam(
    g: Array,
    rate: float,
    keep: float,
    decay: float,
    betas: tuple[float, float],
    correction: float,
    eps: float,
    p: Array,
    mean: Array,
    square: Array,
) -> None:
    """Write the new parameter into p, and the new mean and square into theirs.

    Args:
        rate: the learning rate divided by the mean's correction.
        keep: how much of the parameter decoupled weight decay keeps.
        correction: the root of the square's correction.
    """
    t = p.dtype.type
    rate, keep, decay, correction, eps = t(rate), t(keep), t(decay), t(correction), t(eps)
    beta1, beta2, rest1, rest2 = t(betas[0]), t(betas[1]), t(1 - betas[0]), t(1 - betas[1])
    for i in range(len(p)):
        gradient = g[i] + decay * p[i] if decay else g[i]
        mean[i] = beta1 * mean[i] + rest1 * gradient
        square[i] = beta2 * square[i] + rest2 * gradient * gradient
        p[i] = keep * p[i] - rate * (mean[i] / (np.sqrt(square[i]) / correction + eps))


@exact
def by_square(
    g: Array, lr: float, decay: float, keep: float, share: float, eps: float, p: Array,
    square: Array,
) -> None:  # fmt: skip
    """Update as RMSprop does, and Adagrad: its square keeps all, and gets the whole new one."""
    t = p.dtype.type
    lr, decay, eps, keep, share = t(lr), t(decay), t(eps), t(keep), t(share)
    for i in range(len(p)):
        gradient = g[i] + decay * p[i] if decay else g[i]
        square[i] = keep * square[i] + share * gradient * gradient
        p[i] -= lr * (gradient / (np.sqrt(square[i]) + eps))


# -- Functions, of float32 ------------------------------------------------------------------------


@compiled
def sigmoid(x: Array, y: Array) -> None:
    zero, one, low = np.float32(0.0), np.float32(1.0), np.float32(LEAST)
    for i in range(len(x)):
        y[i] = zero if x[i] < low else one / (one + exp(-x[i]))


@compiled
def sigmoid_gradient(y: Array, go: Array, gx: Array) -> None:
    zero, one = y.dtype.type(0), y.dtype.type(1)
    tiny = y.dtype.type(TINY if y.itemsize == 4 else TINY_DOUBLE)
    for i in range(len(y)):
        g = (one - y[i]) * y[i] * go[i]
        gx[i] = zero if abs(g) < tiny else g


@compiled
def erf_of(x: Any) -> Any:
    one, far = np.float32(1.0), np.float32(BOUND)
    x = x if not x > far else far
    x = x if not x < -far else -far
    t, a, b = x * x, np.float32(0.0), np.float32(0.0)
    for c in ABOVE:
        a = a * t + c
    for c in BELOW:
        b = b * t + c
    y = x * (a / b)
    y = y if not y > one else one
    return y if not y < -one else -one


@compiled
def erf(x: Array, y: Array) -> None:
    for i in range(len(x)):
        y[i] = erf_of(x[i])


@compiled
def gelu(x: Array, y: Array) -> None:
    for i in range(len(x)):
        y[i] = np.float32(0.5) * x[i] * (np.float32(1.0) + erf_of(np.float32(SQRT_HALF) * x[i]))


@compiled
def gelu_gradient(x: Array, go: Array, gx: Array) -> None:
    half, factor = np.float32(0.5), np.float32(DENSITY)
    for i in range(len(x)):
        share = half + half * erf_of(np.float32(SQRT_HALF) * x[i])
        gx[i] = go[i] * (share + x[i] * (factor * exp(-half * x[i] * x[i])))


@compiled
def cross_entropy(x: Array, most: Array, targets: Array, losses: Array) -> None:
    """Write the losses (N,) of x (N, C), whose maxima are `most` (N,)."""
    for n in range(len(x)):
        row, total = x[n], np.float32(0.0)
        for c in range(len(row)):
            total += exp(row[c] - most[n])
        losses[n] = np.log(total) - (row[targets[n]] - most[n])


@compiled
def cross_entropy_gradient(x: Array, most: Array, go: Array, targets: Array, gx: Array) -> None:
    for n in range(len(x)):
        row, out, total = x[n], gx[n], np.float32(0.0)
        for c in range(len(row)):
            z = exp(row[c] - most[n])
            out[c] = z
            total += z
        share = go[n] / total
        for c in range(len(row)):
            out[c] *= share
        out[targets[n]] -= go[n]


# -- Normalization ------------------------------------------------------------------------------

# So many elements, or rows, are added up in the dtype of x, and their sums in float64.
BLOCK, ROWS = 4096, 64


@compiled
def added(x: Array, center: Any) -> float:
    """Add up x - center, for x (n,). With one of the elements as the center, the mean of large
    numbers that differ by little is exact."""
    total = 0.0
    for low in range(0, len(x), BLOCK):
        part, s = x[low : low + BLOCK], x.dtype.type(0)
        for i in range(len(part)):
            s += part[i] - center
        total += s
    return total


@compiled
def squared(x: Array, center: Any) -> float:
    """Add up (x - center)²."""
    total = 0.0
    for low in range(0, len(x), BLOCK):
        part, s = x[low : low + BLOCK], x.dtype.type(0)
        for i in range(len(part)):
            s += (part[i] - center) * (part[i] - center)
        total += s
    return total


@compiled
def inverse_root(square: float) -> float:
    """Compute 1 / sqrt(square): NaN, not 0, where squares were infinite."""
    return 1.0 / np.sqrt(square) if square < np.inf else np.nan


@compiled
def multiplied(x: Array, center: Any, g: Array) -> float:
    """Add up (x - center) * g."""
    total = 0.0
    for low in range(0, len(x), BLOCK):
        part, other, s = x[low : low + BLOCK], g[low : low + BLOCK], x.dtype.type(0)
        for i in range(len(part)):
            s += (part[i] - center) * other[i]
        total += s
    return total


@compiled
def finished(
    x: Array, center: Any, scale: Any, level: Any, a: int, c: int, residual: Array, relu: bool,
    y: Array,
) -> None:  # fmt: skip
    """Write the row (a, c) of the result into y."""
    for i in range(len(x)):
        y[i] = (x[i] - center) * scale + level
    if len(residual):
        more = residual[a, c]
        for i in range(len(x)):
            y[i] += more[i]
    if relu:
        for i in range(len(x)):
            y[i] = x.dtype.type(0) if y[i] < x.dtype.type(0) else y[i]


@compiled
def batch_norm(
    x: Array, w: Array, b: Array, residual: Array, relu: bool, eps: float,
    mean: Array, var: Array, y: Array, start: int, stop: int,
) -> None:  # fmt: skip
    """Normalize some of the C channels of x (A, C, B); add the residual (A, C, B), if it is not
    empty."""
    t, count = x.dtype.type, x.shape[0] * x.shape[2]
    for c in range(start, stop):
        first, total = x[0, c, 0], 0.0
        for a in range(x.shape[0]):
            total += added(x[a, c], first)
        center, total = t(first + total / count), 0.0
        for a in range(x.shape[0]):
            total += squared(x[a, c], center)
        mean[c], var[c] = center, total / count
        scale, level = t(w[c] * inverse_root(total / count + eps)), b[c]
        for a in range(x.shape[0]):
            finished(x[a, c], center, scale, level, a, c, residual, relu, y[a, c])


@compiled
def batch_norm_inference(
    x: Array, w: Array, b: Array, mean: Array, var: Array, residual: Array, relu: bool,
    eps: float, y: Array, start: int, stop: int,
) -> None:  # fmt: skip
    for c in range(start, stop):
        scale = x.dtype.type(w[c] / np.sqrt(var[c] + eps))
        for a in range(x.shape[0]):
            finished(x[a, c], mean[c], scale, b[c], a, c, residual, relu, y[a, c])


@compiled
def batch_norm_gradient(
    x: Array, w: Array, mean: Array, var: Array, y: Array, go: Array, go_mean: Array,
    go_var: Array, eps: float, masked: Array, gx: Array, gw: Array, gb: Array,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Write gx (A, C, B), gw and gb, of some channels. If y (A, C, B) is not empty, a ReLU has made
    it, and `masked` gets what is left of go; it may be gx."""
    t, count, relu = x.dtype.type, x.shape[0] * x.shape[2], len(y) > 0
    for c in range(start, stop):
        total, product, center = 0.0, 0.0, mean[c]
        for a in range(x.shape[0]):
            g = go[a, c]
            if relu:
                out, made = masked[a, c], y[a, c]
                for i in range(len(out)):
                    out[i] = g[i] if made[i] > t(0) else made[i]
                g = out
            total += added(g, t(0))
            product += multiplied(x[a, c], center, g)
        r = inverse_root(var[c] + eps)
        gb[c], gw[c] = total, product * r
        scale = w[c] * r
        slope = t((2.0 * go_var[c] - scale * r * (product * r)) / count)
        level, factor = t((go_mean[c] - scale * total) / count), t(scale)
        for a in range(x.shape[0]):
            part, out = x[a, c], gx[a, c]
            g = masked[a, c] if relu else go[a, c]
            for i in range(len(part)):
                out[i] = g[i] * factor + (part[i] - center) * slope + level


@compiled
def layer_norm(x: Array, w: Array, b: Array, eps: float, y: Array) -> None:
    """Normalize the N rows of x (N, M)."""
    t, count = x.dtype.type, x.shape[1]
    for n in range(len(x)):
        row, out = x[n], y[n]
        center = t(row[0] + added(row, row[0]) / count)
        scale = t(inverse_root(squared(row, center) / count + eps))
        for i in range(len(row)):
            out[i] = (row[i] - center) * scale * w[i] + b[i]


@compiled
def layer_norm_gradient(
    x: Array, w: Array, go: Array, eps: float, gx: Array, gw: Array, gb: Array
) -> None:
    """Write gx (N, M), and add to gw and gb (M,), which are of float64."""
    t, count = x.dtype.type, x.shape[1]
    for first in range(0, len(x), ROWS):
        some_w, some_b = np.zeros_like(w), np.zeros_like(w)
        for n in range(first, min(first + ROWS, len(x))):
            row, g, out = x[n], go[n], gx[n]
            center = t(row[0] + added(row, row[0]) / count)
            r = inverse_root(squared(row, center) / count + eps)
            scale = t(r)
            for i in range(len(row)):
                out[i] = g[i] * w[i]
                some_w[i] += g[i] * ((row[i] - center) * scale)
                some_b[i] += g[i]
            level = t(added(out, t(0)) / count)
            slope = t(multiplied(row, center, out) / count * r * r)
            for i in range(len(row)):
                out[i] = (out[i] - level - (row[i] - center) * slope) * scale
        for i in range(len(w)):
            gw[i] += some_w[i]
            gb[i] += some_b[i]
