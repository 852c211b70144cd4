"""Random numbers with NumPy's names, drawn on the host, as arrays of the default backend."""

from __future__ import annotations

__all__: list[str] = []
