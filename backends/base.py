"""The meaning of a backend: one array library, on one device.

`Backend` is written in plain array API standard code. A subclass names its library and overrides
only what the library spells differently or can do faster; the definition here is the
specification that every override is tested against.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from .definitions import (
    ConvolutionKernels,
    ElementwiseKernels,
    LossKernels,
    NormalizationKernels,
    OptimizerUpdates,
    RandomBits,
)
from .types import Array, DType, Recorder

__all__ = ["Backend"]

DTYPES = re.compile("bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)")


class Backend(
    ConvolutionKernels,
    ElementwiseKernels,
    LossKernels,
    NormalizationKernels,
    OptimizerUpdates,
    RandomBits,
):
    """An array library on one device: its namespace, the way in and out, and the kernels.

    Args:
        device: what the library calls a device (`1` for CuPy's second GPU, `"device1"` for the
            strict library); `None` is the library's default.
    """

    name: ClassVar[str]
    xp: ClassVar[Any]  # the library's array API namespace
    array_types: ClassVar[tuple[type, ...]] = ()
    scalar_types: ClassVar[tuple[type, ...]] = ()  # what the library gives in place of 0-d arrays
    several_devices: ClassVar[bool] = True  # can two arrays of this library be on two devices?

    def __init__(self, device: Any = None) -> None:
        self.device = device

    def __repr__(self) -> str:
        return self.name if self.device is None else f"{self.name} ({self.device})"

    @classmethod
    def problem(cls) -> str | None:
        """Why this backend can't run here and what to do about it, or `None` if it can."""
        return None

    def make_current(self) -> Callable[[], object]:
        """Called as this becomes the default backend. A library that makes new arrays on a
        current device of its own, as CuPy does, changes that here.

        Returns:
            What to call to change it back.
        """
        return lambda: None

    def environment(self) -> dict[str, str]:
        """Variables by which this device is the default one of processes started with them."""
        return {}

    def describe_device(self) -> str:
        """The device as a person would name it."""
        return "CPU" if self.device is None else str(self.device)

    def describe_library(self) -> str:
        """The library and its version."""
        library = self.array_types[0].__module__.partition(".")[0]
        return f"{library} {getattr(sys.modules[library], '__version__', '')}".strip()

    def dtype(self, dtype: DType | str | None) -> DType:
        """This library's dtype of that name; dtypes and `None` pass through."""
        if not isinstance(dtype, str):
            return dtype
        if not DTYPES.fullmatch(dtype) or not hasattr(self.xp, dtype):
            raise ValueError(f"{self.name} has no dtype {dtype!r}; try 'float32'")
        return getattr(self.xp, dtype)

    def asarray(self, x: Any, dtype: DType | str | None = None) -> Array:
        """`x` as an array on this backend's device, copied only if it must be.

        Args:
            x: an array of any backend, which keeps its dtype, or numbers in (nested) lists,
                where Python floats become float32, the default of parameters.
            dtype: the dtype wanted, as this library's object or by name.

        Raises:
            TypeError: `x` is neither array nor numbers.
        """
        dtype = self.dtype(dtype)
        if isinstance(x, (*self.array_types, *self.scalar_types)):
            return self.xp.asarray(x, dtype=dtype, device=self.device)
        if hasattr(x, "__array_namespace__") or hasattr(x, "__dlpack__"):
            from . import backend_of

            x = backend_of(x).to_numpy(x)
        else:
            x = np.asarray(x)
            if x.dtype.kind not in "biufc":
                raise TypeError(f"{self.name}: expected an array or numbers, not {x.dtype}")
            if x.dtype == np.float64 and dtype is None:
                x = x.astype(np.float32)
        return self.from_numpy(x, dtype)

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        """The NumPy array `x` on this backend's device."""
        return self.xp.asarray(x, dtype=dtype, device=self.device)

    def store(self, x: Any, dtype: DType | str | None = None) -> Array:
        """A set of data as an array on this backend's device, as `asarray` makes it, or, where it
        would fill that, in the host's memory, as NumPy's."""
        return self.asarray(x, dtype)

    def copies(self, batches: Iterable[Iterable[Any]]) -> Iterator[tuple[Array, ...]]:
        """The arrays of each batch on this backend's device. A backend may copy the next batch
        while its device works on this one."""
        return (tuple(map(self.asarray, batch)) for batch in batches)

    def used_memory(self) -> int:
        """The bytes of the device's memory in arrays; 0 where nothing counts them."""
        return 0

    def describe_memory(self) -> str:
        """How much memory of the device is in use and free, for people; empty: it is the host's."""
        return ""

    def limit_memory(self, size: int) -> None:
        """Let arrays on this backend's device take no more than `size` bytes together.

        Raises:
            ValueError: this library can't be held to that.
        """
        raise ValueError(f"{self.name} can't limit its memory ({size / 1e9:g} GB); cupy can")

    def allow_tf32(self, whether: bool) -> None:
        """Whether products of float32 matrices may be of numbers rounded to 11 bits, as the tensor
        cores of GPUs multiply them, added up in float32. They aren't at first, and where a device
        has no such thing they never are."""

    def choices(self) -> dict[str, str]:
        """What this process has chosen by measurement so far, for people: by the case that it was
        chosen for, its name and the times of all."""
        return {}

    def host_reads(self) -> AbstractContextManager[list[str]] | None:
        """In the block, a list that says each time that this library makes the host wait for the
        device, whoever asked for it; `None`: it doesn't tell."""
        return None

    def recorder(self, device: Any = None) -> Recorder | None:  # noqa: ARG002
        """What records and replays steps whose arrays are on `device`, for `gradcore.capture`;
        `None`: this library can't, and steps simply run."""
        return None

    def to_numpy(self, x: Array) -> np.ndarray:
        """The array `x` of this library as a NumPy array, by way of the host where needed."""
        return np.from_dlpack(x)

    def owns_memory(self, x: Array) -> bool:  # noqa: ARG002
        """Whether `x` has its memory to itself; `False` (the safe answer) costs a copy."""
        return False
