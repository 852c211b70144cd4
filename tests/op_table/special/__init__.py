"""The rows of gradcore/ops/special/."""

from __future__ import annotations

from . import error, gamma

ROWS = [*error.ROWS, *gamma.ROWS]
