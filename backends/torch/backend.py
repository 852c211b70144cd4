"""The torch backend: devices, their memory, and the way in and out of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
import torch.distributed as dist

from ..distributed import to_connect
from ..ownership import holders
from ..types import Array, Compiler, DType, Exchange, Recorder
from . import namespace as xp
from .attention import TorchAttention
from .compiler import compiler
from .compiler import problem as compiler_problem
from .convolution import TorchConvolutions
from .distributed import TorchExchange, connected
from .elementwise import TorchElementwise
from .indexing import TorchIndexing, raise_index_errors
from .losses import TorchLosses
from .normalization import TorchNorms
from .pooling import TorchPooling
from .recorder import TorchRecorder
from .tracing import UNKNOWN, is_traced
from .updates import TorchUpdates

__all__ = ["TorchBackend"]

AXIS = re.compile(r"Dimension out of range .* but got (-?\d+)")
OLDEST = 2, 6  # the first version with all functions that are called here
KINDS = "cuda", "xpu", "mps", "mtia", "hpu"  # of accelerators
VISIBLE = {"cuda": "CUDA_VISIBLE_DEVICES", "xpu": "ZE_AFFINITY_MASK"}
DENSE = {
    "sparse": "x.to_dense()",
    "quantized": "x.dequantize()",
    "nested": "torch.nested.to_padded_tensor(x, 0.0)",
}
count_users = torch._C._storage_Use_Count
SHARE_OF_DATA = 0.5  # of the free memory: a set of data that takes more stays on the host


def devices() -> list[str]:
    """List the names of the devices that PyTorch has here.

    Example:
        >>> from gradcore.backends.torch.backend import devices
        >>> devices()[0]
        'cpu'
    """
    found = ["cpu"]
    for kind in KINDS:
        module = getattr(torch, kind, None)
        if module is not None and module.is_available():
            count = module.device_count()
            found += [f"{kind}:{i}" for i in range(count)] if count > 1 else [kind]
    return found


class TorchBackend(
    TorchElementwise,
    TorchIndexing,
    TorchConvolutions,
    TorchPooling,
    TorchNorms,
    TorchLosses,
    TorchAttention,
    TorchUpdates,
):
    """PyTorch on one device. Its autograd takes no part: arrays come in without a graph.

    Args:
        device: PyTorch's name of a device: "cpu", "cuda:1", "mps", "xpu", ...; a number is that of
            an accelerator; `None` is PyTorch's default, the CPU unless `torch.set_default_device`
            says otherwise.

    Raises:
        ValueError: there is no such device here.
    """

    name = "torch"
    xp: ClassVar[Any] = xp
    array_types = (torch.Tensor,)
    takes_subclasses = False  # a Parameter comes in as the tensor that it is

    def __init__(self, device: Any = None) -> None:
        super().__init__(None if device is None else _device(device))

    @classmethod
    def problem(cls) -> str | None:
        version = tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])
        if version < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            return (
                f"torch {torch.__version__} is older than {oldest}; pip install 'torch>={oldest}'"
            )
        return compiler_problem()  # now, and not when the first step is captured

    # -- The device -------------------------------------------------------------------------

    @property
    def _place(self) -> torch.device:
        """The device, also where it is PyTorch's default."""
        return torch.get_default_device() if self.device is None else self.device

    def _of_device(self, function: str) -> Any:
        """Give a function of PyTorch's for this kind of device, such as `torch.cuda.empty_cache`;
        `None` where there is none."""
        return getattr(getattr(torch, self._place.type, None), function, None)

    def make_current(self) -> Callable[[], object]:
        index, set_device = self._place.index, self._of_device("set_device")
        if index is None or set_device is None or self._place.type == "cpu":
            return super().make_current()
        before = self._of_device("current_device")()
        set_device(index)
        return lambda: set_device(before)

    def environment(self) -> dict[str, str]:
        place = self._place
        if place.type == "cpu":
            return {}
        return {"GRADCORE_BACKEND": f"torch:{place}"}

    def device_of(self, local_rank: int) -> str | None:
        place, count = self._place, self._of_device("device_count")
        if place.type == "cpu" or place.index is not None or count is None:
            return None
        return f"{place.type}:{local_rank % count()}"

    def describe_device(self) -> str:
        place, name = self._place, self._of_device("get_device_name")
        if place.type == "cpu" or name is None:
            return {"cpu": "CPU", "mps": "GPU of Apple"}.get(place.type, str(place))
        return f"{name(place)} ({place})"

    def describe_library(self) -> str:
        others = [d for d in devices() if d != str(self._place)]
        return f"torch {torch.__version__}" + (f"; also on {', '.join(others)}" if others else "")

    def allow_tf32(self, matmul: bool | None = None, convolutions: bool | None = None) -> None:
        if matmul is not None:
            torch.backends.cuda.matmul.allow_tf32 = matmul
        if convolutions is not None:
            torch.backends.cudnn.allow_tf32 = convolutions

    def recorder(self, device: Any = None) -> Recorder | None:
        place = self._place if device is None else device
        return TorchRecorder(place) if place.type == "cuda" else None

    def compiler(self, device: Any = None) -> Compiler | None:
        place = self._place if device is None else device
        return compiler() if place.type == "cpu" else None

    def is_traced(self, x: Array) -> bool:  # noqa: ARG002
        return is_traced()

    def communicator(self, host: Exchange) -> TorchExchange | None:
        # On CPUs, MPI is faster than Gloo: 4 MB of each of two processes take 7 ms, not 12.
        kinds = dist.Backend.default_device_backend_map if dist.is_available() else ()
        if self._place.type == "cpu" or self._place.type not in kinds:
            return None
        return connected(host) if to_connect(host) else None

    def used_memory(self) -> int:
        allocated = self._of_device("memory_allocated") or self._of_device(
            "current_allocated_memory"
        )
        if allocated is None or self._place.type == "cpu":
            return 0
        return int(allocated() if self._place.type == "mps" else allocated(self._place))

    def _memory(self) -> tuple[int, int] | None:
        """Give the free and the whole memory of the device, in bytes, where PyTorch tells."""
        info = self._of_device("mem_get_info")
        return None if info is None or self._place.type == "cpu" else info(self._place)

    def describe_memory(self) -> str:
        if (found := self._memory()) is None:
            return ""
        free, total = found
        return f"{_gb(self.used_memory())} in arrays, {_gb(free)} free of {_gb(total)}"

    def limit_memory(self, size: int) -> None:
        limit = self._of_device("set_per_process_memory_fraction")
        if limit is None or self._place.type == "cpu":
            raise ValueError(f"torch can't limit its memory on {self._place} ({_gb(size)})")
        if (found := self._memory()) is not None:
            limit(min(size / found[1], 1.0), self._place)
        else:  # of MPS, a share of what Metal recommends
            limit(size / torch.mps.recommended_max_memory())

    # -- Arrays in and out ------------------------------------------------------------------

    def asarray(self, x: Any, dtype: DType | str | None = None) -> Array:
        if isinstance(x, torch.Tensor):
            x = x.detach() if x.requires_grad or type(x) is not torch.Tensor else x
            if type(x) is not torch.Tensor:  # a class of its own, which would take part in all
                x = x.as_subclass(torch.Tensor)
            try:
                x = self.accepted(x)
            except TypeError as error:
                raise TypeError(f"torch: {error}") from None
            return xp.moved(x, self.device, self.dtype(dtype))
        return super().asarray(x, dtype)

    def accepted(self, x: Array) -> Array:
        if x.requires_grad:
            raise TypeError(f"this {type(x).__name__} has a graph of its own; give x.detach()")
        if x.layout is not torch.strided or x.is_quantized or x.is_nested:
            kind = "quantized" if x.is_quantized else "nested" if x.is_nested else "sparse"
            raise TypeError(f"this tensor is {kind}, expected a dense one; give {DENSE[kind]}")
        return x

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        return xp.from_numpy(x, self._place, dtype)

    def to_numpy(self, x: Array) -> np.ndarray:
        if is_traced():
            raise RuntimeError(UNKNOWN)
        x = x.detach().resolve_conj().resolve_neg()
        if x.dtype is torch.bfloat16 or (x.dtype.itemsize == 1 and x.dtype.is_floating_point):
            x = x.float()  # which NumPy has; it holds them all
        try:
            host = x.cpu().numpy()
            if not x.is_cpu:
                raise_index_errors()
        except RuntimeError as error:
            if "device-side assert" not in str(error):
                raise
            advice = "use GRADCORE_BACKEND=torch:cpu to see where"
            raise IndexError(f"an index is out of range on {x.device}; {advice}") from error
        return host

    def store(self, x: Any, dtype: DType | str | None = None) -> Array:
        found = self._memory()
        if isinstance(x, np.ndarray) and found is not None:
            host = x if dtype is None else np.asarray(x, dtype)
            if host.nbytes > SHARE_OF_DATA * found[0]:
                return host
        return self.asarray(x, dtype)

    def copies(self, batches: Iterable[Iterable[Any]]) -> Iterator[tuple[Array, ...]]:
        # From pinned memory CUDA copies while the host goes on.
        if self._place.type != "cuda":
            yield from super().copies(batches)
            return
        for batch in batches:
            yield tuple([self._sent(x) for x in batch])

    def _sent(self, x: Any) -> Array:
        if not isinstance(x, np.ndarray):
            return self.asarray(x)
        host = torch.from_numpy(np.ascontiguousarray(x) if x.flags.writeable else x.copy())
        return host.pin_memory().to(self._place, non_blocking=True)

    def owns_memory(self, x: Array) -> bool:
        # Tensors that share memory have one storage, which counts them, and Python's handle of it
        # here. A storage that NumPy shares can't be resized. Where elements lie upon one another,
        # the storage is smaller than they are.
        storage = x.untyped_storage()
        count = count_users(storage._cdata)
        if (
            count == 3 and x._is_view()
        ):  # with the whole that it is a view of, which nobody else has
            count = 2 if holders(x, "_base") == 1 else 3
        return count == 2 and storage.resizable() and storage.nbytes() == x.nbytes

    def error(self, error: Exception) -> Exception:
        if isinstance(error, torch.OutOfMemoryError):
            return MemoryError(str(error))
        if found := AXIS.match(str(error)):
            return IndexError(f"axis {found[1]} is out of bounds for these dimensions")
        if isinstance(error, NotImplementedError):
            return TypeError(str(error))
        is_value = type(error) is RuntimeError or "non-zero size" in str(error)
        return ValueError(str(error)) if is_value else error


def _device(device: Any) -> torch.device:
    """Give PyTorch's device of this name, if there is one here.

    Raises:
        ValueError: there is none.
    """
    found = devices()
    try:
        place = torch.device(int(device) if str(device).isdigit() else device)
        known = place.type in {d.partition(":")[0] for d in found}
        last = sum(d.partition(":")[0] == place.type for d in found)
        if known and (place.index or 0) < last:
            return place
    except (RuntimeError, TypeError):
        pass  # no kind of device that this PyTorch knows
    raise ValueError(f"torch: no device {str(device)!r}; this machine has {', '.join(found)}")


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
