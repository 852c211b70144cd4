"""What the programs of this folder share. Each writes the values of a topic's functions, computed
in 60 digits, into a file beside it, and prints the coefficients of the topic's approximations, for
backends/definitions/special/.

Run `python tests/golden/special/<topic>.py` after a change here, with mpmath installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 60

Approximation = tuple[str, Callable[[Any], Any], Any, Any, int, int, int]


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


def row(*numbers: Any) -> list[float] | None:
    """The arguments, the value, and the scale of its error, which is made positive; `None` if it is
    out of range."""
    *others, scale = numbers
    return [float(x) for x in (*others, abs(scale))] if 1e-300 < abs(scale) < 1e300 else None


def write(program: str, tables: Mapping[str, Sequence[list[float] | None]]) -> None:
    """Write the rows of each function into the file beside the program."""
    lists = {name: ",\n".join(json.dumps(r) for r in rows if r) for name, rows in tables.items()}
    text = "{" + ",\n".join(f'"{k}": [\n{v}\n]' for k, v in lists.items()) + "}\n"
    Path(program).with_suffix(".json").write_text(text)


def show(approximations: Sequence[Approximation]) -> None:
    """Print the coefficients of each: of a name, a function, the interval, the degrees above and
    below, and the digits."""
    for name, f, low, high, p, q, digits in approximations:
        print(name)
        for part in interpolated(f, fraction(low), fraction(high), p, q):
            print("   ", ", ".join(repr(float(mp.nstr(c, digits))) for c in part))


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
