"""Write error.json, and print the coefficients of error.py: see common.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
from common import Approximation, points, row, show, write

# -- Values -----------------------------------------------------------------------------------


def log_ndtr(x: Any) -> Any:
    return mp.log(mp.erfc(-x / mp.sqrt(2)) / 2) if x < 5 else mp.log1p(-mp.ncdf(-x))


def ndtri_exp(y: Any) -> Any:
    """By Newton's method, from the asymptotic formula or the inverse of erf."""
    if y > -2:
        return mp.sqrt(2) * mp.erfinv(2 * mp.exp(y) - 1)
    s = mp.sqrt(-2 * y)
    x = -s + mp.log(s * mp.sqrt(2 * mp.pi)) / s
    for _ in range(12):
        x -= (log_ndtr(x) - y) * mp.exp(log_ndtr(x) + x * x / 2) * mp.sqrt(2 * mp.pi)
    return x


def erfcx(n: int) -> Callable[[Any], Any]:
    """The derivative of order n: (-2)^n n! exp(x²) times an integral of erfc, repeated n times,
    https://dlmf.nist.gov/7.18.E2."""

    def value(x: Any) -> Any:
        with mp.workdps(60 + 3 * int(mp.log10(2 + abs(x))) * (n + 1)):
            before, now = -2 / mp.sqrt(mp.pi), mp.exp(x * x) * mp.erfc(x)
            for k in range(1, n + 1):
                before, now = now, 2 * x * now + (2 * (k - 1) * before if k > 1 else before)
        return +now

    return value


def probabilities() -> list[float]:
    """Numbers from 0 to 1, more of them close to the ends; all are float32."""
    rng = np.random.default_rng(1)
    parts = [10.0 ** rng.uniform(-37, -1, 30), rng.uniform(0, 1, 40), 1 - rng.uniform(0, 1, 5) ** 9]
    return [float(p) for p in np.concatenate([*parts, [0.075, 0.5, 0.925]]).astype("float32")]


def negative() -> list[float]:
    rng = np.random.default_rng(2)
    parts = [10.0 ** rng.uniform(-30, 30, 40), rng.uniform(0, 3, 20), rng.uniform(3, 900, 20)]
    return [float(-y) for y in np.concatenate(parts).astype("float32")]


def with_signs(numbers: list[float]) -> list[float]:
    return [*numbers, *[-x for x in numbers]]


TABLES: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "erf": (mp.erf, points()),
    "erfc": (mp.erfc, points()),
    "erfcx 0": (erfcx(0), points()),
    "erfcx 1": (erfcx(1), points()),
    "erfcx 2": (erfcx(2), points()),
    "erfcx 5": (erfcx(5), points()),
    "ndtr": (mp.ncdf, with_signs(points())),
    "log_ndtr": (log_ndtr, with_signs(points())),
    "erfinv": (mp.erfinv, with_signs(probabilities())[:-3]),
    "erfcinv": (lambda p: -mp.erfinv(p - 1), [*probabilities(), *[1 + p for p in (0.1, 0.5)]]),
    "ndtri": (lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), probabilities()),
    "ndtri_exp": (ndtri_exp, negative()),
}

# -- Coefficients -----------------------------------------------------------------------------


def near_erf(square: Any) -> Any:
    x = mp.sqrt(square)
    return mp.erf(x) / x if x else 2 / mp.sqrt(mp.pi)


def near_erfcx(w: Any) -> Any:
    x = 1 / w - 2
    return mp.erfc(x) * mp.exp(x * x) / w


def central_quantile(t: Any) -> Any:
    c = mp.sqrt(mp.mpf("0.180625") - t)
    return mp.sqrt(2) * mp.erfinv(2 * c) / c


def quantile(start: str) -> Callable[[Any], Any]:
    return lambda t: -ndtri_exp(-((t + mp.mpf(start)) ** 2) / 2)


APPROXIMATIONS: list[Approximation] = [
    ("DOUBLE.erf", near_erf, 0, 1, 5, 5, 20),
    ("DOUBLE.erfcx", near_erfcx, 0, "1/3", 9, 9, 20),
    ("DOUBLE.center", central_quantile, 0, "0.18", 9, 8, 20),
    ("DOUBLE.quantile", quantile("2.2"), 0, "5.8", 9, 9, 20),
    ("DOUBLE.quantile", quantile("8"), 0, 32, 10, 9, 20),
    ("SINGLE.erf", near_erf, 0, 16, 6, 5, 9),
    ("SINGLE.erfcx", near_erfcx, 0, "1/3", 4, 4, 9),
    ("SINGLE.center", central_quantile, 0, "0.18", 4, 4, 9),
    ("SINGLE.quantile", quantile("2.2"), 0, "5.8", 4, 4, 9),
    ("SINGLE.quantile", quantile("8"), 0, 32, 4, 4, 9),
]

if __name__ == "__main__":
    write(
        __file__,
        {name: [row(x, f(x), f(x)) for x in map(mp.mpf, xs)] for name, (f, xs) in TABLES.items()},
    )
    show(APPROXIMATIONS)
