"""Keys of arrays, and choosing and adding up at indices: what PyTorch's own indexing lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..base import Backend
from ..definitions.indexing import index_error
from ..types import Array, Number
from .tracing import is_readable, is_traced

__all__ = ["TorchIndexing", "check_later", "raise_index_errors"]


class TorchIndexing(Backend):
    """Keys with steps back, which PyTorch has none of; and indices of all integer dtypes."""

    def check_indices(self, what: str, indices: Array, size: int, start: int = 0) -> None:
        self.check_integers(what, indices)
        # In a captured step nobody looks at the indices; PyTorch's kernels raise errors themselves.
        is_recorded = indices.is_cuda and torch.cuda.is_current_stream_capturing()
        if not indices.numel() or is_recorded or is_traced():
            return
        ends = _ends(indices)
        if ends is None:
            check_later(what, indices, size, start)
        elif ends[0] < start or ends[1] >= size:
            raise index_error(what, ends[0] if ends[0] < start else ends[1], size, start)

    def places_of(self, indices: Array, index: int) -> Array | None:
        ends = _ends(indices)
        is_outside = ends is not None and not ends[0] <= index <= ends[1]
        return None if is_outside else indices == index

    def getitem(self, x: Array, key: Any) -> Array:
        """Give x[key]; with steps back, a copy."""
        if not _steps_back(key):
            return x[key]
        forth, back = _steps_forth(key if isinstance(key, tuple) else (key,), x.shape)
        return torch.flip(x[forth], back)

    def setitem(self, x: Array, key: Any, y: Any) -> Array:
        if _steps_back(key):
            key, back = _steps_forth(key if isinstance(key, tuple) else (key,), x.shape)
            if isinstance(y, torch.Tensor):
                y = torch.flip(y.expand(x[key].shape), back)
        x[key] = y
        return x

    def select(self, x: Array, indices: Array) -> Array:
        return x.gather(1, indices.long().unsqueeze(1)).squeeze(1)

    def scatter_add(self, x: Array, indices: Array, size: int) -> Array:
        rows = self._wide(x)
        y = rows.new_zeros((size, *x.shape[1:])).index_add_(0, indices.long(), rows)
        return y if rows is x else y.to(x.dtype)

    def random_bits(self, key: Number, n: int, device: Any = None) -> Array:
        # On the CPU, NumPy's generator takes a sixth of the definition's time.
        if torch.device(device or "cpu").type != "cpu":
            return super().random_bits(key, n, device)
        return philox(key, n) if isinstance(key, torch.Tensor) else _philox(key, n)


def _philox(key: int, n: int) -> Array:
    words = np.random.Philox(key=key).random_raw(-(-n // 2))
    return torch.from_numpy(words.astype("<u8", copy=False).view("<u4")[:n].astype(np.int64))


def _philox_of(key: torch.Tensor, n: int) -> torch.Tensor:
    return _philox(int(key), n)


# One function in the graph of a traced step.
philox: Any = torch.library.custom_op("gradcore::philox", _philox_of, mutates_args=())
philox.register_fake(lambda key, n: key.new_empty((n,), dtype=torch.int64))


# The host would wait to read indices of a GPU, in the middle of a step. So the least and the
# largest index stay there until the host reads something anyway. (Of an index out of range,
# PyTorch's functions stop a CUDA device; on other devices they compute nonsense.) By what is
# indexed, with the range and the device: minus the least index so far, and the largest.
LATER: dict[tuple[str, int, int, torch.device], Array] = {}


def check_later(what: str, indices: Array, size: int, start: int) -> None:
    low, high = torch.aminmax(indices.long())
    key, ends = (what, size, start, indices.device), torch.stack([-low, high])
    LATER[key] = torch.maximum(LATER[key], ends) if key in LATER else ends


def raise_index_errors() -> None:
    """Raise IndexError if a device has been given an index out of range in the work so far."""
    while LATER:
        (what, size, start, _), ends = LATER.popitem()
        low, high = ends.tolist()
        if -low < start or high >= size:
            LATER.clear()
            raise index_error(what, -low if -low < start else high, size, start)


def _ends(indices: Array) -> tuple[int, int] | None:
    """Read the least and the largest of integers; `None` if there are none, or they can't be read,
    or a device has them, for which the host would wait."""
    if not (is_readable(indices) and indices.numel()):
        return None
    low, high = torch.aminmax(indices)
    return low.item(), high.item()


def _steps_back(key: Any) -> bool:
    """Say whether a key has a slice with a negative step."""
    for k in key if type(key) is tuple else (key,):
        if type(k) is slice and k.step is not None and k.step < 0:
            return True
    return False


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
