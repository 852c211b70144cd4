"""NumPy: the CPU backend."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as xp
import numpy as np

from .base import Backend


class NumpyBackend(Backend):
    name = "numpy"
    xp = xp
    array_types = (np.ndarray,)
    scalar_types = (np.generic,)
    several_devices = False

    def __init__(self, device: Any = None) -> None:
        if device not in (None, "cpu"):
            raise ValueError(f"numpy has one device, 'cpu', and not {device!r}")
        super().__init__(None)

    def to_numpy(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x)

    def owns_memory(self, x: np.ndarray) -> bool:
        return x.base is None
