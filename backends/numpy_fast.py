"""NumPy with kernels that numba compiles, where it is installed (the extra `fast`).

They touch each element once, where NumPy goes over the arrays again for each operation. Arrays that
are small, of other dtypes or with gaps in memory go to NumPy's kernels, and so does everything
where numba is missing or GRADCORE_FAST=0. Times are of float32 on one core of an Intel Xeon
(Sapphire Rapids), "in place of" those of NumPy's kernels in the same process.
"""

from __future__ import annotations

import os
import warnings
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import product
from math import prod
from typing import Any

import numpy as np

from . import threads
from .base import least_for_sigmoid
from .convolution import Padding, Pair, output_size, padded_shape
from .numpy import NumpyBackend
from .numpy_conv import UNPADDED

LARGE = 1 << 14  # elements: the first array of so many imports numba, if a kernel is for it
SMALL = 1 << 6  # elements: from then on, of so many; a call takes a microsecond
COPIED = 64  # rows: of fewer, a product is not worth a copy of the other matrix
COPY = 1 << 16  # elements: to pad fewer takes less time than to leave padding out
LANES = 16  # elements: of fewer that lie together, a loop does not pay
WORK = 1 << 18  # products: the first array made of so many imports numba
SHARED = 1 << 22  # products: so many are worth a second thread
WIDE, FEW = 1 << 18, 1 << 12  # weights, windows
LINEAR = 1 << 25  # products: more are for BLAS
DTYPES = (np.dtype("float32"), np.dtype("float64"))


def problem() -> str | None:
    """Why NumPy runs without compiled kernels and what to do about it, or `None` if it doesn't."""
    for variable, off in (("GRADCORE_FAST", "0"), ("NUMBA_DISABLE_JIT", "1")):
        if os.environ.get(variable) == off:
            return f"{variable}={off}"
    return None if find_spec("numba") else "numba is not installed; pip install numba"


@cache
def compiled() -> Any:
    """The compiled kernels; `None`, after a warning, where numba doesn't work."""
    try:
        from . import numba_kernels
    except Exception as error:  # such as a NumPy too new for it
        problem = f"importing numba failed with {type(error).__name__}: {error}"
        warnings.warn(f"{problem}. NumPy alone runs; GRADCORE_FAST=0 hides this", RuntimeWarning, 2)
        return None
    return numba_kernels


def is_fit(x: np.ndarray, *dtypes: Any) -> bool:
    """Whether the compiled kernels are for x, and worth it."""
    if x.size < SMALL or (x.size < LARGE and not compiled.cache_info().currsize):
        return False
    return x.dtype in (dtypes or DTYPES) and compiled() is not None


def each(loop: Any, *arrays: np.ndarray) -> np.ndarray | None:
    """What a loop over elements makes of arrays of one shape, like the first; `None` if they are
    not in one order in memory."""
    y = np.empty_like(arrays[0])
    views = flat(*arrays, y)
    if views is None:
        return None
    loop(*views)
    return y


def is_worth(weights: int, windows: int, run: int, *arrays: np.ndarray | None) -> bool:
    """Whether the compiled products are for these arrays: of so many weights and windows, of which
    so many lie together. Where there are many weights for few windows, BLAS is faster."""
    types = {x.dtype for x in arrays if x is not None}
    fit = len(types) == 1 and types <= set(DTYPES) and run >= LANES // 2
    is_wide = weights >= WIDE and windows < FEW
    return fit and not is_wide and weights * windows >= WORK and compiled() is not None


def shared(work: int, loop: Any, n: int, *arguments: Any) -> None:
    """Run a loop for all of range(n), in several threads if there is enough work."""
    threads.share(loop, n, *arguments, alone=work < SHARED)


def is_solid(*arrays: np.ndarray) -> bool:
    """Whether all are contiguous."""
    return all(x.flags.c_contiguous for x in arrays)


def updated(
    parameter: np.ndarray, gradient: np.ndarray, *memory: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """Views of the gradient, and of what an update writes to; `None` if it can't be there."""
    arrays = parameter, *memory
    if not is_fit(parameter) or not all(x.flags.writeable for x in arrays):
        return None
    if any(x.dtype != parameter.dtype for x in (gradient, *memory)):
        return None
    views = flat(gradient, *arrays)
    return (views[0], views[1:]) if views else None


def flat(*arrays: np.ndarray) -> list[np.ndarray] | None:
    """Views (size,) in one order of elements, that of the memory; `None` if there is none."""
    if all(x.flags.c_contiguous for x in arrays):
        return [x.reshape(-1) for x in arrays]
    steps = [[s // x.itemsize for s in x.strides] for x in arrays]
    if any(s != steps[0] for s in steps):
        return None
    views = [x.ravel("K") for x in arrays]
    return views if all(map(np.may_share_memory, views, arrays)) else None


def flattened(x: np.ndarray) -> tuple[np.ndarray, bool] | None:
    """A contiguous view of the matrix x, and whether it is transposed; `None` if there is none."""
    if x.flags.c_contiguous:
        return x, False
    return (x.T, True) if x.T.flags.c_contiguous else None


def instances_last(x: np.ndarray, padding: Padding = UNPADDED) -> np.ndarray:
    """The padded images (N, C, H, W) as (C, H, W, N), contiguous."""
    inside_out = x.transpose(1, 2, 3, 0)
    if padding == UNPADDED and inside_out.flags.c_contiguous:
        return inside_out
    n, *shape = padded_shape(x.shape, padding)
    y = (np.empty if padding == UNPADDED else np.zeros)((*shape, n), x.dtype)
    (top, _), (left, _) = padding
    if x.flags.c_contiguous:
        compiled().instances_last(x, top, left, y)
    else:
        y[:, top : top + x.shape[2], left : left + x.shape[3]] = inside_out
    return y


def unpadded(x: np.ndarray, padding: Padding) -> tuple[np.ndarray, Pair]:
    """The images (N, C, H, W) as (C, H, W, N), contiguous, and what padding they still need above
    and left: if they must be copied, the copy is padded."""
    is_last = x.transpose(1, 2, 3, 0).flags.c_contiguous
    if x.size < COPY or x.shape[1] < compiled().RUNS or not is_last:
        return instances_last(x, padding), (0, 0)
    return instances_last(x), (padding[0][0], padding[1][0])


@lru_cache(1024)
def parts(
    shape: Any, windows: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, runs: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The taps of images (C, H, W, N) in parts of `runs`, which see padding at the same windows.

    Returns:
        `offsets` and `seen`, as `conv_weight_gradient` takes them, and where in all parts, one
        after the other, the taps (C * KH * KW) are.
    """
    c, h, w, n = shape
    axes = zip(kernel, dilation, padding, strict=True)
    rows, columns = (np.arange(k) * d - p for k, d, p in axes)
    places = ((np.arange(c)[:, None, None] * h + rows[:, None]) * w + columns) * n
    ranges = []
    for seen_at, size, step, count in zip((rows, columns), (h, w), stride, windows, strict=True):
        low = np.clip(-(seen_at // step), 0, count)
        ranges.append(
            list(zip(low, np.clip((size - 1 - seen_at) // step + 1, low, count), strict=True))
        )
    taps = np.arange(places.size).reshape(places.shape)
    together = [(taps[:, i, j], (*ranges[0][i], *ranges[1][j])) for i, j in np.ndindex(*kernel)]
    if len({seen for _, seen in together}) == 1:
        together = [(taps.ravel(), together[0][1])]
    order, seen = [], []
    for some, windows_of_some in together:
        order.append(np.pad(some, (0, -some.size % runs), "edge"))
        seen += [windows_of_some] * (order[-1].size // runs)
    flat = np.concatenate(order)
    where = np.empty(places.size, np.int64)
    where[flat[::-1]] = np.arange(flat.size)[::-1]
    return places.ravel()[flat].reshape(-1, runs), np.array(seen), where


def strided(
    size: int, windows: int, taps: int, stride: int, before: int
) -> list[tuple[slice, slice, Pair]]:
    """Convolutions of stride 1 along an axis, which together are one of this stride: for each the
    places in x that windows see, the taps, and the padding."""
    found = []
    for place in range(min(stride, size)):
        low, first = divmod(place + before, stride)
        some = slice(first, None, stride)
        k = len(range(first, taps, stride))
        n = min(len(range(place, size, stride)), windows + k - 1 - low)
        at = slice(place, place + stride * max(n, 0), stride)
        found.append((at, some, (low, windows + k - 1 - n - low)))
    return found


def planes(x: np.ndarray) -> np.ndarray | None:
    """Images (N, C, H, W) as a contiguous view (C, H, W, N), the order that convolutions give;
    `None` where they are in another."""
    x = x.transpose(1, 2, 3, 0)
    return x if x.flags.c_contiguous else None


def channels(x: np.ndarray) -> np.ndarray | None:
    """x (N, C, ...) as a contiguous view (A, C, B); `None` where too few lie together."""
    if x.ndim > 1 and x.flags.c_contiguous:
        y = x.reshape(*x.shape[:2], -1)
    elif x.ndim > 1 and (inside_out := np.moveaxis(x, 0, -1)).flags.c_contiguous:
        y = inside_out.reshape(1, x.shape[1], -1)
    else:
        return None
    return y if y.shape[2] >= LANES else None


class FastNumpyBackend(NumpyBackend):
    def describe_library(self) -> str:
        kernels = compiled()
        fast = f"kernels by numba {kernels.VERSION}" if kernels else "none by numba, which fails"
        return f"{super().describe_library()}, and {fast}"

    # Of 602,112 elements, 0.23 ms in place of 0.31 ms.
    def masked(self, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
        fit = x.shape == mask.shape and is_fit(x)
        y = each(compiled().masked, x, mask) if fit else None
        return super().masked(x, mask) if y is None else y

    products_for_sums = 4.0

    def linear(self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
        # BLAS is faster with more threads, which then wait for more work, in the way of others.
        weights = flattened(w)
        if weights is None or len(w) < COPIED or x.size * len(w) >= LINEAR:
            return super().linear(x, w, b)
        is_alone = threads.count() == 1  # then nobody waits
        if (is_alone and weights[1]) or not is_worth(w.size, len(x), len(x), x, w, b):
            return super().linear(x, w, b)
        y = np.empty((len(w), len(x)), x.dtype)
        b = np.zeros(len(w), x.dtype) if b is None else np.ascontiguousarray(b)
        compiled().linear(np.ascontiguousarray(x.T), *weights, b, y)
        return y.T

    def conv2d(
        self,
        x: np.ndarray,
        w: np.ndarray,
        b: np.ndarray | None,
        *,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> np.ndarray:
        options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
        o, c = w.shape[:2]
        windows = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
        positions, run = len(x) * prod(windows), len(x) * (windows[1] if stride[1] == 1 else 1)
        if not is_worth(w.size, positions, run, x, w, b):
            return super().conv2d(x, w, b, groups=groups, **options)
        images, padded = unpadded(x, padding)
        images = images.reshape(groups, c, *images.shape[1:])
        weights = np.ascontiguousarray(w.transpose(0, 3, 2, 1))
        y = np.empty((groups, o // groups, *windows, len(x)), x.dtype)
        b = np.zeros(o, x.dtype) if b is None else np.ascontiguousarray(b)
        arguments = images, weights, b, stride, padded, dilation, y
        shared(w.size * positions, compiled().conv, windows[0], *arguments)
        return y.reshape(o, *windows, len(x)).transpose(3, 0, 1, 2)

    def conv2d_input_gradient(
        self,
        go: np.ndarray,
        w: np.ndarray,
        *,
        size: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> np.ndarray:
        # Of stride s, every s-th row gets something from every s-th tap only, and so it is with
        # columns: s * s convolutions of stride 1.
        options: dict[str, Any] = {"padding": padding, "dilation": dilation, "groups": groups}
        n, c, run = len(go), w.shape[1], len(go) * (size[1] // stride[1])
        overlap = any(k > s > 1 for k, s in zip(w.shape[2:], stride, strict=True))
        positions = n * prod(go.shape[2:])
        if dilation != (1, 1) or not overlap or not is_worth(w.size, positions, run, go, w):
            return super().conv2d_input_gradient(go, w, size=size, stride=stride, **options)
        axes = [
            strided(n, count, k, s, low)
            for n, count, k, s, (low, _) in zip(
                size, go.shape[2:], w.shape[2:], stride, padding, strict=True
            )
        ]
        go = instances_last(go).transpose(3, 0, 1, 2)
        gx = np.zeros((c * groups, *size, n), go.dtype).transpose(3, 0, 1, 2)
        for (rows, taps, above), (columns, others, left) in product(*axes):
            part, phase = w[:, :, taps, others], gx[:, :, rows, columns]
            if part.size and phase.size:
                phase[...] = self.conv2d_input_gradient(
                    go,
                    part,
                    size=phase.shape[2:],
                    stride=(1, 1),
                    padding=(above, left),
                    dilation=(1, 1),
                    groups=groups,
                )
        return gx

    def conv2d_weight_gradient(
        self,
        x: np.ndarray,
        go: np.ndarray,
        *,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> np.ndarray:
        options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
        (n, o), c, windows = go.shape[:2], x.shape[1] // groups, go.shape[2:]
        positions, run = n * prod(windows), n * (windows[1] if stride[1] == 1 else 1)
        if not is_worth(o * c * prod(kernel), positions, run, x, go):
            return super().conv2d_weight_gradient(x, go, kernel=kernel, groups=groups, **options)
        loops = compiled()
        images, padded = unpadded(x, padding)
        images = images.reshape(groups, c, *images.shape[1:])
        offsets, seen, where = parts(
            images.shape[1:], windows, kernel, stride, padded, dilation, loops.RUNS
        )
        gradients = instances_last(go).reshape(groups, o // groups, *windows, n)
        sums = np.empty((o, *offsets.shape), x.dtype)
        arguments = images, gradients, offsets, seen, stride, sums
        work = go.size * c * prod(kernel)
        shared(work, loops.conv_weight_gradient, len(offsets), *arguments)
        return sums.reshape(o, -1)[:, where].reshape(o, c, *kernel)

    def relu_gradient(self, y: np.ndarray, go: np.ndarray) -> np.ndarray:
        fit = y.shape == go.shape and y.dtype == go.dtype and is_fit(y)
        gx = each(compiled().relu_gradient, y, go) if fit else None
        return super().relu_gradient(y, go) if gx is None else gx

    # Of (128, 6, 28, 28) and 2x2 windows, 0.16 ms in place of 0.50 ms, and its gradient 0.27 ms in
    # place of 0.59 ms. In PyTorch's order in memory NumPy is faster.
    def max_pool2d(
        self, x: np.ndarray, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
    ) -> tuple[np.ndarray, np.ndarray]:
        options: dict[str, Any] = {"kernel": kernel, "stride": stride, "dilation": dilation}
        if not is_fit(x) or (images := planes(x)) is None:
            return super().max_pool2d(x, padding=padding, **options)
        windows = output_size(x.shape[2:], kernel, stride, padding, dilation)
        shape = images.shape[0], *windows, images.shape[3]
        y = np.empty(shape, x.dtype)
        places = np.empty(shape, np.uint8 if kernel[0] * kernel[1] <= 256 else np.int32)
        start = -padding[0][0], -padding[1][0]
        compiled().max_pool(images, kernel, stride, start, dilation, y, places)
        return y.transpose(3, 0, 1, 2), places.transpose(3, 0, 1, 2)

    def max_pool2d_gradient(
        self,
        go: np.ndarray,
        places: np.ndarray,
        *,
        size: Pair,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
    ) -> np.ndarray:
        options: dict[str, Any] = {"kernel": kernel, "stride": stride, "dilation": dilation}
        if is_fit(go) and (at := planes(places)) is not None:
            g = np.ascontiguousarray(go.transpose(1, 2, 3, 0))
            gx = np.zeros((g.shape[0], *size, g.shape[3]), go.dtype)
            start = -padding[0][0], -padding[1][0]
            compiled().max_pool_gradient(g, at, kernel, stride, start, dilation, gx)
            return gx.transpose(3, 0, 1, 2)
        return super().max_pool2d_gradient(go, places, size=size, padding=padding, **options)

    # Of 400,000 elements, 0.26 ms in place of 0.54 ms.
    def sigmoid(self, x: np.ndarray) -> np.ndarray:
        if is_fit(x, np.float32):
            y = np.empty_like(x)
            if views := flat(x, y):
                compiled().sigmoid(views[0], least_for_sigmoid(np.finfo(x.dtype)), views[1])
                return y
        return super().sigmoid(x)

    def sigmoid_gradient(self, y: np.ndarray, go: np.ndarray) -> np.ndarray:
        fit = y.shape == go.shape and y.dtype == go.dtype and is_fit(y)
        gx = each(compiled().sigmoid_gradient, y, go) if fit else None
        return super().sigmoid_gradient(y, go) if gx is None else gx

    # Of 400,000 elements, 1.1 ms in place of 11 ms.
    def erf(self, x: np.ndarray) -> np.ndarray:
        y = each(compiled().erf, x) if is_fit(x, np.float32) else None
        return super().erf(x) if y is None else y

    def gelu(self, x: np.ndarray) -> np.ndarray:
        y = each(compiled().gelu, x) if is_fit(x, np.float32) else None
        return super().gelu(x) if y is None else y

    def gelu_gradient(self, x: np.ndarray, go: np.ndarray) -> np.ndarray:
        fit = x.shape == go.shape and x.dtype == go.dtype and is_fit(x, np.float32)
        gx = each(compiled().gelu_gradient, x, go) if fit else None
        return super().gelu_gradient(x, go) if gx is None else gx

    # Of 4096 instances and 1000 classes, 11 ms in place of 19 ms; the gradient 16 ms in place of
    # 28 ms.
    def cross_entropy(
        self, x: np.ndarray, targets: np.ndarray, ignored: np.ndarray | None
    ) -> np.ndarray:
        if x.ndim != 2 or not is_fit(x, np.float32) or not is_solid(x, targets):
            return super().cross_entropy(x, targets, ignored)
        losses = np.empty(len(x), x.dtype)
        compiled().cross_entropy(x, x.max(axis=1), targets, losses)
        if ignored is not None:
            losses[ignored] = 0.0
        return losses

    def cross_entropy_gradient(
        self, x: np.ndarray, go: np.ndarray, targets: np.ndarray, ignored: np.ndarray | None
    ) -> np.ndarray:
        if x.ndim != 2 or not is_fit(x, np.float32) or not is_solid(x, targets):
            return super().cross_entropy_gradient(x, go, targets, ignored)
        gx = np.empty_like(x)
        given = np.ascontiguousarray(go if ignored is None else np.where(ignored, 0.0, go), x.dtype)
        compiled().cross_entropy_gradient(x, x.max(axis=1), given, targets, gx)
        return gx

    # Of (64, 64, 32, 32), 5.0 ms in place of 28 ms, and its gradient 6.7 ms in place of 39 ms.
    def batch_norm(
        self, x: np.ndarray, w: np.ndarray, b: np.ndarray, *, eps: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not is_fit(x) or (parts := channels(x)) is None or not is_solid(w, b):
            return super().batch_norm(x, w, b, eps=eps)
        y, mean, variance = np.empty_like(x), np.empty_like(w, x.dtype), np.empty_like(w, x.dtype)
        compiled().batch_norm(parts, w, b, float(eps), mean, variance, channels(y))
        return y, mean, variance

    def batch_norm_gradient(
        self, x: np.ndarray, w: np.ndarray, *arrays: np.ndarray, eps: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mean, variance, go, go_mean, go_variance = arrays
        few = w, mean, variance, go_mean, go_variance
        if not is_fit(x) or (parts := channels(x)) is None or not is_solid(*few):
            return super().batch_norm_gradient(x, w, *arrays, eps=eps)
        if go.strides != x.strides:
            go, given = np.empty_like(x), go
            go[...] = given
        gx, gw, gb = np.empty_like(x), np.empty_like(w), np.empty_like(w)
        compiled().batch_norm_gradient(
            parts,
            w,
            mean,
            variance,
            channels(go),
            go_mean,
            go_variance,
            float(eps),
            channels(gx),
            gw,
            gb,
        )
        return gx, gw, gb

    def layer_norm(self, x: np.ndarray, w: np.ndarray, b: np.ndarray, *, eps: float) -> np.ndarray:
        if not is_fit(x) or not is_solid(w, b) or not x.dtype == w.dtype == b.dtype:
            return super().layer_norm(x, w, b, eps=eps)
        y = np.empty(x.shape, x.dtype)
        compiled().layer_norm(np.ascontiguousarray(x), w, b, float(eps), y)
        return y

    def layer_norm_gradient(
        self, x: np.ndarray, w: np.ndarray, go: np.ndarray, *, eps: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not is_fit(x) or not is_solid(w) or not x.dtype == w.dtype == go.dtype:
            return super().layer_norm_gradient(x, w, go, eps=eps)
        gx, gw, gb = np.empty(x.shape, x.dtype), np.zeros_like(w), np.zeros_like(w)
        x, go = np.ascontiguousarray(x), np.ascontiguousarray(go)
        compiled().layer_norm_gradient(x, w, go, float(eps), gx, gw, gb)
        return gx, gw, gb

    # Of 2.5 million parameters, 1.1 ms in place of 3.1 ms, with momentum 2.2 ms in place of 6.2 ms.
    def sgd(
        self,
        parameter: np.ndarray,
        gradient: np.ndarray,
        velocity: np.ndarray | None,
        *,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        memory = [] if velocity is None else [velocity]
        views = updated(parameter, gradient, *memory)
        if views is None or (momentum and velocity is None):
            return super().sgd(
                parameter,
                gradient,
                velocity,
                lr=lr,
                momentum=momentum,
                dampening=dampening,
                weight_decay=weight_decay,
                nesterov=nesterov,
            )
        g, (p, *v) = views
        settings = float(lr), float(weight_decay)
        if momentum:
            share, ahead = 1.0 - dampening, float(momentum) if nesterov else 0.0
            compiled().sgd_with_momentum(g, *settings, float(momentum), share, ahead, p, *v)
        else:
            compiled().sgd(g, *settings, p)
        return parameter, velocity

    # Of 2.5 million parameters, 4.0 ms in place of 27 ms.
    def adam(
        self,
        parameter: np.ndarray,
        gradient: np.ndarray,
        mean: np.ndarray,
        square: np.ndarray,
        *,
        lr: float,
        corrections: tuple[float, float],
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled: bool,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        views = updated(parameter, gradient, mean, square)
        if views is None:
            return super().adam(
                parameter,
                gradient,
                mean,
                square,
                lr=lr,
                corrections=corrections,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                decoupled=decoupled,
            )
        beta1, beta2 = map(float, betas)
        keep, decay = (1.0 - lr * weight_decay, 0.0) if decoupled else (1.0, float(weight_decay))
        rate, root = lr / corrections[0], corrections[1] ** 0.5
        settings = rate, keep, decay, (beta1, beta2), root, float(eps)
        compiled().adam(views[0], *settings, *views[1])
        return parameter, mean, square

    def adagrad(
        self, parameter: np.ndarray, gradient: np.ndarray, square: np.ndarray, **settings: float
    ) -> tuple[np.ndarray, np.ndarray]:
        views = updated(parameter, gradient, square)
        if views is None:
            return super().adagrad(parameter, gradient, square, **settings)
        numbers = [float(settings[name]) for name in ("lr", "weight_decay", "eps")]
        compiled().adagrad(views[0], *numbers, *views[1])
        return parameter, square

    def rmsprop(
        self,
        parameter: np.ndarray,
        gradient: np.ndarray,
        square: np.ndarray,
        velocity: np.ndarray | None,
        mean: np.ndarray | None,
        **settings: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
        plain = mean is None and not settings["momentum"]
        views = updated(parameter, gradient, square) if plain else None
        if views is None:
            return super().rmsprop(parameter, gradient, square, velocity, mean, **settings)
        numbers = [float(settings[name]) for name in ("lr", "weight_decay", "alpha", "eps")]
        compiled().rmsprop(views[0], *numbers, *views[1])
        return parameter, square, velocity, None


CHOSEN = NumpyBackend if problem() else FastNumpyBackend  # the backend `numpy` of this process
