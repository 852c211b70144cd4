"""The dpnp backend: devices, and the way in and out of them."""

from __future__ import annotations

from typing import Any, ClassVar

import dpnp
import numpy as np

from ..base import Backend
from ..types import Array, DType
from . import namespace as xp

__all__ = ["DpnpBackend"]

sycl = dpnp.dpctl


class DpnpBackend(Backend):
    """dpnp on one device of SYCL's.

    Args:
        device: SYCL's name of a device: "cpu", "gpu", "level_zero:gpu:1", ...; `None` is the one
            that SYCL takes by itself.

    Raises:
        ValueError: there is no such device here.
    """

    name = "dpnp"
    xp: ClassVar[Any] = xp
    array_types = (dpnp.ndarray,)

    def __init__(self, device: Any = None) -> None:
        if device is not None:
            try:
                device = dpnp.tensor.Device.create_device(device)
            except (sycl.SyclDeviceCreationError, TypeError, ValueError) as error:
                found = ", ".join(d.filter_string for d in sycl.get_devices())
                told = f"dpnp: no device {str(device)!r}; this machine has {found}"
                raise ValueError(told) from error
        super().__init__(device)

    @classmethod
    def problem(cls) -> str | None:
        if sycl.get_devices():
            return None
        return (
            "SYCL finds no device; install the driver of a GPU or, for the CPU, "
            "intel-opencl-rt, and set OCL_ICD_FILENAMES to the path of its libintelocl.so"
        )

    def _sycl_device(self) -> Any:
        return sycl.SyclDevice() if self.device is None else self.device.sycl_device

    def environment(self) -> dict[str, str]:
        return {"GRADCORE_BACKEND": f"dpnp:{self._sycl_device().filter_string}"}

    def describe_device(self) -> str:
        device = self._sycl_device()
        return f"{device.name.strip()} ({device.filter_string})"

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        return super().from_numpy(x.astype(x.dtype.newbyteorder("="), copy=False), dtype)

    def to_numpy(self, x: Array) -> np.ndarray:
        return dpnp.asnumpy(x)

    def error(self, error: Exception) -> Exception:
        is_memory = isinstance(error, sycl.memory.USMAllocationError)
        return MemoryError(str(error)) if is_memory else error

    def erf(self, x: Array) -> Array:
        return dpnp.scipy.special.erf(x)

    def erfc(self, x: Array) -> Array:
        return dpnp.scipy.special.erfc(x)
