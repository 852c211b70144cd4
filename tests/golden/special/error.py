"""Write error.json, and print the coefficients of error.py: see common.py."""

from __future__ import annotations

from typing import Any

import mpmath as mp
from common import Approximation, points, row, show, write


def near_erf(square: Any) -> Any:
    x = mp.sqrt(square)
    return mp.erf(x) / x if x else 2 / mp.sqrt(mp.pi)


def near_erfcx(w: Any) -> Any:
    x = 1 / w - 2
    return mp.erfc(x) * mp.exp(x * x) / w


APPROXIMATIONS: list[Approximation] = [
    ("DOUBLE.erf", near_erf, 0, 1, 5, 5, 20),
    ("DOUBLE.erfcx", near_erfcx, "1/30", "1/3", 9, 8, 20),
    ("SINGLE.erf", near_erf, 0, 16, 6, 5, 9),
    ("SINGLE.erfcx", near_erfcx, "1/13", "1/3", 4, 3, 9),
]

if __name__ == "__main__":
    functions = {"erf": mp.erf, "erfc": mp.erfc}
    write(
        __file__,
        {n: [row(x, f(x), f(x)) for x in map(mp.mpf, points())] for n, f in functions.items()},
    )
    show(APPROXIMATIONS)
