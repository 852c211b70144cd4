"""Write bessel.json, and print the coefficients of bessel.py: see common.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
from common import Approximation, row, show, write

# -- Values -----------------------------------------------------------------------------------


def signed(numbers: list[float]) -> list[float]:
    return [*numbers, *[-x for x in numbers[::3]]]


def positive(to: float) -> list[float]:
    """Numbers of many sizes; all are float32."""
    rng = np.random.default_rng(3)
    parts = [10.0 ** rng.uniform(-20, np.log10(to), 30), rng.uniform(0, 10, 40)]
    parts += [rng.uniform(4, 40, 30), [1.0, 5.0, 8.0, 16.0]]
    return [float(x) for x in np.concatenate(parts).astype("float32")]


def oscillating(f: Callable[..., Any], n: int) -> list[list[float] | None]:
    """Errors are in relation to sqrt(J² + Y²), of which J and Y are the components; but where x is
    small, and Y large, to the value."""
    rows = []
    for x in map(mp.mpf, signed(positive(1e4)) if f is mp.besselj else positive(1e4)):
        j, y = mp.besselj(n, x), mp.bessely(n, abs(x))
        value = j if f is mp.besselj else y
        rows.append(row(x, value, mp.hypot(j, y) if abs(x) > max(n, 0.5) else value))
    return rows


def scaled(f: Callable[..., Any], sign: int, n: int) -> list[list[float] | None]:
    xs = signed(positive(1e6)) if f is mp.besseli else positive(1e6)
    values = [(x, mp.exp(sign * abs(x)) * f(n, x)) for x in map(mp.mpf, xs)]
    return [row(x, y, y) for x, y in values]


def tables() -> dict[str, list[list[float] | None]]:
    found = {}
    for n in (0, 1, 2, 5, 12):
        found[f"jn {n}"] = oscillating(mp.besselj, n)
        found[f"yn {n}"] = oscillating(mp.bessely, n)
        found[f"ive {n}"] = scaled(mp.besseli, -1, n)
        found[f"kve {n}"] = scaled(mp.besselk, 1, n)
    return found


# -- Coefficients -----------------------------------------------------------------------------

J0 = [mp.besseljzero(0, k) for k in (1, 2)]
J1 = [mp.besseljzero(1, k) for k in (1, 2)]


def of_square(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda square: f(mp.sqrt(square))


def far(f: Callable[..., Any], sign: int, n: int) -> Callable[[Any], Any]:
    """Of 1 / x, sqrt(x) times a scaled function."""
    return lambda w: mp.sqrt(1 / w) * mp.exp(sign / w) * f(n, 1 / w)


def without_zeros(square: Any, zeros: list[Any]) -> Any:
    return 1 / mp.fprod(square - z * z for z in zeros)


def hankel(n: int, component: int) -> Callable[[Any], Any]:
    """Of 1 / x², P or x Q: https://dlmf.nist.gov/10.17.E3."""

    def value(square: Any) -> Any:
        x = 1 / mp.sqrt(square)
        angle = x - (2 * n + 1) * mp.pi / 4
        j, y, c, s = mp.besselj(n, x), mp.bessely(n, x), mp.cos(angle), mp.sin(angle)
        parts = j * c + y * s, x * (y * c - j * s)
        return mp.sqrt(mp.pi * x / 2) * parts[component]

    return value


FUNCTIONS = {
    "i0": of_square(lambda x: mp.besseli(0, x)),
    "i1": of_square(lambda x: mp.besseli(1, x) / x),
    "k0": of_square(lambda x: mp.besselk(0, x) + mp.log(x / 2) * mp.besseli(0, x)),
    "k1": of_square(lambda x: (mp.besselk(1, x) - mp.log(x / 2) * mp.besseli(1, x) - 1 / x) / x),
    "j0": of_square(lambda x: mp.j0(x) * without_zeros(x * x, J0)),
    "j1": of_square(lambda x: mp.j1(x) / x * without_zeros(x * x, J1)),
    "y0": of_square(lambda x: mp.bessely(0, x) - 2 / mp.pi * mp.log(x) * mp.j0(x)),
    "y1": of_square(lambda x: (mp.bessely(1, x) - 2 / mp.pi * (mp.log(x) * mp.j1(x) - 1 / x)) / x),
    "i0_far": far(mp.besseli, -1, 0),
    "i1_far": far(mp.besseli, -1, 1),
    "k0_far": far(mp.besselk, 1, 0),
    "k1_far": far(mp.besselk, 1, 1),
    "p0": hankel(0, 0),
    "q0": hankel(0, 1),
    "p1": hankel(1, 0),
    "q1": hankel(1, 1),
}
DOUBLE = {
    "i0": (256, 11, 10),
    "i1": (256, 10, 10),
    "k0": (1, 4, 3),
    "k1": (1, 4, 4),
    "j0": (25, 6, 5),
    "j1": (25, 6, 5),
    "y0": (25, 7, 7),
    "y1": (25, 7, 6),
    "i0_far": ("1/16", 5, 5),
    "i1_far": ("1/16", 6, 6),
    "k0_far": (1, 11, 10),
    "k1_far": (1, 11, 10),
    "p0": ("1/25", 7, 7),
    "q0": ("1/25", 9, 8),
    "p1": ("1/25", 7, 7),
    "q1": ("1/25", 8, 8),
}
SINGLE = {
    "i0": (64, 5, 5),
    "i1": (64, 5, 4),
    "k0": (1, 2, 2),
    "k1": (1, 3, 2),
    "j0": (25, 3, 3),
    "j1": (25, 3, 3),
    "y0": (25, 5, 4),
    "y1": (25, 5, 4),
    "i0_far": ("1/8", 3, 2),
    "i1_far": ("1/8", 3, 2),
    "k0_far": (1, 4, 4),
    "k1_far": (1, 4, 4),
    "p0": ("1/25", 2, 2),
    "q0": ("1/25", 3, 2),
    "p1": ("1/25", 2, 2),
    "q1": ("1/25", 3, 2),
}
APPROXIMATIONS: list[Approximation] = [
    (f"{kind}.{name}", FUNCTIONS[name], 0, high, p, q, digits)
    for kind, table, digits in (("DOUBLE", DOUBLE, 20), ("SINGLE", SINGLE, 9))
    for name, (high, p, q) in table.items()
]

if __name__ == "__main__":
    write(__file__, tables())
    show(APPROXIMATIONS)
