"""The CuPy backend: the GPU as a device, its memory, and the way in and out of it."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import cupy
import numpy as np

from ..distributed import to_connect
from ..ownership import holders
from ..types import Array, DType, Exchange
from . import namespace as xp
from . import private, tf32
from .convolution import CupyConvolutions, convolutions
from .distributed import NcclExchange, connected
from .elementwise import CupyElementwise
from .images import CupyImages
from .indexing import CupyIndexing, raise_index_errors
from .losses import CupyCrossEntropy
from .normalization import CupyNorms
from .pooling import CupyPooling
from .recorder import CupyRecorder
from .recurrent import CupyRecurrence
from .updates import CupyUpdates

__all__ = ["CupyBackend"]

DRIVERS = {12: 525, 13: 580}  # for each CUDA, the oldest NVIDIA driver that knows it

SHARE_OF_DATA = 0.5  # of the free memory: a set of data that takes more stays on the host

runtime = cupy.cuda.runtime


class CupyBackend(
    CupyElementwise,
    CupyImages,
    CupyIndexing,
    CupyConvolutions,
    CupyPooling,
    CupyNorms,
    CupyCrossEntropy,
    CupyRecurrence,
    CupyUpdates,
):
    """CuPy on one GPU.

    CuPy makes arrays and runs kernels on the current device of the calling thread, wherever the
    operands are. `use_backend("cupy", device=1)` makes GPU 1 the current one of its thread.

    Args:
        device: the number of the GPU; `None` is CuPy's current one.

    Raises:
        ValueError: there is no such GPU.
    """

    name = "cupy"
    xp: ClassVar[Any] = xp
    array_types = (cupy.ndarray,)

    def __init__(self, device: Any = None) -> None:
        if device is not None:
            count = runtime.getDeviceCount()
            try:
                number = int(device)
            except (TypeError, ValueError):
                number = -1
            if not 0 <= number < count:
                raise ValueError(f"cupy: no device {device!r}; this machine has 0 to {count - 1}")
            device = number
        super().__init__(device)

    @classmethod
    def problem(cls) -> str | None:
        says = ""
        try:
            found = runtime.getDeviceCount() > 0
        except runtime.CUDARuntimeError as error:
            found, says = False, f" (CUDA says {error})"
        cuda, driver = runtime.runtimeGetVersion() // 1000, runtime.driverGetVersion() // 1000
        if found:
            return _incomplete(cuda)
        if not driver:
            return (
                f"CuPy {cupy.__version__} is installed, but no NVIDIA driver answers: there is no "
                "GPU, or its driver is missing, or a container was started without --gpus all"
            )
        if driver < cuda:
            older = f", or change to a CuPy for CUDA {driver}: pip uninstall cupy-cuda{cuda}x"
            older += f", then pip install 'cupy-cuda{driver}x[ctk]'"
            return (
                f"this CuPy is for CUDA {cuda}, but the NVIDIA driver knows nothing newer than "
                f"CUDA {driver}: update the driver to {DRIVERS.get(cuda, 'a new one')} or newer"
                f"{older if driver in DRIVERS else ''}"
            )
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = "" if hidden is None else f", with CUDA_VISIBLE_DEVICES={hidden!r}"
        return f"there is an NVIDIA driver, but it gives no GPU{why}{says}"

    def make_current(self) -> Callable[[], object]:
        before = cupy.cuda.Device()
        cupy.cuda.Device(self.device).use()
        return before.use

    def environment(self) -> dict[str, str]:
        if self.device is None:
            return {}
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        number = visible.split(",")[self.device].strip() if visible else str(self.device)
        return {"CUDA_VISIBLE_DEVICES": number}

    def device_of(self, local_rank: int) -> int | None:
        return local_rank % runtime.getDeviceCount() if self.device is None else None

    def describe_device(self) -> str:
        properties = runtime.getDeviceProperties(cupy.cuda.Device(self.device).id)
        return properties["name"].decode()

    def describe_library(self) -> str:
        version = runtime.runtimeGetVersion()
        return f"cupy {cupy.__version__} for CUDA {version // 1000}.{version % 1000 // 10}"

    def asarray(self, x: Any, dtype: DType | str | None = None) -> Array:
        if not isinstance(x, cupy.ndarray):
            return super().asarray(x, dtype)
        with cupy.cuda.Device(self.device) as here:
            # Between devices CuPy copies only contiguous arrays; "K" leaves the order as it is.
            order = "K" if x.device.id == here.id else "C"
            return cupy.asarray(x, dtype=self.dtype(dtype), order=order)

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        with cupy.cuda.Device(self.device):
            # In a capture CuPy refuses to copy arrays, but it makes a single number by a kernel.
            # Replays would repeat this kernel with the number of the capture: refuse that, too.
            if x.ndim == 0 and cupy.cuda.get_current_stream().is_capturing():
                raise RuntimeError(
                    "the current stream is capturing, so H2D transfers are disallowed"
                )
            return cupy.asarray(x, dtype=dtype)

    def store(self, x: Any, dtype: DType | str | None = None) -> Array:
        host = np.asarray(x, dtype) if isinstance(x, np.ndarray) else x
        with cupy.cuda.Device(self.device):
            free = runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()
        is_large = isinstance(host, np.ndarray) and host.nbytes > SHARE_OF_DATA * free
        return host if is_large else self.asarray(host, dtype)

    def copies(self, batches: Iterable[Iterable[Any]]) -> Iterator[tuple[Array, ...]]:
        # CuPy copies by way of pinned memory, and does not wait for the copy. On a stream of its
        # own, the next batch is copied while the device computes with this one.
        with cupy.cuda.Device(self.device):
            stream = cupy.cuda.Stream(non_blocking=True)
        ahead: Any = None
        for batch in map(tuple, batches):
            if any(isinstance(x, self.array_types) for x in batch):
                # Between GPUs, CuPy itself has one wait for the other.
                yield tuple(map(self.asarray, batch))
                continue
            with cupy.cuda.Device(self.device):
                # The copy may get the memory of an earlier batch, which is still being read.
                stream.wait_event(cupy.cuda.get_current_stream().record())
                with stream:
                    copied = tuple(map(self.asarray, batch)), stream.record()
            if ahead:
                yield self._arrived(*ahead)
            ahead = copied
        if ahead:
            yield self._arrived(*ahead)

    def _arrived(self, arrays: tuple[Array, ...], event: cupy.cuda.Event) -> tuple[Array, ...]:
        with cupy.cuda.Device(self.device):
            cupy.cuda.get_current_stream().wait_event(event)
        return arrays

    def used_memory(self) -> int:
        with cupy.cuda.Device(self.device):
            return cupy.get_default_memory_pool().used_bytes()

    def describe_memory(self) -> str:
        with cupy.cuda.Device(self.device):
            pool = cupy.get_default_memory_pool()
            free, total = runtime.memGetInfo()
            kept, limit = pool.free_bytes(), pool.get_limit()
        text = f"{_gb(self.used_memory())} in arrays and {_gb(kept)} kept for new ones; "
        text += f"{_gb(free)} of the GPU's {_gb(total)} free"
        return text + (f"; limit {_gb(limit)}" if limit else "")

    def limit_memory(self, size: int) -> None:
        with cupy.cuda.Device(self.device):
            cupy.get_default_memory_pool().set_limit(size=size)

    def allow_tf32(self, matmul: bool | None = None, convolutions: bool | None = None) -> None:
        tf32.allow(matmul, convolutions)

    def choices(self) -> dict[str, str]:
        return {str(case): chosen.told for case, chosen in convolutions.chosen.items()}

    @contextmanager
    def host_reads(self) -> Iterator[list[str]]:
        with private.host_reads() as reads:
            yield reads

    def recorder(self, device: Any = None) -> CupyRecorder:
        return CupyRecorder(device)

    def communicator(self, host: Exchange) -> NcclExchange | None:
        return connected(host, cupy.cuda.Device(self.device).id) if to_connect(host) else None

    def to_numpy(self, x: Array) -> np.ndarray:
        with x.device:  # its stream has computed x
            host = x.get()
        raise_index_errors()
        return host

    def text(self, x: Array, prefix: str | None = None) -> str:
        # While a graph is captured, nothing is computed yet, and a read would end the capture.
        if cupy.cuda.get_current_stream().is_capturing():
            return "..."
        return super().text(x, prefix)

    def owns_memory(self, x: Array) -> bool:
        # Views by `as_strided` have no base, but those of overlapping windows aren't contiguous.
        if not (x.flags.c_contiguous or x.flags.f_contiguous):
            return False
        if x.base is None:
            return True
        # A view of a whole array that nobody else holds, as the transpose of a product is.
        return x.base.size == x.size and holders(x, "base") == 1


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def _incomplete(cuda: int) -> str | None:
    """Name the CUDA library that is missing, for compiling or for products of matrices, and say
    how to install it; `None`: both are there."""
    try:
        cupy.cuda.nvrtc.getVersion()
        private.load_cublas()
    except Exception as error:  # CuPy raises its own, the loader's and the system's
        missing = textwrap.shorten(str(error), 200, placeholder=" ...")
        return (
            f"CuPy {cupy.__version__} is installed without the CUDA libraries that it needs "
            f"({missing}); pip install 'cupy-cuda{cuda}x[ctk]'"
        )
    return None
