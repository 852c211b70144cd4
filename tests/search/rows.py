"""Rows of functions of other packages, differentiated by way of the array API, and what becomes of
each: one table of these is a program, such as sklearn_functions.py. `main` says what it prints."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradcore import grad, namespace, use_backend
from gradcore.backends import Backend, default
from gradcore.engine.arrays import backend_or_none, value_of
from gradcore.engine.trees import leaves
from gradcore.tools.command_line import Parser

__all__ = ["Row", "like", "main", "outcome"]

H = 1e-4  # the step of differences
DIRECTIONS = 4  # in which the slope is compared; each involves every element


class Row(NamedTuple):
    name: str
    call: Callable[[Any], Any]  # of x, a node or an array, to a tree of arrays
    x: np.ndarray


def like(x: Any, numbers: Any) -> Any:
    """Make an array of constants of the library and device of x."""
    return namespace(x).asarray(numbers, device=x.device)


def outcome(row: Row, backend: Backend, show: bool = False) -> tuple[str, str]:
    """Run a row; give the word, and the reason in words of the error or of the numbers."""
    expected = [y for _, y in leaves(row.call(row.x)) if _is_floating(y) or type(y) is float]
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=np.shape(y)) for y in expected]
    found: list[Any] = []

    def total(x: Any) -> Any:
        found[:] = [y for _, y in leaves(row.call(x)) if _is_floating(y) or type(y) is float]
        xp = namespace(x)
        return sum([xp.sum(like(x, w) * y) for w, y in zip(weights, found, strict=True)])

    try:
        gradient = backend.to_numpy(grad(total)(backend.asarray(row.x)))
    except Exception as error:
        if show:
            traceback.print_exc()
        text = str(error).partition("\n")[0]
        clear = "gradient" in text and isinstance(error, TypeError)
        return "refuses" if clear else "fails", f"{type(error).__name__}: {text}"
    for y, e in zip(found, expected, strict=True):
        value = value_of(y)
        value = backend.to_numpy(value) if backend_or_none(value) else value
        if not np.allclose(value, e, rtol=1e-7, atol=1e-9, equal_nan=True):
            return "WRONG", f"the value is off by {np.max(np.abs(value - e)):.1e}"
    for _ in range(DIRECTIONS):
        direction = rng.uniform(0.5, 1.0, row.x.shape) * rng.choice([-1.0, 1.0], row.x.shape)
        ahead, behind, far, back = (float(total(row.x + k * H * direction)) for k in (1, -1, 2, -2))
        slope = (8 * (ahead - behind) - (far - back)) / (12 * H)  # with an error of order H^4
        off = abs(float(np.sum(gradient * direction)) - slope) / max(1.0, abs(slope))
        if not off < 1e-6:
            return "WRONG", f"the gradient is off by {off:.1e}"
    return "right", ""


def _is_floating(y: Any) -> bool:
    return hasattr(y, "dtype") and "float" in str(y.dtype)


def main(title: str, rows: Iterable[Row], explained: Sequence[tuple[str, str]]) -> int:
    """Print what becomes of each row, and counts. The value is compared with what the function
    gives for NumPy's array, the gradient of a random sum of all elements with central differences
    in random directions:

        right      value and gradient are right
        refuses    the function makes Python's numbers or NumPy's arrays of nodes, which have no
                   gradient, and gradcore's error says so
        fails      another error
        WRONG      value or gradient is wrong

    Args:
        explained: names of rows, or parts of names, and why these are not right.

    Returns:
        The status of the program: 1 if a row is wrong, or fails, and no reason is given.
    """
    parser = Parser(description=title)
    parser.add_argument("--only", default="", help="rows whose name has these words")
    parser.add_argument("--backend", default="numpy", help="of the nodes' arrays")
    parser.add_argument("--show", action="store_true", help="print tracebacks")
    arguments = parser.parse_args()
    counts = Counter[str]()
    unexplained = 0
    with use_backend(arguments.backend), np.errstate(all="ignore"):
        for row in rows:
            if arguments.only not in row.name:
                continue
            word, problem = outcome(row, default(), arguments.show)
            counts[word] += 1
            why = next((r for name, r in explained if name in row.name), problem)
            unexplained += word == "WRONG" or (word == "fails" and why == problem)
            print(f"{word:8} {row.name}{problem and ': '}{problem and why}")
    counted = ", ".join(f"{n} {word}" for word, n in counts.most_common())
    print(f"{title}, {arguments.backend}: {sum(counts.values())} rows, {counted}")
    return 1 if unexplained else 0
