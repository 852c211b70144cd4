"""The rows of gradcore/ops/special/."""

from __future__ import annotations

from . import bessel, elementary, error, gamma

ROWS = [*bessel.ROWS, *elementary.ROWS, *error.ROWS, *gamma.ROWS]
