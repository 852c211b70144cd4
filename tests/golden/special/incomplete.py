"""Write incomplete.json: see common.py."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
from common import row, write


def lower_gamma(a: Any, x: Any) -> Any:
    """By https://dlmf.nist.gov/8.7.E1, whose terms are all positive."""
    term = total = mp.mpf(1)
    k = 0
    while term > total * mp.mpf(10) ** -120:
        k += 1
        term *= x / (a + k)
        total += term
    return total * mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1))


def lower_beta(a: Any, b: Any, x: Any) -> Any:
    """By https://dlmf.nist.gov/8.17.E8, whose terms are all positive."""
    term = total = mp.mpf(1)
    k = 0
    while term > total * mp.mpf(10) ** -120:
        term *= x * (a + b + k) / (a + 1 + k)
        k += 1
        total += term
    logs = a * mp.log(x) + b * mp.log(1 - x) - mp.log(a)
    return total * mp.exp(logs - mp.loggamma(a) - mp.loggamma(b) + mp.loggamma(a + b))


def scaled(*numbers: Any) -> list[float] | None:
    """Errors of a value are in relation to it and to its logarithm."""
    y = numbers[-1]
    in_range = y > 1e-36
    return row(*numbers, y * (1 - mp.log(y))) if in_range else None


def points() -> list[tuple[float, ...]]:
    """Triples a, b, x, of float32: small and large, at the mean and far from it."""
    rng = np.random.default_rng(0)
    sizes = [1e-4, 0.01, 0.3, 1.0, 1.7, 6.0, 40.0, 700.0]
    found = []
    for a in sizes:
        for b in (*sizes[1:-1:2], sizes[-1]):
            u = np.log(a / b) + rng.normal(0, 1.5, 2) * min(np.sqrt(1 / a + 1 / b), 6)
            found += [(a, b, x) for x in 1 / (1 + np.exp(-u)) if 1e-30 < x < 0.99]
    return [tuple(float(np.float32(z)) for z in p) for p in found]


if __name__ == "__main__":
    mp.mp.dps = 130
    beta = [tuple(map(mp.mpf, p)) for p in points()]
    gamma = [
        (a, a * mp.mpf(float(np.float32(t)))) for a, _, _ in beta[::3] for t in (0.2, 0.9, 1.3)
    ]
    gamma += [(a, mp.mpf(x)) for a, _, _ in beta[::6] for x in (0.01, 1.0, 30.0)]
    gamma = [(a, mp.mpf(float(np.float32(float(x))))) for a, x in gamma]
    p, i = [lower_gamma(*z) for z in gamma], [lower_beta(*z) for z in beta]
    write(
        __file__,
        {
            "gammainc": [scaled(*z, y) for z, y in zip(gamma, p, strict=True)],
            "gammaincc": [scaled(*z, 1 - y) for z, y in zip(gamma, p, strict=True)],
            "betainc": [scaled(*z, y) for z, y in zip(beta, i, strict=True)],
            "betaincc": [scaled(*z, 1 - y) for z, y in zip(beta, i, strict=True)],
        },
    )
