"""Write elementary.json: see common.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mpmath as mp
import numpy as np
from common import row, write


def points() -> list[float]:
    """Numbers of both signs and many sizes; all are float32."""
    rng = np.random.default_rng(4)
    parts = [rng.uniform(0, 3, 20), rng.uniform(0, 20, 20), 10.0 ** rng.uniform(-30, 1, 15)]
    parts += [10.0 ** rng.uniform(0, 4, 5), [0.5, 1.0, 1.5, 2.0]]
    x = np.concatenate(parts).astype("float32")
    return [float(a) for a in (*x, *-x)]


def pairs() -> Iterator[tuple[float, float]]:
    """Two numbers far from each other and close to each other; all are float32."""
    rng = np.random.default_rng(5)
    for size in (0.0, 1.0, 30.0):
        for x, y in 10.0 ** rng.uniform(-size, size, (30, 2)):
            yield float(np.float32(x)), float(np.float32(y))
    for x, e in zip(rng.uniform(0, 9, 40), 10.0 ** rng.uniform(-7, 0, 40), strict=True):
        yield float(np.float32(x)), float(np.float32(x * (1 + e)))


def exprel(n: int) -> Callable[[Any], Any]:
    """By Kummer's function, https://dlmf.nist.gov/13.4.E1."""
    return lambda x: mp.hyp1f1(n + 1, n + 2, x) / (n + 1)


def sinc(n: int) -> Callable[[Any], Any]:
    """pi^n times the real part of the integral of t^n exp(i (u t + n pi / 2)), for u = pi x."""
    return lambda x: mp.re(mp.mpc(0, mp.pi) ** n * exprel(n)(mp.mpc(0, mp.pi * x)))


def kl_div(x: Any, y: Any) -> Any:
    return x * mp.log(x / y) - x + y


def tables() -> dict[str, list[list[float] | None]]:
    found = {"cbrt": [row(x, y := mp.sign(x) * mp.cbrt(abs(x)), y) for x in map(mp.mpf, points())]}
    for n in (0, 1, 2, 5):
        found[f"exprel {n}"] = [row(x, y := exprel(n)(x), y) for x in map(mp.mpf, points())]
        # Relative to the envelope.
        found[f"sinc {n}"] = [
            row(x, sinc(n)(x), mp.pi**n / (n + 1 + abs(mp.pi * x))) for x in map(mp.mpf, points())
        ]
    for name, f in (
        ("log_ratio", lambda x, y: mp.log(x / y)),
        ("rel_entr", lambda x, y: x * mp.log(x / y)),
        ("kl_div", kl_div),
    ):
        found[name] = [row(x, y, z := f(mp.mpf(x), mp.mpf(y)), z) for x, y in pairs()]
    return found


if __name__ == "__main__":
    write(__file__, tables())
