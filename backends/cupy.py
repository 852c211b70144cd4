"""CuPy: CUDA GPUs. Importing this module needs CuPy installed, but no GPU."""

from __future__ import annotations

import array_api_compat.cupy as xp
import cupy
import numpy as np

from .base import Array, Backend, DType


class CupyBackend(Backend):
    """CuPy on one GPU; `device` is its number, by default CuPy's current one."""

    name = "cupy"
    xp = xp
    array_types = (cupy.ndarray,)

    def __init__(self, device: int | None = None) -> None:
        count = cupy.cuda.runtime.getDeviceCount()
        if device is not None and not 0 <= int(device) < count:
            raise ValueError(f"cupy: no device {device}; this machine has 0 to {count - 1}")
        super().__init__(None if device is None else int(device))

    @classmethod
    def problem(cls) -> str | None:
        if cupy.is_available():
            return None
        return (
            f"CuPy {cupy.__version__} is installed, but no CUDA device answers. "
            "Check that `nvidia-smi` lists a GPU, and that the wheel fits its driver: "
            "cuda12 for driver 525 or newer, cuda13 for 580 or newer"
        )

    def describe_device(self) -> str:
        number = cupy.cuda.runtime.getDevice() if self.device is None else self.device
        return cupy.cuda.runtime.getDeviceProperties(number)["name"].decode()

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        with cupy.cuda.Device(self.device):
            return cupy.asarray(x, dtype=dtype)

    def to_numpy(self, x: Array) -> np.ndarray:
        return cupy.asnumpy(x)

    def owns_memory(self, x: Array) -> bool:
        return x.base is None
