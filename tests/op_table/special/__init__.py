"""The rows of gradcore/ops/special/."""

from __future__ import annotations

from . import error, gamma, incomplete

ROWS = [*error.ROWS, *gamma.ROWS, *incomplete.ROWS]
