"""Draw and show graphs, export models, check gradients, find what made NaN, and report what runs on
a machine."""

from __future__ import annotations

from .anomalies import AnomalyError, detect_anomaly
from .check_gradients import GradientError, check_gradients
from .drawing import draw
from .export import ExportError, export
from .show import show

__all__ = [
    "AnomalyError",
    "ExportError",
    "GradientError",
    "check_gradients",
    "detect_anomaly",
    "draw",
    "export",
    "show",
]
