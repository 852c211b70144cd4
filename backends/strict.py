"""array_api_strict: the standard and nothing else, so a stand-in for a GPU in tests.

Away from its CPU device it refuses NumPy operands, implicit conversion and mixed devices, as
CuPy does. The devices: "device1" (the default here), "device2", "no_float64", "CPU_DEVICE".
"""

from __future__ import annotations

from typing import Any

import array_api_strict as xp
import numpy as np

from .base import Array, Backend


class StrictBackend(Backend):
    name = "strict"
    xp = xp
    array_types = (type(xp.zeros(())),)

    def __init__(self, device: Any = None) -> None:
        super().__init__(
            xp.Device(device or "device1") if isinstance(device, str | None) else device
        )

    def describe_device(self) -> str:
        return f"CPU, by array_api_strict ({self.device})"

    def to_numpy(self, x: Array) -> np.ndarray:
        return np.asarray(x.to_device(xp.Device("CPU_DEVICE")))
