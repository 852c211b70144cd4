"""Write tests/golden/special.json: values of special functions, computed in 60 digits; and print
the coefficients in backends/definitions/special.py.

Run `python tests/golden/special.py` after a change here, with mpmath installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

PATH = Path(__file__).with_name("special.json")
mp.mp.dps = 60

# -- Values -----------------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "erf": mp.erf,
    "erfc": mp.erfc,
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


def points() -> list[float]:
    """All of them are float32."""
    rng = np.random.default_rng(0)
    parts = [
        10.0 ** rng.uniform(-37, -1, 10),
        rng.uniform(0, 3, 20),
        rng.uniform(3, 12, 12),
        rng.uniform(12, 28, 6),
        10.0 ** rng.uniform(1.5, 30, 8),
        -rng.uniform(0, 12, 20),
        [0.9, 1.0, 1.4616321325302124, 1.5, 2.0, 2.1, 3.0, 3.92, 4.0, 8.0, -0.5, -1.5, -2.5],
    ]
    return [float(x) for x in np.concatenate(parts).astype("float32")]


def rows(name: str) -> list[list[float]]:
    """Lists of x, the value, and the scale of its error."""
    found = []
    for x in map(mp.mpf, points()):
        y = FUNCTIONS[name](x)
        gamma = not name.startswith("erf")
        scale = max(abs(y), abs(reflected(name, x))) if gamma and x < 0 else abs(y)
        if 1e-300 < scale < 1e300:
            found.append([float(x), float(y), float(scale)])
    return found


# -- Coefficients -----------------------------------------------------------------------------

ROOT = mp.findroot(mp.digamma, mp.mpf("1.4616321"))


def near_erf(square: Any) -> Any:
    x = mp.sqrt(square)
    return mp.erf(x) / x if x else 2 / mp.sqrt(mp.pi)


def near_erfcx(w: Any) -> Any:
    x = 1 / w - 2
    return mp.erfc(x) * mp.exp(x * x) / w


def near_lgamma(t: Any) -> Any:
    x = t + mp.mpf("1.5")
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def near_digamma(t: Any) -> Any:
    x = t + mp.mpf("1.5")
    return mp.digamma(x) / (x - ROOT)


APPROXIMATIONS = [  # the interval, the degrees above and below, the digits
    ("DOUBLE.erf", near_erf, 0, 1, 5, 5, 20),
    ("DOUBLE.erfcx", near_erfcx, "1/30", "1/3", 9, 8, 20),
    ("DOUBLE.lgamma", near_lgamma, "-0.6", "0.6", 7, 7, 20),
    ("DOUBLE.digamma", near_digamma, "-0.5", "0.5", 6, 6, 20),
    ("SINGLE.erf", near_erf, 0, 16, 6, 5, 9),
    ("SINGLE.erfcx", near_erfcx, "1/13", "1/3", 4, 3, 9),
    ("SINGLE.lgamma", near_lgamma, "-0.6", "0.6", 3, 3, 9),
    ("SINGLE.digamma", near_digamma, "-0.5", "0.5", 3, 3, 9),
]


def interpolated(f: Any, low: Any, high: Any, p: int, q: int) -> tuple[list[Any], list[Any]]:
    """The polynomials, the lower one with constant term 1, whose ratio is f at Chebyshev points."""
    n = p + q + 1
    system, right = mp.matrix(n, n), mp.matrix(n, 1)
    for i in range(n):
        x = (low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n))
        right[i] = f(x)
        for j in range(n):
            system[i, j] = x**j if j <= p else -right[i] * x ** (j - p)
    c = list(mp.lu_solve(system, right))
    return c[: p + 1], [mp.mpf(1), *c[p + 1 :]]


def fraction(x: Any) -> Any:
    above, _, below = str(x).partition("/")
    return mp.mpf(above) / mp.mpf(below or 1)


if __name__ == "__main__":
    lists = {name: ",\n".join(map(json.dumps, rows(name))) for name in FUNCTIONS}
    PATH.write_text("{" + ",\n".join(f'"{k}": [\n{v}\n]' for k, v in lists.items()) + "}\n")
    for name, f, low, high, p, q, digits in APPROXIMATIONS:
        print(name)
        for part in interpolated(f, fraction(low), fraction(high), p, q):
            print("   ", ", ".join(repr(float(mp.nstr(c, digits))) for c in part))
