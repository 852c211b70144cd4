"""Hold what all definitions share: the library that they are written against."""

from __future__ import annotations

from typing import Any, ClassVar

from ..types import Array

__all__ = ["Definitions"]


class Definitions:
    """Define kernels by the functions of the array API namespace `xp`."""

    name: ClassVar[str]
    xp: ClassVar[Any]  # the library's array API namespace
    array_types: ClassVar[tuple[type, ...]] = ()
    scalar_types: ClassVar[tuple[type, ...]] = ()  # what the library gives in place of 0-d arrays

    def _wide(self, x: Array) -> Array:
        """Give x in a dtype for sums: float32 if it has 16 bits, else its own."""
        half = self.xp.finfo(x.dtype).bits < 32
        return self.xp.astype(x, self.xp.float32) if half else x
