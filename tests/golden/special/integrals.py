"""Write integrals.json: see common.py."""

from __future__ import annotations

import mpmath as mp
import numpy as np
from common import row, write


def positive() -> list[float]:
    """All of them are float32."""
    rng = np.random.default_rng(6)
    parts = [rng.uniform(0, 3, 40), rng.uniform(0, 60, 30), 10.0 ** rng.uniform(-30, 2, 20)]
    return [float(x) for x in np.concatenate([*parts, [0.5, 1.0, 2.0, 40.0]]).astype("float32")]


def main() -> None:
    xs = [mp.mpf(x) for x in positive()]
    tables = {f"expn {n}": [row(x, y := mp.expint(n, x), y) for x in xs] for n in (-2, 0, 1, 2, 7)}
    # Relative to 1 near its zero.
    tables["expi"] = [
        row(x, y := mp.ei(x), y if abs(x - 0.37) > 0.3 else 1) for z in xs for x in (z, -z)
    ]
    tables["spence"] = [row(x, y := mp.re(mp.polylog(2, 1 - x)), y) for x in xs]
    write(__file__, tables)


if __name__ == "__main__":
    main()
