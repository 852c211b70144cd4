"""The JAX backend: devices, their memory, and the way in and out of them."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..types import Array, DType
from . import namespace as xp
from .convolution import JaxConvolutions
from .indexing import JaxIndexing, raise_index_errors
from .program import JitProgram

__all__ = ["JaxBackend"]

KINDS = "cuda", "rocm", "tpu", "METAL", "cpu"  # of devices, by JAX's names


def devices() -> list[jax.Device]:
    """List the devices that JAX has here, those of the default kind first.

    Example:
        >>> from gradcore.backends.jax.backend import devices
        >>> devices()[-1].platform
        'cpu'
    """
    found = jax.devices()
    return found if found[0].platform == "cpu" else [*found, *jax.devices("cpu")]


class JaxBackend(JaxIndexing, JaxConvolutions):
    """JAX on one device. Its `grad` takes no part.

    Args:
        device: a device of JAX's, or its name: "cpu", "gpu:1", "tpu:0", ...; `None` is JAX's
            default.

    Raises:
        ValueError: there is no such device here.
    """

    name = "jax"
    xp: ClassVar[Any] = xp
    array_types = (jax.Array, Tracer)

    def __init__(self, device: Any = None) -> None:
        super().__init__(None if device is None else _device(device))

    def describe_library(self) -> str:
        return f"jax {jax.__version__}"

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        return xp.asarray(x, dtype=dtype, device=self.device, copy=True)

    def to_numpy(self, x: Array) -> np.ndarray:
        host = np.asarray(x)
        raise_index_errors()
        return host

    def compiler(self, device: Any = None) -> type[JitProgram]:  # noqa: ARG002
        return JitProgram

    def alias(self, x: Array) -> Array:
        return jnp.array(x, copy=True)

    def owns_memory(self, x: Array) -> bool:  # noqa: ARG002
        return True  # nobody can write to it

    def error(self, error: Exception) -> Exception:
        text = str(error)
        if "RESOURCE_EXHAUSTED" in text:
            return MemoryError(text)
        if isinstance(error, TypeError) and "shape" in text:
            return ValueError(text)
        return error


def _device(device: Any) -> jax.Device:
    """Give JAX's device of this name, if there is one here.

    Raises:
        ValueError: there is none.
    """
    if isinstance(device, jax.Device):
        return device
    kind, _, index = str(device).rpartition(":") if ":" in str(device) else (str(device), "", "0")
    try:
        return jax.devices(kind)[int(index)]
    except (RuntimeError, IndexError, ValueError):
        names = ", ".join(f"{d.platform}:{d.id}" for d in devices())
        raise ValueError(f"jax: no device {str(device)!r}; this machine has {names}") from None


# Arrays have a device, as the standard asks. Those that stand for them while `jax.jit` traces a
# function have none: JAX raises AttributeError (https://github.com/jax-ml/jax/issues/26000). New
# arrays on the device `None` are where the function will run, so here that is the device of all.
Tracer.device = property(lambda _: None)  # type: ignore[assignment]
