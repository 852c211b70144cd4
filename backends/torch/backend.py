"""The torch backend: devices, and the way in and out of them."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import numpy as np
import torch

from ..base import Backend
from ..types import Array, DType
from . import namespace as xp

__all__ = ["TorchBackend"]


AXIS = re.compile(r"Dimension out of range .* but got (-?\d+)")


class TorchBackend(Backend):
    """PyTorch on one device: `cpu`, `cuda:1`, `mps`, `xpu`, ..."""

    name = "torch"
    xp: ClassVar[Any] = xp
    array_types = (torch.Tensor,)

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        return torch.tensor(x, dtype=dtype, device=self.device)

    def to_numpy(self, x: Array) -> np.ndarray:
        return x.detach().resolve_conj().resolve_neg().cpu().numpy()

    def error(self, error: Exception) -> Exception:
        if isinstance(error, torch.OutOfMemoryError):
            return MemoryError(str(error))
        if found := AXIS.match(str(error)):
            return IndexError(f"axis {found[1]} is out of bounds for these dimensions")
        if isinstance(error, NotImplementedError):
            return TypeError(str(error))
        is_value = type(error) is RuntimeError or "non-zero size" in str(error)
        return ValueError(str(error)) if is_value else error

    # -- kernels ----------------------------------------------------------------------------

    def getitem(self, x: Array, key: Any) -> Array:
        """Give x[key]. Steps back, which PyTorch has none of, copy."""
        entries = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(k, slice) and (k.step or 1) < 0 for k in entries):
            return x[key]
        forth, back = _steps_forth(entries, x.shape)
        return torch.flip(x[forth], back)

    def setitem(self, x: Array, key: Any, y: Any) -> Array:
        entries = key if isinstance(key, tuple) else (key,)
        if any(isinstance(k, slice) and (k.step or 1) < 0 for k in entries):
            key, back = _steps_forth(entries, x.shape)
            if isinstance(y, torch.Tensor):
                y = torch.flip(y.expand(x[key].shape), back)
        x[key] = y
        return x


def _steps_forth(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[tuple[Any, ...], list[int]]:
    """Give a key of the same elements that has no steps back, and the axes of its result that are
    then in the other order."""
    axes = sum(k is not None and k is not ... for k in key)
    forth, back, axis, at = [], [], 0, 0  # the axis of the array, and that of the result
    for k in key:
        if k is ...:
            axis, at = axis + len(shape) - axes, at + len(shape) - axes
        elif isinstance(k, slice):
            places = range(*k.indices(shape[axis]))
            if places.step < 0:
                back.append(at)
                places = places[::-1]
                k = slice(places.start, places.stop, places.step) if places else slice(0, 0)
            axis, at = axis + 1, at + 1
        elif k is None:
            at += 1
        else:
            axis += 1
        forth.append(k)
    return tuple(forth), back
