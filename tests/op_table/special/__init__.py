"""The rows of gradcore/ops/special/."""

from __future__ import annotations

from . import bessel, elementary, error, gamma, integrals

ROWS = [*bessel.ROWS, *elementary.ROWS, *error.ROWS, *gamma.ROWS, *integrals.ROWS]
