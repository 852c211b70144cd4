"""Wrap array_api_strict, which has the standard and nothing else, as a stand-in for a GPU in tests.

Away from its CPU device it refuses NumPy operands, implicit conversion and mixed devices, as
CuPy does. The devices: "device1" (the default here), "device2", "no_float64", "CPU_DEVICE".
"""

from __future__ import annotations

from typing import Any, ClassVar

import array_api_strict as xp
import numpy as np

from .base import Backend
from .types import Array

__all__ = ["StrictBackend"]

DEVICES = ("device1", "device2", "no_float64", "CPU_DEVICE")


class StrictBackend(Backend):
    """array_api_strict on one of its devices."""

    name = "strict"
    xp: ClassVar[Any] = xp
    array_types = (type(xp.zeros(())),)

    def __init__(self, device: Any = None) -> None:
        if not isinstance(device, xp.Device):
            try:
                device = xp.Device(device or "device1")
            except ValueError as error:
                raise ValueError(f"strict: {error} There are {', '.join(DEVICES)}") from None
        super().__init__(device)

    def describe_device(self) -> str:
        return f"CPU, as {str(self.device).split(chr(39))[1]}"

    def to_numpy(self, x: Array) -> np.ndarray:
        return np.asarray(x.to_device(xp.Device("CPU_DEVICE")))
