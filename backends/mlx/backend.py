"""The mlx backend: devices, the way in and out of them, and when MLX computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import mlx.core as mx
import numpy as np

from ..base import Backend
from ..types import Array, DType
from . import namespace as xp

__all__ = ["MlxBackend"]

# What arrays of the standard have, and MLX's lack. They are in memory that all devices share.
mx.array.device = property(lambda _: mx.default_device())
for name in ("and", "or", "xor"):
    setattr(mx.array, f"__r{name}__", getattr(mx.array, f"__{name}__"))


class MlxBackend(Backend):
    """MLX on one device, in float32.

    MLX computes an array when somebody reads it. A step of an optimizer has its results computed,
    as otherwise the graph of all steps would be kept.

    Args:
        device: "gpu" or "cpu"; `None` is MLX's default, the GPU where there is one.

    Raises:
        ValueError: there is no such device here.
    """

    name = "mlx"
    xp: ClassVar[Any] = xp
    array_types = (mx.array,)
    several_devices = False

    def __init__(self, device: Any = None) -> None:
        here = [d for d in ("cpu", "gpu") if mx.is_available(getattr(mx, d))]
        if device is not None and str(device) not in here:
            raise ValueError(f"mlx: no device {str(device)!r}; this machine has {', '.join(here)}")
        super().__init__(device)

    def make_current(self) -> Callable[[], object]:
        before = mx.default_device()
        if self.device is not None:
            mx.set_default_device(getattr(mx, str(self.device)))
        return lambda: mx.set_default_device(before)

    def environment(self) -> dict[str, str]:
        return {} if self.device is None else {"GRADCORE_BACKEND": f"mlx:{self.device}"}

    def describe_device(self) -> str:
        device = mx.default_device() if self.device is None else getattr(mx, str(self.device))
        kind = "GPU of Apple" if device == mx.gpu else "CPU"
        return f"{kind} ({mx.device_info(device).get('device_name', '')})"

    def describe_library(self) -> str:
        return f"mlx {mx.__version__}"

    def used_memory(self) -> int:
        return mx.get_active_memory()

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        return xp.asarray(x, dtype=dtype)

    def to_numpy(self, x: Array) -> np.ndarray:
        return np.array(x.astype(mx.float32) if x.dtype == mx.bfloat16 else x)

    def error(self, error: Exception) -> Exception:
        is_index = isinstance(error, IndexError)
        return IndexError(str(error).replace("Axis", "axis")) if is_index else error

    def getitem(self, x: Array, key: Any) -> Array:
        check_key(x, key)
        return x[key]

    def setitem(self, x: Array, key: Any, y: Array) -> Array:
        check_key(x, key)
        return super().setitem(x, key, y)

    def update_all(
        self, kernel: str, arrays: list[tuple[Array | None, ...]], **settings: Any
    ) -> list[tuple[Array | None, ...]]:
        updated = super().update_all(kernel, arrays, **settings)
        mx.eval(updated)
        return updated

    def batch_norm(self, *arrays: Array | None, **options: Any) -> tuple[Array | None, ...]:
        results = super().batch_norm(*arrays, **options)
        mx.async_eval(results[3:])  # the running averages, which no loss depends on
        return results


def check_key(x: Array, key: Any) -> None:
    """Raise the IndexError of an integer out of range, where MLX reads the memory of others."""
    np.broadcast_to(False, x.shape)[key]
