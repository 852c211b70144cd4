"""The JAX backend: devices, their memory, and the way in and out of them."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from ..types import Array, DType, Exchange
from . import namespace as xp
from .compiled import ARRAYS, forget
from .convolution import JaxConvolutions
from .distributed import JaxExchange
from .indexing import JaxIndexing, raise_index_errors
from .kernels import JaxKernels
from .program import JitProgram
from .random_bits import JaxRandomBits

__all__ = ["JaxBackend"]

OLDEST = 0, 6  # the first version with all functions that are called here
SHARE_OF_DATA = 0.5  # of the free memory: a set of data that takes more stays on the host
NOT_OF_NUMPY = {jnp.dtype(d) for d in (jnp.bfloat16, jnp.float8_e4m3fn, jnp.float8_e5m2)}
SHAPES = re.compile(r"ncompatible shapes for broadcasting: (?:shapes=)?\[?(.*\))")
ABOUT_SHAPES = re.compile("shape|dimension|axis|axes|permutation")


def devices() -> list[jax.Device]:
    """List the devices that JAX has here, those of the default kind first.

    Example:
        >>> from gradcore.backends.jax.backend import devices
        >>> devices()[-1].platform
        'cpu'
    """
    found = jax.local_devices()
    return found if found[0].platform == "cpu" else [*found, *jax.local_devices(backend="cpu")]


class JaxBackend(JaxIndexing, JaxRandomBits, JaxConvolutions, JaxKernels):
    """JAX on one device. Its `grad` takes no part.

    Args:
        device: a device of JAX's, or its name: "cpu", "gpu:1", "tpu:0", ...; `None` is JAX's
            default.

    Raises:
        ValueError: there is no such device here.
    """

    name = "jax"
    xp: ClassVar[Any] = xp
    array_types = ARRAYS

    def __init__(self, device: Any = None) -> None:
        super().__init__(None if device is None else _device(device))

    @classmethod
    def problem(cls) -> str | None:
        version = tuple(int(n) for n in re.findall(r"\d+", jax.__version__)[:2])
        if version < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            return f"jax {jax.__version__} is older than {oldest}; pip install 'jax>={oldest}'"
        return None

    @property
    def has_64_bits(self) -> bool:  # type: ignore[override]
        return xp.has_64_bits()

    # -- The device -------------------------------------------------------------------------

    @property
    def _place(self) -> jax.Device:
        """The device, also where it is JAX's default."""
        return self.device or jax.config.jax_default_device or jax.local_devices()[0]

    def environment(self) -> dict[str, str]:
        return {} if self.device is None else {"GRADCORE_BACKEND": f"jax:{_name(self.device)}"}

    def describe_device(self) -> str:
        place = self._place
        return "CPU" if place.platform == "cpu" else f"{place.device_kind} ({_name(place)})"

    def describe_library(self) -> str:
        others = [_name(d) for d in devices() if d != self._place]
        also = f"; also on {', '.join(others)}" if others else ""
        bits = "on" if xp.has_64_bits() else "off (JAX_ENABLE_X64=1 turns them on)"
        return f"jax {jax.__version__}{also}; 64 bits {bits}; fast in captured steps only"

    def allow_tf32(self, matmul: bool | None = None, convolutions: bool | None = None) -> None:
        for what, allowed in (("matmul", matmul), ("convolutions", convolutions)):
            if allowed is not None:
                xp.precisions[what] = None if allowed else lax.Precision.HIGHEST
        forget()  # programs that were compiled with other precisions

    def _memory(self) -> tuple[int, int] | None:
        """Give the bytes in arrays and those that there are, where JAX tells."""
        stats = self._place.memory_stats()
        return (stats["bytes_in_use"], stats["bytes_limit"]) if stats else None

    def used_memory(self) -> int:
        return (self._memory() or (0, 0))[0]

    def describe_memory(self) -> str:
        if (found := self._memory()) is None:
            return ""
        used, total = found
        return f"{_gb(used)} in arrays, {_gb(total - used)} free of {_gb(total)} for JAX"

    def limit_memory(self, size: int) -> None:
        raise ValueError(
            f"jax can't limit its memory once it runs ({_gb(size)}); set "
            "XLA_PYTHON_CLIENT_MEM_FRACTION before the program starts"
        )

    # -- Arrays in and out ------------------------------------------------------------------

    def dtype(self, dtype: DType | str | None) -> DType:
        """Find JAX's dtype of that name: of 32 bits for integers of 64, where JAX has no 64.

        Raises:
            TypeError: JAX has no such floating dtype now.
        """
        return xp.known_dtype(super().dtype(dtype))

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        return xp.asarray(x, dtype=dtype, device=self.device)

    def to_numpy(self, x: Array) -> np.ndarray:
        """Give x as an array of NumPy's, which can't be written to."""
        x = x.astype(jnp.float32) if x.dtype in NOT_OF_NUMPY else x
        host = np.asarray(x)
        raise_index_errors()
        return host

    def compiler(self, device: Any = None) -> type[JitProgram]:  # noqa: ARG002
        return JitProgram

    def is_traced(self, x: Array) -> bool:
        return isinstance(x, Tracer)

    def communicator(self, host: Exchange) -> JaxExchange | None:
        # A program connects JAX itself, before its first array: `jax.distributed.initialize()`. On
        # CPUs, MPI is faster: 4 MB of each of two processes take 8 ms, not 13.
        is_connected = jax.process_count() == host.size > 1
        if self._place.platform == "cpu" or not is_connected:
            return None
        return JaxExchange(host, self._place)

    def store(self, x: Any, dtype: DType | str | None = None) -> Array:
        found = self._memory()
        if isinstance(x, np.ndarray) and found is not None:
            host = x if dtype is None else np.asarray(x, dtype)
            if host.nbytes > SHARE_OF_DATA * (found[1] - found[0]):
                return host
        return self.asarray(x, dtype)

    def alias(self, x: Array) -> Array:
        return jnp.array(x, copy=True)  # `x[...]` is x

    def owns_memory(self, x: Array) -> bool:  # noqa: ARG002
        return True  # nobody can write to it

    def error(self, error: Exception) -> Exception:
        text = str(error).partition("\n")[0]
        if "RESOURCE_EXHAUSTED" in text:
            return MemoryError(text)
        if found := SHAPES.search(text):
            return ValueError(f"operands could not be broadcast together with shapes {found[1]}")
        if text == "tuple index out of range":  # of JAX's own `mean`
            return IndexError("an axis is out of bounds for these dimensions")
        is_value = isinstance(error, TypeError) and ABOUT_SHAPES.search(text)
        return ValueError(text) if is_value else error


def _device(device: Any) -> jax.Device:
    """Give JAX's device of this name, if there is one here.

    Raises:
        ValueError: there is none.
    """
    if isinstance(device, jax.Device):
        return device
    kind, _, index = str(device).rpartition(":") if ":" in str(device) else (str(device), "", "0")
    try:
        return jax.local_devices(backend=kind)[int(index)]
    except (RuntimeError, IndexError, ValueError):
        names = ", ".join(map(_name, devices()))
        raise ValueError(f"jax: no device {str(device)!r}; this machine has {names}") from None


def _name(device: jax.Device) -> str:
    """Give the name of a device, with its number where there are several of its kind."""
    alike = jax.local_devices(backend=device.platform)
    return f"{device.platform}:{alike.index(device)}" if len(alike) > 1 else device.platform


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


# Arrays have a device, as the standard asks. Those that stand for them while `jax.jit` traces a
# function have none: JAX raises AttributeError (https://github.com/jax-ml/jax/issues/26000). New
# arrays on the device `None` are where the function will run, so here that is the device of all.
Tracer.device = property(lambda _: None)
