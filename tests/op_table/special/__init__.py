"""The rows of gradcore/ops/special/."""

from __future__ import annotations

from . import bessel, elementary, error, gamma, incomplete, integrals

ROWS = [
    row for file in (bessel, elementary, error, gamma, incomplete, integrals) for row in file.ROWS
]
