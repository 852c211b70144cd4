"""Hold what all definitions share: the library that they are written against, and the dtype of
sums."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from ..types import Array, DType

__all__ = ["Definitions", "in_float32", "is_half"]


class _Halves(dict[tuple[type, DType], bool]):
    """Whether a dtype, which is the key with its type, is floating and of 16 bits; found out once.

    (A strict library's float32 is not to be compared with NumPy's.)
    """

    def __missing__(self, key: tuple[type, DType]) -> bool:
        self[key] = str(key[1]).endswith("float16")  # also "torch.bfloat16"
        return self[key]


_halves = _Halves()


def is_half(x: Array) -> bool:
    """Say whether x, an array or a node, has floating numbers of 16 bits."""
    dtype = x.dtype
    return _halves[type(dtype), dtype]


class Definitions:
    """Define kernels by the functions of the array API namespace `xp`."""

    name: ClassVar[str]
    xp: ClassVar[Any]  # the library's array API namespace
    array_types: ClassVar[tuple[type, ...]] = ()
    scalar_types: ClassVar[tuple[type, ...]] = ()  # what the library gives in place of 0-d arrays

    def _wide(self, x: Array) -> Array:
        """Give x in a dtype for sums: float32 if it has 16 bits, else its own."""
        return self.xp.astype(x, self.xp.float32) if is_half(x) else x


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
