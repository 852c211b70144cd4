"""Captured steps: do the work of a training step again without its Python code."""

from __future__ import annotations

from .capture import capture
from .recording import CaptureError

__all__ = ["CaptureError", "capture"]
