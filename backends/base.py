"""The meaning of a backend: one array library, on one device.

`Backend` is written in plain array API standard code. A subclass names its library and overrides
only what the library spells differently or can do faster; the definition here is the
specification that every override is tested against.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, Protocol

import numpy as np

from .convolution import ConvolutionKernels
from .special import SpecialFunctions
from .updates import OptimizerUpdates

Array = Any  # an array of whichever library the backend wraps
DType = Any
Number = Any

DTYPES = re.compile("bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)")

PHILOX = 0xD2E7470EE14C6C93, 0xCA5A826395121157  # its multipliers, and what is added to its key
PHILOX_KEY = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B


def least_for_sigmoid(finfo: Any) -> float:
    """The x below which the sigmoid, of a dtype with this `finfo`, stays what it is there.

    Close to 0 numbers become denormal, and CPUs multiply matrices of these 7 to 100 times as
    slowly. So the sigmoid stops at 1e-30 in float32, and gradients times that are normal too. In
    float16, which has no room for that, exp(-x) is just below the largest number.
    """
    return (20.0 if finfo.bits > 16 else 0.01) - math.log(finfo.max)


def index_error(what: str, wrong: int, size: int, start: int) -> IndexError:
    """That `what` has an index that is not in [start, size)."""
    return IndexError(f"{what}: {wrong} is out of range; expected {start} to {size - 1}")


class Recorder(Protocol):
    """Records what a device is asked to do, once, and has it done again and again.

    A record has fixed arrays: a replay reads and writes the memory that they had as it was made.
    """

    def on_device(self) -> AbstractContextManager[object]:
        """Inside, its device is the current one, where the library has such a thing."""
        ...

    def warm_up(self) -> AbstractContextManager[None]:
        """Inside, work is done as it will be recorded, so that all it needs is there by then."""
        ...

    def record(self) -> AbstractContextManager[None]:
        """Inside, work is recorded and not done. New arrays get memory that only replays write
        to, as long as this object lives. Reading an array on the host is a RuntimeError."""
        ...

    def apart(self) -> AbstractContextManager[None]:
        """Inside, also while recording, new arrays get memory that replays don't write to by
        themselves; else they may, before the step does, where it was others' earlier in it."""
        ...

    def replay(self) -> None:
        """Do what was recorded."""
        ...


class Backend(ConvolutionKernels, OptimizerUpdates, SpecialFunctions):
    """An array library on one device: its namespace, the way in and out, and the kernels.

    Args:
        device: what the library calls a device (`1` for CuPy's second GPU, `"device1"` for the
            strict library); `None` is the library's default.
    """

    name: ClassVar[str]
    xp: ClassVar[Any]  # the library's array API namespace
    array_types: ClassVar[tuple[type, ...]] = ()
    scalar_types: ClassVar[tuple[type, ...]] = ()  # what the library gives in place of 0-d arrays
    several_devices: ClassVar[bool] = True  # can two arrays of this library be on two devices?

    def __init__(self, device: Any = None) -> None:
        self.device = device

    def __repr__(self) -> str:
        return self.name if self.device is None else f"{self.name} ({self.device})"

    @classmethod
    def problem(cls) -> str | None:
        """Why this backend can't run here and what to do about it, or `None` if it can."""
        return None

    def make_current(self) -> Callable[[], object]:
        """Called as this becomes the default backend. A library that makes new arrays on a
        current device of its own, as CuPy does, changes that here.

        Returns:
            What to call to change it back.
        """
        return lambda: None

    def environment(self) -> dict[str, str]:
        """Variables by which this device is the default one of processes started with them."""
        return {}

    def describe_device(self) -> str:
        """The device as a person would name it."""
        return "CPU" if self.device is None else str(self.device)

    def describe_library(self) -> str:
        """The library and its version."""
        library = self.array_types[0].__module__.partition(".")[0]
        return f"{library} {getattr(sys.modules[library], '__version__', '')}".strip()

    def dtype(self, dtype: DType | str | None) -> DType:
        """This library's dtype of that name; dtypes and `None` pass through."""
        if not isinstance(dtype, str):
            return dtype
        if not DTYPES.fullmatch(dtype) or not hasattr(self.xp, dtype):
            raise ValueError(f"{self.name} has no dtype {dtype!r}; try 'float32'")
        return getattr(self.xp, dtype)

    def asarray(self, x: Any, dtype: DType | str | None = None) -> Array:
        """`x` as an array on this backend's device, copied only if it must be.

        Args:
            x: an array of any backend, which keeps its dtype, or numbers in (nested) lists,
                where Python floats become float32, the default of parameters.
            dtype: the dtype wanted, as this library's object or by name.

        Raises:
            TypeError: `x` is neither array nor numbers.
        """
        dtype = self.dtype(dtype)
        if isinstance(x, (*self.array_types, *self.scalar_types)):
            return self.xp.asarray(x, dtype=dtype, device=self.device)
        if hasattr(x, "__array_namespace__") or hasattr(x, "__dlpack__"):
            from . import backend_of

            x = backend_of(x).to_numpy(x)
        else:
            x = np.asarray(x)
            if x.dtype.kind not in "biufc":
                raise TypeError(f"{self.name}: expected an array or numbers, not {x.dtype}")
            if x.dtype == np.float64 and dtype is None:
                x = x.astype(np.float32)
        return self.from_numpy(x, dtype)

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        """The NumPy array `x` on this backend's device."""
        return self.xp.asarray(x, dtype=dtype, device=self.device)

    def store(self, x: Any, dtype: DType | str | None = None) -> Array:
        """A set of data as an array on this backend's device, as `asarray` makes it, or, where it
        would fill that, in the host's memory, as NumPy's."""
        return self.asarray(x, dtype)

    def copies(self, batches: Iterable[Iterable[Any]]) -> Iterator[tuple[Array, ...]]:
        """The arrays of each batch on this backend's device. A backend may copy the next batch
        while its device works on this one."""
        return (tuple(map(self.asarray, batch)) for batch in batches)

    def used_memory(self) -> int:
        """The bytes of the device's memory in arrays; 0 where nothing counts them."""
        return 0

    def describe_memory(self) -> str:
        """How much memory of the device is in use and free, for people; empty: it is the host's."""
        return ""

    def limit_memory(self, size: int) -> None:
        """Let arrays on this backend's device take no more than `size` bytes together.

        Raises:
            ValueError: this library can't be held to that.
        """
        raise ValueError(f"{self.name} can't limit its memory ({size / 1e9:g} GB); cupy can")

    def allow_tf32(self, whether: bool) -> None:
        """Whether products of float32 matrices may be of numbers rounded to 11 bits, as the tensor
        cores of GPUs multiply them, added up in float32. They aren't at first, and where a device
        has no such thing they never are."""

    def choices(self) -> dict[str, str]:
        """What this process has chosen by measurement so far, for people: by the case that it was
        chosen for, its name and the times of all."""
        return {}

    @contextmanager
    def host_reads(self) -> Iterator[list[str]]:
        """In the block, list each time that the host waits for the device, whoever asks for it.

        This definition is for libraries that don't tell: it lists the arrays that gradcore reads,
        all of which go through `to_numpy`, also those of `float(node)` and `bool(node)`.
        """
        kind, reads = type(self), list[str]()
        to_numpy, own = kind.to_numpy, vars(kind).get("to_numpy")

        def noting(self: Backend, x: Array) -> np.ndarray:
            if not isinstance(x, kind.scalar_types):  # which are on the host
                reads.append("to_numpy")
            return to_numpy(self, x)

        kind.to_numpy = noting  # type: ignore[method-assign]
        try:
            yield reads
        finally:
            if own:
                kind.to_numpy = own  # type: ignore[method-assign]
            else:
                del kind.to_numpy

    def recorder(self, device: Any = None) -> Recorder | None:  # noqa: ARG002
        """What records and replays steps whose arrays are on `device`, for `gradcore.capture`;
        `None`: this library can't, and steps simply run."""
        return None

    def to_numpy(self, x: Array) -> np.ndarray:
        """The array `x` of this library as a NumPy array, by way of the host where needed."""
        return np.from_dlpack(x)

    def owns_memory(self, x: Array) -> bool:  # noqa: ARG002
        """Whether `x` has its memory to itself; `False` (the safe answer) costs a copy."""
        return False

    # -- kernels ----------------------------------------------------------------------------

    def check_indices(self, what: str, indices: Array, size: int, start: int = 0) -> None:
        """Raise IndexError, naming `what`, unless all integer `indices` are in [start, size). A
        backend whose device works on its own may raise it later, as it reads from the device."""
        xp = self.xp
        self.check_integers(what, indices)
        if indices.size and not xp.all((indices >= start) & (indices < size)):
            low, high = int(xp.min(indices)), int(xp.max(indices))
            raise index_error(what, low if low < start else high, size, start)

    def check_integers(self, what: str, indices: Array) -> None:
        """Raise TypeError, naming `what`, unless the indices are integers."""
        if not self.xp.isdtype(indices.dtype, "integral"):
            raise TypeError(f"{what} must be integers, not {indices.dtype}")

    def select(self, x: Array, indices: Array) -> Array:
        """Of x (N, M, ...) the elements at the indices (N, ...) along axis 1: (N, ...)."""
        xp = self.xp
        chosen = xp.take_along_axis(x, xp.expand_dims(indices, axis=1), axis=1)
        return xp.squeeze(chosen, axis=1)

    def scatter_add(self, x: Array, indices: Array, size: int) -> Array:
        """Zeros (size, ...), to whose row `indices[i]` row i of x is added, for all i.

        Args:
            x: (M, ...)
            indices: (M,) integers in [0, size), which nothing checks here.
        """
        xp = self.xp
        y = xp.zeros((size, *x.shape[1:]), dtype=x.dtype, device=x.device)
        n, columns = x.shape[0], (...,) + (None,) * (x.ndim - 1)
        if n == 0:
            return y
        # Rows of one target next to each other, each then the sum of those up to it: no row of
        # another target plays a part, not even where it is NaN.
        order = xp.argsort(indices, stable=True)
        targets, sums = xp.take(indices, order), xp.take(x, order, axis=0)
        step = 1
        while step < n:
            same = (targets[step:] == targets[:-step])[columns]
            more = sums[step:, ...] + xp.where(same, sums[:-step, ...], xp.zeros_like(y[:1, ...]))
            sums = xp.concat([sums[:step, ...], more], axis=0)
            step *= 2
        places = xp.arange(size, dtype=targets.dtype, device=x.device)
        last = xp.searchsorted(targets, places, side="right") - 1
        last = xp.where(last < 0, 0, last)
        found = (xp.take(targets, last) == places)[columns]
        return xp.where(found, xp.take(sums, last, axis=0), y)

    def linear(self, x: Array, w: Array, b: Array | None) -> Array:
        """x (N, I) times each row of w (O, I), plus b (O,), if that is not `None`: (N, O)."""
        y = self.xp.matmul(x, w.T)
        return y if b is None else y + b

    def masked(self, x: Array, mask: Array) -> Array:
        """The floating x where the mask, of booleans, holds, and 0 elsewhere."""
        return self.xp.where(mask, x, 0.0)

    def relu_gradient(self, y: Array, go: Array) -> Array:
        """The gradient of x, where y = max(x, 0) and its gradient is go, also where y is NaN."""
        return self.xp.where(y <= 0.0, 0.0, go)

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(-x)), but no less than at `least_for_sigmoid`: 1e-30 in float32."""
        xp = self.xp
        return 1.0 / (1.0 + xp.exp(-xp.maximum(x, least_for_sigmoid(xp.finfo(x.dtype)))))

    def sigmoid_gradient(self, y: Array, go: Array) -> Array:
        """The gradient of x, where y = sigmoid(x) and its gradient is go."""
        g = go * y
        return g - g * y

    def gelu(self, x: Array) -> Array:
        """x Phi(x), where Phi(x) = (1 + erf(x / sqrt(2))) / 2."""
        return 0.5 * x * (1.0 + self.erf(math.sqrt(0.5) * x))

    def gelu_gradient(self, x: Array, go: Array) -> Array:
        """The gradient of x, where that of gelu(x) is go."""
        density = self.xp.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return go * (0.5 + 0.5 * self.erf(math.sqrt(0.5) * x) + x * density)

    # Softmax cross-entropy. The classes are axis 1 of x (N, C, ...); the integer targets (N, ...)
    # are in range. `ignored` (N, ...) says where loss and gradient are 0; `None`: nowhere.

    def cross_entropy(self, x: Array, targets: Array, ignored: Array | None) -> Array:
        """-log(softmax(x)) at the targets: (N, ...)."""
        xp = self.xp
        z = x - xp.max(x, axis=1, keepdims=True)
        sums = xp.sum(xp.exp(z), axis=1)
        losses = xp.log(sums) - self.select(z, targets)
        return losses if ignored is None else xp.where(ignored, 0.0, losses)

    def cross_entropy_gradient(
        self, x: Array, go: Array, targets: Array, ignored: Array | None
    ) -> Array:
        """The gradient of x, where that of `cross_entropy` is `go` (N, ...)."""
        xp = self.xp
        z = xp.exp(x - xp.max(x, axis=1, keepdims=True))
        p = z / xp.sum(z, axis=1, keepdims=True)
        classes = xp.arange(x.shape[1], device=targets.device)
        classes = xp.reshape(classes, (-1, *[1] * (x.ndim - 2)))
        if ignored is not None:
            go = xp.where(ignored, 0.0, go)
        is_target = xp.expand_dims(targets, axis=1) == classes
        return xp.where(is_target, p - 1.0, p) * xp.expand_dims(go, axis=1)

    # Batch normalization. The channels are axis 1 of x (N, C, ...); what is per channel is (C,).
    # Where x is of 16 bits, statistics and sums are in float32.

    def batch_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> tuple[Array, Array, Array]:
        """(x - mean) / sqrt(variance + eps) * w + b, like x; and the mean and the variance of each
        channel, the latter not corrected."""
        xp, each = self.xp, (-1, *[1] * (x.ndim - 2))
        z, axes = self._wide(x), (0, *range(2, x.ndim))
        mean = xp.mean(z, axis=axes)
        z = z - xp.reshape(mean, each)
        variance = xp.mean(z * z, axis=axes)
        scale = xp.astype(w, z.dtype, copy=False) / xp.sqrt(variance + eps)
        y = z * xp.reshape(scale, each) + xp.reshape(xp.astype(b, z.dtype, copy=False), each)
        return xp.astype(y, x.dtype, copy=False), mean, variance

    def batch_norm_gradient(
        self,
        x: Array,
        w: Array,
        mean: Array,
        variance: Array,
        go: Array,
        go_mean: Array,
        go_variance: Array,
        *,
        eps: float,
    ) -> tuple[Array, Array, Array]:
        """The gradients of x, w and b, where those of what `batch_norm` gives are go, go_mean and
        go_variance (https://arxiv.org/abs/1502.03167, section 3, put together)."""
        xp, each = self.xp, (-1, *[1] * (x.ndim - 2))
        g, z, axes = self._wide(go), self._wide(x) - xp.reshape(mean, each), (0, *range(2, x.ndim))
        n = x.shape[0] * math.prod(x.shape[2:])
        r = 1.0 / xp.sqrt(variance + eps)
        gb = xp.sum(g, axis=axes)
        gw = xp.sum(g * z, axis=axes) * r
        # gx = scale * go + slope * (x - mean) + level
        scale = xp.astype(w, z.dtype, copy=False) * r
        slope = (2.0 * go_variance - scale * r * gw) / n
        level = (go_mean - scale * gb) / n
        scale, slope, level = (xp.reshape(c, each) for c in (scale, slope, level))
        gx = xp.astype(g * scale + z * slope + level, x.dtype, copy=False)
        return gx, xp.astype(gw, w.dtype, copy=False), xp.astype(gb, w.dtype, copy=False)

    # Layer normalization of each row of x (N, M); w and b are (M,). Sums of 16 bits are in float32.

    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        """(x - mean) / sqrt(variance + eps) * w + b, like x."""
        xp, w, b = self.xp, self._wide(w), self._wide(b)
        y, _ = self._standardized(x, eps)
        return xp.astype(y * w + b, x.dtype, copy=False)

    def layer_norm_gradient(
        self, x: Array, w: Array, go: Array, *, eps: float
    ) -> tuple[Array, Array, Array]:
        """The gradients of x, w and b, where that of what `layer_norm` gives is go
        (https://arxiv.org/abs/1502.03167, section 3, put together)."""
        xp, (y, r), g = self.xp, self._standardized(x, eps), self._wide(go)
        gy = g * self._wide(w)
        level, slope = (xp.mean(z, axis=1, keepdims=True) for z in (gy, gy * y))
        results = r * (gy - level - slope * y), xp.sum(g * y, axis=0), xp.sum(g, axis=0)
        dtypes = x.dtype, w.dtype, w.dtype
        gx, gw, gb = (xp.astype(z, t, copy=False) for z, t in zip(results, dtypes, strict=True))
        return gx, gw, gb

    def _standardized(self, x: Array, eps: float) -> tuple[Array, Array]:
        """The rows with mean 0 and variance 1, and what they were multiplied by for that."""
        xp, z = self.xp, self._wide(x)
        z = z - xp.mean(z, axis=1, keepdims=True)
        r = 1.0 / xp.sqrt(xp.mean(z * z, axis=1, keepdims=True) + eps)
        return z * r, r

    def random_bits(self, key: Number, n: int, device: Any = None) -> Array:
        """`n` random numbers, uint32, that the key decides: the same on every backend.

        They are the halves, the lower first, of what Philox4x64-10 makes of the key, below 2**128,
        and the counters 1, 2, ..., 64-bit integers in fours; NumPy's `Philox(key=key)` gives these
        (https://doi.org/10.1145/2063384.2063405). In a step being captured, the key is below
        2**64, in a uint64 array of no dimensions.
        """
        xp, low = self.xp, 2**32 - 1
        blocks = -(-n // 8)
        first = xp.arange(1, blocks + 1, dtype=xp.uint64, device=device)
        words = [first, *[xp.zeros_like(first)] * 3]

        def product(a: int, b: Array) -> tuple[Array, Array]:
            """The upper and the lower 64 bits of a * b, by way of the four products of halves."""
            a1, a0, b1, b0 = a >> 32, a & low, b >> 32, b & low
            middle = (a0 * b0 >> 32) + (a0 * b1 & low) + a1 * b0
            return a1 * b1 + (a0 * b1 >> 32) + (middle >> 32), a * b

        is_number = isinstance(key, int)
        key, upper = (key, key >> 64) if is_number else (xp.reshape(key, (1,)), 0)
        for i in range(10):
            added = i * PHILOX_KEY[0] % 2**64
            keys = (
                (key + added) % 2**64 if is_number else key + added,
                (upper + i * PHILOX_KEY[1]) % 2**64,
            )
            (high0, low0), (high1, low1) = (
                product(PHILOX[0], words[0]),
                product(PHILOX[1], words[2]),
            )
            words = [high1 ^ words[1] ^ keys[0], low1, high0 ^ words[3] ^ keys[1], low0]
        halves = [half for word in words for half in (word & low, word >> 32)]
        return xp.reshape(xp.astype(xp.stack(halves, axis=1), xp.uint32), (-1,))[:n]
