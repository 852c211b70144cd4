"""gradcore's training steps as `gradcore.capture` records them, on backends that have a recorder.

The memory reported is that of a step before it is captured: a captured step keeps its memory, where
`device_peak` does not see it.
"""

from __future__ import annotations

from typing import Any

import gradcore

from . import Step, on_gradcore
from .on_gradcore import device_peak, numpy, wait

__all__ = ["device_peak", "numpy", "train", "wait"]


def train(*args: Any, **kwargs: Any) -> Step:
    return gradcore.capture(on_gradcore.train(*args, **kwargs))
