"""Write gamma.json, and print the coefficients of gamma.py: see common.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
from common import Approximation, points, row, show, write

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "lgamma": lambda x: mp.re(mp.loggamma(x)),
    "digamma": mp.digamma,
    **{f"polygamma {n}": lambda x, n=n: mp.re(mp.psi(n, x)) for n in (1, 2, 5)},
}


def reflected(name: str, x: Any) -> Any:
    """The other term of the reflection formula: what errors are in relation to."""
    if name == "lgamma":
        return mp.log(mp.pi / abs(mp.sinpi(x)))
    n = int(name.partition(" ")[2] or 0)  # digamma is polygamma 0
    return mp.psi(n, 1 - x)


def of(name: str, x: Any) -> list[float] | None:
    y = FUNCTIONS[name](x)
    return row(x, y, max(abs(y), abs(reflected(name, x))) if x < 0 else abs(y))


ROOT = mp.findroot(mp.digamma, mp.mpf("1.4616321"))


def near_lgamma(t: Any) -> Any:
    x = t + mp.mpf("1.5")
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def near_digamma(t: Any) -> Any:
    x = t + mp.mpf("1.5")
    return mp.digamma(x) / (x - ROOT)


APPROXIMATIONS: list[Approximation] = [
    ("DOUBLE.lgamma", near_lgamma, "-0.6", "0.6", 7, 7, 20),
    ("DOUBLE.digamma", near_digamma, "-0.5", "0.5", 6, 6, 20),
    ("SINGLE.lgamma", near_lgamma, "-0.6", "0.6", 3, 3, 9),
    ("SINGLE.digamma", near_digamma, "-0.5", "0.5", 3, 3, 9),
]

if __name__ == "__main__":
    write(__file__, {name: [of(name, x) for x in map(mp.mpf, points())] for name in FUNCTIONS})
    show(APPROXIMATIONS)
