"""Hold what all definitions share: the namespace that they are written against."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from ..types import Array

__all__ = ["Definitions", "in_float32"]


class Definitions:
    """Define kernels by the functions of the array API namespace `xp`."""

    xp: ClassVar[Any]  # the library's array API namespace

    def _wide(self, x: Array) -> Array:
        """Give x in a dtype for sums: float32 if it has 16 bits, else its own."""
        half = self.xp.finfo(x.dtype).bits < 32
        return self.xp.astype(x, self.xp.float32) if half else x


def in_float32(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """Have a kernel compute arrays of 16 bits in float32, by the backend's own kernel of this name,
    and round the result once. The last argument is an array, and its dtype that of the result.

    Raises:
        TypeError: the array has no real floating dtype.
    """

    @wraps(kernel)
    def compute(self: Definitions, *arguments: Any) -> Array:
        x = arguments[-1]
        if not self.xp.isdtype(x.dtype, "real floating"):
            name = str(x.dtype).rpartition(".")[2]
            raise TypeError(
                f"x is {name}, expected real floating numbers; convert it, as in "
                "x.astype('float32')"
            )
        if self._wide(x) is x:
            return kernel(self, *arguments)
        wide = [a if type(a) is int else self._wide(a) for a in arguments]
        return self.xp.astype(getattr(self, kernel.__name__)(*wide), x.dtype)

    return compute
