"""Why gradcore and PyTorch differ where they may: `step: kind` and the reason."""

from __future__ import annotations

__all__ = ["EXPLAINED"]

EXPLAINED: dict[str, str] = {}
