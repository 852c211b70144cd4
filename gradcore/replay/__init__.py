"""Captured steps: the work of one training step, done again without its Python code."""

from __future__ import annotations

from .capture import capture
from .recording import CaptureError

__all__ = ["CaptureError", "capture"]
