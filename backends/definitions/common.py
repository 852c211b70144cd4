"""The base of all definitions."""

from __future__ import annotations

from typing import Any, ClassVar

from ..types import Array

__all__ = ["Definitions"]


class Definitions:
    """Kernels in plain array API code, of the namespace `xp`."""

    xp: ClassVar[Any]

    def _wide(self, x: Array) -> Array:
        """x in a dtype for sums."""
        half = self.xp.finfo(x.dtype).bits < 32
        return self.xp.astype(x, self.xp.float32) if half else x
