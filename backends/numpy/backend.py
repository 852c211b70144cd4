"""Run on NumPy: the backend of CPUs.

Times are of float32, "in place of" those of the definitions.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..base import Backend
from ..definitions.common import is_half
from ..definitions.special import KERNELS
from ..definitions.updates import rounded_once
from ..ownership import holders
from . import namespace as xp
from .attention import NumpyAttention
from .blocks import (
    BLOCK,
    SOME,
    blocks,
    by_channels,
    by_elements,
    each,
    for_each,
    in_blocks,
    writeable,
)
from .convolution import NumpyConvolutions
from .images import NumpyImages
from .linalg import NumpyLinalg
from .memory import LINE, keep_memory
from .products import NumpyProducts
from .recurrent import NumpyRecurrence
from .threads import LIGHT
from .tracer import constant

__all__ = ["NumpyBackend"]

# 4 and 1 as arrays, as NumPy takes longer with Python's numbers; and a number whose last digit is
# worth the smallest normal number.
CONSTANTS = {
    np.dtype(t): (np.array(4, t), np.array(1, t), np.array(np.finfo(t).tiny / np.finfo(t).eps, t))
    for t in ("float32", "float64")
}
INTEGERS = {np.dtype(f"f{n}"): np.dtype(f"i{n}") for n in (2, 4, 8)}
ZEROS = {t: np.zeros((), t) for t in INTEGERS}


def _at(targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Give the index that chooses from an array (N, C, ...) its elements at targets (N, ...)."""
    first, *others = [
        np.arange(n).reshape(-1, *[1] * (targets.ndim - 1 - a)) for a, n in enumerate(targets.shape)
    ]
    return first, targets, *others


def _add(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    np.add(x, y, out=z)


def _relu(x: np.ndarray, y: np.ndarray) -> None:
    np.maximum(x, ZEROS[x.dtype], out=y)


class NumpyBackend(
    NumpyAttention,
    NumpyConvolutions,
    NumpyImages,
    NumpyLinalg,
    NumpyProducts,
    NumpyRecurrence,
    Backend,
):
    """Wrap NumPy, with kernels that are faster than the definitions."""

    name = "numpy"
    xp: ClassVar[Any] = xp
    array_types = (np.ndarray,)
    scalar_types = (np.generic,)
    several_devices = False

    def __init__(self, device: Any = None) -> None:
        if device not in (None, "cpu"):
            raise ValueError(f"numpy has one device, 'cpu', and not {device!r}")
        super().__init__(None)
        keep_memory()

    def describe_library(self) -> str:
        config = np.show_config(mode="dicts")
        blas = config.get("Build Dependencies", {}).get("blas", {})
        library = f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
        return f"numpy {np.__version__} with BLAS {library}"

    def to_numpy(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x)

    def accepted(self, x: np.ndarray) -> Any:
        return constant(x)

    def compiler(self, device: Any = None) -> type[Any]:  # noqa: ARG002
        from .plan import NumpyProgram  # here, since few programs capture steps

        return NumpyProgram

    def owns_memory(self, x: np.ndarray) -> bool:
        if not x.flags.writeable:
            return False
        if type(x.base) is np.ndarray and 0 <= x.base.nbytes - x.nbytes <= LINE:  # a view of all
            return x.base.base is None and holders(x, "base") == 1
        return x.base is None

    def _wide(self, x: np.ndarray) -> np.ndarray:
        return x.astype(np.float32) if x.itemsize < 4 else x  # 0.1 us; `is_half` takes 0.3 us

    # -- kernels ----------------------------------------------------------------------------

    def check_indices(self, what: str, indices: np.ndarray, size: int, start: int = 0) -> None:
        # Compare the least and the largest: for the labels of a batch, 4 us in place of 10 us.
        is_known = type(indices) is np.ndarray and indices.dtype.kind in "iu" and indices.size
        if not is_known or indices.min() < start or indices.max() >= size:
            super().check_indices(what, indices, size, start)

    def scatter_add(self, x: np.ndarray, indices: np.ndarray, size: int) -> np.ndarray:
        # Add element by element: 4,096 rows of 256 into 30,000 rows take 4 ms, where `add.at` of
        # whole rows takes 19 ms.
        width, rows = math.prod(x.shape[1:]), self._wide(x)
        y = np.zeros(size * width, rows.dtype)
        positions = indices if width == 1 else indices[:, None] * width + np.arange(width)
        np.add.at(y, positions.ravel(), rows.ravel())
        return y.reshape(size, *x.shape[1:]).astype(x.dtype, copy=False)

    def masked(self, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
        # Multiply integers: with a random mask, processors often guess wrong which way `where`
        # goes. For 600,000 elements, 0.5 ms in place of 4.5 ms.
        integers = INTEGERS.get(x.dtype)
        if integers is None:
            return super().masked(x, mask)
        if x.size < 256:
            return np.where(mask, x, ZEROS[x.dtype])
        y = np.empty_like(x)
        np.multiply(x.view(integers), mask, out=y.view(integers))
        return y

    # Threads share what is large: on two, steps of resnet20-64 take 0.93 of the time by `add`, and
    # those of blitz-512 0.96 by `relu`.

    def add(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        fit = x.size >= LIGHT and x.shape == y.shape and x.dtype == y.dtype
        z = each(_add, x, y, many=LIGHT) if fit else None
        return super().add(x, y) if z is None else z

    # For 16 elements, 0.5 us in place of 0.8 us, and the gradient 1.5 us in place of 2.0 us.
    def relu(self, x: np.ndarray) -> np.ndarray:
        if x.dtype not in ZEROS:
            return super().relu(x)
        y = each(_relu, x, many=LIGHT) if x.size >= LIGHT else None
        return np.maximum(x, ZEROS[x.dtype]) if y is None else y

    def relu_gradient(self, y: np.ndarray, go: np.ndarray) -> np.ndarray:
        if y.dtype not in ZEROS or y.dtype != go.dtype or y.shape != go.shape:
            return super().relu_gradient(y, go)
        zero = ZEROS[y.dtype]
        if y.size < 256 and y.ndim:
            gx = y.copy()  # 0 or NaN, where y is not positive
            np.putmask(gx, y > zero, go)
            return gx
        gx = self.masked(go, y > zero)
        if np.isnan(y.max()):
            np.copyto(gx, y, where=np.isnan(y))
        return gx

    def sigmoid(self, x: np.ndarray) -> np.ndarray:
        # Compute in one array, as 4 / (4 + 4 exp(-x)): where the result would be denormal,
        # 4 exp(-x) is infinite. For 400,000 elements, 0.55 ms in place of 0.94 ms.
        if x.dtype not in CONSTANTS:
            return super().sigmoid(x)
        four = CONSTANTS[x.dtype][0]
        with np.errstate(over="ignore"):
            y = np.negative(x, out=np.empty_like(x))
            np.exp(y, out=y)
            y *= four
        y += four
        return np.divide(four, y, out=y)

    def sigmoid_gradient(self, y: np.ndarray, go: np.ndarray) -> np.ndarray:
        # Round to multiples of the smallest normal number, in place of asking where results are
        # denormal. For 400,000 elements, 0.5 ms in place of 1.1 ms.
        if y.dtype not in CONSTANTS or y.dtype != go.dtype:
            return super().sigmoid_gradient(y, go)
        _, one, coarse = CONSTANTS[y.dtype]
        gx = np.asarray(one - y)
        gx *= y
        gx *= go
        gx += coarse
        gx -= coarse
        return gx

    # Work block by block, with no other array of x's size than the result. For 4096 instances and
    # 1000 classes, loss and gradient take 11 ms in place of 33 ms, and for 128 and 10 classes
    # 0.04 ms in place of 0.10 ms (two cores of an AMD EPYC). The definitions take float16.

    def cross_entropy(
        self, x: np.ndarray, targets: np.ndarray, ignored: np.ndarray | None
    ) -> np.ndarray:
        if is_half(x):
            return super().cross_entropy(x, targets, ignored)
        losses = np.empty(targets.shape, x.dtype)

        def compute(block: Any) -> None:
            z = x[block] - x[block].max(axis=1, keepdims=True)
            chosen = _at(targets[block])
            losses[block] = -z[chosen]
            losses[block] += np.log(xp.sum(np.exp(z, out=z), axis=1))

        for_each(compute, blocks(x), x.size)
        if ignored is not None:
            losses[ignored] = 0.0
        return losses

    def cross_entropy_gradient(
        self, x: np.ndarray, go: np.ndarray, targets: np.ndarray, ignored: np.ndarray | None
    ) -> np.ndarray:
        if is_half(x):
            return super().cross_entropy_gradient(x, go, targets, ignored)
        gx = np.empty_like(x)

        def compute(block: Any) -> None:
            z, g = gx[block], go[block]
            np.subtract(x[block], x[block].max(axis=1, keepdims=True), out=z)
            np.exp(z, out=z)
            z *= (g / xp.sum(z, axis=1))[:, None]
            z[_at(targets[block])] -= g

        for_each(compute, blocks(x), x.size)
        if ignored is not None:
            np.moveaxis(gx, 1, -1)[ignored] = 0.0
        return gx

    batch_norm = by_channels(Backend.batch_norm)
    batch_norm_inference = by_channels(Backend.batch_norm_inference)
    batch_norm_gradient = by_channels(Backend.batch_norm_gradient)

    def log_of_sum(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        # Call `exp`, which has vector instructions, in place of `logaddexp`: 32 instances of 61
        # states take 0.04 ms in place of 0.11 ms.
        most = np.maximum(np.maximum(a, b), c)
        least = np.maximum(most, np.finfo(most.dtype).min)  # -inf - -inf would be NaN
        with np.errstate(divide="ignore"):
            logs = np.log(np.exp(a - least) + np.exp(b - least) + np.exp(c - least))
        return logs + least

    # Work in few arrays that stay in the cache. For (2048, 128), 0.8 ms in place of 1.3 ms, and the
    # gradient 1.7 ms in place of 2.4 ms (one core of an Intel Xeon); threads share the rows.

    def layer_norm(self, x: np.ndarray, w: np.ndarray, b: np.ndarray, *, eps: float) -> np.ndarray:
        if is_half(x) or not x.dtype == w.dtype == b.dtype:
            return super().layer_norm(x, w, b, eps=eps)
        y = np.empty(x.shape, x.dtype)

        def normalize(part: Any) -> None:
            z, _ = self._standardized_into(y[part], x[part], eps)
            z *= w
            z += b

        for_each(normalize, blocks(x), x.size)
        return y

    def layer_norm_gradient(
        self, x: np.ndarray, w: np.ndarray, go: np.ndarray, *, eps: float, parameters: bool = True
    ) -> tuple[np.ndarray, ...]:
        if is_half(x) or not x.dtype == w.dtype == go.dtype:
            return super().layer_norm_gradient(x, w, go, eps=eps, parameters=parameters)
        gx = np.empty(x.shape, x.dtype)

        def gradients(part: Any) -> tuple[np.ndarray, np.ndarray]:
            g, out = go[part], gx[part]
            z, r = self._standardized_into(np.empty_like(out), x[part], eps)
            gw = xp.sum(np.multiply(g, z, out=out), axis=0)
            np.multiply(g, w, out=out)
            slope = np.vecdot(out, z)[:, None] / x.shape[1]
            out -= xp.mean(out, axis=1, keepdims=True)
            z *= slope
            out -= z
            out *= r
            return gw, xp.sum(g, axis=0)

        sums = for_each(gradients, blocks(x), x.size)
        if not parameters:
            return (gx,)
        return gx, *[xp.sum(np.stack(parts), axis=0) for parts in zip(*sums, strict=True)]

    def _standardized_into(
        self, z: np.ndarray, x: np.ndarray, eps: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute `_standardized` of x, with the rows written into z."""
        some = x[:, :1]
        np.subtract(x, some, out=z)
        np.subtract(x, some + xp.mean(z, axis=1, keepdims=True), out=z)
        r = self._inverse_root(np.vecdot(z, z)[:, None] / x.shape[1] + eps)
        z *= r
        return z, r

    def random_bits(self, key: int, n: int, device: Any = None) -> np.ndarray:  # noqa: ARG002
        # For a million numbers, 1.8 ms in place of 11.5 ms.
        words = np.random.Philox(key=key).random_raw(-(-n // 2))
        return words.astype("<u8", copy=False).view("<u4").astype(np.uint32, copy=False)[:n]

    gelu = by_elements(Backend.gelu)
    gelu = by_elements(Backend.gelu, BLOCK)
    gelu_gradient = by_elements(Backend.gelu_gradient, BLOCK)
    adam = in_blocks(Backend.adam)
    nadam = in_blocks(Backend.nadam)
    radam = in_blocks(Backend.radam)
    adamax = in_blocks(Backend.adamax)
    adadelta = in_blocks(Backend.adadelta)
    adagrad = in_blocks(Backend.adagrad)
    rmsprop = in_blocks(Backend.rmsprop)
    rprop = in_blocks(Backend.rprop)
    asgd = in_blocks(Backend.asgd)
    lion = in_blocks(Backend.lion)

    @rounded_once
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
        parameter, velocity = writeable(parameter), writeable(velocity)
        is_first = momentum and velocity is None
        if is_first:
            velocity = np.empty_like(parameter)
        for block in blocks(parameter):  # as `in_blocks` does, and each result in place
            p, g = parameter[block], gradient[block]
            if weight_decay:
                g = g + weight_decay * p
            if velocity is not None and momentum:
                v = velocity[block]
                if is_first:
                    v[...] = g
                else:
                    v *= momentum
                    v += (1 - dampening) * g if dampening else g
                g = g + momentum * v if nesterov else v
            p -= lr * g
        return parameter, velocity


for _name in KERNELS:
    _size = BLOCK if _name == "erf" else SOME  # gelu's parts are erf's, then
    setattr(NumpyBackend, _name, by_elements(getattr(NumpyBackend, _name), _size))
