"""The beta distribution."""

from __future__ import annotations

from typing import Any

from .... import numpy as np
from .. import special
from .common import arrays, exp_of, inside

__all__ = ["cdf", "logpdf", "pdf"]


def logpdf(x: Any, a: Any, b: Any) -> Any:
    """The logarithm of the density, for x from 0 to 1."""
    x, a, b = arrays(x, a, b)
    return inside(
        (x >= 0.0) & (x <= 1.0),
        x,
        0.5,
        lambda x: special.xlogy(a - 1.0, x) + special.xlog1py(b - 1.0, -x) - special.betaln(a, b),
    )


pdf = exp_of(logpdf, "The density, for x from 0 to 1.")


def cdf(x: Any, a: Any, b: Any) -> Any:
    """The probability of at most x."""
    x, a, b = arrays(x, a, b)
    return special.betainc(a, b, np.clip(x, 0.0, 1.0))
